"""What the window buys: how often the translation that the sentence before calls for is the likelier one.

In: contrastive pairs, a source sentence with the one before it and two translations, of which only the context tells
which is right (Bawden et al. 2018, "Evaluating Discourse Phenomena in Neural Machine Translation"). Out: of each pair
by how much the right translation is the likelier through the cache; for each set and distance the share where it
is, with its interval; without context it is a half by construction. Between the sentence before and the one in question
stand as many other turns as the distance says, until the window has rolled past it. Knows no audio and no caption.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import bench_common as common
import numpy as np
from bench_common import Panel, Row
from engine_rivals import Prompt, costing, pinned

from surtitle.pipeline.languages import find_language
from surtitle.pipeline.process import exit_status
from surtitle.sinks.cache import Mark
from surtitle.sinks.lean import LeanDecoder
from surtitle.sinks.load import load_model
from surtitle.sinks.lockstep import Steps, together
from surtitle.sinks.stream import TokenStream

ROWS = 8
"""Pairs that are read side by side."""
RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Turn:
    """A source sentence and its translation."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence whose translation depends on the turn before it."""

    before: Turn
    source: str
    right: str
    wrong: str

    @property
    def choice(self) -> tuple[str, frozenset[str]]:
        """What it shares with the pairs that have the same translations to choose from after another sentence."""
        return self.source, frozenset((self.right, self.wrong))


def pairs_of(document: object) -> Iterator[Pair]:
    """The pairs of one of the set's JSON files, in its order."""
    match document:
        case {"src": [str(first), str(second)], "trg": translations}:
            for each in translations if isinstance(translations, list) else [translations]:
                # half right: the sentence before is translated oddly, and the one in question as that wants it
                before, right = each["correct" if "correct" in each else "semi-correct"]
                yield Pair(Turn(first, before), second, right, each["incorrect"][1])
        case dict():
            for each in document.values():
                yield from pairs_of(each)
        case list():
            for each in document:
                yield from pairs_of(each)


def reading(stream: TokenStream, prompt: Prompt, turn: Turn) -> Steps[None]:
    """Read a turn into the window, for which the oldest go."""
    source, _ = prompt.turn(turn.source)
    ids = [*source, *prompt.tokenizer.encode_plain(turn.target)]
    stream.cache.make_room(len(ids))
    yield from stream.reading(ids)
    stream.cache.end_turn()


def weighing(stream: TokenStream, prompt: Prompt, pair: Pair, between: Sequence[Turn]) -> Steps[float]:
    """By how much the right translation of `pair` is the likelier, with `between` read after what comes before it.

    The difference of the log likelihoods, in nats: above 0 where the right one is preferred.
    """
    for turn in (pair.before, *between):
        yield from reading(stream, prompt, turn)
    source, _ = prompt.turn(pair.source)
    candidates = [prompt.tokenizer.encode_plain(text) for text in (pair.right, pair.wrong)]
    stream.cache.make_room(len(source) + max(map(len, candidates)) + 1)
    yield from stream.reading(source[:-1])
    mark = stream.mark()
    right = yield from _scoring(stream, mark, source[-1], candidates[0], prompt)
    wrong = yield from _scoring(stream, mark, source[-1], candidates[1], prompt)
    return right - wrong


def _scoring(stream: TokenStream, mark: Mark, before: int, ids: Sequence[int], prompt: Prompt) -> Steps[float]:
    """The log likelihood of `ids` and the end behind `before`; the stream is as it was at `mark` then."""
    losses = yield from costing(stream.cache, before, [*ids, prompt.end])
    stream.rollback(mark)
    return -float(losses.sum())


def weigh(
    decoder: LeanDecoder, prompt: Prompt, pairs: Sequence[Pair], between: Sequence[Turn], window: int
) -> Iterator[float]:
    """For each pair by how much its right translation is the likelier."""
    for start in range(0, len(pairs), ROWS):
        group = pairs[start : start + ROWS]
        streams = pinned(decoder, prompt, len(group), window)
        steps = [weighing(stream, prompt, pair, between) for stream, pair in zip(streams, group, strict=True)]
        yield from (margin for _, margin in sorted(together(decoder, steps)))
        common.say(f"{start + len(group)} of {len(pairs)}")


def by_choice(pairs: Sequence[Pair]) -> list[list[int]]:
    """The places of those that have one choice, for each choice."""
    found: dict[object, list[int]] = {}
    for place, pair in enumerate(pairs):
        found.setdefault(pair.choice, []).append(place)
    return list(found.values())


def interval(pairs: Sequence[Pair], right: Sequence[bool]) -> tuple[float, float]:
    """95 % around the share of `pairs` that are right, by bootstrap over their choices.

    Pairs with one choice are drawn together: where the sentence before is ignored, as many of them are wrong as right,
    whichever translation is preferred.
    """
    choices = by_choice(pairs)
    table = np.array([(sum(right[i] for i in each), len(each)) for each in choices])  # (choices, 2): right, and all
    sums = table[np.random.default_rng(0).integers(0, len(table), (RESAMPLES, len(table)))].sum(1)  # (resamples, 2)
    low, high = np.percentile(sums[:, 0] / sums[:, 1], (2.5, 97.5)).tolist()
    return low, high


def judged(pairs: Sequence[Pair], margins: Sequence[float]) -> Row:
    """The share of pairs whose right translation is the likelier, and its bounds."""
    right = [margin > 0 for margin in margins]
    low, high = interval(pairs, right)
    return {
        "pairs": len(pairs),
        "right": round(sum(right) / len(right), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "margin": round(float(np.mean(margins)), 4),
    }


def parse() -> argparse.Namespace:
    parser = common.parser_of(
        "discourse", "Weigh translations that only context tells apart.", model="qwen2.5-coder-1.5b"
    )
    add = parser.add_argument
    add("sets", nargs="+", type=Path, metavar="JSON", help="contrastive pairs, as DiscEvalMT has them")
    add("--to", default="fr", metavar="LANG", help="their language (default fr)")
    add("--distances", type=common.numbers, default=(0,), metavar="TURNS",
        help="other turns between the two sentences; several with commas between (default 0)")  # fmt: skip
    add(
        "--pairs",
        type=common.positive,
        default=10_000,
        metavar="N",
        help="at most this many of each set, taken evenly (default all)",
    )
    add("--window", type=common.positive, default=1024, help="tokens in the cache, the prompt included (default 1024)")
    return parser.parse_args()


def read_pairs(path: Path, most: int) -> list[Pair]:
    try:
        found = list(pairs_of(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError) as error:
        sys.exit(f"scripts/bench: can't read {path} ({error}): expected a JSON file of contrastive pairs")
    if not found:
        sys.exit(f"scripts/bench: {path} holds no contrastive pair")
    return [found[i] for each in by_choice(found)[:: -(-len(found) // most)] for i in each]


def other_turns(pairs: Iterable[Pair], count: int) -> list[Turn]:
    """`count` turns about other things, from the end of a set."""
    turns = list(dict.fromkeys(pair.before for pair in pairs))
    if len(turns) < count:
        sys.exit(f"scripts/bench: {len(turns)} different turns, expected at least the distance of {count}")
    return turns[len(turns) - count :]


def main() -> None:
    arguments = parse()
    folder = common.model_folder(arguments.model)
    decoder = load_model(folder, threads=arguments.threads)
    prompt = Prompt(folder, find_language("en"), find_language(arguments.to))
    sets = {path.stem: read_pairs(path, arguments.pairs) for path in arguments.sets}
    fillers = other_turns(sets[min(sets)], max(arguments.distances))
    path = common.new_rows(arguments.out, "discourse")
    rows, figures = [["set", "turns between", "pairs", "right", "95 %"]], dict[str, Row]()
    for name, pairs in sets.items():
        for distance in arguments.distances:
            common.say(f"{name}, {distance} turns between")
            margins = list(weigh(decoder, prompt, pairs, fillers[:distance], arguments.window))
            for pair, margin in zip(pairs, margins, strict=True):
                common.add_row(path, {"set": name, "distance": distance, "margin": round(margin, 4), **asdict(pair)})
            figure = figures.setdefault(name, {})[str(distance)] = judged(pairs, margins)
            low, high = 100 * figure["low"], 100 * figure["high"]
            rows.append(
                [name, str(distance), str(len(pairs)), f"{100 * figure['right']:.1f} %", f"{low:.1f} to {high:.1f}"]
            )
    print(common.table(rows))
    if len(arguments.distances) > 1:
        lines = {name: ([float(d) for d in by], [row["right"] for row in by.values()]) for name, by in figures.items()}
        common.draw(arguments.out / "discourse.png", [Panel("turns between", "right translation preferred", lines)])
    common.conclude("discourse", {"model": arguments.model, "window": arguments.window, "sets": figures})


if __name__ == "__main__":
    sys.exit(exit_status("scripts/bench discourse", main))
