"""Recordings of any format, rate and number of channels, as a stream.

In: paths. Out: mono float32 blocks at `SAMPLE_RATE`, decoded as they are asked for: an hour of video costs no
more memory than a second. Knows no clock. Not yet scrubbed: a recording may hold NaN, and a stretch that is
damaged or missing comes out as NaN of its length, so that time stays right and `scrub.py` reports the gap. Where a film
begins without sound there is silence, since players count the time of subtitles from where the container begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SAMPLE_RATE, Samples
from surtitle.pipeline.resample import Resampler
from surtitle.pipeline.shortfalls import clock

SHORTEST_HOLE_S, LONGEST_HOLE_S = 0.05, 600.0
"""Seconds. Less than this between two frames is how coarse a container's times are; more is no loss but times
that are wrong or begin anew."""

FORMATS = (
    "wav,mp3,flac,ogg,aac,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,ac3,eac3,dsf,"
    "dts,dtshd,dv,flv,gsm,loas,mp2,mpc,mpc8,mpeg,mpegts,mxf,nut,oma,rm,sox,spdif,tak,truehd,tta,voc,w64,wv,xwma"
)
"""FFmpeg's names of containers and streams that hold sound themselves."""
_HEADED = frozenset({"flac", "mov", "matroska", "aiff", "au"})
"""Of those, the ones whose header says how long they are; of others FFmpeg guesses it, or measures what is there."""
SHORTER_S, SHORTER = 1.0, 0.02
"""Seconds, and share of what a recording says that it has, from which what is not there is missed: headers round."""

CAPTIONED = "; everything before that was captioned"
"""What is said of a recording that ends too early, to those who have what was captioned."""

# Of PyAV's containers, packets and frames the type checker sees nothing (`Any`): its stubs differ by release.


def decode_all(paths: Sequence[Path]) -> Iterator[Samples]:
    """Decode several recordings back to back. Where one is broken, the next one follows what could be heard of it.

    Raises:
        UserError: At once, before anything is decoded, when one of them is no recording; see `check`. At the end, when
            one could not be decoded to its own.
    """
    for path in paths:
        check(path)
    return _decode_each(paths)


def _decode_each(paths: Sequence[Path]) -> Iterator[Samples]:
    broken: list[UserError] = []
    for path in paths:
        try:
            yield from decode(path)
        except UserError as error:
            broken.append(error)
    if broken:
        more = f" (and {len(broken) - 1} more of the recordings)" if len(broken) > 1 else ""
        raise UserError(f"{broken[0]}{more}")


def check(path: Path) -> None:
    """Open the recording and close it again.

    Raises:
        UserError: It is missing, a folder, a pipe, empty, not readable, not a recording, or has no sound in it.
    """
    with _open(path):
        pass


def decode(path: Path) -> Iterator[Samples]:
    """Yield the recording's sound in blocks of the length its format has.

    Raises:
        UserError: As `check`, or nothing in it can be decoded.
    """
    decoded = 0  # Frames of sound that were decoded.
    broken = ""
    with _open(path) as container:
        converter = _Converter(None if container.start_time is None else container.start_time / av.time_base)
        try:
            for packet in _packets(container):
                for frame in _frames(packet):
                    yield from converter.push(frame)
                    decoded += 1
        except (av.FFmpegError, ValueError) as error:
            # the file ends too early, its disk fails, or it says what no recording has, such as a rate of 10 Hz
            broken = error.strerror if isinstance(error, av.FFmpegError) else str(error)
        said = _said(container)
    if decoded:
        yield from converter.flush()
        if said - converter.position > max(SHORTER_S, SHORTER * said):
            broken = broken or f"it says that it has {clock(said)}, and ends at {clock(converter.position)}"
    if broken and decoded:
        raise UserError(f"{path}: cannot be read to its end ({broken}){CAPTIONED}")
    if not decoded:
        why = f" ({broken})" if broken else ""
        raise UserError(f"{path}: no sound could be decoded from it{why}, expected a recording; check that it plays")


def _said(container: Any) -> float:
    """Seconds of sound that the header says there are; 0: it says nothing that can be relied on."""
    if _HEADED.isdisjoint(container.format.name.split(",")):
        return 0.0
    stream = container.streams.audio[0]
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    if len(container.streams) > 1 or not container.duration:  # a film may be longer than its sound
        return 0.0
    # Matroska has the time at which it ends: what was cut out of a stream does not begin at 0
    return float((container.duration - max(0, container.start_time or 0)) / av.time_base)


def _packets(container: Any) -> Iterator[Any]:
    """The packets of its first sound. Where another stream, such as a picture, begins only later, PyAV looks for it
    in vain when all was read."""
    with suppress(IndexError):
        yield from container.demux(audio=0)


def _frames(packet: Any) -> Sequence[Any]:
    """What is in a packet. One that is damaged does not make the rest of a talk worthless: there is nothing in it, and
    the next frame's time tells that something is missing.
    """
    try:
        frames: Sequence[Any] = packet.decode()
    except av.FFmpegError:
        return ()
    return frames


def _open(path: Path) -> Any:
    """Open a container that has an audio stream; its errors say what to do."""
    if not path.exists():
        raise UserError(f"{path}: no such file; check the path")
    if path.is_dir():
        raise UserError(f"{path}: is a folder, expected a recording; name the files in it")
    if not path.is_file():  # it is opened twice, and what was read of it would be gone; without a writer, this waited
        raise UserError(f"{path}: is a pipe or a device, expected a file; write it to one first, and name that")
    try:
        # `file:`, since a name may look like an address ("10:30.wav"). Only that, and nothing that names other files
        # or makes sound of text: a playlist must not make this program open connections, or itself again for ever.
        options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
        # What tags say is of no interest, nor is in which encoding they say it.
        container = av.open(f"file:{path}", options=options, metadata_errors="ignore")
    except av.PermissionError as error:
        raise UserError(f"{path}: you may not read it; change its permissions") from error
    except av.FFmpegError as error:
        seen = "is empty" if path.stat().st_size == 0 else "is not audio or video that can be read"
        raise UserError(f"{path}: {seen}, expected a recording (wav, flac, mp3, ogg, mp4, ...)") from error
    if not container.streams.audio:
        container.close()
        raise UserError(f"{path}: has no sound in it, expected a recording with an audio track")
    return container


def _layout(layout: Any) -> str | None:
    """What FFmpeg is to make of `layout`; None: leave it. What is left to be mixed is the resampler's work.

    FFmpeg knows where the voice is in surround sound; but its mono of a stereo pair is 3 dB too loud and clips. Of
    tracks that have no places, as a recorder with a microphone on each writes them, it would guess some, and leave out
    what it takes for the low frequencies'; and for most numbers of them it has no guess.
    """
    if layout.name == f"{layout.nb_channels} channels":
        return None
    return "mono" if layout.nb_channels == 1 else "stereo"


class _Converter:
    """FFmpeg's frames to the pipeline's samples."""

    def __init__(self, start: float | None) -> None:
        """`start` is when the container begins, in seconds by its own clock; None where it does not say."""
        self._start = start
        self._shape: tuple[str, str, int] | None = None  # Sample format, channel layout, hertz.
        self._to_float: Any = None
        self._resampler = Resampler(SAMPLE_RATE)
        self._origin: float | None = None  # Seconds, by the container's clock, of the first frame.
        self.position = 0.0
        """Seconds since then that have been passed on."""

    def push(self, frame: Any) -> Iterator[Samples]:
        yield from self._fill(frame.time)
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:  # Some streams change it half-way: radio recordings, joined files.
            yield from self.flush()
            self._to_float = av.AudioResampler(format="flt", layout=_layout(frame.layout))
            self._resampler = Resampler(frame.sample_rate)
            self._shape = shape
        self.position += frame.samples / frame.sample_rate
        for out in self._to_float.resample(frame):
            # A packed frame is one row: [1, samples * channels].
            yield self._resampler.push(out.to_ndarray().reshape(-1, out.layout.nb_channels))

    def flush(self) -> Iterator[Samples]:
        yield self._resampler.flush()

    def _fill(self, time: float | None) -> Iterator[Samples]:
        """NaN for what lies between the last frame and one that the container says is at `time`; before the first frame
        silence, as long as there has been anything else."""
        if time is None:
            return
        if self._origin is None:
            self._origin = time
            late = 0.0 if self._start is None or self.position else time - self._start
            if SHORTEST_HOLE_S < late < LONGEST_HOLE_S:
                yield np.zeros(round(late * SAMPLE_RATE), np.float32)
        missing = time - self._origin - self.position
        if SHORTEST_HOLE_S < missing < LONGEST_HOLE_S:
            yield from self.flush()
            yield np.full(round(missing * SAMPLE_RATE), np.nan, np.float32)
            self.position += missing
