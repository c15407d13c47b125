"""One speaker's session: the pieces joined, and driven.

In: audio chunks and gaps from a source, and other languages that are wanted. Out: events, published in order on the
event loop. On the real clock recogniser and translator run side by side, each on its own thread and cores; on the
virtual clock they take turns with the audio, so that every run gives the same captions. A failure that comes here ends
the session with its cause. Knows no socket and no file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

import psutil

from surtitle.pipeline.agenda import Agenda, Waiting
from surtitle.pipeline.ahead import Ahead
from surtitle.pipeline.arrivals import Arrivals
from surtitle.pipeline.callbacks import ignore
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
from surtitle.pipeline.incoming import Incoming
from surtitle.pipeline.listener import Hears, Listener
from surtitle.pipeline.pacing import Clock
from surtitle.pipeline.rests import Rests
from surtitle.pipeline.scrub import Scrubber, silence
from surtitle.pipeline.segmenter import Opening
from surtitle.pipeline.stamps import Written
from surtitle.pipeline.stats import MemoryStats
from surtitle.pipeline.workers import Worker, Workers

TURN = 1.0
"""Seconds of audio, a look or two, that are recognised before other sessions on the same model have their turn."""
RETRY_WITHIN = 5.0
"""Seconds after the words up to which a failed translation is made again; later, the next segment is more urgent."""


class Translates(Protocol):
    """What `interpreter.Interpreter` does."""

    def translate(
        self, text: str, spoken: str, *, in_time: Callable[[], bool], wrote: Callable[[str, int], None]
    ) -> Iterator[tuple[str, Translated]]: ...

    def give_up(self, text: str, spoken: str) -> Iterator[tuple[str, Translated]]: ...

    def draft(
        self, text: str, spoken: str, stop: Callable[[], bool], *, binds: bool
    ) -> Iterator[tuple[str, Drafted]]: ...

    def retarget(self, targets: Sequence[str]) -> None: ...

    def rest(self, stop: Callable[[], bool], pause: Callable[[], bool]) -> None: ...

    def figures(self) -> Mapping[str, int]: ...


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
        punctual: bool = False,
        idle: Callable[[], object] = ignore,
    ) -> None:
        """`translator` writes the languages of `start`; `publish` is called on the event loop, and must not block.

        `hastened` says whether a final comes sooner by drafts, even by those that nobody sees; `punctual` that the
        source is never late by itself, as a recording is that is paced here. `idle` is called on the translator's
        thread, in pauses.
        """
        self._start = start
        self._listener = Listener(recognizer, start.sources[0], now=clock.now)
        self._translator = translator
        self._clock = clock
        self._asr, self._llm = Worker(workers.asr), Worker(workers.llm)
        self._publish = publish
        self._scrubber = Scrubber()
        self._arrivals = Arrivals(punctual=punctual)
        self._incoming = Incoming(self._arrivals, clock)
        self._broken: UserError | None = None  # what ended the source too early
        self._agenda = Agenda(start.targets)
        self._captions = captions
        self._pauses = Rests(self._llm, translator.rest, idle=idle, is_needed=self._is_needed)
        self._hastened = hastened
        self._drafts_help = captions != "final" or (hastened and start.clock == "real")
        self.captioner = Captioner(start.targets, captions, now=clock.now, heard=lambda: self._listener.heard)
        """What its captions were, and how late."""
        self._ahead = Ahead()
        self._new_text = asyncio.Event()
        self._speech_over = False
        self._condition = Condition()
        self._memory = MemoryStats()
        self._process = psutil.Process()
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
        self._agenda.want(targets)
        self._new_text.set()

    async def _in_step(self, audio: AsyncIterator[Item]) -> None:
        async with aclosing(self._until_it_breaks(audio)) as items:
            async for item in items:
                for chunk in self._admit(item):
                    await self._caption_all(await self._hear([chunk], 0.0))
                    if self._drafts_help and (opening := self._ahead.due):
                        await self._draft(opening)
                    await self._rests()
                if self._agenda.due:
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
        while self._agenda:
            await self._caption_next()

    async def _side_by_side(self, audio: AsyncIterator[Item]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(audio))
            group.create_task(self._recognise())
            group.create_task(self._translate())

    async def _listen(self, audio: AsyncIterator[Item]) -> None:
        async with aclosing(self._until_it_breaks(audio)) as items:
            async for item in items:
                for gap in self._incoming.push(self._admit(item)):
                    self._miss(gap)
                self._tell_condition()
        self._incoming.close()

    async def _recognise(self) -> None:
        async with aclosing(self._incoming.turns(TURN)) as turns:
            async for turn in turns:
                if turn:
                    self._recognised(await self._hear(turn, self._incoming.seconds))
                else:  # the source stalls
                    self._recognised(await self._asr.run(self._listener.pause))
        self._recognised(await self._hear_the_end())
        self._speech_over = True
        self._new_text.set()

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
            waiting = self._agenda.add(segment, stamps, self._arrivals.late)
            if waiting.is_told:
                self._emit(waiting, segment.language, Translated(segment.text), stamps)
        if opening and not self._agenda.holds(opening.segment.language):
            begun = opening.segment
            self._show_draft(opening, begun.language, begun.text, opening.committed)
        self._new_text.set()

    async def _translate(self) -> None:
        while self._agenda or not self._speech_over:
            if self._agenda.due:
                await self._retarget()
                continue  # others may be wanted by now
            if self._agenda:
                await self._caption_next()
                self._tell_condition()
                continue
            if self._drafts_help and (opening := self._ahead.due):
                await self._draft(opening)
                continue
            if await self._rests():
                continue
            await self._new_text.wait()
            self._new_text.clear()

    async def _retarget(self) -> None:
        """Translate into what is wanted now: what is captioned from here on is in those languages."""
        before, wanted = self._agenda.targets, self._agenda.change()
        if wanted == before:
            return
        await self._llm.run(lambda: self._translator.retarget(wanted))
        self.captioner.retarget(wanted)
        self._ahead.again()
        self._publish(Targets(wanted))

    async def _draft(self, opening: Opening) -> None:
        """While the speaker goes on, translate how the segment begins: most of that will stand in the final one."""
        segment = opening.segment
        self._ahead.begin(opening)
        is_made = False  # in one language: its final need not wait for the others

        def stop() -> bool:
            return self._another_waits(segment) or (is_made and bool(self._agenda))

        drafting = self._translator.draft(segment.text, segment.language, stop, binds=self._ahead.binds(opening))
        async with aclosing(self._llm.each(drafting)) as drafts:
            async for language, begun in drafts:
                is_made = True
                if self._ahead.is_current(opening):  # else this was cut short
                    self._show_draft(opening, language, begun.text, begun.stable)

    async def _rests(self) -> bool:
        """Put the translator's contexts in order, where nobody speaks. Whether there was a pause for it."""
        if not self._listener.silent or not self._pauses.is_due(self._listener.pauses):
            return False
        await self._pauses.use(self._listener.pauses)
        return True

    def _is_needed(self) -> bool:
        return self._agenda.changes or bool(self._agenda) or self._speech_over or not self._listener.silent

    def _another_waits(self, drafted: Segment) -> bool:
        """Whether the oldest segment that waits differs from `drafted`: if not, the draft becomes its translation."""
        if not self._agenda:
            return False
        first = self._agenda.first.segment
        return not self._hastened or (first.text, first.language) != (drafted.text, drafted.language)

    def _has_time(self, segment: Segment) -> bool:
        return self._lateness(segment) < RETRY_WITHIN

    def _lateness(self, segment: Segment) -> float:
        """Seconds since the end of its words were here."""
        return self._arrivals.lateness(segment.end, self._clock.now())

    def _admit(self, item: Item) -> list[AudioChunk]:
        """Publish gaps, and note what is wanted; return clean audio."""
        if isinstance(item, Targets):
            self.want(item.targets)
            return []
        if isinstance(item, Gap):
            self._miss(item)
            return silence(item)
        self._condition.heard()
        self._arrivals.push(item.start, item.end, self._clock.now())
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
        waiting = self._lateness(self._agenda.first.segment) if self._agenda else 0.0
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

        return await self._asr.run(work)

    async def _hear_the_end(self) -> list[Segment]:
        for gap in self._scrubber.flush():
            self._miss(gap)
        return await self._asr.run(self._listener.flush)

    async def _caption_next(self) -> None:
        first = self._agenda.first
        segment = first.segment
        self._captioned += 1
        if not first.is_told:
            self._emit(first, segment.language, Translated(segment.text), first.stamps)
            self._agenda.tell()
        written = {language: Written(self._clock.now) for language in self._agenda.targets}
        async with aclosing(self._llm.each(self._made(segment, written))) as translations:
            async for language, made in translations:
                times = written[language]
                stamps = replace(first.stamps, first_token=times.first, last_token=times.last)
                self._emit(first, language, made, stamps)
        self._agenda.done()  # not before: until it is captioned it waits
        self._note_memory()

    def _made(self, segment: Segment, written: Mapping[str, Written]) -> Iterator[tuple[str, Translated]]:
        """The oldest segment's translations or, if it waited too long for them, what was said. Where nothing more is
        said all is translated: what waits grows no more."""
        if not self._speech_over and self._agenda.gives_up(self._clock.now()):
            return self._translator.give_up(segment.text, segment.language)
        return self._translator.translate(
            segment.text,
            segment.language,
            in_time=lambda: self._has_time(segment),
            wrote=lambda language, tokens: written[language](tokens),
        )

    def _note_memory(self) -> None:
        self._memory.add(self._listener.heard, self._process.memory_info().rss / 1e6)

    def _show_draft(self, opening: Opening, language: str, text: str, stable: int) -> None:
        caption = self.captioner.draft(opening, language, text, stable)
        if caption is not None:
            self._publish(caption)

    def _emit(self, waiting: Waiting, language: str, made: Translated, stamps: Stamps) -> None:
        caption = self.captioner.final(waiting.segment, language, made, stamps, behind=waiting.behind)
        if caption.role == "target":
            awaited = self.captioner.awaits(waiting.segment, language)
            self._condition.captioned(self._lateness(waiting.segment), awaited=awaited)
        self._publish(caption)

    def _figures(self) -> dict[str, float | int]:
        return {
            "asr_s": round(self._asr.seconds, 3),
            "llm_s": round(self._llm.seconds, 3),
            **self.captioner.lags.figures(),
            "segments": self._captioned,
            **self._translator.figures(),
            **self._memory.figures(),
        }
