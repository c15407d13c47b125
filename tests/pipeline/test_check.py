"""`surtitle.pipeline.check`: the choice of a translator that keeps up."""

from __future__ import annotations

import errno
import io
import socket
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from rich.console import Console

from surtitle.pipeline.assembly import share_cores
from surtitle.pipeline.check import (
    HEADROOM,
    Load,
    _port_state,
    _show_devices,
    _taken,
    _why_not,
    check,
    choose,
    is_settled,
    pair_for,
)
from surtitle.pipeline.commands import Printed
from surtitle.pipeline.devices import InputDevice
from surtitle.pipeline.languages import Pair
from surtitle.pipeline.store import ModelRow, load_manifest


def test_the_most_demanding_that_keeps_up_is_chosen() -> None:
    loads = [Load("small", 0.2, 0.3), Load("middle", 0.6, 0.4), Load("large", 1.4, 0.5)]
    assert choose(loads) == Load("middle", 0.6, 0.4)


def test_one_beside_which_the_recogniser_does_not_keep_up_is_not_chosen() -> None:
    assert choose([Load("small", 0.2, 0.3), Load("middle", 0.6, 0.9)]) == Load("small", 0.2, 0.3)


def test_none_is_chosen_where_none_keeps_up() -> None:
    assert choose([Load("large", 1.4, 0.5)]) is None
    assert choose([]) is None


def test_a_model_that_leaves_no_room_for_a_burst_does_not_keep_up() -> None:
    assert Load("exactly", HEADROOM, HEADROOM).keeps_up
    assert not Load("almost real time", 0.95, 0.3).keeps_up


def test_who_wants_english_is_measured_from_another_language() -> None:
    assert pair_for(("es", "de")) == Pair(("en",), ("es", "de"))
    assert pair_for(("en",)) == Pair(("es",), ("en",))
    assert pair_for(("en", "es", "fr")) == Pair(("de",), ("en", "es", "fr"))


def test_where_all_that_can_be_translated_is_wanted_too_the_others_are_measured() -> None:
    assert pair_for(("es", "en", "de", "fr")) == Pair(("en",), ("es", "de", "fr"))


def test_a_port_is_free_while_connections_of_a_server_that_stopped_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert _port_state(port).startswith("in use")
        with socket.create_connection(("127.0.0.1", port)):
            taken, _ = server.accept()
            taken.close()  # who closes first waits
    assert _port_state(port) == "free"


def test_a_port_that_nobody_uses_and_one_may_not_use_is_not_called_in_use() -> None:
    assert _why_not(PermissionError(errno.EACCES, "Permission denied")) == (
        "cannot be listened on (Permission denied); choose another with --port"
    )


def test_a_microphones_name_is_shown_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["Headset [desk]", "Line [/dev/dsp] :microphone:"]
    devices = [InputDevice(index, name, "ALSA", 1, 48_000, default=False) for index, name in enumerate(names)]
    monkeypatch.setattr("surtitle.pipeline.check.list_devices", lambda: devices)
    _show_devices(Printed())
    assert capsys.readouterr().out == f"microphones: {', '.join(names)}\n"


def test_what_sessions_use_is_told_where_nothing_keeps_up_too() -> None:
    load = Load("large", 0.5, 0.3)
    assert _taken({1: load, 4: load}, "small") == "this choice"
    assert _taken({1: load, 4: None}, "small") == "this choice, and small where none keeps up,"
    assert _taken({1: None, 4: None}, "small") == "small"


def row(name: str, size: int) -> ModelRow:
    return ModelRow(load_manifest().models[name], "present", size, default=True)


def test_what_no_memory_of_this_machine_can_hold_keeps_no_choice_from_being_remembered() -> None:
    able = [row("qwen2.5-coder-0.5b", 1_000), row("qwen2.5-coder-1.5b", 3_000)]
    small, both = ["qwen2.5-coder-0.5b"], ["qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"]
    assert is_settled(able, small, memory=2_000)
    assert is_settled(able, both, memory=5_000)
    assert not is_settled(able, small, memory=5_000)  # at another time there may be room for it


def test_of_what_was_not_measured_nobody_says_that_it_does_not_keep_up(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(name, 1_000_000_000) for name in ("whisper-base", "qwen2.5-coder-0.5b", "jfk")]
    store: Any = SimpleNamespace(list=lambda: rows, manifest=load_manifest())
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=500_000_000, total=2_000_000_000))
    screen = io.StringIO()
    pair, console = pair_for(("es",)), Console(file=screen, width=200)
    assert check(store, share_cores(1), pair=pair, port=0, measure=True, console=console) == 1
    assert screen.getvalue().splitlines()[-1].rstrip() == (
        "not measured: qwen2.5-coder-0.5b needs 1.3 GB of free memory"
    )
