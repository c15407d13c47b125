"""The command itself, on two tiny talks whose figures the field's own tool has given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import scored_talks
from evaluate import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "log.jsonl": scored_talks.log(),
        "segments.yaml": scored_talks.yaml(),
        "segments.tsv": scored_talks.tsv(("de", "en")),
        "references.txt": "\n".join(scored_talks.REFERENCES) + "\n",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def product_log(
    name: str, folder: Path, *, clock: str = "real", seconds: float = 8.0, targets: tuple[str, ...] = ("de",)
) -> Path:
    """A talk as the product logs it: a cue for each four words."""
    words, lines = scored_talks.SAID[name].split(), []
    for cue, start in enumerate(range(0, len(words), 4)):
        for lang, role in (("en", "source"), ("de", "target")):
            text = " ".join(words[start : start + 4])
            end = 1000 * (cue + 1)
            times = {"start_ms": end - 1000, "end_ms": end, "audio_ms": end + 500, "elapsed_ms": end + 700}
            whole = {"rev": 0, "final": True, "stable": len(text)}
            lines.append({"type": "caption", "cue": cue, "lang": lang, "role": role, "text": text, **times, **whole})
    session = {"type": "session", "v": 1, "session": name, "source": "en", "targets": targets}
    session |= {"sample_rate": 16000, "models": {}, "clock": clock}
    end_line = {
        "type": "end",
        "audio_ms": int(seconds * 1000),
        "elapsed_ms": 9000,
        "stats": {"asr_s": 2.0, "llm_s": 3.0},
    }
    path = folder / f"{name}.jsonl"
    path.write_text(
        "".join(json.dumps({"seq": seq, **line}) + "\n" for seq, line in enumerate([session, *lines, end_line], 1))
    )
    return path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]):
    def run(*arguments: object) -> dict[str, Any]:
        status = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert (status, err) == (0, "")
        report: dict[str, Any] = json.loads(out.splitlines()[-1])
        return report

    return run


@pytest.fixture
def refuse(capfd: pytest.CaptureFixture[str]):
    def refuse(*arguments: object, status: int = 1) -> str:
        assert main([str(argument) for argument in arguments]) == status
        out, err = capfd.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        return err

    return refuse


@pytest.mark.parametrize("cumulative", [False, True])
def test_the_figures_are_those_of_the_fields_own_tool(run, folder: Path, cumulative: bool) -> None:
    flags = ["--cumulative-elapsed"] if cumulative else []
    texts = ["--segments", folder / "segments.yaml", "--reference", folder / "references.txt"]
    report = run(folder / "log.jsonl", "--language", "de", *texts, *flags)
    expected = scored_talks.OMNISTEVAL | (scored_talks.CUMULATIVE if cumulative else scored_talks.AS_IT_IS)
    assert {name: report[name] for name in expected} == expected
    assert report["recordings"] == ["eins", "zwei"]
    assert {"untranslated", "promises_broken", "skipped_s"} <= set(report["absent"])


def test_a_table_of_segments_gives_the_same_figures_as_a_list_and_references(run, folder: Path) -> None:
    report = run(folder / "log.jsonl", "--language", "de", "--segments", folder / "segments.tsv")
    assert {name: report[name] for name in scored_talks.OMNISTEVAL} == scored_talks.OMNISTEVAL


def test_the_products_own_logs_get_every_figure_that_needs_no_download(run, folder: Path) -> None:
    logs = [product_log("eins", folder), product_log("zwei", folder)]
    report = run(*logs, "--language", "de", "--segments", folder / "segments.tsv")
    assert set(report["absent"]) <= {"comet", "lag_drift_ms_per_h", "rss_max_mb"}
    assert report["rtf"] == 10 / 16
    assert (report["lag_p50_ms"], report["lag_p95_ms"]) == (700, 700)
    assert report["erasure"] == 0
    assert report["wer"] > 0
    assert report["longyaal_ca_ms"] > report["longyaal_cu_ms"]
    assert report["clock"] == "real"


def test_the_virtual_clock_has_no_figures_with_computation(run, folder: Path) -> None:
    log = product_log("zwei", folder, clock="virtual")
    report = run(log, "--language", "de", "--segments", folder / "segments.tsv")
    assert report["longyaal_cu_ms"] is not None
    assert report["longyaal_ca_ms"] is None
    assert report["lag_p50_ms"] == 500
    assert report["left_out"] == ["eins"]


def test_a_reference_without_times_gives_quality_alone(run, folder: Path) -> None:
    (folder / "zwei.txt").write_text("\n".join(scored_talks.REFERENCES[3:]), encoding="utf-8")
    report = run(product_log("zwei", folder), "--language", "de", "--reference", folder / "zwei.txt")
    assert report["bleu"] > 20
    assert report["longyaal_cu_ms"] is None


@pytest.mark.parametrize("marked", ["zwei.jsonl", "segments.yaml", "segments.tsv", "zwei.txt"])
def test_a_file_that_windows_saved_scores_as_any_other(run, folder: Path, marked: str) -> None:
    log = product_log("zwei", folder)
    (folder / "zwei.txt").write_text("\n".join(scored_talks.REFERENCES), encoding="utf-8")
    table = "segments.yaml" if marked == "segments.yaml" else "segments.tsv"
    arguments = [log, "--language", "de", "--segments", folder / table, "--reference", folder / "zwei.txt"]
    expected = run(*arguments)
    text = (folder / marked).read_text(encoding="utf-8")
    (folder / marked).write_text(text, encoding="utf-8-sig", newline="\r\n")
    assert run(*arguments) == expected


def test_a_log_alone_gives_what_it_tells(run, folder: Path) -> None:
    (folder / "said.txt").write_text(scored_talks.SAID["zwei"], encoding="utf-8")
    report = run(product_log("zwei", folder), "--language", "de", "--transcript", folder / "said.txt")
    assert (report["wer"], report["bleu"]) == (0, None)


def test_the_only_language_that_was_translated_into_need_not_be_named(run, refuse, folder: Path) -> None:
    logs = [product_log("eins", folder), product_log("zwei", folder)]
    texts = ["--segments", folder / "segments.tsv"]
    named, found = run(*logs, "--language", "de", *texts), run(*logs, *texts)
    assert {**found, "command": named["command"]} == named
    product_log("zwei", folder, targets=("de", "es"))
    assert "the log has de, es: expected --language LANG, the one that is scored" in refuse(*logs, status=2)


@pytest.mark.parametrize("form", ["omnisteval", "simulstream"])
def test_our_log_in_the_format_of_others_scores_the_same(run, folder: Path, form: str) -> None:
    arguments = ["--language", "de", "--segments", folder / "segments.tsv"]
    ours = run(product_log("eins", folder), *arguments, f"--{form}", folder / "theirs.jsonl")
    theirs = run(folder / "theirs.jsonl", *arguments)
    same = [name for name in ours if name.startswith(("bleu", "chrf", "long", "stream"))]
    assert len(same) >= 14
    assert {name: theirs[name] for name in same} == {name: ours[name] for name in same}


def test_a_log_that_is_cut_is_refused_in_one_line_that_names_it(refuse, folder: Path) -> None:
    log = product_log("eins", folder)
    whole = log.read_text()
    log.write_text(whole[: len(whole) // 2])
    assert f"{log}: line " in refuse(log, "--language", "de")
    log.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    assert "expected the end: the log is cut" in refuse(log, "--language", "de")


def test_references_of_another_length_are_refused(refuse, folder: Path) -> None:
    (folder / "short.txt").write_text("\n".join(scored_talks.REFERENCES[1:]), encoding="utf-8")
    texts = ["--segments", folder / "segments.yaml", "--reference", folder / "short.txt"]
    assert "saw 5 lines of reference for 6 segments" in refuse(folder / "log.jsonl", "--language", "de", *texts)


def test_segments_of_a_longer_recording_are_refused(refuse, folder: Path) -> None:
    log = product_log("eins", folder, seconds=5.0)
    assert "is it cut" in refuse(log, "--language", "de", "--segments", folder / "segments.tsv")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["none.jsonl", "--language", "de"], 1, "can't read"),
        (["log.jsonl", "--language", "de", "--reference", "references.txt"], 2, "2 recordings cannot share one text"),
        (["eins.jsonl", "zwei.jsonl", "--transcript", "empty"], 2, "2 recordings cannot share one text"),
        (["one=log.jsonl", "--language", "de"], 2, "the log has 2 recordings, expected one to call one"),
        (["references.txt", "--language", "de"], 1, "references.txt: line 1: saw"),
        (["empty", "--language", "de"], 1, "the log is empty"),
        (["zwei.jsonl", "--language", "de", "--reference", "empty"], 1, "the reference is empty"),
        (["zwei.jsonl", "--language", "fr"], 1, "--language fr: the session has de, en"),
        (["log.jsonl"], 2, "the log does not say what it was translated into: expected --language LANG"),
        (["empty"], 1, "empty: the log is empty"),
        (["zwei.jsonl", "--language", "de", "--omnisteval", "none/x"], 1, "cannot write none/x"),
    ],
)
def test_what_can_not_be_scored_is_refused_in_one_line(
    refuse, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, message: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "empty").touch()
    for name in ("eins", "zwei"):
        product_log(name, folder)
    assert message in refuse(*arguments, status=status)


def test_a_name_before_the_log_says_of_which_recording_it_is(run, refuse, folder: Path) -> None:
    log = product_log("zwei", folder).rename(folder / "monday.jsonl")
    arguments = ["--language", "de", "--segments", folder / "segments.tsv"]
    assert "name it, as in eins=LOG" in refuse(log, *arguments)
    assert run(f"zwei={log}", *arguments)["recordings"] == ["zwei"]
