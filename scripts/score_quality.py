"""How right a translation or a transcript is.

In: texts beside their references. Out: BLEU and chrF of sacreBLEU with their signatures, word error rate of jiwer on
text normalised as Whisper's authors do. Knows no file, no time and no segmentation. COMET is in `score_comet.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

import jiwer
from sacrebleu.metrics import BLEU, CHRF
from score_record import spaceless
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

MARKED = frozenset({
    "ar", "as", "bn", "fa", "gu", "he", "hi", "kn", "km", "lo", "ml", "mr", "my", "ne", "or", "pa", "ps", "si", "ta",
    "te", "th", "ur", "yi",
})  # fmt: skip
"""Languages whose vowels and tones are marks: without them, words fall apart and differing words become one."""
STRETCH = 20
"""Words of a transcript that errors are counted in."""
Counts = list[list[int]]
"""A row for each segment."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Corpus scores, 0 to 100, and how they were made."""

    bleu: float
    chrf: float
    bleu_signature: str
    chrf_signature: str
    bleu_counts: Counts
    """What BLEU is made of: `bleu_of` scores the sum of any choice of rows."""
    chrf_counts: Counts
    """What chrF is made of: `chrf_of` scores the sum of any choice of rows."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of recognition. The unit is a word, or a letter in languages that write without spaces."""

    wrong: int
    """Substitutions, deletions and insertions."""
    units: int
    """Length of the reference."""
    counts: Counts = field(default_factory=list, compare=False)
    """Both again, of every stretch of `STRETCH` units: a transcript has no segments to draw from."""

    @property
    def rate(self) -> float | None:
        """In percent; None without a reference."""
        return 100 * self.wrong / self.units if self.units else None


def quality(said: Sequence[str], references: Sequence[str], language: str) -> Quality:
    """Score segments against one reference each."""
    bleu, chrf = BLEU(tokenize=bleu_tokenizer(language)), CHRF()
    bleu_counts, chrf_counts = (_counts(metric, said, references) for metric in (bleu, chrf))
    return Quality(
        bleu=bleu_of(summed(bleu_counts)),
        chrf=chrf_of(summed(chrf_counts)),
        bleu_signature=str(bleu.get_signature()),
        chrf_signature=str(chrf.get_signature()),
        bleu_counts=bleu_counts,
        chrf_counts=chrf_counts,
    )


def _counts(metric: BLEU | CHRF, said: Sequence[str], references: Sequence[str]) -> Counts:
    # sacreBLEU makes and sums these itself, under names that it may change: a test holds the sum against its own score
    found = metric._extract_corpus_statistics(said, [references])
    return [[int(count) for count in segment] for segment in found]


def summed(counts: Counts) -> list[int]:
    """Column by column."""
    return [sum(column) for column in zip(*counts, strict=True)]


def bleu_of(counts: Sequence[int]) -> float:
    """BLEU of a corpus, 0 to 100, from the sum of its segments' counts."""
    return float(BLEU()._compute_score_from_stats(list(counts)).score)


def chrf_of(counts: Sequence[int]) -> float:
    """chrF of a corpus, 0 to 100, from the sum of its segments' counts."""
    return float(CHRF()._compute_score_from_stats(list(counts)).score)


def bleu_tokenizer(language: str) -> str:
    """The field's tokenizer for `language`. Japanese needs MeCab; without it characters are counted (see signature)."""
    match language.split("-")[0]:
        case "zh":
            return "zh"
        case "ja":
            return "ja-mecab" if find_spec("MeCab") else "char"
        case "ko":
            return "ko-mecab" if find_spec("mecab_ko") else "char"
    return "char" if spaceless(language) else "13a"


def wer_signature(language: str) -> str:
    """How `errors` measures `language`, written as sacreBLEU writes its own."""
    code = language.split("-")[0]
    normal = "whisper-english" if code == "en" else "whisper-basic"
    return f"unit:{'letter' if spaceless(language) else 'word'}|norm:{normal}|marks:{'yes' if code in MARKED else 'no'}"


def errors(said: str, reference: str, language: str) -> Errors:
    """Compare a transcript with what was said, after both are normalised."""
    code = language.split("-")[0]
    if code == "en":
        normal = EnglishTextNormalizer()
    else:
        normal = BasicTextNormalizer(split_letters=spaceless(language), preserve_marks=code in MARKED)
    wanted, heard = normal(reference).strip(), normal(said).strip()
    if not wanted:
        return Errors(len(heard.split()), 0)
    found = jiwer.process_words(wanted, heard)
    wrong, units = found.substitutions + found.deletions + found.insertions, len(wanted.split())
    counts = [[0, min(STRETCH, units - start)] for start in range(0, units, STRETCH)]
    for chunk in found.alignments[0]:
        if chunk.type == "insert":
            counts[min(chunk.ref_start_idx, units - 1) // STRETCH][0] += chunk.hyp_end_idx - chunk.hyp_start_idx
        elif chunk.type != "equal":
            for place in range(chunk.ref_start_idx, chunk.ref_end_idx):
                counts[place // STRETCH][0] += 1
    return Errors(wrong, units, counts)
