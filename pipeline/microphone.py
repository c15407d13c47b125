"""The microphone: sound from an input device as a stream that survives its plug being pulled.

In: a device's name. Out: audio chunks at `SAMPLE_RATE`, and a `Gap` for every stretch that was lost. Knows no
model and no session. The device runs at its own rate and is resampled; its thread does nothing but hand
blocks to the event loop, where `Intake` keeps the count of time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from surtitle.pipeline.callbacks import ignore
from surtitle.pipeline.devices import InputDevice, check_channels, choose, find_again, list_devices, portaudio, restart
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Gap
from surtitle.pipeline.resample import Resampler

BLOCK_S = 0.1
"""Seconds of audio a block."""

BACKLOG_S = 15.0
"""Seconds of audio held for a consumer that is behind; what comes after is dropped and reported."""

UNKNOWN_S = 3.0
"""Seconds of audio in which losses of unknown length are one gap: a machine that is late loses some ten times a
second."""

SILENCE_S = 1.5
"""Seconds without a block after which a device counts as lost. A pulled plug is no error to PortAudio: the
blocks just stop."""

START_S = 6.0
"""Seconds allowed for a device's first block: some take two to begin."""

AGAIN_S, SELDOM_S = 1.0, 10.0
"""Seconds after which a lost device is looked for again, at first and when it has been away for minutes: each look
leaves 12 kB in the system's libraries for good."""


class Intake:
    """Blocks of one session in, chunks and gaps out, on one audio clock; no I/O."""

    def __init__(self, backlog: float = BACKLOG_S, channels: Sequence[int] = ()) -> None:
        """`channels`, numbered from 1, are heard: their mean; without any, all that come."""
        self._columns = [number - 1 for number in channels]
        self._limit = round(backlog * SAMPLE_RATE)
        self._items: deque[AudioChunk | Gap] = deque()
        self._held = 0  # Samples in `_items`.
        self._position = 0  # Samples on the audio clock, dropped ones and those of a lost device included.
        self._told_until = 0  # On the audio clock, in samples: until there no loss of unknown length is told again.
        self._resampler = Resampler(SAMPLE_RATE)

    def open(self, rate: int) -> None:
        """Blocks from now on come at `rate` hertz."""
        self._resampler = Resampler(rate)

    def push(self, block: npt.NDArray[np.float32], *, overflowed: bool = False) -> None:
        """Take a block, shape [frames, channels]; `overflowed`: the system lost some audio before it."""
        if overflowed and self._position >= self._told_until:
            self._gap(0, "overload")  # PortAudio does not say how much: a gap without a length.
            self._told_until = self._position + round(UNKNOWN_S * SAMPLE_RATE)
        samples = self._resampler.push(block[:, self._columns] if self._columns else block)
        if self._held + len(samples) > self._limit:
            self._gap(len(samples), "overload")
        elif len(samples):
            self._items.append(AudioChunk(samples=samples, start=self._position / SAMPLE_RATE))
            self._held += len(samples)
            self._position += len(samples)

    def lost(self, seconds: float) -> None:
        """The device gave nothing for `seconds`."""
        self._gap(round(seconds * SAMPLE_RATE), "device")

    def take(self) -> AudioChunk | Gap | None:
        """Return the oldest item not yet taken, or None."""
        if not self._items:
            return None
        item = self._items.popleft()
        if isinstance(item, AudioChunk):
            self._held -= len(item.samples)
        return item

    def _gap(self, length: int, why: str) -> None:
        start = self._position / SAMPLE_RATE
        self._position += length
        end = self._position / SAMPLE_RATE
        last = self._items[-1] if self._items else None
        if isinstance(last, Gap) and last.why == why:
            start = self._items.pop().start
        self._items.append(Gap(start=start, end=end, why=why))


@asynccontextmanager
async def microphone(
    name: str | None = None, channels: Sequence[int] = (), *, tell: Callable[[str], object] = ignore
) -> AsyncIterator[AsyncIterator[AudioChunk | Gap]]:
    """Listen to a device while the context is open: `async with microphone("usb") as heard: async for item in heard`.

    A device that stops is reported as a `Gap`, and opened again by its name when it is back, however long that takes.

    Args:
        name: Part of the device's name, or its number; None for the system's default.
        channels: Those that are heard, numbered from 1: their mean. None of them: the first two, or the only one.
        tell: Called with what keeps a lost device away, once for each cause.

    Raises:
        UserError: PortAudio is missing, there is no such device, it lacks a channel, or it can not be opened.
    """
    device = await asyncio.to_thread(choose, name, channels)
    listener = _Listener(device, channels, tell)
    try:
        await listener.open()
        yield listener.items()
    finally:
        await listener.close()


class _Listener:
    """One device and its stream. All times are the event loop's."""

    def __init__(self, device: InputDevice, channels: Sequence[int], tell: Callable[[str], object]) -> None:
        self._device = device
        self._channels = channels
        self._intake = Intake(channels=channels)
        self._tell = tell
        self._told: set[str] = set()  # what has been told since the last block
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._block_at = self._loop.time()  # When the last block came.
        self._counted_to = self._block_at  # Up to when a loss has been counted.
        self._allowed = START_S  # Seconds until the next block must be there.
        self._opening: asyncio.Future[Any] | None = None  # of the stream

    async def open(self) -> None:
        self._intake.open(self._device.rate)
        self._allowed = START_S
        self._opening = asyncio.ensure_future(asyncio.to_thread(_start, self._device, self._opened, self._on_thread))
        await asyncio.shield(self._opening)  # a thread goes on where nobody waits any more: `close` waits for it

    @property
    def _opened(self) -> int:
        """How many channels are opened: the first ones."""
        return max(self._channels, default=min(self._device.channels, 2))

    async def close(self) -> None:
        opening, self._opening = self._opening, None
        if opening is not None:
            with suppress(UserError):  # there is no stream
                stream = await opening
                # abort: what the device still holds is not wanted, and a lost device would never deliver it.
                await asyncio.to_thread(stream.abort)
                await asyncio.to_thread(stream.close)

    async def items(self) -> AsyncIterator[AudioChunk | Gap]:
        while True:
            while (item := self._intake.take()) is not None:
                yield item
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), self._allowed)
            except TimeoutError:
                if self._arrived.is_set():  # the loop was held up, and from Python 3.12 on time is what counts then
                    continue
                self._count_loss(self._loop.time())
                while (item := self._intake.take()) is not None:
                    yield item
                await self._reopen()

    def _on_thread(self, block: npt.NDArray[np.float32], frames: int, time: object, status: Any) -> None:
        # PortAudio's thread and PortAudio's memory: copy, hand over, return.
        self._loop.call_soon_threadsafe(self._on_loop, block.copy(), bool(status.input_overflow))

    def _on_loop(self, block: npt.NDArray[np.float32], overflowed: bool) -> None:
        now = self._loop.time()
        if self._counted_to > self._block_at:  # The first block of a device that was lost.
            self._count_loss(now - BLOCK_S)
            self._told.clear()
        self._block_at = now
        self._allowed = SILENCE_S
        self._intake.push(block, overflowed=overflowed)
        self._arrived.set()

    def _count_loss(self, until: float) -> None:
        since = max(self._block_at, self._counted_to)
        self._intake.lost(max(0.0, until - since))
        self._counted_to = max(until, since)

    async def _reopen(self) -> None:
        """Wait for the device to be back."""
        # PortAudio still knows those of its start
        others = {each.name for each in await asyncio.to_thread(list_devices)} - {self._device.name}
        await self.close()
        self._count_loss(self._loop.time())  # a block may have come until then, as if nothing had been lost
        for wait in waits():
            try:
                await asyncio.to_thread(restart)
                self._device = find_again(await asyncio.to_thread(list_devices), self._device, others)
                check_channels(self._device, self._channels)
                return await self.open()
            except UserError as error:
                if str(error) not in self._told:
                    self._tell(str(error))
                    self._told.add(str(error))
                await asyncio.sleep(wait)


def waits() -> Iterator[float]:
    """Seconds between two looks for a lost device, without end."""
    wait = AGAIN_S
    while True:
        yield wait
        wait = min(SELDOM_S, 1.1 * wait)


def _start(device: InputDevice, channels: int, callback: Callable[..., None]) -> Any:
    sounddevice = portaudio()
    try:
        stream = sounddevice.InputStream(
            device=device.index,
            channels=channels,
            samplerate=device.rate,
            blocksize=round(device.rate * BLOCK_S),
            dtype="float32",
            callback=callback,
        )
        stream.start()
    except sounddevice.PortAudioError as error:
        raise UserError(
            f"microphone {device.name!r} cannot be opened ({error.args[0]}); "
            "close the program that uses it, or choose another with --device"
        ) from error
    return stream
