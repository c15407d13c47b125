"""A recording through the whole product, on the virtual clock: real models, real files."""

from __future__ import annotations

import json
from pathlib import Path

import jiwer
import pysubs2
import pytest
from e2e_running import SPOKEN, Line, finals, read_log, surtitle
from whisper_normalizer.english import EnglishTextNormalizer

pytestmark = pytest.mark.weights
FORMS = ("srt", "vtt", "ass", "txt", "jsonl")


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replay")
    done = surtitle(
        *("replay", "sample:jfk", "--from", "en", "--to", "es,de", "--clock", "virtual"),
        *("--log", str(folder / "log.jsonl")),
        *(part for form in FORMS for part in (f"--{form}", str(folder / f"jfk.{form}"))),
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_english_is_what_was_said(replayed: Path) -> None:
    normal = EnglishTextNormalizer()
    heard = " ".join(finals(read_log(replayed / "log.jsonl"), "en"))
    assert jiwer.wer(normal(SPOKEN), normal(heard)) <= 0.1


def test_the_log_keeps_its_contract(replayed: Path) -> None:
    lines = read_log(replayed / "log.jsonl")
    assert [lines[0]["type"], lines[-1]["type"]] == ["session", "end"]
    assert lines[0]["targets"] == ["es", "de"]
    captions = [line for line in lines if line["type"] == "caption"]
    assert all(line["start_ms"] < line["end_ms"] <= line["audio_ms"] for line in captions)
    assert all(line["stable"] == len(line["text"]) for line in captions)
    assert {"asr_s", "llm_s", "lag_p50_ms", "lag_p95_ms", "evictions", "cache_tokens_max", "rss_max_mb"} <= set(
        lines[-1]["stats"]
    )


def test_translations_tell_their_way_in_its_order(replayed: Path) -> None:
    lines = read_log(replayed / "log.jsonl")
    for line in lines:
        if line["type"] == "caption" and line["role"] == "target":
            way = line["stamps"]
            stages = [way[f"{stage}_ms"] for stage in ("recognised", "committed", "first_token", "last_token")]
            assert line["start_ms"] < stages[0]
            assert stages == sorted(stages)
            assert stages[-1] <= line["elapsed_ms"]
    stats = lines[-1]["stats"]
    assert stats["recognised_p50_ms"] <= stats["committed_p50_ms"] <= stats["first_token_p50_ms"] <= stats["lag_p50_ms"]


def test_every_cue_has_one_final_in_each_language(replayed: Path) -> None:
    lines = read_log(replayed / "log.jsonl")
    cues = {line["cue"] for line in lines if line["type"] == "caption"}
    shown = sorted((line["cue"], line["lang"]) for line in lines if line["type"] == "caption")
    assert shown == sorted((cue, lang) for cue in cues for lang in ("en", "es", "de"))


def test_the_translations_are_no_echo(replayed: Path) -> None:
    lines = read_log(replayed / "log.jsonl")
    assert not set(finals(lines, "en")) & set(finals(lines, "es"))
    assert "hacer" in " ".join(finals(lines, "es"))  # which of its words are right depends on the processor


def test_the_subtitles_hold_the_translations(replayed: Path) -> None:
    spanish = finals(read_log(replayed / "log.jsonl"), "es")
    german = finals(read_log(replayed / "log.jsonl"), "de")
    for form in ("srt", "vtt", "ass"):
        assert subtitled(replayed / f"jfk.{form}") == " ".join(spanish)
        assert subtitled(replayed / f"jfk.de.{form}") == " ".join(german)
    assert (replayed / "jfk.txt").read_text("utf-8").split() == " ".join(spanish).split()
    assert [json.loads(line)["text"] for line in (replayed / "jfk.de.jsonl").read_text("utf-8").splitlines()] == german


def subtitled(path: Path) -> str:
    return " ".join(event.plaintext.replace("\n", " ") for event in pysubs2.load(str(path)))


def test_the_virtual_clock_gives_the_same_captions_on_every_run(replayed: Path, tmp_path: Path) -> None:
    arguments = ("replay", "sample:jfk", "--from", "en", "--to", "es,de", "--clock", "virtual")
    assert surtitle(*arguments, "--log", str(tmp_path / "again.jsonl")).returncode == 0

    def captions(path: Path) -> list[Line]:
        return [line for line in read_log(path) if line["type"] == "caption"]

    assert captions(tmp_path / "again.jsonl") == captions(replayed / "log.jsonl")
