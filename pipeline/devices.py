"""Which input devices there are, and which one a user means.

In: PortAudio's tables. Out: `InputDevice`s. Knows no stream of sound. PortAudio is a system library that
may be missing, so it is loaded when it is first needed and not when the program starts.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from surtitle.pipeline.errors import UsageError, UserError

INSTALL = {
    "linux": "install it: apt-get install libportaudio2 (or your distribution's portaudio)",
    "darwin": "install it: brew install portaudio",
}
"""What to do without PortAudio, by `sys.platform`; elsewhere the Python package brings it."""

_CARD = re.compile(r" \(hw:\d+,\d+\)$")
"""What ALSA adds to a name: the number of the card, which is another one when it is plugged in again."""
NONE = "no microphone was found; plug one in, or use `surtitle replay` with a recording"
"""What is said on a machine without a microphone."""


@dataclass(frozen=True, slots=True)
class InputDevice:
    """Something that can be listened to."""

    index: int
    """PortAudio's number; changes when devices come and go."""
    name: str
    host: str
    """The system's sound interface: `ALSA`, `Core Audio`, ..."""
    channels: int
    """As many as it says; a sound server claims some that no microphone has."""
    rate: int
    """Hertz: the rate it runs at by itself."""
    default: bool
    """True: the system's default input."""


def portaudio() -> Any:
    """Load the sounddevice module, which starts PortAudio.

    Raises:
        UserError: The PortAudio library is missing, or can not be started.
    """
    try:
        import sounddevice
    except OSError as error:
        cure = INSTALL.get(sys.platform, "install it: pip install --force-reinstall sounddevice")
        raise UserError(f"the microphone needs the PortAudio library, which was not found; {cure}") from error
    except Exception as error:
        if type(error).__name__ != "PortAudioError":  # a class of the module that is not there
            raise
        raise _unreached(error) from error
    return sounddevice


def _unreached(error: Exception) -> UserError:
    """A PortAudio that was built for PulseAudio does not start without it, whatever microphones there are."""
    return UserError(
        f"the sound system cannot be reached ({error}): is it running, and as this user? A service, or who comes by "
        "ssh, may need XDG_RUNTIME_DIR=/run/user/UID"
    )


def restart() -> None:
    """Let PortAudio look for devices anew: it knows those of its start only, and all its streams end.

    Raises:
        UserError: It can not be started again.
    """
    sounddevice = portaudio()
    # Private names, but PortAudio has no other way and its Python package no public one.
    with suppress(sounddevice.PortAudioError):  # it was not started: the time before, that failed
        sounddevice._terminate()
    try:
        sounddevice._initialize()
    except sounddevice.PortAudioError as error:
        raise _unreached(error) from error


def list_devices() -> list[InputDevice]:
    """The devices that can be listened to, in PortAudio's order.

    Raises:
        UserError: The PortAudio library is missing, or can not be started.
    """
    sounddevice = portaudio()
    hosts = sounddevice.query_hostapis()
    default = sounddevice.default.device[0]
    return [
        InputDevice(
            index=index,
            name=row["name"],
            host=hosts[row["hostapi"]]["name"],
            channels=row["max_input_channels"],
            rate=round(row["default_samplerate"]),
            default=index == default,
        )
        for index, row in enumerate(sounddevice.query_devices())
        if row["max_input_channels"] > 0
    ]


def choose(name: str | None, channels: Sequence[int] = ()) -> InputDevice:
    """The device that a user means, of those present, see `pick`; it has these `channels`, numbered from 1.

    Raises:
        UsageError: It has not.
    """
    device = pick(list_devices(), name)
    check_channels(device, channels)
    return device


def find_again(devices: list[InputDevice], lost: InputDevice, others: Collection[str]) -> InputDevice:
    """The device that was `lost`, which may be another card now, but none of the `others` that were there beside it,
    nor one in whose name its own is a part.

    Raises:
        UserError: It is not back.
    """
    same = [device for device in devices if device.name == lost.name]
    card = _CARD.sub("", lost.name)
    found = same or [each for each in devices if _CARD.sub("", each.name) == card and each.name not in others]
    if not found:
        raise UserError(f"the microphone {lost.name!r} is gone; there are: {_listed(devices) or 'none'}")
    return found[0]


def _listed(devices: list[InputDevice]) -> str:
    return "; ".join(f"{device.index}: {device.name}" for device in devices)


def check_channels(device: InputDevice, channels: Sequence[int]) -> None:
    """Raises UsageError where `device` lacks one of `channels`, numbered from 1."""
    if max(channels, default=0) > device.channels:
        wanted = ",".join(map(str, channels))
        raise UsageError(
            f"got --channels {wanted}, expected numbers up to {device.channels}: {device.name!r} has no more; "
            "`surtitle devices` says how many each has"
        )


def pick(devices: list[InputDevice], name: str | None) -> InputDevice:
    """The device with this number, or name, or this in its name whatever the case; without a name the
    default.

    Raises:
        UserError: There is no device at all, or no default.
        UsageError: There is none of that name, or several.
    """
    if not devices:
        raise UserError(NONE)
    present = _listed(devices)
    if name is None:
        found = [device for device in devices if device.default]
        if not found:
            raise UserError(f"the system has no default microphone; choose one with --device: {present}")
    elif name.isdecimal():
        found = [device for device in devices if device.index == int(name)]
    else:
        found = _named(devices, name)
    if not found:
        raise UsageError(f"no microphone matches {name!r}; there are: {present}")
    if len({device.name for device in found}) > 1:
        raise UsageError(
            f"{name!r} matches several microphones: {_listed(found)}; give more of the name, or the number"
        )
    return found[0]


def _named(devices: list[InputDevice], name: str) -> list[InputDevice]:
    exact = [device for device in devices if device.name == name]
    # one that is plugged in again may be another card
    same = [device for device in devices if _CARD.sub("", device.name) == _CARD.sub("", name)]
    return exact or same or [device for device in devices if name.casefold() in device.name.casefold()]
