"""The threads that models run on, and how the event loop has them work.

In: calls that take long. Out: what they return, awaited; items one by one as a thread makes them; how long each kind of
work took. Knows no model.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Workers:
    """A thread for each model that is here, so that neither waits in the other's queue. Of a model on a server there
    are as many as sessions that wait for it."""

    asr: ThreadPoolExecutor
    llm: ThreadPoolExecutor


class Worker:
    """One model's thread, as one session uses it. Calls are made on the event loop."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self.seconds = 0.0
        """How long it worked; waiting for other sessions' work is not counted."""

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns."""

        def timed() -> T:
            began = time.perf_counter()
            try:
                return work()
            finally:
                self.seconds += time.perf_counter() - began

        return await asyncio.get_running_loop().run_in_executor(self._threads, timed)

    async def each(self, items: Iterator[T]) -> AsyncGenerator[T]:
        """`items` as they are made; all of them are made, even where nobody takes them."""
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[T | None]()

        def work() -> None:
            try:
                for item in items:
                    loop.call_soon_threadsafe(queue.put_nowait, item)
            finally:
                loop.call_soon_threadsafe(queue.put_nowait, None)

        working = asyncio.ensure_future(self.run(work))
        try:
            while (item := await queue.get()) is not None:
                yield item
        finally:
            await working
