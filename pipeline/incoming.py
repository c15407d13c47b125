"""Audio between its source and the recogniser's thread.

In: chunks as they come, and the end. Out: as much at a time as is asked for, and nothing where the source stalls; a gap
for what is skipped. Knows no recogniser.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable

from surtitle.pipeline.arrivals import Arrivals
from surtitle.pipeline.backlog import Backlog
from surtitle.pipeline.events import AudioChunk, Gap
from surtitle.pipeline.pacing import Clock


class Incoming:
    """The audio of one session that is not heard yet. Used on the event loop."""

    def __init__(self, arrivals: Arrivals, clock: Clock) -> None:
        """`arrivals` knows when the source stalls, on `clock`."""
        self._arrivals = arrivals
        self._clock = clock
        self._backlog = Backlog()
        self._arrived = asyncio.Event()
        self._is_over = False

    @property
    def seconds(self) -> float:
        """How much audio waits."""
        return self._backlog.seconds

    def push(self, chunks: Iterable[AudioChunk]) -> list[Gap]:
        """Let `chunks` wait too, if any: a source that sends something else does not stall either. Gaps for what is
        skipped."""
        gaps = self._backlog.push(chunks)
        self._arrived.set()
        return gaps

    def close(self) -> None:
        """The source is over."""
        self._is_over = True
        self._arrived.set()

    async def turns(self, seconds: float) -> AsyncGenerator[list[AudioChunk]]:
        """What waits, up to `seconds` at a time, until all is taken and the source is over. Where it stalls, no chunk,
        once until it sends something."""
        while self._backlog or not self._is_over:
            if self._backlog:
                yield self._backlog.take(seconds)
                continue
            if not await self._comes():
                yield []
                await self._arrived.wait()
            self._arrived.clear()

    async def _comes(self) -> bool:
        """Wait for audio, or its end; False where nothing came for `STALL` seconds after it was due."""
        stalls = self._arrivals.stalls(self._clock.now())
        arrived = asyncio.ensure_future(self._arrived.wait())
        late = asyncio.ensure_future(self._clock.sleep_until(stalls))
        try:
            done, _ = await asyncio.wait((arrived, late), return_when=asyncio.FIRST_COMPLETED)
        finally:
            arrived.cancel()
            late.cancel()
        return arrived in done
