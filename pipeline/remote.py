"""A model behind an endpoint, asked by all languages and sessions of the process side by side.

In: dialogues' steps, by language, and how long answers are waited for. Out: what the steps return, with answers or
without. An endpoint that is down, slow or answers nonsense is left alone for a while (`breaker.py`), and tried again by
itself; that is told once, and not for each segment. One that loads its model when it is asked is asked for a word
beside the segments, and waited for. Knows no HTTP, no glossary and no viewers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Protocol

from surtitle.pipeline.breaker import LONGEST_PAUSE, Breaker
from surtitle.pipeline.callbacks import ignore
from surtitle.pipeline.dialogue import Ask, Exchange, NoAnswer, Reply, TooMuch
from surtitle.pipeline.endpoint import EndpointError, Refusal, ThinksAloud
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Translated
from surtitle.pipeline.identify import Identifier
from surtitle.pipeline.profiles import find_profile


@dataclass(frozen=True, slots=True)
class Budget:
    """How long answers are waited for."""

    patience: float
    """Seconds that a segment's translations may take, all languages and tries together."""
    hurry: float
    """The same for one whose words are old already: so lag stays bounded."""
    must_answer: bool = False
    """Where there is no answer, be it in one language of several, the work ends with a UserError."""


LIVE = Budget(6.0, 1.5)
REPLAY = Budget(120.0, 120.0)
"""For a virtual clock, on which nothing waits."""
TEXT = Budget(120.0, 120.0, must_answer=True)
LOADING = 300.0
"""Seconds that a server may take to load its model."""
_WORD = Ask([{"role": "user", "content": "Hello"}], 1, (), {})
"""What a server is asked so that it loads its model."""


class Answers(Protocol):
    """What `endpoint.Endpoint` does."""

    async def answer(self, ask: Ask, wrote: Callable[[int], None]) -> Reply: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Fared:
    """How the endpoint fared with one segment."""

    failed: bool = False
    """It was asked, and no answer came."""
    left_alone: bool = False
    """It is left alone from now on."""


class Remote:
    """A model behind an endpoint, shared by all dialogues of the process, each on a thread of its own."""

    def __init__(
        self,
        endpoint: Answers,
        model: str,
        identifier: Identifier,
        *,
        tell: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
        soon: float = LIVE.patience,
    ) -> None:
        """`tell` hears when `endpoint` fails, and when it answers again; `clock` says how long it was left alone.

        A server that takes more than `soon` seconds to say a word is taken for one that loads its model.
        """
        self.profile = find_profile(model)
        """How this model is asked for translations."""
        self.identifier = identifier
        self._endpoint = endpoint
        self._tell = tell
        self._clock = clock
        self._soon = soon
        # what follows is touched on this loop alone, and so are the dialogues
        self._breaker = Breaker()
        self._waking: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[Fared]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="endpoint", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Have the server load its model, before it is asked for a translation."""
        self._loop.call_soon_threadsafe(self._wake, replace(_WORD, variables=self.profile.variables))

    def translations(
        self,
        steps: Mapping[str, Exchange[Translated]],
        budget: Budget,
        in_time: Callable[[], bool],
        wrote: Callable[[str, int], None],
    ) -> Generator[tuple[str, Translated], None, Fared]:
        """What `steps`, by language, return, as they do. Raises UserError if an answer must come and none does."""
        made = SimpleQueue[tuple[str, Translated] | None]()

        async def begin() -> asyncio.Task[Fared]:
            task = asyncio.create_task(self._translating(steps, budget, in_time, wrote, made.put))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            task.add_done_callback(lambda _: made.put(None))  # however it ends, this is the last thing that is put
            return task

        task = asyncio.run_coroutine_threadsafe(begin(), self._loop).result()
        try:
            yield from iter(made.get, None)
        finally:
            if not task.done():  # nobody wants the rest
                self._loop.call_soon_threadsafe(task.cancel)
                while made.get() is not None:
                    pass
        return task.result()

    async def _translating(
        self,
        steps: Mapping[str, Exchange[Translated]],
        budget: Budget,
        in_time: Callable[[], bool],
        wrote: Callable[[str, int], None],
        put: Callable[[tuple[str, Translated]], None],
    ) -> Fared:
        if not budget.must_answer and not self._breaker.admits(self._clock()):
            for language, each in steps.items():
                next(each)
                put((language, _unanswered(each)))
            return Fared()
        began = self._clock()
        segment = _Segment(self._endpoint, budget.patience if in_time() else budget.hurry)

        async def translate(language: str) -> None:
            put((language, await segment.drive(steps[language], partial(wrote, language))))

        async with asyncio.TaskGroup() as group:
            for language in steps:
                group.create_task(translate(language))
        return self._note(segment, budget, began)

    def interrupt(self) -> None:
        """Nobody wants what is under way any more: who waits for it is let go."""
        self._loop.call_soon_threadsafe(self._let_go)

    def _let_go(self) -> None:
        for task in self._under_way:
            task.cancel()

    def close(self) -> None:
        """Let go of the endpoint."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        if self._waking is not None:
            self._waking.cancel()
            await asyncio.wait([self._waking])
        await self._endpoint.close()

    def _note(self, segment: _Segment, budget: Budget, began: float) -> Fared:
        now = self._clock()
        if budget.must_answer and segment.failed:
            raise UserError(f"the translation server gives no translation: {segment.why}")
        if segment.answered:
            failed_for = self._breaker.succeeded(now)
            if failed_for is not None:
                self._tell(f"the translation server answers again, after {failed_for:.0f} s")
            return Fared()
        if budget.must_answer:  # empty answers: a line of text has no captions, and the next is asked for anyway
            return Fared(failed=True)
        self._wake(segment.asked or _WORD)
        left_alone = self._breaker.failed(now, began=began)
        if left_alone:
            self._tell(
                f"the translation server gives no translation: {segment.why or 'its answer is empty'}; until it does, "
                f"captions show the original, marked as untranslated. Trying every {LONGEST_PAUSE:.0f} s or sooner"
            )
        return Fared(failed=True, left_alone=left_alone)

    def _wake(self, ask: Ask) -> None:
        if self._waking is None or self._waking.done():
            self._waking = self._loop.create_task(self._ask_a_word(replace(ask, limit=1)))

    async def _ask_a_word(self, ask: Ask) -> None:
        """A segment is not waited for as long as loading a model takes, and a server that is hung up on stops loading
        it. So it is asked beside them; if that took as long, and it answers soon now, the next segment is tried. What
        it is asked is what it failed at, so that it knows how the next one begins."""
        began = self._loop.time()
        with suppress(TimeoutError, EndpointError):
            async with asyncio.timeout(LOADING):
                await _answer(self._endpoint, ask, ignore)
            if self._loop.time() - began > self._soon:
                async with asyncio.timeout(self._soon):
                    await _answer(self._endpoint, ask, ignore)
                self._breaker.try_now(self._clock())


class _Segment:
    """The time and the questions of one segment, all languages together."""

    def __init__(self, endpoint: Answers, seconds: float) -> None:
        self._endpoint = endpoint
        self._seconds = seconds
        self.answered = False
        """There was something to read, in any language."""
        self.failed = False
        """There is a language without a translation for want of an answer."""
        self.asked: Ask | None = None
        """The last question."""
        self.why = ""
        """Why there was no answer, in any language."""

    async def drive(self, steps: Exchange[Translated], wrote: Callable[[int], None]) -> Translated:
        """What `steps` return, asked in time."""
        is_refused = False
        try:
            async with asyncio.timeout(self._seconds):
                ask = next(steps)
                while True:
                    self.asked = ask
                    try:
                        answer = await _answer(self._endpoint, ask, wrote)
                    except Refusal as error:
                        self.why, is_refused = str(error), True
                        ask = steps.throw(TooMuch())
                    else:
                        self.answered, is_refused = self.answered or bool(answer.text.strip()), False
                        ask = steps.send(answer)
        except StopIteration as end:
            translated: Translated = end.value
            self.answered = self.answered or not translated.untranslated
            self.failed = self.failed or (is_refused and translated.untranslated)
            return translated
        except TimeoutError:
            self.why = f"it took more than {self._seconds:g} s"
        except EndpointError as error:
            self.why = str(error)
        left = _unanswered(steps)
        self.failed = self.failed or left.untranslated
        return left


async def _answer(endpoint: Answers, ask: Ask, wrote: Callable[[int], None]) -> Reply:
    """What `endpoint` answers; where the model thinks aloud instead it is asked once more, and told not to."""
    try:
        return await endpoint.answer(ask, wrote)
    except ThinksAloud:
        with suppress(Refusal):  # of being told
            return await endpoint.answer(ask, wrote)
        raise


def _unanswered(steps: Exchange[Translated]) -> Translated:
    """What `steps`, which wait for an answer, make of none."""
    try:
        steps.throw(NoAnswer())
    except StopIteration as end:
        translated: Translated = end.value
        return translated
    raise RuntimeError("a dialogue asked on where nobody answers")
