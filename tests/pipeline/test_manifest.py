"""`surtitle.pipeline.manifest`: the real manifest is whole, and a broken one is refused in words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.errors import UsageError, UserError
from surtitle.pipeline.manifest import Manifest, parse_manifest
from surtitle.pipeline.store import load_manifest

A, B = "a" * 64, "b" * 64
DEFAULTS = '[defaults]\nasr = "ear"\nllm = "tongue"\ntext_llm = "tongue"\nsample = "voice"\n'


def entry(name: str, kind: str, *, file: str = "data", parts: tuple[int, ...] = (3, 4), extra: str = "") -> str:
    """A model of one file of seven bytes, in packages of one part each."""
    packages = ", ".join(
        f'{{ name = "p{n}", version = "1", archive = "p{n}-1.whl", bytes = 9, sha256 = "{B}", '
        f'take = [{{ member = "p/{n}", into = "{file}", bytes = {size} }}] }}'
        for n, size in enumerate(parts)
    )
    return f"""
[models."{name}"]
kind = "{kind}"
tier = "default"
title = "{name.title()}"
licence = "MIT"
licence_url = "https://example.org"
languages = ["en"]
files = [{{ name = "{file}", bytes = 7, sha256 = "{A}" }}]
packages = [{packages}]
{extra}
"""


def manifest(*replacing: str) -> str:
    names = {re.search(r'models\."(.*?)"', text)[1]: text for text in replacing}  # type: ignore[index]
    usual = {"ear": entry("ear", "asr"), "tongue": entry("tongue", "llm"), "voice": entry("voice", "sample")}
    return DEFAULTS + "".join({**usual, **names}.values())


@pytest.fixture(scope="module")
def real() -> Manifest:
    return load_manifest()


def test_the_real_manifest_is_whole(real: Manifest) -> None:
    assert {
        "whisper-base",
        "qwen2.5-coder-1.5b",
        "qwen2.5-coder-0.5b",
        "smollm2-135m",
        "gemma3-270m",
        "jfk",
    } <= set(real.models)
    assert (real.defaults.asr, real.defaults.llm, real.defaults.sample) == (
        "whisper-base",
        "qwen2.5-coder-0.5b",
        "jfk",
    )


def test_every_checksum_of_the_real_manifest_is_64_hex_digits(real: Manifest) -> None:
    for model in real.models.values():
        for checksum in [file.sha256 for file in model.files] + [package.sha256 for package in model.packages]:
            assert re.fullmatch("[0-9a-f]{64}", checksum), model.name


def test_every_model_of_the_real_manifest_names_licence_and_languages(real: Manifest) -> None:
    for model in real.models.values():
        assert model.licence
        assert model.licence_url.startswith("https://")
        assert model.languages


def test_nothing_with_terms_of_its_own_is_a_default(real: Manifest) -> None:
    for name in (real.defaults.asr, real.defaults.llm, real.defaults.sample):
        assert real.models[name].licence in ("MIT", "Apache-2.0", "Public domain")


def test_pieces_lie_one_after_the_other(real: Manifest) -> None:
    for model in real.models.values():
        ends = dict.fromkeys((file.name for file in model.files), 0)
        for _, pieces in model.pieces():
            for piece in pieces:
                assert piece.offset == ends[piece.member.into]
                ends[piece.member.into] += piece.member.bytes
        if model.packages:
            assert ends == {file.name: file.bytes for file in model.files}


def test_an_unknown_name_is_answered_with_the_nearest(real: Manifest) -> None:
    with pytest.raises(UsageError, match=r"no model 'wisper-base' .* did you mean 'whisper-base'"):
        real.find("wisper-base")
    with pytest.raises(UsageError, match=r"known models: .*jfk"):
        real.find("zzzz")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (manifest(entry("ear", "asr", parts=(3, 5))), "ear: parts of data make 8 bytes, not 7"),
        (manifest(entry("ear", "asr", file="weights.pt")), "weights.pt could be a pickle"),
        (manifest(entry("ear", "asr", file="pytorch_model.bin")), "pytorch_model.bin could be a pickle"),
        (manifest(entry("ear", "asr", file="../data")), "regex"),
        (manifest(entry("tongue", "llm", extra='conversion = "gguf-q8"')), "exactly one .gguf file"),
        (manifest(entry("ear", "asr").replace(A, "A" * 64)), "regex"),
        (manifest(entry("ear", "asr", extra='licens = "MIT"')), "unknown field `licens`"),
        (manifest(entry("ear", "asr").replace('licence = "MIT"', "")), "missing required field `licence`"),
        (
            manifest(entry("ear", "asr").replace('into = "data"', 'into = "date"')),
            "date, which is not in files",
        ),
        (manifest(entry("ear", "llm")), "default asr is 'ear'"),
        (manifest().replace('llm = "tongue"', 'llm = "tung"'), "default llm is 'tung'"),
        (manifest(entry("ear", "asr", parts=())), "no pinned source"),
        (
            manifest(entry("ear", "asr", parts=(), extra='hub = { repo = "a/b", revision = "main" }')),
            "regex",
        ),
        ("models = 3", "expected a table `models`"),
        ("[defaults", "cannot be read"),
    ],
)
def test_a_broken_manifest_is_refused_in_words(broken: str, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        parse_manifest(broken)


@given(st.sets(st.integers(1, 6)))
def test_a_file_may_be_cut_anywhere(cuts: set[int]) -> None:
    starts = [0, *sorted(cuts)]
    parts = [end - start for start, end in zip(starts, [*starts[1:], 7], strict=True)]
    model = parse_manifest(manifest(entry("ear", "asr", parts=tuple(parts)))).find("ear")
    places = [piece.offset for _, pieces in model.pieces() for piece in pieces]
    assert places == starts
