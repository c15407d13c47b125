"""Where models live on disk, and whether what lives there is what it should be.

In: a manifest, a root folder, the sources. Out: folders that an engine can load. A model's folder appears
under its name whole and verified, or not at all; what is under way lives beside it, in `.fetch`. Knows
nothing of how models are run.

    ROOT/NAME/...                    the files to load
    ROOT/NAME/surtitle-model.json    the record: what they were made of, and what each must be
    ROOT/.fetch/NAME/...             what a broken fetch has so far
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from filelock import FileLock, Timeout
from platformdirs import user_data_dir

from surtitle.pipeline.download import sha256_of
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.fetch import Sources, bring
from surtitle.pipeline.manifest import Manifest, Model, ResultFile, parse_manifest
from surtitle.pipeline.pip_index import read_pip_config
from surtitle.pipeline.progress import Progress, SilentProgress

RECORD = "surtitle-model.json"
_FORMAT = 1
"""Of the record."""

ModelState = Literal["present", "missing", "partial", "corrupt", "outdated"]
"""`partial`: a fetch broke off; `outdated`: made for another manifest. A fetch mends all but `present`."""

Convert = Callable[[Path, Path, Callable[[float], None]], None]
"""(GGUF file, existing empty folder to fill, told the share done from 0 to 1)."""


class _Record(msgspec.Struct, frozen=True):
    """What the files in a model's folder are, written last."""

    format: int
    model: str
    conversion: str | None
    sources: tuple[ResultFile, ...]
    """The manifest's result files that this was made of."""
    files: tuple[ResultFile, ...]
    """What is in the folder: the same, or what the conversion wrote."""

    def is_for(self, model: Model) -> bool:
        return (self.format, self.conversion, self.sources) == (_FORMAT, model.conversion, model.files)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A line of `surtitle models list`."""

    model: Model
    state: ModelState
    bytes: int
    """On disk when present, else to be fetched; 0 when that is not known."""
    default: bool


class ModelStore:
    """The models of one root folder. Several processes may use it at once."""

    def __init__(self, root: Path, manifest: Manifest, sources: Callable[[], Sources], convert: Convert) -> None:
        """Use `root`, which need not exist. `sources` is called only when something must be fetched."""
        self.root = root
        self.manifest = manifest
        self._sources = sources
        self._convert = convert

    def path(self, name: str) -> Path:
        """The folder of a model that is ready to load, or `name` itself where it is a path. Reads no weights.

        Raises:
            UsageError: no such model or path.
            UserError: not fetched, or a file is missing or has another size; the message says how to mend it.
        """
        folder = Path(os.path.expanduser(name))  # which takes "~nobody" as it is: Path's raises
        if name not in self.manifest.models and folder.exists():
            return folder
        model = self.manifest.find(name)
        self._require_pinned(model)
        state, why = self._inspect(model)
        if state != "present":
            raise UserError(f"model {name} {why}. Run: surtitle models fetch {name}")
        return self.root / name

    def known_as(self, name: str) -> str:
        """A model's name, or where the folder `name` is, from wherever that was said: what a state says it is of."""
        return name if name in self.manifest.models else os.path.abspath(os.path.expanduser(name))

    def list(self) -> tuple[ModelRow, ...]:
        """Every model of the manifest, with its state."""
        defaults = set(msgspec.structs.astuple(self.manifest.defaults))
        rows = []
        for name, model in self.manifest.models.items():
            state, _ = self._inspect(model)
            record = self._record(model)
            size = sum(file.bytes for file in record.files) if record and state == "present" else model.bytes
            rows.append(ModelRow(model, state, size, name in defaults))
        return tuple(rows)

    def fetch(self, name: str, progress: Progress | None = None, *, local: Path | None = None) -> Path:
        """Make sure that a model is there and return its folder; touches no network when it is.

        Args:
            name: of the manifest.
            progress: where to show what goes on.
            local: a folder to look in first for the result files, before those of the sources.

        Raises:
            UsageError: no such model.
            UserError: it is not pinned, no source has it, what they have is wrong, or the disk is full.
        """
        model = self.manifest.find(name, or_folder=False)
        self._require_pinned(model)
        if self._inspect(model)[0] == "present":
            return self.root / name
        shown = progress or SilentProgress()
        staging = self.root / ".fetch" / name
        _make_folder(staging)
        with self._alone(model, shown):
            if self._inspect(model)[0] == "present":
                return self.root / name
            self._require_space(model, staging)
            found = self._sources()
            nearest = Sources((local, *found.local) if local else found.local, found.pip, found.hub)
            bring(model, staging / "files", nearest, shown)
            self._settle(model, staging, shown)
        return self.root / name

    def verify(self, name: str, progress: Progress | None = None) -> None:
        """Hash every file of a fetched model again.

        Raises:
            UsageError: no such model.
            UserError: names each file that is not what it was, and how to mend it.
        """
        folder = self.path(name)
        model = self.manifest.find(name, or_folder=False)
        record = self._record(model)
        assert record is not None, "path() has just read it"
        shown = progress or SilentProgress()
        shown.start(f"verify {name}", sum(file.bytes for file in record.files))
        damaged = []
        for file in record.files:
            if sha256_of(folder / file.name) != file.sha256:
                damaged.append(file.name)
            shown.advance(file.bytes)
        shown.done()
        if damaged:
            # Without its record a model is corrupt, so the next fetch mends it. A read-only store keeps the
            # record: the error below says the same.
            with suppress(OSError):
                (folder / RECORD).unlink()
            raise UserError(
                f"model {name} is damaged: {', '.join(damaged)} in {folder} changed since it was fetched. "
                f"Run: surtitle models fetch {name}"
            )

    @contextmanager
    def _alone(self, model: Model, progress: Progress) -> Iterator[None]:
        """Two first runs at once must not write into the same parts: the second waits, and says so."""
        lock = FileLock(self.root / ".fetch" / f"{model.name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress.start(f"wait for another program that fetches {model.name}", model.bytes)
            lock.acquire()
            progress.done()
        try:
            yield
        finally:
            lock.release()

    def _require_pinned(self, model: Model) -> None:
        if not model.pinned:
            repo = model.hub.repo if model.hub else model.title
            raise UserError(
                f"model {model.name} is not pinned, so surtitle doesn't fetch it. Read its licence "
                f"({model.licence}, {model.licence_url}), download https://huggingface.co/{repo} by hand, "
                f"and give the folder instead of the name {model.name}."
            )

    def _inspect(self, model: Model) -> tuple[ModelState, str]:
        """The state by existence and size, and what is wrong in words that follow the model's name."""
        folder = self.root / model.name
        if not folder.exists():
            if (self.root / ".fetch" / model.name / "files").exists():
                return "partial", "is only partly fetched"
            return "missing", "is not here"
        record = self._record(model)
        if record is None:
            return "corrupt", f"is damaged: {folder / RECORD} is missing or unreadable"
        if not record.is_for(model):
            return "outdated", "was made for another version of surtitle"
        for file in record.files:
            path = folder / file.name
            if not path.is_file():
                return "corrupt", f"is damaged: {path} is missing"
            if (seen := path.stat().st_size) != file.bytes:
                return "corrupt", f"is damaged: {path} has {seen} bytes, expected {file.bytes}"
        return "present", ""

    def _record(self, model: Model) -> _Record | None:
        try:
            return msgspec.json.decode((self.root / model.name / RECORD).read_bytes(), type=_Record)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def _require_space(self, model: Model, staging: Path) -> None:
        # A converted model is at most about twice as large as the 4-bit file that it is made from.
        there = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
        needed = model.bytes * (3 if model.conversion else 1) - there
        free = shutil.disk_usage(self.root).free
        if free < needed:
            raise UserError(
                f"model {model.name} needs {needed / 1e9:.1f} GB in {self.root}, where {free / 1e9:.1f} GB "
                "are free: make room, or set SURTITLE_HOME to a folder on another disk."
            )

    def _settle(self, model: Model, staging: Path, progress: Progress) -> None:
        """From verified result files to the folder under its name, which appears at once."""
        ready = staging / "files"
        files = model.files
        for leftover in set(ready.iterdir()) - {ready / file.name for file in files}:
            leftover.unlink()
        if model.conversion:
            ready = self._converted(model, ready / files[0].name, staging / "converted", progress)
            files = tuple(_describe(path) for path in sorted(ready.iterdir()))
        record = _Record(_FORMAT, model.name, model.conversion, model.files, files)
        (ready / RECORD).write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1))
        home = self.root / model.name
        if home.exists():
            shutil.rmtree(staging / "replaced", ignore_errors=True)  # of one who was stopped at the last line
            os.replace(home, staging / "replaced")
        os.replace(ready, home)
        shutil.rmtree(staging)

    def _converted(self, model: Model, gguf: Path, into: Path, progress: Progress) -> Path:
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir()
        progress.start(f"convert {model.name}", model.bytes)
        told = 0

        def show(share: float) -> None:
            nonlocal told
            position = round(share * model.bytes)
            progress.advance(position - told)
            told = position

        self._convert(gguf, into, show)
        progress.done()
        for path in into.iterdir():
            # Some writers leave files for their owner only; an engine in a container is another user.
            path.chmod(0o644)
        return into


def load_manifest() -> Manifest:
    """The manifest that comes with this version."""
    return parse_manifest(Path(__file__).with_name("models.toml").read_text("utf-8"))


def open_store(environ: Mapping[str, str]) -> ModelStore:
    """The store that the environment asks for: the edge, where variables are read.

    `SURTITLE_HOME`: the folder that models live in (default: `models` in surtitle's data folder of the user).
    `SURTITLE_MODELS`: folders with result files to take before downloading, separated as in `PATH`.
    """
    home = environ.get("SURTITLE_HOME")
    root = Path(os.path.expanduser(home)) if home else Path(user_data_dir("surtitle", appauthor=False)) / "models"
    places = environ.get("SURTITLE_MODELS", "").split(os.pathsep)
    local = tuple(Path(os.path.expanduser(place)) for place in places if place)

    def sources() -> Sources:
        return Sources(local, read_pip_config(environ))

    return ModelStore(root, load_manifest(), sources, _convert_for_engine)


def _convert_for_engine(gguf: Path, into: Path, progress: Callable[[float], None]) -> None:
    # Brings torch with it: seconds, that only a first run should pay.
    from surtitle.pipeline.engine import convert_gguf

    convert_gguf(gguf, into, progress)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make the folder {folder}: {error.strerror}. Set SURTITLE_HOME to a folder that can be written."
        ) from error


def _describe(path: Path) -> ResultFile:
    return ResultFile(name=path.name, bytes=path.stat().st_size, sha256=sha256_of(path))
