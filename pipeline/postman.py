"""Posts captions to Zoom and YouTube over HTTP: a thin shell around `posting.py`, a task a service.

In: events, on the event loop; nothing here makes their sender wait. Out: requests, and a line for a person where a
service begins or ceases to fail. Knows no protocol but HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import httpx2

from surtitle.pipeline.events import Caption, Event
from surtitle.pipeline.outgoing import client_of
from surtitle.pipeline.posting import FIRST_RETRY, LAST_RETRY, Outbox, Service, ServiceRequest


@dataclass(frozen=True, slots=True)
class Patience:
    """How long services are waited for, in seconds."""

    answer: float = 10.0
    """Until a request without an answer has failed."""
    first_retry: float = FIRST_RETRY
    """After the first failure, until the request is made again."""
    last_retry: float = LAST_RETRY
    """The same, after many."""
    leave: float = 5.0
    """For the last captions, when the session has ended."""


PATIENCE = Patience()

# It writes each request's address, which is a secret here, at INFO.
logging.getLogger("httpx2").setLevel(logging.WARNING)


class Postman:
    """Posts while it is entered: `async with Postman(services, print) as postman: ...`."""

    def __init__(
        self, services: Sequence[Service], tell: Callable[[str], None], *, patience: Patience = PATIENCE
    ) -> None:
        """`tell` shows a person a line."""
        self._boxes = [
            Outbox(service, first_retry=patience.first_retry, last_retry=patience.last_retry) for service in services
        ]
        self._tell = tell
        self._patience = patience
        self._woken = {box: asyncio.Event() for box in self._boxes}
        self._leaving = False
        self._group = asyncio.TaskGroup()

    def publish(self, event: Event) -> None:
        """Post an event that is a final caption in a service's language, some time."""
        if isinstance(event, Caption):
            for box in self._boxes:
                box.push(event, datetime.now(UTC), self._now())
                self._woken[box].set()

    async def __aenter__(self) -> Self:
        self._client = client_of(timeout=self._patience.answer, headers={"Content-Type": "text/plain"})
        await self._group.__aenter__()
        self._tasks = [self._group.create_task(self._deliver(box)) for box in self._boxes]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Post what waits, for a few seconds, and say what could not be posted."""
        self._leaving = True
        for woken in self._woken.values():
            woken.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._patience.leave)
            for task in late:
                task.cancel()
        await self._group.__aexit__(None, None, None)  # what ended the run goes on by itself, and not in a group
        await self._client.aclose()
        for box in self._boxes:
            if lost := box.left_out + len(box):
                self._tell(f"{box.service}: {box.posted} captions were posted, {lost} were not")

    async def _deliver(self, box: Outbox) -> None:
        woken = self._woken[box]
        while True:
            woken.clear()
            todo = box.next(self._now())
            if isinstance(todo, ServiceRequest):
                await self._send(box, todo)
            elif todo is not None or not self._leaving:
                with suppress(TimeoutError):
                    async with asyncio.timeout(todo):
                        await woken.wait()
            else:
                return

    async def _send(self, box: Outbox, request: ServiceRequest) -> None:
        try:
            async with asyncio.timeout(self._patience.answer):
                answer = await self._client.request(request.method, request.url, content=request.body.encode())
            news = box.answered(answer.status_code, answer.content, self._now())
        except (httpx2.RequestError, httpx2.InvalidURL, TimeoutError) as error:
            news = box.failed(_why(error), self._now())
        if news is not None:
            self._tell(news)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _why(error: Exception) -> str:
    """Without the error's own words, which may hold the address."""
    return "no answer in time" if isinstance(error, httpx2.TimeoutException | TimeoutError) else "no connection"
