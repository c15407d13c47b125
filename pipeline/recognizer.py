"""Streaming recognition: from samples to committed words.

In: samples in any cut. Out: committed words (never taken back), the ends of speech and changes of the language spoken,
on the audio clock. The open audio is recognised again and again as it grows; a policy says which guessed words are
committed; the window is trimmed where a sentence was committed, so an update's cost depends on the open audio alone.
The models come in as functions: knows no framework, no thread and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from surtitle.pipeline.agreement import CommitPolicy
from surtitle.pipeline.alignment import Alignment
from surtitle.pipeline.events import SAMPLE_RATE, Samples, Word
from surtitle.pipeline.gate import Closed, GateEvent, GateSettings, Opened, Quiet, SpeechGate
from surtitle.pipeline.inventions import heard, loops, recites, said_once, sureness, unlikely
from surtitle.pipeline.level import Level
from surtitle.pipeline.sentences import ends_sentence
from surtitle.pipeline.spoken import Speaks, SpokenLanguage
from surtitle.pipeline.text import bare, is_spaced, joined
from surtitle.pipeline.window import AudioWindow

_FRAME = 512
_RECENT = 80
"""Committed words, or pieces of them, since the last pause, in which a loop may have begun."""
_FIRST = 2
"""Words that a beginning is."""
_EDGE = 0.05
"""Seconds before the end of the audio: a word that reaches into them was cut short, unless it ends there by chance."""

Heard = Word | Speaks | Closed | Quiet
"""What comes out: committed words, where another language begins, and where speech paused and stopped."""


class Transcribe(Protocol):
    """What `whisper.Whisper.transcribe` does."""

    def __call__(
        self,
        samples: Samples,
        *,
        past: Samples,
        language: str,
        expected: str = "",
        before: str = "",
        committed: str = "",
        last: bool = False,
        can_wait: bool = False,
        goes_on: bool = False,
    ) -> list[Word]: ...


class Identify(Protocol):
    """What `whisper.Whisper.likelihoods` does."""

    def __call__(self, samples: Samples, languages: Sequence[str]) -> dict[str, float]: ...


class Probability(Protocol):
    """What `silero.SpeechProbability.push` does: one probability per 512 samples."""

    def __call__(self, samples: Samples) -> list[float]: ...


@dataclass(frozen=True, slots=True)
class RecognizerSettings:
    """How often to look, and how much to keep."""

    step: float = 0.8
    """Seconds of new audio between two updates, at least."""
    window: float = 6.0
    """Seconds of open audio from which the window is trimmed inside a sentence."""
    longest: float = 22.0
    """Seconds of open audio at which the guess is committed, however it lies, if no word of it can be committed."""
    kept: int = 3
    """Committed words that stay in a trimmed window: where a word ends is not known well enough to cut there."""
    short: float = 3.0
    """Seconds up to which speech that was doubted waits for what follows a pause, to be heard again with it."""
    unsure: float = 0.6
    """Mean probability of its words below which nothing of a short speech is committed: it waits for more, over a pause
    too; if nothing follows, it was said so. Also the probability below which a word that was cut short is not shown."""
    soft: float = 0.5
    """The same for the mean of its first two words: at a beginning a model knows least, and what follows is surer."""
    unheard: float = 1.0
    """Seconds of speech after the last word of a guess from which the model is asked what was said in them."""
    context: int = 120
    """Characters of committed text before the window that the model is shown."""
    past: float = 6.0
    """Seconds of audio before the window that the encoder hears beside it, where one language is spoken: how something
    sounds depends on what came before it."""
    late: float = 1.0
    """Seconds of new audio at a look from which it hears none of that: the machine does not keep up, and the past is a
    quarter of the work."""


class Recognizer:
    """The open audio and what is known of it."""

    def __init__(
        self,
        transcribe: Transcribe,
        probability: Probability,
        *,
        languages: Sequence[str],
        identify: Identify | None = None,
        hot_words: Callable[[str], str] | None = None,
        settings: RecognizerSettings | None = None,
        policy: CommitPolicy | None = None,
    ) -> None:
        """Hear one of `languages` (ISO 639-1 codes), the first until `identify` says which; with one it is not asked.

        `hot_words` tells what to expect in a language, as terms with commas between. `policy` says which guessed words
        are committed: by default, those that end well before the audio does and are followed by another.
        """
        self._transcribe = transcribe
        self._probability = probability
        self._spoken = SpokenLanguage(languages)
        self._identify = identify if len(languages) > 1 else None
        self._hot_words = hot_words
        self._settings = settings or RecognizerSettings()
        bounds = GateSettings()
        self._gate = SpeechGate(bounds)
        self._beginning = int((bounds.padding + bounds.minimum_speech) * SAMPLE_RATE)
        self._keep = int(bounds.lead * SAMPLE_RATE) + self._beginning + _FRAME
        self._level = Level()
        self._policy = policy or Alignment()
        self._committed: list[Word] = []
        self._recent: list[Word] = []  # the last that were committed since a pause
        self._before = ""
        self._rest: Samples = np.zeros(0, np.float32)
        # beside another language what is said now sounds like that one: a change would be noticed too late
        self._window = AudioWindow(past=0 if self._identify else int(self._settings.past * SAMPLE_RATE))
        self._looked_at = 0
        self._is_late = False
        self._heard_until = 0.0  # seconds: the end of the audio of the last guess
        self._waits = False  # what was said before this pause stays in the window
        self.updates = 0
        """Looks at the audio so far."""

    @property
    def pending(self) -> tuple[Word, ...]:
        """The last guess beyond what is committed: it may change. Not what was cut short at the end and sounds unsure:
        most of that would be taken back."""
        words, edge = self._policy.pending, self._heard_until - _EDGE
        cut = (i for i, word in enumerate(words) if word.end > edge and word.probability < self._settings.unsure)
        return words[: next(cut, len(words))]

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
        """Take the next samples; `backlog` is how many seconds more are waiting (then updates wait for them too).

        So there is an update a step where the model keeps up; where it does not, one for all that came during the last.
        """
        audio = np.concatenate((self._rest, samples))
        whole = len(audio) // _FRAME * _FRAME
        self._rest = audio[whole:]
        out: list[Heard] = []
        for frame in audio[:whole].reshape(-1, _FRAME):
            self._window.push(frame)
            out += self._decide(self._gate.push(self._probability(self._level.push(frame))))
            if self._gate.is_open and self._is_due(backlog):
                out += self._update()
        return out

    def pause(self) -> list[Heard]:
        """Nothing comes for a while, though the audio is not over: what was said before stands alone."""
        return self._decide(self._gate.flush())

    def skip(self, samples: int) -> list[Heard]:
        """So much audio is missing, in which nobody was heard: what was said before stands alone, and time goes on. It
        takes no time, however much that is."""
        fill = min(samples, -len(self._rest) % _FRAME)
        out = [*self.push(np.zeros(fill, np.float32)), *self.pause()]
        frames, left = divmod(samples - fill, _FRAME)
        self._forget(self._window.end)
        self._gate.skip(frames)
        self._window.skip(frames * _FRAME)
        self._looked_at = self._window.start
        return out + self.push(np.zeros(left, np.float32))

    def flush(self) -> list[Heard]:
        """The audio is over: commit what is open."""
        self._window.push(self._rest)
        self._rest = self._rest[:0]
        return self._decide(self._gate.flush())

    def _is_due(self, backlog: float) -> bool:
        new = (self._window.end - self._looked_at) / SAMPLE_RATE
        # however much waits, the model takes no more than this at a time
        return new >= self._settings.step and (self._is_full or not backlog)

    @property
    def _is_full(self) -> bool:
        return len(self._window) / SAMPLE_RATE >= self._settings.longest

    def _decide(self, events: Sequence[GateEvent]) -> list[Heard]:
        out: list[Heard] = []
        for event in events:
            if isinstance(event, Opened):
                if not self._waits:
                    self._window.trim(int(event.time * SAMPLE_RATE))
                self._waits = False
                # a soft beginning, and what waits, were heard already: a look is due when as much more was said
                self._looked_at = max(self._window.start, self._window.end - self._beginning)
            elif isinstance(event, Closed):
                out += self._close()
                out.append(event)
            else:
                if self._waits:  # for nothing: what was said stands alone
                    out += self._finish()
                    self._waits = False
                out.append(event)
        if not (self._gate.is_open or self._waits) and len(self._window) > self._keep:
            self._window.trim(self._window.end - self._keep)
        return out

    def _close(self) -> list[Heard]:
        """Speech paused: what was heard is committed, unless it was doubted and may be clearer with what follows."""
        out = self._update(last=True)
        return out if self._waits else out + self._finish()

    def _finish(self) -> list[Heard]:
        """What was heard is committed, and its audio goes."""
        out = self._commit(self._policy.flush())
        self._forget(self._window.end - self._keep)
        self._recent = []  # what is said again after a pause is said again
        return out

    def _update(self, *, last: bool = False) -> list[Heard]:
        """Look at the open audio once more; `last`: before a pause."""
        self.updates += 1
        self._is_late = (self._window.end - self._looked_at) / SAMPLE_RATE >= self._settings.late
        self._looked_at = self._window.end
        changed, is_sure = self._follow_language(last=last or self._is_full)
        return changed + (self._recognise(last=last) if is_sure else [])

    def _follow_language(self, *, last: bool) -> tuple[list[Heard], bool]:
        """Where another language is spoken now; and whether what is spoken is sure enough to commit words in it."""
        if self._identify is None:
            return [], True
        before, likelihoods = self._spoken.current, self._identify(self._window.samples, self._spoken.languages)
        is_sure = self._spoken.push(likelihoods, fresh=not self._recent, last=last)
        if self._spoken.current == before:
            return [], is_sure
        # what was guessed in the other language was no word of it, and no context for this one
        self._policy.hold([])
        self._drop(len(self._committed))
        self._before, self._recent = "", []
        return [Speaks(self._spoken.current)], is_sure

    def _recognise(self, *, last: bool) -> list[Heard]:
        end = self._window.end / SAMPLE_RATE
        is_short = len(self._window) / SAMPLE_RATE <= self._settings.short
        written = self._guess(last=last or self._is_full, can_wait=is_short)
        guess = self._once(written, end)
        self._heard_until = end
        is_loop = loops(guess, self._recent, spaced=is_spaced(self._spoken.current))
        words = [] if is_loop else self._believed(guess, last=last)
        is_unsure = is_short and not self._committed and self._is_unsure(words)
        self._waits = last and is_short and bool(guess) and (not words or is_unsure)
        is_lost = not last and len(guess) < len(written)  # and may hear the rest in another way at the next look
        if self._waits or is_unsure or is_lost:
            self._policy.hold(words)
            out: list[Heard] = []
        else:
            out = self._commit(self._policy.push(words, end))
        if is_loop:  # the model goes on with what it wrote: it is not shown that again
            self._drop(len(self._committed))
            self._before = ""
        if self._is_full:  # though what was committed went: nothing can wait for what follows
            out += self._commit(self._policy.flush())
            self._forget(self._window.end)
        return out

    def _guess(self, *, last: bool, can_wait: bool) -> list[Word]:
        """What is heard after the committed words. A model stops at times where a sentence ends: if somebody spoke on,
        it is asked what comes after that, and believed if it is sure of something new."""
        guess = self._ask(self._committed, last=last, can_wait=can_wait)
        known = [*self._committed, *guess]
        if not known or self._gate.spoke_until - known[-1].end <= self._settings.unheard:
            return guess
        more = self._ask(known, goes_on=True)
        is_said = sureness(more) >= self._settings.unsure and not recites(more, known)
        return guess + more if is_said else guess

    def _is_unsure(self, words: Sequence[Word]) -> bool:
        return sureness(words) < self._settings.unsure or sureness(words[:_FIRST]) < self._settings.soft

    def _once(self, guess: list[Word], end: float) -> list[Word]:
        """`guess` without what is said again behind the end of speech, if the audio goes on beyond that to its `end`:
        while somebody speaks the same word may have just begun again."""
        until = self._gate.spoke_until
        if end - until <= _EDGE:
            return guess
        return said_once(guess, self._committed, until=until, spaced=is_spaced(self._spoken.current))

    def _ask(
        self, known: Sequence[Word], *, last: bool = False, can_wait: bool = False, goes_on: bool = False
    ) -> list[Word]:
        """What the model hears after the `known` words of the window, in seconds on the audio clock."""
        start = self._window.start / SAMPLE_RATE
        words = self._transcribe(
            self._window.samples,
            past=self._window.past[:0] if self._is_late else self._window.past,
            language=self._spoken.current,
            expected=self._hot_words(self._spoken.current) if self._hot_words else "",
            before=self._before,
            committed=joined((word.text for word in known), self._spoken.current),
            last=last,
            can_wait=can_wait,
            goes_on=goes_on,
        )
        floor = known[-1].end if known else start  # where they ended is guessed again in each look
        return [
            Word(word.text, max(floor, start + word.start), max(floor, start + word.end), word.probability)
            for word in words
        ]

    def _believed(self, guess: Sequence[Word], *, last: bool) -> list[Word]:
        """What of `guess` was said.

        The last word alone sounds less sure than beside others. So what was believed before is believed if it is heard
        again; and before a pause, if all that is heard is doubted, where it goes on with that or words are committed.
        """
        before = self._policy.pending
        sounds, sounded = ([bare(word.text) for word in words] for words in (guess, before))
        if sounds == sounded:
            return list(guess)
        believed = heard(guess, spaced=is_spaced(self._spoken.current))
        if not self._recent and unlikely(believed):
            believed = []
        goes_on = bool(before) and sounds[: len(before)] == sounded
        return list(before) if last and guess and not believed and (self._committed or goes_on) else believed

    def _commit(self, words: list[Word]) -> list[Heard]:
        self._committed += words
        self._recent = [*self._recent, *words][-_RECENT:]
        language = self._spoken.current
        sentences = [i for i, word in enumerate(self._committed, 1) if ends_sentence(word.text, language)]
        is_long = len(self._window) / SAMPLE_RATE >= self._settings.window
        done = (len(self._committed) if is_long else max(sentences, default=0)) - self._settings.kept
        if done > 0:
            self._drop(done)
        return list(words)

    def _drop(self, count: int) -> None:
        """The first `count` committed words are done: trim the window after them, keep their text as context."""
        if not count:
            return
        done, self._committed = self._committed[:count], self._committed[count:]
        text = joined((self._before, *(word.text for word in done)), self._spoken.current).strip()
        self._before = _end_of(text, self._settings.context, spaced=is_spaced(self._spoken.current))
        self._window.trim(int(done[-1].end * SAMPLE_RATE))

    def _forget(self, start: int) -> None:
        self._drop(len(self._committed))
        self._window.trim(start)


def _end_of(text: str, most: int, *, spaced: bool) -> str:
    """The last `most` characters of `text`, and no part of a word."""
    if len(text) <= most:
        return text
    end = text[len(text) - most :]
    return end.partition(" ")[2] if spaced else end
