"""One speaker's session: the pieces joined, and driven.

In: audio chunks and gaps from a source. Out: events, published in order on the event loop. On the real
clock recogniser and translator run side by side, each on its own thread and cores; on the virtual clock
they take turns with the audio, so that every run gives the same captions. A failure anywhere ends the
session with its cause. Knows no socket and no file.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
import psutil

from surtitle.pipeline.backlog import Backlog
from surtitle.pipeline.events import (
    SAMPLE_RATE,
    AudioChunk,
    Caption,
    Event,
    Gap,
    Role,
    Samples,
    Segment,
    SessionEnd,
    SessionStart,
    Stamps,
    Word,
)
from surtitle.pipeline.gate import Closed, Quiet
from surtitle.pipeline.pacing import Clock
from surtitle.pipeline.recognizer import Heard
from surtitle.pipeline.scrub import Scrubber
from surtitle.pipeline.segmenter import Segmenter
from surtitle.pipeline.stamps import Reach, Written
from surtitle.pipeline.stats import LagStats, MemoryStats

T = TypeVar("T")
DRAFT_STEP = 24
"""Characters by which the open text must grow to be translated ahead again: drafts cost the recogniser time."""
RETRY_WITHIN = 3.0
"""Seconds after the words up to which a failed translation is made again; later, the next segment is more urgent."""
REPORTS = 256
"""Final captions, the newest, of which viewers may still report that they were painted."""


class Hears(Protocol):
    """What `recognizer.Recognizer` does."""

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]: ...

    def flush(self) -> list[Heard]: ...

    @property
    def pending(self) -> tuple[Word, ...]: ...


class Translates(Protocol):
    """What `translator.Translator` does."""

    def translate(
        self, text: str, *, in_time: Callable[[], bool], wrote: Callable[[str, int], None]
    ) -> Iterator[tuple[str, str]]: ...

    def draft(self, text: str, stop: Callable[[], bool]) -> None: ...

    def figures(self) -> Mapping[str, int]: ...


@dataclass(frozen=True, slots=True)
class Workers:
    """The threads that models run on: one each, so that neither waits in the other's queue."""

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
    ) -> None:
        """`translator` writes the languages of `start`; `publish` is called on the event loop, and must not block."""
        self._start = start
        self._recognizer = recognizer
        self._segmenter = Segmenter(start.source)
        self._translator = translator
        self._clock = clock
        self._workers = workers
        self._publish = publish
        self._scrubber = Scrubber()
        self._waiting = Backlog()
        self._arrived = asyncio.Event()
        self._source_over = False
        self._segments: deque[tuple[Segment, Stamps]] = deque()
        self._open_text = ""
        self._drafted = ""
        self._new_text = asyncio.Event()
        self._speech_over = False
        self._heard = 0  # samples given to the recogniser
        self._reach = Reach()
        self._ends: dict[tuple[int, str], float] = {}  # of the newest finals' words, by cue and language
        self.lags = LagStats()
        """How late each stage was so far."""
        self._memory = MemoryStats()
        self._process = psutil.Process()
        self._busy = {"asr_s": 0.0, "llm_s": 0.0}
        self._captioned = 0

    async def run(self, audio: AsyncIterator[AudioChunk | Gap]) -> SessionEnd:
        """Publish everything that `audio` leads to, the end included; return the end."""
        self._publish(self._start)
        if self._start.clock == "virtual":
            await self._in_step(audio)
        else:
            await self._side_by_side(audio)
        self._note_memory()
        end = SessionEnd(self._heard / SAMPLE_RATE, self._clock.now(), self._figures())
        self._publish(end)
        return end

    async def _in_step(self, audio: AsyncIterator[AudioChunk | Gap]) -> None:
        async for item in audio:
            for chunk in self._admit(item):
                await self._caption_all(await self._hear([chunk]))
        await self._caption_all(await self._hear_the_end())

    async def _caption_all(self, segments: list[Segment]) -> None:
        self._recognised(segments)
        while self._segments:
            await self._caption(*self._segments.popleft())

    async def _side_by_side(self, audio: AsyncIterator[AudioChunk | Gap]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(audio))
            group.create_task(self._recognise())
            group.create_task(self._translate())

    async def _listen(self, audio: AsyncIterator[AudioChunk | Gap]) -> None:
        async for item in audio:
            for gap in self._waiting.push(self._admit(item)):
                self._publish(gap)
            self._arrived.set()
        self._source_over = True
        self._arrived.set()

    async def _recognise(self) -> None:
        while not (self._source_over and not self._waiting):
            await self._arrived.wait()
            self._arrived.clear()
            self._recognised(await self._hear(self._waiting.take()))
        self._recognised(await self._hear_the_end())
        self._speech_over = True
        self._new_text.set()

    def _recognised(self, segments: list[Segment]) -> None:
        for segment in segments:
            now = self._clock.now()
            seen = self._reach.first(segment.end)
            stamps = Stamps(recognised=now if seen is None else seen, committed=now)
            self._emit(segment, segment.language, segment.text, stamps)
            self._segments.append((segment, stamps))
        if segments:
            self._drafted = ""
        self._open_text = self._segmenter.open_text
        self._new_text.set()

    async def _translate(self) -> None:
        while self._segments or not self._speech_over:
            if self._segments:
                await self._caption(*self._segments.popleft())
                continue
            if len(self._open_text) >= len(self._drafted) + DRAFT_STEP:
                self._drafted = self._open_text
                await self._draft(self._drafted)
                continue
            await self._new_text.wait()
            self._new_text.clear()

    async def _draft(self, text: str) -> None:
        """While the speaker goes on, translate what is committed: most of it will stand in the final translation."""
        await self._timed("llm_s", self._workers.llm, partial(self._translator.draft, text, self._final_waits))

    def _final_waits(self) -> bool:
        return bool(self._segments)

    def _has_time(self, segment: Segment) -> bool:
        return self._clock.now() - segment.end < RETRY_WITHIN

    def _admit(self, item: AudioChunk | Gap) -> list[AudioChunk]:
        """Publish gaps; return clean audio."""
        if isinstance(item, Gap):
            self._publish(item)
            return []
        chunk, gaps = self._scrubber.push(item)
        for gap in gaps:
            self._publish(gap)
        return [chunk]

    async def _hear(self, chunks: list[AudioChunk]) -> list[Segment]:
        def work() -> list[Segment]:
            segments: list[Segment] = []
            for chunk in chunks:
                backlog = chunks[-1].end - chunk.end
                segments += self._cut(self._recognizer.push(self._aligned(chunk), backlog=backlog))
                self._note_guess()
            return segments

        return await self._timed("asr_s", self._workers.asr, work)

    async def _hear_the_end(self) -> list[Segment]:
        for gap in self._scrubber.flush():
            self._publish(gap)

        def work() -> list[Segment]:
            return self._cut(self._recognizer.flush()) + self._segmenter.flush()

        return await self._timed("asr_s", self._workers.asr, work)

    def _aligned(self, chunk: AudioChunk) -> Samples:
        """Skipped audio becomes silence, so that the recogniser's time stays the audio's."""
        missing = max(0, round(chunk.start * SAMPLE_RATE) - self._heard)
        self._heard += missing + len(chunk.samples)
        return np.concatenate((np.zeros(missing, np.float32), chunk.samples)) if missing else chunk.samples

    def _note_guess(self) -> None:
        if pending := self._recognizer.pending:
            self._reach.push(pending[-1].end, self._clock.now())

    def _cut(self, heard: list[Heard]) -> list[Segment]:
        segments: list[Segment] = []
        for item in heard:
            match item:
                case Word():
                    self._reach.push(item.end, self._clock.now())
                    segments += self._segmenter.push(item)
                case Closed():
                    segments += self._segmenter.pause()
                case Quiet():
                    segments += self._segmenter.flush()
        return segments

    async def _caption(self, segment: Segment, stamps: Stamps) -> None:
        self._captioned += 1
        loop = asyncio.get_running_loop()
        written = {language: Written(self._clock.now) for language in self._start.targets}

        def done(language: str, text: str) -> None:
            times = written[language]
            self._emit(segment, language, text, replace(stamps, first_token=times.first, last_token=times.last))

        def work() -> None:
            finished = self._translator.translate(
                segment.text,
                in_time=lambda: self._has_time(segment),
                wrote=lambda language, tokens: written[language](tokens),
            )
            for language, text in finished:
                loop.call_soon_threadsafe(done, language, text)

        await self._timed("llm_s", self._workers.llm, work)
        self._note_memory()

    def _note_memory(self) -> None:
        self._memory.add(self._heard / SAMPLE_RATE, self._process.memory_info().rss / 1e6)

    def _emit(self, segment: Segment, language: str, text: str, stamps: Stamps) -> None:
        now = self._clock.now()
        role: Role = "source" if language == segment.language else "target"
        caption = Caption(
            cue=segment.id,
            revision=0,
            language=language,
            role=role,
            text=text,
            start=segment.start,
            end=segment.end,
            final=True,
            stable=len(text),
            audio=self._heard / SAMPLE_RATE,
            elapsed=now,
            stamps=stamps,
        )
        if role == "target":
            self.lags.add(segment.end, now - segment.end, stamps)
            self._ends[segment.id, language] = segment.end
            if len(self._ends) > REPORTS:
                del self._ends[next(iter(self._ends))]
        self._publish(caption)

    def painted(self, cue: int, language: str) -> None:
        """A viewer has the final caption of `cue` in `language` on its screen."""
        end = self._ends.get((cue, language))
        if end is not None:
            self.lags.painted(self._clock.now() - end)

    async def _timed(self, stage: str, worker: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        began = time.perf_counter()
        result: Awaitable[T] = asyncio.get_running_loop().run_in_executor(worker, work)
        value = await result
        self._busy[stage] += time.perf_counter() - began
        return value

    def _figures(self) -> dict[str, float | int]:
        return {
            **{stage: round(seconds, 3) for stage, seconds in self._busy.items()},
            **self.lags.figures(),
            "segments": self._captioned,
            **self._translator.figures(),
            **self._memory.figures(),
        }
