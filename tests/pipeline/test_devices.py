"""`surtitle.pipeline.devices`: which device a user means, and a machine without PortAudio."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from surtitle.pipeline.devices import InputDevice, check_channels, find_again, list_devices, pick
from surtitle.pipeline.errors import UsageError, UserError


def device(index: int, name: str, *, default: bool = False) -> InputDevice:
    return InputDevice(index=index, name=name, host="ALSA", channels=2, rate=48_000, default=default)


DEVICES = [
    device(0, "HDA Intel"),
    device(2, "Røde USB", default=True),
    device(5, "USB"),
    device(6, "Camera USB"),
]


@pytest.mark.parametrize(
    ("name", "index"),
    [(None, 2), ("hda", 0), ("0", 0), ("camera", 6), ("USB", 5), ("røde", 2), ("5", 5)],
)
def test_a_device_is_meant_by_number_or_by_part_of_its_name(name: str | None, index: int) -> None:
    assert pick(DEVICES, name).index == index


def test_a_device_that_is_plugged_in_again_may_be_another_card() -> None:
    cards = [device(1, "Yeti: USB Audio (hw:3,0)"), device(2, "Yeti: USB Audio 2 (hw:2,0)")]
    assert pick(cards, "Yeti: USB Audio (hw:2,0)").index == 1


def test_a_device_that_was_lost_is_found_again_as_another_card() -> None:
    lost, other = device(1, "Yeti: USB Audio (hw:4,0)"), device(1, "Yeti: USB Audio (hw:3,0)")
    back = device(5, "Yeti: USB Audio (hw:2,0)")
    assert find_again([other, back], lost, {other.name}) == back
    assert find_again([other, lost], lost, {other.name}) == lost


@pytest.mark.parametrize("other", ["Yeti: USB Audio (hw:3,0)", "My Yeti: USB Audio (hw:4,0) 2"])
def test_a_device_like_the_one_that_was_lost_is_not_taken_for_it(other: str) -> None:
    lost = device(1, "Yeti: USB Audio (hw:4,0)")
    with pytest.raises(UserError, match=rf"'{re.escape(lost.name)}' is gone; there are: 1: {re.escape(other)}"):
        find_again([device(1, other)], lost, {other})


def test_an_unknown_name_is_answered_with_those_present() -> None:
    with pytest.raises(UsageError, match="no microphone matches 'xlr'; there are: 0: HDA Intel; 2: Røde USB"):
        pick(DEVICES, "xlr")


def test_a_name_that_fits_two_devices_is_not_guessed_at() -> None:
    with pytest.raises(UsageError, match="'usb' matches several microphones: 2: Røde USB; 5: USB; 6: Camera USB"):
        pick(DEVICES, "usb")


def test_one_device_seen_through_two_interfaces_is_one_device() -> None:
    assert pick([device(1, "USB Mic"), device(7, "USB Mic")], "usb").index == 1


def test_a_machine_without_any_input_is_told_to_plug_one_in() -> None:
    with pytest.raises(UserError, match="no microphone was found; plug one in"):
        pick([], None)


def test_a_system_without_a_default_input_asks_for_a_name() -> None:
    with pytest.raises(UserError, match="no default microphone; choose one with --device: 3: Line"):
        pick([device(3, "Line")], None)


def test_channels_that_a_device_has_not_are_refused_with_how_many_it_has() -> None:
    for channels in ((), (1,), (2, 1)):
        check_channels(device(3, "Line"), channels)
    with pytest.raises(UsageError, match="got --channels 1,3, expected numbers up to 2: 'Line' has no more"):
        check_channels(device(3, "Line"), (1, 3))


WITHOUT_PORTAUDIO = """
import ctypes.util, sys
ctypes.util.find_library = lambda name: None  # As on a machine that does not have it.
from surtitle.pipeline.devices import list_devices
from surtitle.pipeline.errors import UserError
try:
    list_devices()
except UserError as error:
    sys.exit(str(error))
"""


STARTED_IN_VAIN = """
import sounddevice
from surtitle.pipeline.devices import restart
start = sounddevice._initialize
def fail(): raise sounddevice.PortAudioError("no sound server")
sounddevice._initialize = fail
for _ in range(2):
    try:
        restart()
    except Exception as error:
        print(type(error).__name__)
sounddevice._initialize = start
restart()
print("again")
"""


@pytest.mark.soundcard
def test_a_sound_system_that_could_not_be_started_is_started_the_next_time() -> None:
    child = subprocess.run([sys.executable, "-c", STARTED_IN_VAIN], capture_output=True, text=True)
    assert child.stdout.split() == ["UserError", "UserError", "again"], child.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the Python package brings PortAudio")
def test_a_machine_without_portaudio_is_told_what_to_install() -> None:
    child = subprocess.run([sys.executable, "-c", WITHOUT_PORTAUDIO], capture_output=True, text=True)
    assert child.returncode == 1
    assert "needs the PortAudio library, which was not found" in child.stderr
    assert "apt-get install libportaudio2" in child.stderr


def test_a_machine_whose_sound_server_does_not_run_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    why = "Error initializing PortAudio: Unanticipated host error: 'PulseAudio_Initialize: Can't connect to server'"
    # as of a PortAudio that was built for PulseAudio: the module starts it when it is imported
    (tmp_path / "sounddevice.py").write_text(
        f'class PortAudioError(Exception):\n    pass\n\nraise PortAudioError("{why}")\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(UserError, match=rf"the sound system cannot be reached \({why}\): is it running"):
        list_devices()
