"""One speaker's session: the pieces joined, and driven.

In: audio chunks and gaps from a source, and other languages that are wanted. Out: events, published in order on the
event loop. On the real clock recogniser and translator run side by side, each on its own thread and cores; on the
virtual clock they take turns with the audio, so that every run gives the same captions. A failure anywhere ends the
session with its cause. Knows no socket and no file.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
import psutil

from surtitle.pipeline.ahead import Ahead
from surtitle.pipeline.backlog import Backlog
from surtitle.pipeline.captioner import Captioner
from surtitle.pipeline.condition import Condition
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import (
    SAMPLE_RATE,
    AudioChunk,
    CaptionMode,
    Drafted,
    Event,
    Gap,
    Item,
    Segment,
    SessionEnd,
    SessionStart,
    Stamps,
    Targets,
    Translated,
)
from surtitle.pipeline.listener import Hears, Listener
from surtitle.pipeline.pacing import Clock
from surtitle.pipeline.scrub import Scrubber
from surtitle.pipeline.segmenter import Opening
from surtitle.pipeline.stamps import Written
from surtitle.pipeline.stats import MemoryStats

T = TypeVar("T")
TURN = 1.0
"""Seconds of audio, a look or two, that are recognised before other sessions on the same model have their turn."""
RETRY_WITHIN = 5.0
"""Seconds after the words up to which a failed translation is made again; later, the next segment is more urgent."""
PAUSE = 2.0
"""Seconds of silence that are heard where a device or a network is lost, so that what was said before is over; the rest
of it when the device is back."""
STALL = 3.0
"""Seconds for which a source may send nothing, as one does that is muted, before what was said is over."""
REST_TURN = 0.25
"""Seconds of a pause's work before other sessions on the same model have their turn."""


def _nothing() -> None:
    """Nobody waits for a pause."""


class Translates(Protocol):
    """What `interpreter.Interpreter` does."""

    def translate(
        self, text: str, spoken: str, *, in_time: Callable[[], bool], wrote: Callable[[str, int], None]
    ) -> Iterator[tuple[str, Translated]]: ...

    def draft(
        self, text: str, spoken: str, stop: Callable[[], bool], *, binds: bool
    ) -> Iterator[tuple[str, Drafted]]: ...

    def retarget(self, targets: Sequence[str]) -> None: ...

    def rest(self, stop: Callable[[], bool], pause: Callable[[], bool]) -> None: ...

    def figures(self) -> Mapping[str, int]: ...


@dataclass(frozen=True, slots=True)
class Workers:
    """The threads that models run on: one for each that is here, so that neither waits in the other's queue. Of a model
    on a server there are as many as sessions that wait for it."""

    asr: ThreadPoolExecutor
    llm: ThreadPoolExecutor


class Session:
    """From the first chunk to the end line."""

    def __init__(
        self,
        start: SessionStart,
        recognizer: Hears,
        translator: Translates,
        *,
        clock: Clock,
        workers: Workers,
        publish: Callable[[Event], None],
        captions: CaptionMode = "final",
        hastened: bool = True,
        idle: Callable[[], object] = _nothing,
    ) -> None:
        """`translator` writes the languages of `start`; `publish` is called on the event loop, and must not block.

        `hastened` says whether a final comes sooner by drafts, even by those that nobody sees. `idle` is called on
        the translator's thread, in pauses.
        """
        self._start = start
        self._listener = Listener(recognizer, start.sources[0], now=clock.now)
        self._translator = translator
        self._clock = clock
        self._workers = workers
        self._publish = publish
        self._scrubber = Scrubber()
        self._waiting = Backlog()
        self._arrived = asyncio.Event()
        self._source_over = False
        self._broken: UserError | None = None  # what ended the source too early
        self._heard_to = self._piece = 0.0  # seconds: where the newest audio ends, and its length
        self._stalled = 0.0  # seconds by which the newest audio came later than it is old: the source's, not ours
        self._segments: deque[tuple[Segment, Stamps]] = deque()
        self._targets = start.targets
        self._wanted = start.targets  # from here on, as soon as what was said before is translated:
        self._owed = 0  # so many segments
        self._captions = captions
        self._idle = idle
        self._hastened = hastened
        self._drafts_help = captions != "final" or (hastened and start.clock == "real")
        self.captioner = Captioner(start.targets, captions, now=clock.now, heard=lambda: self._listener.heard)
        """What its captions were, and how late."""
        self._ahead = Ahead()
        self._new_text = asyncio.Event()
        self._speech_over = False
        self._rested = 0  # up to which pause that was of use to the translator
        self._condition = Condition()
        self._memory = MemoryStats()
        self._process = psutil.Process()
        self._busy = {"asr_s": 0.0, "llm_s": 0.0}
        self._captioned = 0

    async def run(self, audio: AsyncIterator[Item]) -> SessionEnd:
        """Publish everything that `audio` leads to, the end included, however it ends; return the end.

        Raises UserError where `audio` does, when what was heard is captioned.
        """
        self._publish(self._start)
        try:
            if self._start.clock == "virtual":
                await self._in_step(audio)
            else:
                await self._side_by_side(audio)
        finally:
            self._note_memory()
            end = SessionEnd(self._listener.heard, self._clock.now(), self._figures())
            self._publish(end)
        if self._broken is not None:
            raise self._broken
        return end

    def want(self, targets: tuple[str, ...]) -> None:
        """Translate into `targets` (ISO 639-1 codes) what is said from now on. To be called on the loop."""
        waits = self._wanted != self._targets  # then what was wanted before came first already
        self._wanted, self._owed = targets, min(self._owed, len(self._segments)) if waits else len(self._segments)
        self._new_text.set()

    async def _in_step(self, audio: AsyncIterator[Item]) -> None:
        async with aclosing(self._until_it_breaks(audio)) as items:
            async for item in items:
                for chunk in self._admit(item):
                    await self._caption_all(await self._hear([chunk], 0.0))
                    if self._drafts_help and (opening := self._ahead.due):
                        await self._draft(opening)
                    if self._may_rest():
                        await self._rest()
                if self._wanted != self._targets:
                    await self._retarget()
        await self._caption_all(await self._hear_the_end())

    async def _until_it_breaks(self, audio: AsyncIterator[Item]) -> AsyncGenerator[Item]:
        """`audio` up to where its source fails."""
        try:
            async for item in audio:
                yield item
        except UserError as error:
            self._broken = error

    async def _caption_all(self, segments: list[Segment]) -> None:
        self._recognised(segments)
        while self._segments:
            await self._caption_next()

    async def _side_by_side(self, audio: AsyncIterator[Item]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(audio))
            group.create_task(self._recognise())
            group.create_task(self._translate())

    async def _listen(self, audio: AsyncIterator[Item]) -> None:
        async with aclosing(self._until_it_breaks(audio)) as items:
            async for item in items:
                for gap in self._waiting.push(self._admit(item)):
                    self._miss(gap)
                self._arrived.set()
                self._tell_condition()
        self._source_over = True
        self._arrived.set()

    async def _recognise(self) -> None:
        while self._waiting or not self._source_over:
            if self._waiting:
                turn = self._waiting.take(TURN)
                self._recognised(await self._hear(turn, self._waiting.seconds))
                continue
            if not await self._comes():
                self._recognised(await self._timed("asr_s", self._workers.asr, self._listener.pause))
                await self._arrived.wait()
            self._arrived.clear()
        self._recognised(await self._hear_the_end())
        self._speech_over = True
        self._new_text.set()

    async def _comes(self) -> bool:
        """Wait for audio, or its end; False where nothing came for `STALL` seconds after it was due."""
        due = max(self._clock.now(), self._heard_to) + self._piece
        arrived = asyncio.ensure_future(self._arrived.wait())
        late = asyncio.ensure_future(self._clock.sleep_until(due + STALL))
        try:
            done, _ = await asyncio.wait((arrived, late), return_when=asyncio.FIRST_COMPLETED)
        finally:
            arrived.cancel()
            late.cancel()
        return arrived in done

    def _recognised(self, segments: list[Segment]) -> None:
        guessing = self._drafts_help and self._captions != "steady"
        opening = self._listener.opening(guessing=guessing)
        if (gone := self._ahead.push(segments, opening)) is not None:
            for caption in self.captioner.withdrawn(gone):
                self._publish(caption)
        for segment in segments:
            now = self._clock.now()
            seen = self._listener.first_reached(segment.end)
            stamps = Stamps(recognised=now if seen is None else seen, committed=now)
            self._emit(segment, segment.language, Translated(segment.text), stamps)
            self._segments.append((segment, stamps))
        if opening:
            begun = opening.segment
            self._show_draft(opening, begun.language, begun.text, opening.committed)
        self._new_text.set()

    async def _translate(self) -> None:
        while self._segments or not self._speech_over:
            if self._wanted != self._targets and not self._owed:
                await self._retarget()
            if self._segments:
                await self._caption_next()
                self._tell_condition()
                continue
            if self._drafts_help and (opening := self._ahead.due):
                await self._draft(opening)
                continue
            if self._may_rest():
                await self._rest()
                continue
            await self._new_text.wait()
            self._new_text.clear()

    async def _retarget(self) -> None:
        """Translate into what is wanted now: what is captioned from here on is in those languages."""
        wanted = self._wanted
        await self._timed("llm_s", self._workers.llm, lambda: self._translator.retarget(wanted))
        self._targets = wanted
        self.captioner.retarget(wanted)
        self._ahead.again()
        self._publish(Targets(wanted))

    async def _draft(self, opening: Opening) -> None:
        """While the speaker goes on, translate how the segment begins: most of that will stand in the final one."""
        segment = opening.segment
        self._ahead.begin(opening)
        is_made = False  # in one language: its final need not wait for the others

        def stop() -> bool:
            return self._another_waits(segment) or (is_made and self._final_waits())

        drafting = self._translator.draft(segment.text, segment.language, stop, binds=self._ahead.binds(opening))
        async with aclosing(self._as_made(drafting)) as drafts:
            async for language, begun in drafts:
                is_made = True
                if self._ahead.is_current(opening):  # else this was cut short
                    self._show_draft(opening, language, begun.text, begun.stable)

    def _may_rest(self) -> bool:
        return self._listener.silent and self._rested < self._listener.pauses

    async def _rest(self) -> None:
        """While nobody speaks, the translator puts its contexts in order. On the virtual clock, where nothing takes
        time, it always comes to an end; on the real one it goes on in the next pause."""
        self._rested = self._listener.pauses
        is_whole = False
        while not is_whole and not self._is_needed():
            is_whole = await self._timed("llm_s", self._workers.llm, self._rest_a_while)

    def _rest_a_while(self) -> bool:
        """Whether all is in order; for about as long as others may have to wait for the translator's thread."""
        until, is_cut = time.perf_counter() + REST_TURN, False

        def stop() -> bool:
            nonlocal is_cut
            is_cut = is_cut or self._is_needed()
            return is_cut

        def pause() -> bool:
            nonlocal is_cut
            is_cut = is_cut or time.perf_counter() >= until
            return is_cut

        self._idle()
        self._translator.rest(stop, pause)
        return not is_cut

    def _is_needed(self) -> bool:
        wants = self._wanted != self._targets
        return wants or self._final_waits() or self._speech_over or not self._listener.silent

    def _final_waits(self) -> bool:
        return bool(self._segments)

    def _another_waits(self, drafted: Segment) -> bool:
        """Whether a final waits that is not to the letter what is `drafted`, of which the draft is its translation."""
        if not self._segments:
            return False
        first, _ = self._segments[0]
        return not self._hastened or (first.text, first.language) != (drafted.text, drafted.language)

    def _has_time(self, segment: Segment) -> bool:
        return self._lateness(segment) < RETRY_WITHIN

    def _lateness(self, segment: Segment) -> float:
        """Seconds since the end of its words, but for those in which a source that stalled sent nothing."""
        return self._clock.now() - segment.end - self._stalled

    def _admit(self, item: Item) -> list[AudioChunk]:
        """Publish gaps, and note what is wanted; return clean audio. Where a device or a network is lost nobody speaks:
        what was said before is over.
        """
        if isinstance(item, Targets):
            self.want(item.targets)
            return []
        if isinstance(item, Gap):
            self._miss(item)
            if item.why not in ("device", "network") or item.end <= item.start:
                return []
            return [
                AudioChunk(np.zeros(round(min(item.end - item.start, PAUSE) * SAMPLE_RATE), np.float32), item.start)
            ]
        self._condition.heard()
        self._heard_to, self._piece = item.end, item.end - item.start
        self._stalled = max(0.0, self._clock.now() - item.end)
        chunk, gaps = self._scrubber.push(item)
        for gap in gaps:
            self._miss(gap)
        return [chunk]

    def _miss(self, gap: Gap) -> None:
        self._condition.missed(gap, self._clock.now())
        self._publish(gap)

    def _tell_condition(self) -> None:
        """On the real clock, whenever audio came or a caption was sent."""
        now = self._clock.now()
        waiting = self._lateness(self._segments[0][0]) if self._segments else 0.0
        status = self._condition.status(audio=self._listener.heard, now=now, waiting=waiting)
        if status is not None:
            self._publish(status)

    async def _hear(self, chunks: list[AudioChunk], waiting: float) -> list[Segment]:
        """What `chunks` end, while `waiting` seconds more wait behind them."""

        def work() -> list[Segment]:
            segments: list[Segment] = []
            left = sum(len(chunk.samples) for chunk in chunks)
            for chunk in chunks:
                left -= len(chunk.samples)
                backlog = waiting + left / SAMPLE_RATE
                segments += self._listener.push(chunk, backlog=backlog)
            return segments

        return await self._timed("asr_s", self._workers.asr, work)

    async def _hear_the_end(self) -> list[Segment]:
        for gap in self._scrubber.flush():
            self._miss(gap)
        return await self._timed("asr_s", self._workers.asr, self._listener.flush)

    async def _caption_next(self) -> None:
        segment, stamps = self._segments[0]
        self._captioned += 1
        written = {language: Written(self._clock.now) for language in self._targets}
        finished = self._translator.translate(
            segment.text,
            segment.language,
            in_time=lambda: self._has_time(segment),
            wrote=lambda language, tokens: written[language](tokens),
        )
        async with aclosing(self._as_made(finished)) as translations:
            async for language, made in translations:
                times = written[language]
                self._emit(segment, language, made, replace(stamps, first_token=times.first, last_token=times.last))
        self._segments.popleft()  # not before: until it is captioned it waits
        self._owed = max(0, self._owed - 1)
        self._note_memory()

    async def _as_made(self, items: Iterator[T]) -> AsyncGenerator[T]:
        """What the translator's thread makes, as it comes."""
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[T | None]()

        def work() -> None:
            try:
                for item in items:
                    loop.call_soon_threadsafe(queue.put_nowait, item)
            finally:
                loop.call_soon_threadsafe(queue.put_nowait, None)

        working = asyncio.ensure_future(self._timed("llm_s", self._workers.llm, work))
        try:
            while (item := await queue.get()) is not None:
                yield item
        finally:
            await working

    def _note_memory(self) -> None:
        self._memory.add(self._listener.heard, self._process.memory_info().rss / 1e6)

    def _show_draft(self, opening: Opening, language: str, text: str, stable: int) -> None:
        caption = self.captioner.draft(opening, language, text, stable)
        if caption is not None:
            self._publish(caption)

    def _emit(self, segment: Segment, language: str, made: Translated, stamps: Stamps) -> None:
        stalled = self._stalled if self._stalled > STALL else 0.0
        caption = self.captioner.final(segment, language, made, stamps, stalled=stalled)
        if caption.role == "target":
            self._condition.captioned(self._lateness(segment))
        self._publish(caption)

    async def _timed(self, stage: str, worker: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        def timed() -> T:
            began = time.perf_counter()  # here, so that waiting for other sessions' work is not counted
            try:
                return work()
            finally:
                self._busy[stage] += time.perf_counter() - began

        return await asyncio.get_running_loop().run_in_executor(worker, timed)

    def _figures(self) -> dict[str, float | int]:
        return {
            **{stage: round(seconds, 3) for stage, seconds in self._busy.items()},
            **self.captioner.lags.figures(),
            "segments": self._captioned,
            **self._translator.figures(),
            **self._memory.figures(),
        }
