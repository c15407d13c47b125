"""What a translator does in the pauses of a session: slice by slice, so that nobody waits for longer than one.

In: which pause it is, whether the translator is needed. Out: its work, made on its thread until all is in order, or
somebody speaks. Knows no audio and no caption.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from surtitle.pipeline.workers import Worker

SLICE = 0.25
"""Seconds of a pause's work before other sessions on the same model have their turn."""


class Rest(Protocol):
    """What `Translator.rest` does: it ends at once where `stop` says so, and after what it is doing at `pause`."""

    def __call__(self, stop: Callable[[], bool], pause: Callable[[], bool]) -> None: ...


class Rests:
    """The pauses of one session."""

    def __init__(
        self, worker: Worker, rest: Rest, *, idle: Callable[[], object], is_needed: Callable[[], bool]
    ) -> None:
        """`idle` is called on the worker's thread too, before each slice of `rest`."""
        self._worker = worker
        self._rest = rest
        self._idle = idle
        self._is_needed = is_needed
        self._used = 0  # the number of the last pause that was used

    def is_due(self, pauses: int) -> bool:
        """Whether the newest of so many pauses was not used yet."""
        return self._used < pauses

    async def use(self, pauses: int) -> None:
        """Put things in order in the newest of so many pauses. On the virtual clock, where nothing takes time, that
        always comes to an end; on the real one it goes on in the next pause."""
        self._used = pauses
        is_whole = False
        while not is_whole and not self._is_needed():
            is_whole = await self._worker.run(self._slice)

    def _slice(self) -> bool:
        """Whether all is in order."""
        part = _Slice(self._is_needed, until=time.perf_counter() + SLICE)
        self._idle()
        self._rest(part.stop, part.pause)
        return not part.is_cut


class _Slice:
    """About as long as others may have to wait for the translator's thread."""

    def __init__(self, is_needed: Callable[[], bool], *, until: float) -> None:
        self._is_needed = is_needed
        self._until = until
        self.is_cut = False

    def stop(self) -> bool:
        self.is_cut = self.is_cut or self._is_needed()
        return self.is_cut

    def pause(self) -> bool:
        self.is_cut = self.is_cut or time.perf_counter() >= self._until
        return self.is_cut
