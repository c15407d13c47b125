"""Words at the times when they were said, and ears that hear them without a mistake.

In: segments with what was said in each, or a table of words with their times. Out: `Word`s, and `ReferenceEars`, which
stand in for the product's recogniser: a word is committed when the audio has passed its end, and speech pauses where
the product's own gate says so, to which every word is speech and all else is silence. Knows no model and no file,
and not what the samples are.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
from score_latency import Segment, word_ends
from score_record import spaceless

from surtitle.pipeline.errors import UsageError, UserError
from surtitle.pipeline.events import SAMPLE_RATE, Samples, Word
from surtitle.pipeline.gate import GateSettings, Opened, SpeechGate
from surtitle.pipeline.recognizer import Heard

_COLUMNS = ("start_s", "end_s", "word")
_FRAME = round(GateSettings().frame * SAMPLE_RATE)
_SHORTEST = round(GateSettings().minimum_speech * SAMPLE_RATE)
"""Samples that speech needs to open the gate. A shorter word is taken to last as long: it is known to be no click."""


class ReferenceEars:
    """One stream that hears `words`, whatever samples it is given: it counts them."""

    def __init__(self, words: Sequence[Word]) -> None:
        """`words` come out in this order: one that ends early waits for those before it."""
        self._words = deque(words)
        spans = ((sample_of(word.start), sample_of(word.end)) for word in words)
        self._ahead = deque(sorted((start, max(end, start + _SHORTEST)) for start, end in spans))
        self._spoken_until = 0
        self._gate = SpeechGate()
        self._frames = 0
        self._samples = 0

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
        """The words that end in these samples, and the pauses that they decide; `backlog` costs nothing here."""
        self._samples += len(samples)
        out: list[Heard] = []
        while (self._frames + 1) * _FRAME <= self._samples:
            probability = float(self._is_spoken(self._frames * _FRAME))
            self._frames += 1
            out += self._ended(self._frames * _FRAME)
            out += [event for event in self._gate.push([probability]) if not isinstance(event, Opened)]
        return out + self._ended(self._samples)

    def pause(self) -> list[Heard]:
        """Nothing comes for a while."""
        return self.flush()

    def skip(self, samples: int) -> list[Heard]:
        """So much is missing."""
        return self.push(np.zeros(samples, np.float32))

    def flush(self) -> list[Heard]:
        """The audio is over: what was not said until now is never heard."""
        return [event for event in self._gate.flush() if not isinstance(event, Opened)]

    @property
    def pending(self) -> tuple[Word, ...]:
        """None: what is known is certain."""
        return ()

    def _is_spoken(self, start: int) -> bool:
        """Whether any word is said in the frame that begins with the sample `start`; to be asked frame by frame."""
        while self._ahead and self._ahead[0][0] < start + _FRAME:
            self._spoken_until = max(self._spoken_until, self._ahead.popleft()[1])
        return self._spoken_until > start

    def _ended(self, samples: int) -> list[Heard]:
        out: list[Heard] = []
        while self._words and sample_of(self._words[0].end) <= samples:
            out.append(self._words.popleft())
        return out


def sample_of(seconds: float) -> int:
    """The sample that begins nearest to `seconds`."""
    return round(seconds * SAMPLE_RATE)


def of_talk(segments: Sequence[Segment], name: str | None) -> list[Segment]:
    """The segments of one recording, in order of time. A single recording needs no name.

    Raises:
        UserError: there is none.
        UsageError: `name` is not among them, or is needed.
    """
    names = list(dict.fromkeys(segment.recording for segment in segments))
    if not names:
        raise UserError("the table has no segment")
    if name not in names and (name is not None or len(names) > 1):
        raise UsageError(f"{'no --talk' if name is None else f'--talk {name}'}: expected one of {', '.join(names)}")
    own = [segment for segment in segments if segment.recording == (name or names[0])]
    return sorted(own, key=lambda segment: segment.offset)


def spread(segments: Sequence[Segment], language: str) -> list[Word]:
    """The words of the segments' references, which are in the `language` of the speech, at an even pace in each."""
    words: list[Word] = []
    for segment in segments:
        texts = _words(segment.reference, language)
        ends = [end / 1000 for end in word_ends(texts, segment.offset, segment.offset + segment.duration)]
        starts = [segment.offset / 1000, *ends]
        words += [Word(text, start, end, 1.0) for text, start, end in zip(texts, starts, ends, strict=False)]
    return words


def _words(text: str, language: str) -> list[str]:
    # a recogniser of such a language commits its characters one by one, but whole words of another script within it
    return re.findall(r"[!-~]+|\S", text) if spaceless(language) else text.split()


def from_table(text: str) -> list[Word]:
    """The rows of a TSV file with columns start_s, end_s (seconds) and word, in order of time.

    Raises:
        UserError: a column is missing, or a row has no word or no time that can be.
    """
    rows = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise UserError(f"has no column {' and no '.join(missing)}, expected {', '.join(_COLUMNS)}")
    words = [_timed(number, row) for number, row in enumerate(rows, 1)]
    if not words:
        raise UserError("the table has no word")
    return sorted(words, key=lambda word: word.start)


def _timed(number: int, row: Mapping[str, str | None]) -> Word:
    start_s, end_s, text = (row[name] or "" for name in _COLUMNS)
    try:
        word = Word(text.strip(), float(start_s), float(end_s), 1.0)
    except ValueError as error:
        raise UserError(f"word {number}: {error}, expected seconds") from error
    if not (word.text and 0 <= word.start <= word.end < float("inf")):
        raise UserError(
            f"word {number}: saw {text!r} from {start_s} to {end_s} s, expected a word and times that can be"
        )
    return word
