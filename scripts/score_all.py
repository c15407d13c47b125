"""All figures of some recordings by one system, pooled.

In: `Record`s and, for each, the segments it is scored against. Out: figures by name, and for each that could not be
had, why. Quality and LongYAAL come from what SoftSegmenter cut, StreamLAAL from what mweralign cut. Knows no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import score_comet
from score_align import mwer_segments, soft_segments
from score_latency import Cut, Figures, Segment, cuts, drift, lag_figures, long_figures, reading_figures, stream_figures
from score_quality import Counts, Errors, errors, quality, wer_signature
from score_record import Record, joined, spaceless
from score_subtitles import subtitle_figures

from surtitle.pipeline.errors import UserError


@dataclass(slots=True)
class Scores:
    """What was found."""

    figures: Figures = field(default_factory=dict)
    """Units are in the names; None where `absent` says why."""
    absent: dict[str, str] = field(default_factory=dict)
    """Why a figure is None."""
    signatures: dict[str, str] = field(default_factory=dict)
    """How quality was measured."""
    counts: dict[str, Counts] = field(default_factory=dict)
    """What `bleu` and `chrf` are made of, by segment, and `wer`, by stretches of words: errors and words."""

    def add(self, figures: Figures, why: str) -> None:
        """Take figures in; those that are None are absent because of `why`."""
        self.figures |= figures
        self.absent |= {name: why for name, value in figures.items() if value is None}


_TIMED = (
    *(f"long{name}_{kind}_ms" for kind in ("cu", "ca") for name in ("yaal", "al", "laal", "dal")),
    *(f"longap_{kind}" for kind in ("cu", "ca")),
    *(f"streamlaal_{kind}_ms" for kind in ("cu", "ca")),
)


def score(records: Sequence[Record], segments: Sequence[Sequence[Segment]], language: str, *, timed: bool) -> Scores:
    """Score translations into `language`.

    `segments` are those of each record, or none at all; `timed` says whether their times are known, without which
    there is quality but no latency.

    Raises:
        UserError: records of the real and of the virtual clock are mixed, or of speech in several languages.
    """
    clocks = {record.clock for record in records}
    if len(clocks) > 1:
        raise UserError("the logs are of different clocks or systems, expected one kind: score them apart")
    spoken = {record.source for record in records}
    if len(spoken) > 1:
        raise UserError(
            f"the logs are of speech in {', '.join(sorted(map(str, spoken)))}, expected one: score them apart"
        )
    scores = Scores()
    _add_segmented(scores, records, segments, language, timed=timed)
    talks = [record.shown for record in records]
    drifts = [value for shown in talks if (value := drift(shown)) is not None]
    only_ours = "only the product's own log tells when captions were shown"
    scores.add(flicker(records), "nothing was said, or the log tells no revisions or no length")
    scores.add(lost(records), "only the product's own log tells")
    scores.add(lag_figures(records), only_ours)
    scores.add(
        {"lag_drift_ms_per_h": max(drifts, default=None)},
        "there is less than a minute of captions" if any(talks) else only_ours,
    )
    scores.add(reading_figures(talks), "there are too few captions" if any(talks) else only_ours)
    scores.add(subtitle_figures(talks, language), only_ours)
    scores.add(cost(records), "the log does not tell")
    return scores


def word_errors(records: Sequence[Record], transcripts: Sequence[str], source: str) -> Scores:
    """Word error rate of what was recognised, pooled."""
    scores = Scores()
    if any(record.transcript is None for record in records):
        scores.add({"wer": None}, "the log has no transcript")
        return scores
    found = [errors(record.transcript or "", said, source) for record, said in zip(records, transcripts, strict=True)]
    scores.counts["wer"] = [row for each in found for row in each.counts]
    pooled = Errors(sum(each.wrong for each in found), sum(each.units for each in found))
    scores.add({"wer": pooled.rate}, "the transcript is empty")
    scores.signatures["wer"] = wer_signature(source)
    return scores


def flicker(records: Sequence[Record]) -> Figures:
    """Normalised erasure (Arivazhagan et al. 2020: erased over final units, but for a last one that grows: `settle`),
    and erasures a minute of audio.
    """
    units = sum(len(record.settled.units) for record in records)
    lengths = [record.audio for record in records]
    minutes = sum(length for length in lengths if length is not None) / 60_000
    told = all(record.revised for record in records)
    known = told and minutes > 0 and None not in lengths
    return {
        "erasure": sum(record.settled.erased for record in records) / units if told and units else None,
        "erasures_per_min": sum(record.settled.erasures for record in records) / minutes if known else None,
    }


def lost(records: Sequence[Record]) -> Figures:
    """Promises that were broken, and what viewers did not get: translations, and seconds of audio."""
    skipped = _total([record.skipped for record in records])
    return {
        "promises_broken": _total([record.promises_broken for record in records]),
        "untranslated": _total([record.untranslated for record in records]),
        "skipped_s": None if skipped is None else skipped / 1000,
    }


def _total(counts: Sequence[float | None]) -> float | None:
    """None where one of them is not known."""
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def cost(records: Sequence[Record]) -> Figures:
    """Seconds of computing a second of audio, in all and by stage, and the most memory that was resident."""
    stats = [dict(record.stats) for record in records]
    lengths = [record.audio for record in records if record.audio]
    seconds = sum(lengths) / 1000 if len(lengths) == len(records) else None

    def rate(name: str) -> float | None:
        spent = [own[name] for own in stats if name in own]
        return sum(spent) / seconds if seconds and len(spent) == len(stats) else None

    recognising, translating, both = rate("asr_s"), rate("llm_s"), rate("compute_s")
    if recognising is not None and translating is not None:
        both = recognising + translating
    memory = [own["rss_max_mb"] for own in stats if "rss_max_mb" in own]
    return {
        "rtf": both,
        "rtf_asr": recognising,
        "rtf_llm": translating,
        "rss_max_mb": max(memory, default=None),
        "audio_s": seconds,
    }


def _add_segmented(
    scores: Scores, records: Sequence[Record], segments: Sequence[Sequence[Segment]], language: str, *, timed: bool
) -> None:
    characters = spaceless(language)
    soft: list[Cut] = []
    least: list[Cut] = []
    for record, own in zip(records, segments, strict=False):
        units, references = record.settled.units, [segment.reference for segment in own]
        soft += cuts(own, soft_segments(units, references, language, characters=characters))
        if timed:
            least += cuts(own, mwer_segments(units, references, characters=characters))
    _add_quality(scores, soft, language)
    if timed:
        why = "the log has no wall clock, or nothing was said in time"
        scores.add(long_figures(soft, characters=characters), why)
        scores.add(stream_figures(least, characters=characters), why)
        empty = {"segments_empty_soft": soft, "segments_empty_mwer": least}
        scores.figures |= {name: sum(not cut.units for cut in found) for name, found in empty.items()}
    else:
        why = "segments with their times are needed: --segments" if soft else "a reference is needed"
        scores.add(dict.fromkeys(_TIMED), why)
    scores.figures["segments"] = len(soft)


def _add_quality(scores: Scores, found: Sequence[Cut], language: str) -> None:
    if not found:
        scores.add(dict.fromkeys(("bleu", "chrf", "comet")), "a reference is needed")
        return
    said = [joined(cut.units, characters=spaceless(language)).strip() for cut in found]
    references = [cut.segment.reference for cut in found]
    corpus = quality(said, references, language)
    scores.figures |= {"bleu": corpus.bleu, "chrf": corpus.chrf}
    scores.counts |= {"bleu": corpus.bleu_counts, "chrf": corpus.chrf_counts}
    scores.signatures |= {"bleu": corpus.bleu_signature, "chrf": corpus.chrf_signature}
    sources = [cut.segment.transcript for cut in found]
    known = [source for source in sources if source is not None]
    why = score_comet.missing() or ("what was said in each segment is not known" if len(known) < len(sources) else None)
    if why is None:
        scores.figures["comet"] = score_comet.comet(known, said, references)
        scores.signatures["comet"] = score_comet.MODEL
    else:
        scores.add({"comet": None}, why)
