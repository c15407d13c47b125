"""What is counted, in Prometheus' text, and what is written down; and that nothing said is among it."""

from __future__ import annotations

import json
import logging
import os
import resource
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving import SESSION, caption

from surtitle.pipeline.accesslog import AccessLog
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Gap, SessionEnd, Status
from surtitle.pipeline.operations import Operations


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def figures(operations: Operations) -> dict[tuple[str, ...], float]:
    """The value of each sample, by its name and its labels' values in the order of their names."""
    families = text_string_to_metric_families(operations.metrics().decode())
    samples = [sample for family in families for sample in family.samples]
    return {(each.name, *(each.labels[name] for name in sorted(each.labels))): each.value for each in samples}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_captions_are_counted_by_language_and_kind_and_their_lag_is() -> None:
    operations = Operations()
    operations.published(SESSION, "main")
    for cue in range(3):
        operations.published(caption(cue, final=False), "main")
        operations.published(caption(cue), "main")
    operations.published(caption(0, "de"), "main")
    operations.published(Gap(1.0, 3.5, "overload"), "main")
    operations.published(Status("ok", None, 1.0, 1.0), "main")
    operations.published(SessionEnd(9.0, 9.5, {"segments": 3}), "main")
    counted = figures(operations)
    assert counted["surtitle_captions_total", "final", "es"] == 3
    assert counted["surtitle_captions_total", "draft", "es"] == 3
    assert counted["surtitle_captions_total", "final", "de"] == 1
    assert counted["surtitle_lag_seconds_count",] == 4
    assert counted["surtitle_skipped_audio_seconds_total", "overload"] == 2.5
    assert counted["surtitle_sessions_total",] == 1


def test_lag_is_no_figure_where_time_is_the_audios() -> None:
    operations = Operations()
    operations.published(caption(0), "never-began")
    assert figures(operations)["surtitle_lag_seconds_count",] == 0


def test_connections_are_counted_while_they_are_open_and_by_how_they_ended() -> None:
    clock = Clock()
    operations = Operations(clock=clock)
    operations.connections = lambda: {"viewer": 2, "all": 3}
    operations.traffic.sent, operations.traffic.received = 1000, 10
    visit = operations.opened("viewer", "192.0.2.7")
    visit.code = 4408
    clock.now += 60
    operations.closed(visit)
    operations.answered("GET", "/health", 200, "192.0.2.7")
    counted = figures(operations)
    assert counted["surtitle_connections", "viewer"] == 2
    assert counted["surtitle_closed_total", "4408", "viewer"] == 1
    assert counted["surtitle_http_answers_total", "200"] == 1
    assert counted["surtitle_sent_bytes_total",] == 1000
    assert counted["surtitle_received_bytes_total",] == 10
    assert counted["surtitle_uptime_seconds",] == 60
    assert counted["process_resident_memory_bytes",] > 10**6


def test_two_servers_of_one_process_count_for_themselves() -> None:
    one, other = Operations(), Operations()
    one.answered("GET", "/", 200, "")
    assert ("surtitle_http_answers_total", "200") not in figures(other)


def test_what_happens_is_written_down_and_what_is_said_is_not(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "access.jsonl"
    operations = Operations(AccessLog(path, clock=lambda: 1_800_000_000.1234), clock)
    visit = operations.opened("viewer", "192.0.2.7")
    operations.admitted(visit, "main", "obs")
    operations.published(SESSION, "main")
    operations.published(caption(0, text="lo que se dijo"), "main")
    clock.now += 2
    operations.traffic.sent += 500
    operations.rates()
    operations.answered("GET", None, 404, "192.0.2.7")
    operations.published(SessionEnd(9.0, 9.5, {"segments": 1}), "main")
    operations.closed(visit)
    when = {"time": 1_800_000_000.123}
    languages = {"source": "en", "targets": "es"}
    who = {"id": 1, "kind": "viewer", "peer": "192.0.2.7"}
    assert lines(path) == [
        {**when, "event": "open", **who},
        {**when, "event": "admit", **who, "session": "main", "token": "obs"},
        {**when, "event": "begin", "session": "main", "run": "night-1", "clock": "real", **languages},
        {**when, "event": "rates", "captions_per_s": 0.5, "received_bytes_per_s": 0.0, "sent_bytes_per_s": 250.0},
        {**when, "event": "request", "method": "GET", "path": None, "status": 404, "peer": "192.0.2.7"},
        {**when, "event": "end", "session": "main", "audio_s": 9.0, "segments": 1},
        {**when, "event": "close", **who, "session": "main", "token": "obs", "code": 1000, "seconds": 2.0},
    ]
    assert "dijo" not in path.read_text()


def test_a_log_goes_on_where_it_ended_and_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "access.jsonl"
    for _ in range(2):
        AccessLog(path).write("rates", text="\n\u2028é")
    assert [line["text"] for line in lines(path)] == ["\n\u2028é"] * 2
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_log_that_was_rotated_goes_on_under_its_name(tmp_path: Path) -> None:
    path, before = tmp_path / "access.jsonl", tmp_path / "access.jsonl.1"
    log = AccessLog(path)
    log.write("open")
    path.rename(before)
    log.write("close")
    assert [[line["event"] for line in lines(each)] for each in (before, path)] == [["open"], ["close"]]
    assert path.stat().st_mode & 0o777 == 0o600
    os.truncate(path, 0)
    log.write("rates")
    assert [line["event"] for line in lines(path)] == ["rates"]


def test_a_log_that_can_not_be_made_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"access\.jsonl: cannot be written .*choose another file"):
        AccessLog(tmp_path / "no" / "access.jsonl")


def test_a_full_disk_is_said_once_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    log = AccessLog(Path("/dev/full"))
    with caplog.at_level(logging.ERROR):
        log.write("rates")
        log.write("rates")
    assert caplog.text.count("/dev/full cannot be written: No space left on device") == 1


@pytest.mark.parametrize(("room", "between"), [(5, ['{"tim']), (0, [])])
def test_a_line_that_broke_off_does_not_take_the_next_one_with_it(
    tmp_path: Path, room: int, between: list[str]
) -> None:
    path = tmp_path / "access.jsonl"
    log = AccessLog(path)
    log.write("open")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, hard))
    try:
        log.write("lost")
        log.write("lost")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.write("close")
    first, *broken, last = path.read_text().splitlines()
    assert broken == between
    assert [json.loads(line)["event"] for line in (first, last)] == ["open", "close"]
