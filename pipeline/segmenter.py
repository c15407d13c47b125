"""Cut committed words into segments worth translating.

In: committed words, pauses and changes of language. Out: segments, in order, together all the words that came in. A
segment ends with a sentence; a long one ends at a clause, between phrases, or where it must; a pause ends one too,
unless only a few words are open or a number is. Pure policy: knows no audio and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from surtitle.pipeline.events import Segment, Word
from surtitle.pipeline.phrases import begins_clause, begins_phrase, is_bound, shows_phrases
from surtitle.pipeline.sentences import ended_after_all, ends_clause, ends_sentence, leads_on
from surtitle.pipeline.text import count_of, is_punctuation, is_rest, is_spaced, joined

_WORD_TIME, _LETTER_TIME = 0.15, 0.08
"""Seconds that a slowly spoken word takes at most, and each of its letters besides."""


@dataclass(frozen=True, slots=True)
class SegmentSettings:
    """How long a segment may grow. In languages without spaces words are counted by their letters, and about."""

    clause_words: int = 6
    """Words from which a clause boundary ends the segment."""
    phrase_words: int = 7
    """Words from which the segment ends before a word that begins a clause, though no mark was heard."""
    longest_words: int = 11
    """Words at which the segment ends as soon as it can."""
    longest_time: float = 8.0
    """Seconds that a segment of `clause_words` may last: slow speakers are not waited for."""
    late_words: int = 2
    """Words more that a segment may have rather than end within a number, behind an abbreviation or, where the writing
    shows them, within a phrase."""
    late_time: float = 4.0
    """Seconds more that it may last for the same."""
    sentence_words: int = 3
    """Words that a sentence needs to be a segment of its own; shorter ones join the next."""
    halt: float = 0.5
    """Seconds that a speaker halts before a word, which ends a segment of `clause_words`."""


SPACED = SegmentSettings()
UNSPACED = SegmentSettings(longest_words=15, late_words=5)
"""In languages without spaces, where no word tells that a clause begins, and the verb may come last."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How the next segment begins, as far as words were committed or guessed."""

    segment: Segment
    committed: int
    """Leading characters of its text that will stand."""
    is_whole: bool
    """Whether the segment ends there, if the guess is right."""


class Segmenter:
    """The open segment's words."""

    def __init__(self, language: str, settings: SegmentSettings | None = None) -> None:
        """`settings` are by default those of the language that is spoken, SPACED or UNSPACED."""
        self._language = language
        self._given = settings
        self._open: list[Word] = []
        self._next_id = 0

    def opening(self, guess: Sequence[Word] = ()) -> Opening | None:
        """The committed words that no segment holds yet, with as many words of `guess` as may come to be in one segment
        with them. None where there are none of either."""
        begun = self._segment()
        ahead = Segmenter(self._language, self._given)
        ahead._open, ahead._next_id = list(self._open), self._next_id
        ended = next((segment for word in guess for segment in ahead.push(word)), None)
        segment = ended or ahead._segment()
        return Opening(segment, len(begun.text) if begun else 0, ended is not None) if segment else None

    @property
    def _settings(self) -> SegmentSettings:
        return self._given or (SPACED if is_spaced(self._language) else UNSPACED)

    def push(self, word: Word) -> list[Segment]:
        """Take the next committed word; return the segment it ends, if it does.

        A mark that was committed after its segment had ended has nothing to cling to, and is left out.
        """
        before = self._ended_before(word)
        if not self._open and is_punctuation(word.text):
            return before
        self._open.append(word)
        return before + (self.flush() if self._is_whole() else [])

    def _ended_before(self, word: Word) -> list[Segment]:
        """What turns out to have been a sentence, or a phrase of a long one, now that the word after it has come."""
        s, count = self._settings, self._count
        clings = is_punctuation(word.text) or is_rest(word.text, self._language)
        if not self._open or clings or count < s.sentence_words:
            return []
        is_over = ended_after_all(self._last_token(), word.text, self._language)
        is_clause = count >= s.phrase_words and begins_clause(word.text, self._language)
        is_halt = count >= s.clause_words and self._silence_before(word) >= s.halt
        is_between = (is_clause or is_halt) and not (self._leads_on() or is_bound(self._last_token(), self._language))
        is_phrase = self._is_due and not self._leads_on() and begins_phrase(word.text, self._text, self._language)
        return self.flush() if is_over or is_between or is_phrase else []

    def _silence_before(self, word: Word) -> float:
        """Seconds, or so: a word's time begins where the one before ends, so what its letters do not take. Numbers are
        longer than they look."""
        if not is_spaced(self._language) or any(mark.isdigit() for mark in word.text):
            return 0.0
        return word.end - self._open[-1].end - _WORD_TIME - _LETTER_TIME * len(word.text)

    def _is_whole(self) -> bool:
        s, count, last = self._settings, self._count, self._last_token()
        if count >= s.sentence_words and ends_sentence(last, self._language):
            return True
        if count >= s.clause_words and ends_clause(last, self._language):
            return True
        if self._is_past(s.late_words, s.late_time):
            return True
        return self._is_due and not self._leads_on() and not shows_phrases(self._language)

    @property
    def _is_due(self) -> bool:
        """Whether the segment is as long as it may be, and ends where it can."""
        return self._is_past(0, 0.0)

    def _is_past(self, more_words: int, more_time: float) -> bool:
        s, count = self._settings, self._count
        is_slow = count >= s.clause_words and self._open[-1].end - self._open[0].start >= s.longest_time + more_time
        return is_slow or count >= s.longest_words + more_words

    def _leads_on(self) -> bool:
        return leads_on(self._last_token(), self._language)

    def speak(self, language: str) -> list[Segment]:
        """Another language is spoken from here on: no segment is in two."""
        segments = self.flush()
        self._language = language
        return segments

    def pause(self) -> list[Segment]:
        """The speaker paused: enough words are a segment, few wait for what comes next, and so does half a number."""
        is_enough = self._count >= self._settings.clause_words
        return self.flush() if is_enough and not self._leads_on() else []

    @property
    def _count(self) -> float:
        return count_of((word.text for word in self._open), self._language)

    def flush(self) -> list[Segment]:
        """Speech ended: what is open is a segment."""
        segment = self._segment()
        if segment is None:
            return []
        self._open = []
        self._next_id += 1
        return [segment]

    def _segment(self) -> Segment | None:
        """The open words. None where there are none."""
        if not self._open:
            return None
        return Segment(
            self._next_id, self._text, self._open[0].start, self._open[-1].end, self._language, tuple(self._open)
        )

    @property
    def _text(self) -> str:
        return joined((word.text for word in self._open), self._language)

    def _last_token(self) -> str:
        # a full stop may have been committed after its word
        last = self._open[-1].text
        return self._open[-2].text + last if is_punctuation(last) and len(self._open) > 1 else last
