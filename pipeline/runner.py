"""The three ways to run: replay recordings, listen live, serve publishers.

In: what the command line asked for, as a value. Out: sessions run to their end, on one event loop, with a
server around them if viewers are wanted. Sessions that run at once take turns on the models' threads. Ctrl-C ends the
audio, not the work: what was heard is still captioned, unless Ctrl-C is pressed again.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.text import Text

from surtitle.pipeline.assembly import Models
from surtitle.pipeline.broadcast import Broadcast, CollectedEvents, OutputPaths, Outputs, WayOut
from surtitle.pipeline.callbacks import ignore
from surtitle.pipeline.descriptors import OWN, allow
from surtitle.pipeline.errors import UsageError, UserError, first_error
from surtitle.pipeline.events import (
    MAIN_ROOM,
    AudioChunk,
    CaptionMode,
    Event,
    Gap,
    Item,
    Samples,
    SessionStart,
    Sound,
)
from surtitle.pipeline.files import decode_all
from surtitle.pipeline.glossary import Glossary
from surtitle.pipeline.http import Handler
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.interpreter import Interpreter
from surtitle.pipeline.invitation import page_of
from surtitle.pipeline.languages import Pair, pair_of_codes
from surtitle.pipeline.messages import PublishStart
from surtitle.pipeline.operations import Operations
from surtitle.pipeline.pacing import Clock, RealClock, VirtualClock, paced
from surtitle.pipeline.remote import LIVE, REPLAY
from surtitle.pipeline.rooms import OnPublish, Ready, Room, Rooms
from surtitle.pipeline.server import MAX_VIEWERS, NO_ROUTES, CaptionServer
from surtitle.pipeline.session import Session
from surtitle.pipeline.soundcheck import Soundcheck
from surtitle.pipeline.sources import begun, checked, resampled, until_stopped
from surtitle.pipeline.state import SavedConversations
from surtitle.pipeline.statefile import Keeper, StateFile, in_room
from surtitle.pipeline.terminal import TerminalCaptions, show_invitation
from surtitle.pipeline.tokens import Tokens
from surtitle.pipeline.transcriptions import Transcriptions
from surtitle.pipeline.web import SPARE

UNWATCHED = "(recording)"
"""What the access log has for the room of a session that has none: no room is called so."""
DRAIN = 5.0
"""Seconds that viewers get to read the last captions before the server closes."""
AGAIN = 0.5
"""Seconds after Ctrl-C from which another one is meant: what started this may pass on each one it gets too."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where viewers connect."""

    port: int
    host: str = "127.0.0.1"
    allow_origins: tuple[str, ...] = ()
    tokens: Callable[[], Tokens] = Tokens
    """Who may read and publish; everybody if there is no file."""
    max_viewers: int = MAX_VIEWERS
    """How many connections there may be in all."""
    tls: ssl.SSLContext | None = None
    """For https and wss."""
    operations: Operations = field(default_factory=Operations)
    """What is counted and written down of the server and its sessions."""


class Run:
    """What all three ways share: models, outputs, a way to stop."""

    def __init__(
        self,
        models: Models,
        *,
        window: int,
        beams: int = 1,
        console: Console,
        captions: CaptionMode = "final",
        glossary: Callable[[], Glossary] = Glossary,
        state: Path | None = None,
    ) -> None:
        """`window` is each language's cache in tokens, `beams` the width of its search for final ones; captions
        and addresses go to `console`.

        What the translator knows is kept in the file `state`, and taken up from there.
        """
        self._models = models
        self._window = window
        self._beams = beams
        self._console = console
        self._captions = captions
        self._glossary = glossary
        self._state = state
        self._stop = asyncio.Event()
        self._stopped_at = 0.0

    async def replay(
        self,
        blocks: Iterable[Samples],
        pair: Pair,
        *,
        clock: Literal["real", "virtual"],
        outputs: OutputPaths,
        server: ServerOptions | None,
        stay: bool,
        session: str = MAIN_ROOM,
    ) -> bool:
        """Caption a recording's samples as one session in the room `session`; `stay` keeps serving afterwards.

        Return whether they were heard to their end.
        """
        async with AsyncExitStack() as last, AsyncExitStack() as stack:
            rooms = _rooms()
            room = rooms.speak(session)
            serving = await self._serving(stack, rooms, server) if server else None
            operations = server.operations if server else None
            opened = await self._outputs(last, outputs, pair.targets, operations)
            self._stop_on_signals()
            chosen: Clock = RealClock() if clock == "real" else VirtualClock()
            audio = until_stopped(paced(blocks, chosen), self._stop)
            async with _drained(serving):
                try:
                    await self._session(pair, chosen, audio, Broadcast(room, opened), punctual=True)
                finally:
                    rooms.hush(room)
                is_whole = not self._stop.is_set()
                if serving and stay and is_whole:
                    page = f"{serving.url}{page_of('/overlay', session)}"
                    self._console.print(f"the recording is over; still serving {page} until Ctrl-C", style="dim")
                    await self._stop.wait()
            return is_whole

    async def live(
        self,
        microphone: AbstractAsyncContextManager[AsyncIterator[AudioChunk | Gap]],
        check: Soundcheck,
        pair: Pair,
        *,
        outputs: OutputPaths,
        server: ServerOptions,
        session: str = MAIN_ROOM,
    ) -> None:
        """Caption what `microphone` gives while it is entered, in the room `session`, until Ctrl-C; `check` it."""
        async with AsyncExitStack() as last, AsyncExitStack() as stack:
            rooms = _rooms()
            room = rooms.speak(session)
            serving = await self._serving(stack, rooms, server)
            opened = await self._outputs(last, outputs, pair.targets, server.operations)
            self._stop_on_signals()
            heard = await stack.enter_async_context(microphone)
            clock = RealClock()
            clock.begin()  # what is said while the translator gets ready is late
            self._console.print(Text(f"listening to {check.name} until Ctrl-C", style="dim"))
            audio = until_stopped(checked(heard, check, opened.show_level), self._stop)
            async with _drained(serving):
                await self._session(pair, clock, audio, Broadcast(room, opened))

    async def serve(self, *, outputs: OutputPaths, server: ServerOptions, max_sessions: int) -> None:
        """Caption whoever publishes audio, each in a room of its own, until Ctrl-C."""
        async with AsyncExitStack() as last, AsyncExitStack() as stack:

            async def on_publish(start: PublishStart, samples: AsyncIterator[Sound], room: Room, ready: Ready) -> None:
                pair = pair_of_codes(start.sources, start.targets)
                clock = RealClock()
                audio = until_stopped(begun(resampled(samples, start.sample_rate, pair.sources), clock), self._stop)
                try:
                    await self._session(pair, clock, audio, Broadcast(room, opened, shared=True), ready)
                except UserError as error:
                    if not isinstance(error, UsageError):  # which its speaker can mend, who is told in any case
                        self._say(f"this session ended: {error}", room.name)
                    raise

            async def on_recording(path: Path, pair: Pair) -> list[Event]:
                recordings = await asyncio.to_thread(decode_all, [path])
                kept, clock = CollectedEvents(UNWATCHED, server.operations), VirtualClock()
                await self._session(pair, clock, paced(recordings, clock), kept)
                return kept.events

            rooms = _rooms(max_sessions)
            routes = Transcriptions(rooms, server.tokens, on_recording).routes()
            serving = await self._serving(stack, rooms, server, on_publish, routes)
            opened = await self._outputs(last, outputs, (), server.operations)  # before anybody is heard
            self._console.print(f"waiting for speakers at {serving.url}/speak until Ctrl-C", style="dim")
            self._stop_on_signals()
            await self._stop.wait()
            await serving.drain(DRAIN)

    async def _serving(
        self,
        stack: AsyncExitStack,
        rooms: Rooms,
        options: ServerOptions,
        on_publish: OnPublish | None = None,
        routes: Mapping[tuple[str, str], Handler] = NO_ROUTES,
    ) -> CaptionServer:
        """A server that listens until `stack` is left."""
        able = max(1, allow(options.max_viewers + SPARE) - SPARE)
        if able < options.max_viewers:
            self._console.print(
                f"this system's limit on open files allows {able} connections, not {options.max_viewers}; "
                f"root may raise it to {options.max_viewers + SPARE + OWN} (`ulimit -n`, or a service's LimitNOFILE)"
            )
        server = CaptionServer(
            rooms,
            host=options.host,
            port=options.port,
            allow_origins=options.allow_origins,
            tokens=options.tokens,
            max_viewers=min(able, options.max_viewers),
            tls=options.tls,
            operations=options.operations,
            on_publish=on_publish,
            routes=routes,
        )
        serving = await stack.enter_async_context(server)
        room = next((room.name for room in rooms), MAIN_ROOM)  # of who speaks here; publishers come later
        self._console.print(f"captions on {serving.url}{page_of('/overlay', room)}", style="dim")
        show_invitation(self._console, serving.access, room, asks_readers=options.tokens().asks_readers)
        return serving

    async def _session(
        self,
        pair: Pair,
        clock: Clock,
        audio: AsyncIterator[Item],
        out: WayOut,
        ready: Ready | None = None,
        *,
        punctual: bool = False,
    ) -> None:
        loaded = {"asr": self._models.names.asr, "llm": self._models.names.llm}
        names = {role: _known_as(name) for role, name in loaded.items() if name is not None}
        kind: Literal["real", "virtual"] = "virtual" if isinstance(clock, VirtualClock) else "real"
        # where nobody watches, drafts are work for nothing, and promises bind for nothing
        captions: CaptionMode = self._captions if isinstance(out, Broadcast) else "final"
        start = SessionStart(secrets.token_hex(8), pair.sources, pair.targets, names, kind, out.name, captions)
        interpreter, keeper = await asyncio.to_thread(self._interpreter, pair, out, clock, captions)
        session = Session(
            start,
            self._models.recognizer(pair.sources, self._glossary),
            interpreter,
            clock=clock,
            workers=self._models.workers,
            publish=out.publish,
            captions=captions,
            hastened=self._beams == 1,
            punctual=punctual,
            idle=keeper.keep_if_due if keeper else ignore,
        )

        def want(targets: tuple[str, ...]) -> None:
            self._models.names.check(Pair(pair.sources, targets))
            session.want(targets)

        out.follow(session.captioner.lags, session.captioner.painted, want)
        broken: UserError | None = None
        try:
            if ready is not None:
                await ready()
            await session.run(audio)
        except* UserError as group:
            broken = first_error(group)
        finally:
            out.unfollow()
        try:
            if keeper:
                await asyncio.get_running_loop().run_in_executor(self._models.workers.llm, keeper.keep)
        except UserError as error:
            if broken is None:
                raise
            self._say(str(error), out.name)
        if broken is not None:
            raise broken

    def _say(self, what: str, room: str) -> None:
        """A line that is no caption, with the name of its `room` where there may be several."""
        self._console.print(Text(what if room == MAIN_ROOM else f"{room}: {what}", style="yellow"))

    def _interpreter(
        self, pair: Pair, out: WayOut, clock: Clock, captions: CaptionMode
    ) -> tuple[Interpreter, Keeper | None]:
        """What translates in a room, and what keeps its state, if that is wanted; a recording has none."""

        def make(state: SavedConversations | None = None) -> Interpreter:
            return self._models.interpreter(
                pair.sources,
                pair.targets,
                self._window,
                beams=self._beams,
                promises=captions != "final",
                # who sends a recording waits for its answer, and so does the end of the server
                budget=REPLAY if isinstance(clock, VirtualClock) and isinstance(out, Broadcast) else LIVE,
                glossary=self._glossary,
                state=state,
                tell=lambda what: self._say(what, out.name),
            )

        llm = self._models.names.llm
        if self._state is None or llm is None or not isinstance(out, Broadcast):
            return make(), None
        file = StateFile(in_room(self._state, out.name), llm)
        interpreter = file.resume(make, self._console.print)
        return interpreter, Keeper(interpreter.state, file.write, now=clock.now, tell=self._console.print)

    async def _outputs(
        self, stack: AsyncExitStack, outputs: OutputPaths, targets: tuple[str, ...], operations: Operations | None
    ) -> Outputs:
        """All outputs, until `stack` is left: then what is to be posted still has a few seconds.

        Opened once the server listens: if its port is that of another run, so may the files be.
        """
        post = None
        if outputs.services:
            from surtitle.pipeline.postman import Postman  # half a second for an HTTP client that few need

            postman = await stack.enter_async_context(
                Postman(outputs.services, lambda news: self._console.print(news, style="dim"))
            )
            post = postman.publish
        return stack.enter_context(Outputs(outputs, targets, TerminalCaptions(self._console), post, operations))

    def _stop_on_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        ends = [signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # by nohup: then its terminal may be closed
            ends.append(signal.SIGHUP)
        for each in ends:
            loop.add_signal_handler(each, self._stop.set)

    def _interrupt(self) -> None:
        now = time.monotonic()
        if not self._stop.is_set():
            self._stop.set()
            self._stopped_at = now
            self._console.print("ending when what was heard is captioned; Ctrl-C again ends at once", style="dim")
        elif now - self._stopped_at > AGAIN:
            raise KeyboardInterrupt


@asynccontextmanager
async def _drained(serving: CaptionServer | None) -> AsyncIterator[None]:
    """When this is over, viewers get what was heard, also where a UserError ended it."""
    try:
        yield
    except UserError:
        if serving:
            await serving.drain(DRAIN)
        raise
    if serving:
        await serving.drain(DRAIN)


def _known_as(model: str) -> str:
    """What viewers are told of a model's name: not in which folder it lies."""
    return Path(model).name if Path(model).is_absolute() else model


def _rooms(sessions: int | None = None) -> Rooms:
    return Rooms(lambda: Hub(secrets.token_hex(8), now=time.monotonic), sessions=sessions)
