"""What is at each path: pages, captions as a file or as they come, and how the server fares.

In: requests. Out: answers about the rooms that the request's token may read. Knows no socket and no file; how an
answer gets to a client is in `web.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from surtitle.pipeline import eventsource
from surtitle.pipeline.access import is_loopback
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import MAIN_ROOM, Caption
from surtitle.pipeline.fanout import GOING_AWAY
from surtitle.pipeline.http import Answer, Handler, Head, HttpError, Page, Request, Stream, always, json_page
from surtitle.pipeline.hub import Viewer
from surtitle.pipeline.languages import pair_of_codes
from surtitle.pipeline.messages import CloseCode, ErrorMessage, Language, Languages, Refused, RoomName
from surtitle.pipeline.operations import METRICS_TYPE, Operations
from surtitle.pipeline.pages import load_pages
from surtitle.pipeline.protocol import encode, parse_event
from surtitle.pipeline.rooms import Room, Rooms
from surtitle.pipeline.subtitles import to_vtt
from surtitle.pipeline.tokens import Admission, Tokens

STREAM_CHECK_SECONDS = 1.0
"""How often a stream looks whether its token was revoked."""
FORWARDED = ("forwarded", "x-forwarded-for")
"""What a proxy says of the client behind it."""


class _Wanted(Struct, frozen=True):
    """Which captions a request is for."""

    session: RoomName
    lang: Languages


class _Targets(Struct, frozen=True):
    """Which translations a request wants."""

    session: RoomName
    to: Annotated[tuple[Language, ...], Meta(min_length=1, max_length=16)]


Asked = TypeVar("Asked", _Wanted, _Targets)


class Site:
    """All that is answered to plain HTTP."""

    def __init__(
        self,
        rooms: Rooms,
        tokens: Callable[[], Tokens],
        operations: Operations,
        *,
        full: Callable[[], bool],
        beat: float,
        framed_by: Sequence[str] = (),
    ) -> None:
        """Make the site.

        Args:
            rooms: Where captions come from.
            tokens: Returns the tokens as they are now.
            operations: What is counted, and told of viewers.
            full: Whether there are too many connections for another viewer.
            beat: How many seconds a viewer hears nothing before it hears that we are there.
            framed_by: Origins whose pages may show ours within theirs.
        """
        self._rooms = rooms
        self._tokens = tokens
        self._operations = operations
        self._full = full
        self._beat = beat
        self._framed_by = framed_by
        self._draining = False
        self._laying_out = ThreadPoolExecutor(1, "subtitles")  # of its own: sessions need the event loop's threads
        self.stopping = False

    def routes(self) -> Mapping[tuple[str, str], Handler]:
        """Return a handler for each method and path."""
        pages = load_pages(framed_by=self._framed_by)
        return {("GET", path): always(page) for path, page in pages.items()} | {
            ("GET", "/captions"): websocket_only,
            ("GET", "/publish"): websocket_only,
            ("GET", "/captions.vtt"): self._vtt,
            ("GET", "/events"): self._events,
            ("GET", "/health"): self._health,
            ("GET", "/metrics"): self._metrics,
            ("GET", "/sessions"): self._sessions,
            ("POST", "/targets"): self._targets,
        }

    def drain(self) -> None:
        """Let every stream end once its viewer has everything."""
        self._draining = True
        for room in self._rooms:
            room.hub.wake_all()

    async def _health(self, request: Request) -> Page:
        main = self._rooms.find(MAIN_ROOM)
        session = main.hub.session if main is not None else None
        health = {
            "status": "stopping" if self.stopping else "ok",
            "epoch": main.hub.epoch if main is not None else None,
            "seq": main.hub.seq if main is not None else 0,
            "viewers": sum(room.hub.viewers for room in self._rooms),
            "session": session.session if session is not None else None,
        }
        return json_page(health)

    async def _metrics(self, request: Request) -> Page:
        forwarded = any(request.head.header(name) is not None for name in FORWARDED)
        asked = (urlsplit(f"//{host}").hostname or "" for host in request.head.all("host"))
        if forwarded or not all(map(is_loopback, (request.peer, *asked))):  # a tunnel says no more than a name
            self._tokens().private.admit(request.head.secret, "read", MAIN_ROOM)
        return Page(HTTPStatus.OK, METRICS_TYPE, self._operations.metrics())

    async def _sessions(self, request: Request) -> Page:
        self._may_read(request.head, MAIN_ROOM)  # without a token there is no answer, not an empty one
        # the name of a room in which nobody has spoken is what some reader wrote: not for everybody's first page
        known = [room for room in self._rooms if room.spoken or not self._tokens().public_read]
        rooms = [_listed(room) for room in known if self._may_read(request.head, room.name)]
        return json_page(rooms)

    async def _targets(self, request: Request) -> Page:
        head = request.head
        wanted = _asked(head, _Targets, to=_listed_in(head, "to"))
        self._tokens().admit(head.secret, "publish", wanted.session)
        room = self._rooms.find(wanted.session)
        session = room.hub.session if room is not None else None
        if room is None or session is None or room.retarget is None:
            raise HttpError(HTTPStatus.NOT_FOUND, f"nobody is speaking in session {wanted.session!r}")
        try:
            targets = pair_of_codes(session.spoken, wanted.to).targets
            room.retarget(targets)
        except UserError as error:
            raise HttpError(HTTPStatus.BAD_REQUEST, str(error)) from error
        return json_page({"targets": targets})

    async def _vtt(self, request: Request) -> Page:
        wanted = _wanted(request.head)
        self._admit(request.head, wanted.session)
        if len(wanted.lang) != 1:
            raise HttpError(HTTPStatus.BAD_REQUEST, f"saw {len(wanted.lang)} languages, expected one: lang=es")
        room = self._rooms.find(wanted.session)
        if room is None:
            raise HttpError(HTTPStatus.NOT_FOUND, f"nobody has spoken in session {wanted.session!r}")
        # hours of talk take seconds: not on the loop, and one at a time, so that it is made once for all who ask
        finals = tuple(room.hub.finals(*wanted.lang))
        text = await asyncio.get_running_loop().run_in_executor(self._laying_out, lambda: _as_vtt(finals))
        return Page(HTTPStatus.OK, "text/vtt; charset=utf-8", text.encode("utf-8", "replace"))

    # --- captions as they come ---

    async def _events(self, request: Request) -> Answer:
        head = request.head
        wanted, since = _wanted(head), eventsource.last_seen(head.header("last-event-id"))
        if self._full():
            raise Refused(CloseCode.FULL, "there are too many connections already; try again later")
        admission = self._admit(head, wanted.session)
        hub, news = self._rooms.watch(wanted.session).hub, asyncio.Event()
        viewer = hub.join(wanted.lang, since, news.set)
        visit = self._operations.opened("events", request.peer)
        self._operations.admitted(visit, wanted.session, admission.name)

        async def chunks() -> AsyncGenerator[bytes]:
            yield eventsource.BEGIN
            try:
                async with aclosing(self._messages(viewer, news, admission)) as messages:
                    async for message in messages:
                        yield eventsource.event(message, hub.epoch, viewer.seen) if message else eventsource.BEAT
                visit.code = GOING_AWAY
            except Refused as refused:
                visit.code = refused.close_code
                error = encode(ErrorMessage(refused.code, str(refused), refused.retry))
                yield eventsource.event(error, hub.epoch, None)

        def end() -> None:
            viewer.leave()
            self._operations.closed(visit)

        return Stream(eventsource.CONTENT_TYPE, chunks(), end=end)

    async def _messages(
        self, viewer: Viewer, news: asyncio.Event, admission: Admission
    ) -> AsyncGenerator[bytes | None]:
        """What `viewer` has not seen, until we drain; None where there was nothing for a while.

        Raises:
            Refused: the viewer is too slow, or its token was revoked.
        """
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + self._beat
        while True:
            news.clear()
            # Before each message: who never gets to the end would stay for good.
            self._tokens().renew(admission)
            # One at a time: while this viewer's socket is full, drafts in the ring give way to newer ones.
            if (message := viewer.next()) is not None:
                yield message
                beat_at = loop.time() + self._beat
                continue
            if self._draining:
                return
            if loop.time() >= beat_at:
                yield None
                beat_at = loop.time() + self._beat
            with suppress(TimeoutError):
                async with asyncio.timeout(min(STREAM_CHECK_SECONDS, beat_at - loop.time())):
                    await news.wait()

    # --- who may read ---

    def _admit(self, head: Head, name: str) -> Admission:
        return self._tokens().admit(head.secret, "read", name)

    def _may_read(self, head: Head, name: str) -> bool:
        """Whether the request's token is for this room; raises `Refused` if it is none of ours."""
        try:
            self._admit(head, name)
        except Refused as refused:
            if refused.close_code is CloseCode.FORBIDDEN:
                return False
            raise
        return True


@lru_cache(maxsize=4)
def _as_vtt(finals: tuple[bytes, ...]) -> str:
    events = [parse_event(message)[0] for message in finals]
    return to_vtt(event for event in events if isinstance(event, Caption))


def _listed(room: Room) -> dict[str, object]:
    session = room.hub.session
    return {
        "session": room.name,
        "source": session.source if session is not None else None,
        "targets": session.targets if session is not None else (),
        "captions": session.captions if session is not None else None,
        "viewers": room.hub.viewers,
        "live": room.speaking,
    }


def _wanted(head: Head) -> _Wanted:
    """What the query names: `session=main`, and `lang=es,de` or `lang=es&lang=de`; raises `HttpError`."""
    return _asked(head, _Wanted, lang=_listed_in(head, "lang"))


def _listed_in(head: Head, name: str) -> list[str]:
    return [each for each in ",".join(head.query.get(name, ())).split(",") if each]


def _asked(head: Head, kind: type[Asked], **lists: list[str]) -> Asked:
    query = {"session": head.field("session", MAIN_ROOM), **lists}
    try:
        return msgspec.convert(query, kind)
    except msgspec.ValidationError as error:
        example = "&".join(["session=main", *(f"{name}=es,de" for name in lists)])
        raise HttpError(HTTPStatus.BAD_REQUEST, f"{error}; expected something like {example}") from error


async def websocket_only(request: Request) -> Page:
    """Answer a plain request for the path of a websocket."""
    raise HttpError(
        HTTPStatus.UPGRADE_REQUIRED,
        f"{request.head.path} is a websocket: connect to it with ws://",
        (("upgrade", "websocket"),),
    )
