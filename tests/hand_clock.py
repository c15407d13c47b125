"""A clock (`surtitle.pipeline.pacing`) that tests move by hand."""

from __future__ import annotations

import asyncio


class HandClock:
    """Stands still until it is advanced."""

    def __init__(self) -> None:
        self._now = 0.0
        self._moved = asyncio.Event()

    def begin(self, *, ago: float = 0.0) -> None:
        self._now = ago

    def now(self) -> float:
        return self._now

    async def sleep_until(self, when: float) -> None:
        while self._now < when:
            self._moved.clear()
            await self._moved.wait()

    def advance(self, seconds: float) -> None:
        self._now += seconds
        self._moved.set()
