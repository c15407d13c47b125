"""Which words of a whole talk's translation belong to which reference segment.

In: the units of a talk, its reference sentences. Out: the units of each segment, by either of the field's two
methods: SoftSegmenter (Polák et al. 2025, as OmniSTEval has it; LongYAAL and our BLEU and chrF stand on it) and
minimal word error rate (mweralign; StreamLAAL stands on it). They differ by some percent: name the one you used.

The alignment of SoftSegmenter is computed here row by row with NumPy, for OmniSTEval's own loop over cells takes
minutes and gigabytes for an hour of speech; a test holds it against theirs, cell by cell. Knows no file and no metric.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import pairwise

import mweralign
import numpy as np
from mweralign.segmenter import SPM_SPACE, CJSegmenter
from numpy.typing import NDArray
from omnisteval.alignment import ALL_PUNCT, Word, process_alignment
from omnisteval.tokenization import tokenize_words
from score_record import Unit, joined, split

from surtitle.pipeline.errors import UserError

# mweralign sets up logging for the whole process, in which others then tell of every child they start.
logging.getLogger().setLevel(logging.WARNING)

_MATCH, _DELETE, _INSERT = 0, 1, 2
Segments = list[list[Unit]]
"""For each reference sentence the units that belong to it."""


def soft_segments(units: Sequence[Unit], references: Sequence[str], language: str, *, characters: bool) -> Segments:
    """Cut by SoftSegmenter: the alignment of most alike words, without a cost for gaps.

    Every unit lands in a segment, in order of the alignment, but for those before the first that is aligned, if either
    they or the reference's beginning are marks: OmniSTEval leaves them out. A segment may stay empty.
    """
    if not units or not references:
        return [[] for _ in references]
    said = [
        Word(part, seq_id=index)
        for index, reference in enumerate(references)
        for part in split(
            reference.lower().replace(" ", "") if characters else reference.lower(), characters=characters
        )
    ]
    # Moses cuts a word in parts, of which the first stands for all: its place in `units` travels as its time.
    heard = [Word(unit.text, emission_cu=place) for place, unit in enumerate(units)]
    moses = None if characters else language.split("-")[0]
    ((said,), (heard,)) = tokenize_words([said], moses), tokenize_words([heard], moses)
    pairs = align([word.text for word in said], [word.text for word in heard], characters=characters)
    placed = process_alignment(
        [None if i is None else said[i] for i, _ in pairs],
        [None if j is None else heard[j] for _, j in pairs],
        characters,
    )
    found: Segments = [[] for _ in references]
    for word in placed:
        if word.main:
            found[word.seq_id].append(units[word.emission_cu])
    return found


def align(
    reference: Sequence[str], hypothesis: Sequence[str], *, characters: bool
) -> list[tuple[int | None, int | None]]:
    """Pairs of places, monotone, that make the sum of likenesses largest; None stands for a gap.

    Ties go to a match, then to skipping a reference word, as in OmniSTEval.
    """
    alike = _Likeness(reference, hypothesis, characters=characters)
    rows, columns = len(reference), len(hypothesis)
    moves: NDArray[np.int8] = np.full((rows + 1, columns + 1), _DELETE, dtype=np.int8)
    moves[0, :] = _INSERT
    above: NDArray[np.float64] = np.zeros(columns + 1)
    for row in range(rows):
        match = above[:-1] + alike(row)
        best = np.zeros(columns + 1)
        # A cell is the best of match, from above and from its left: from the left is a running maximum.
        best[1:] = np.maximum.accumulate(np.maximum(match, above[1:]))
        left = best[:-1]
        matched = (match >= above[1:]) & (match >= left)
        moves[row + 1, 1:] = np.where(matched, _MATCH, np.where(above[1:] >= left, _DELETE, _INSERT))
        above = best
    return _backwards(moves)


def mwer_segments(units: Sequence[Unit], references: Sequence[str], *, characters: bool) -> Segments:
    """Cut so that the word error rate against the references is smallest.

    Raises:
        UserError: mweralign gave back another text than it was given.
    """
    if not units or not references:
        return [[] for _ in references]
    text = joined(units, characters=characters)
    if characters:
        cut = CJSegmenter()
        lines = _mwer(
            [" ".join(cut.encode(line)) for line in references],
            " ".join(cut.encode(text)),
        )
        lines = [line.replace(" ", "").replace(SPM_SPACE, " ") for line in lines]
        counts = [len(line) for line in lines]
    else:
        lines = _mwer(references, text)
        counts = [len(line.split()) for line in lines]
    if len(lines) != len(references) or sum(counts) != len(units):
        raise UserError(
            f"mweralign made {sum(counts)} units in {len(lines)} segments of {len(units)} in {len(references)}: "
            f"expected as many; look for ### or unusual spaces in the texts"
        )
    ends = np.cumsum([0, *counts]).tolist()
    return [list(units[start:end]) for start, end in pairwise(ends)]


def _mwer(references: Sequence[str], hypothesis: str) -> list[str]:
    found: str = mweralign.align_texts("\n".join(references), hypothesis)
    return found.split("\n")


class _Likeness:
    """Rows of the matrix of likenesses: of distinct words, for a talk says most of its words again and again."""

    def __init__(self, reference: Sequence[str], hypothesis: Sequence[str], *, characters: bool) -> None:
        self._reference = reference
        self._characters = characters
        self._distinct = {word: place for place, word in enumerate(dict.fromkeys(hypothesis))}
        self._places = np.array([self._distinct[word] for word in hypothesis], dtype=np.intp)
        self._letters = [set(word) for word in self._distinct]
        self._marks = np.array([word in ALL_PUNCT for word in self._distinct])
        self._rows: dict[str, NDArray[np.float64]] = {}

    def __call__(self, row: int) -> NDArray[np.float64]:
        word = self._reference[row]
        if word not in self._rows:
            self._rows[word] = self._row(word)
        return self._rows[word][self._places]

    def _row(self, word: str) -> NDArray[np.float64]:
        if self._characters:
            values = [float(word == other) for other in self._distinct]
        else:
            letters = set(word)
            values = [_jaccard(letters, other) for other in self._letters]
        found = np.array(values)
        found[self._marks != (word in ALL_PUNCT)] = -np.inf
        return found


def _jaccard(one: set[str], other: set[str]) -> float:
    common = len(one & other)
    either = len(one) + len(other) - common
    return common / either if either else 0.0


def _backwards(moves: NDArray[np.int8]) -> list[tuple[int | None, int | None]]:
    i, j = moves.shape[0] - 1, moves.shape[1] - 1
    pairs: list[tuple[int | None, int | None]] = []
    while i or j:
        move = moves[i, j]
        i -= move != _INSERT
        j -= move != _DELETE
        pairs.append((None if move == _INSERT else i, None if move == _DELETE else j))
    return pairs[::-1]
