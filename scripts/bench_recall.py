"""StreamEval of the paper: what a stream still knows of lines that came a while ago.

In: a model. Out: the share of right answers by distance. The stream is lines `line 7: REGISTER_CONTENT is 48213`; every
few lines it is asked for what some earlier lines said, greedily, and rolled back, so that no question leaves a trace.
With sinks, without (window attention), and with a cache that holds everything, until it is stopped. A sink cache widens
no window: beyond it, nothing can be known. Knows no text but its own.

A model must be able to look things up at all: SmolLM2-135M is not.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median

import bench_common as common
from bench_common import Row

from surtitle.pipeline.process import exit_status
from surtitle.sinks.cache import LOW_WATER
from surtitle.sinks.decoder import Decoder
from surtitle.sinks.stream import SLICE, TokenStream
from surtitle.sinks.tokenizer import Tokenizer

MODEL = "qwen2.5-coder-0.5b"
LINE = "line {number}: REGISTER_CONTENT is {content}\n"
QUERY = "What is the REGISTER_CONTENT in line {number}?\nThe REGISTER_CONTENT in line {number} is"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the stream."""

    number: int
    """From 1 on."""
    content: str
    """Five digits."""
    ids: tuple[int, ...]
    """Its tokens."""


@dataclass(frozen=True, slots=True)
class Config:
    """One way to keep the stream."""

    name: str
    """Such as 4+1020, or dense."""
    sinks: int
    """Tokens pinned at the beginning."""
    capacity: int
    """Tokens held at most."""
    limit: int | None
    """Tokens after which it is stopped, for a cache that never evicts."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one question gave."""

    lines: int
    """How many lines back the answer was; 1 is the newest line."""
    tokens: int
    """Between the end of that line and the question."""
    held: bool
    """Whether all of that line was still in the cache."""
    right: bool
    """Whether the number that was said is the line's."""


class Examiner:
    """Reads the stream in one config, and asks."""

    def __init__(self, decoder: Decoder, tokenizer: Tokenizer, config: Config) -> None:
        self._tokenizer, self._config = tokenizer, config
        self._stream = TokenStream(decoder, capacity=config.capacity)
        self._answer = len(tokenizer.encode_plain(" 12345\n")) + 1
        self._read = 0

    @property
    def reserve(self) -> int:
        """Tokens that a question and its answer take at most."""
        return len(self._tokenizer.encode_plain(QUERY.format(number=99_999))) + self._answer

    def read(self, lines: Sequence[Line]) -> bool:
        """Read `lines`, and make room for a question; False if they don't fit into a config that never evicts."""
        ids = [token for line in lines for token in line.ids]
        if self._config.limit is not None and self._read + len(ids) + self.reserve > self._config.limit:
            return False
        if not self._read:
            self._stream.pin(ids[: self._config.sinks])
        for start in range(0 if self._read else self._config.sinks, len(ids), SLICE):
            part = ids[start : start + SLICE]
            self._stream.cache.make_room(len(part), whole_turns=False)
            self._stream.append(part)
        self._stream.cache.make_room(self.reserve, whole_turns=False)
        self._read += len(ids)
        return True

    def ask(self, lines: Sequence[Line], back: int) -> Answer:
        """What was said in the line that is `back` lines before the end of `lines`, which is all that was read."""
        line, later = lines[-back], sum(len(each.ids) for each in lines[len(lines) - back + 1 :])
        cache = self._stream.cache
        place = self._read - later - len(line.ids)
        mark = self._stream.mark()
        self._stream.append(self._tokenizer.encode_plain(QUERY.format(number=line.number)))
        said = self._tokenizer.decode(list(self._stream.write(stop=(), limit=self._answer)))
        self._stream.rollback(mark)
        held = is_held(place, len(line.ids), pinned=cache.pinned, evicted=cache.evicted)
        return Answer(lines=back, tokens=later, held=held, right=first_number(said) == line.content)


def is_held(place: int, length: int, *, pinned: int, evicted: int) -> bool:
    """Whether none of `length` tokens from the stream's token `place` on was evicted."""
    return evicted == 0 or place >= pinned + evicted or place + length <= pinned


def first_number(text: str) -> str | None:
    """The digits that `text` begins with, but for a space or a bracket."""
    found = re.match(r"[\s<]*(\d+)", text)
    return found[1] if found else None


def make_lines(tokenizer: Tokenizer, count: int, seed: int) -> list[Line]:
    """The stream."""
    chance = random.Random(seed)
    lines = []
    for number in range(1, count + 1):
        content = f"{chance.randrange(10_000, 100_000)}"
        lines.append(Line(number, content, tuple(tokenizer.encode_plain(LINE.format(number=number, content=content)))))
    return lines


def examine(examiner: Examiner, lines: Sequence[Line], *, every: int, distances: Sequence[int]) -> Iterator[Answer]:
    """Read all `lines`; every so many, ask for those at the `distances`."""
    for start in range(0, len(lines) - every + 1, every):
        if not examiner.read(lines[start : start + every]):
            return
        seen = lines[: start + every]
        for back in distances:
            if back <= len(seen):
                yield examiner.ask(seen, back)


def summary(answers: Sequence[Answer]) -> list[Row]:
    """By distance: how many were asked, and the shares that were right and whose line was held."""
    rows = []
    for back in sorted({answer.lines for answer in answers}):
        here = [answer for answer in answers if answer.lines == back]
        rows.append(
            {
                "lines": back,
                "tokens": round(median(answer.tokens for answer in here)),
                "asked": len(here),
                "accuracy": round(sum(answer.right for answer in here) / len(here), 4),
                "held": round(sum(answer.held for answer in here) / len(here), 4),
            }
        )
    return rows


def accuracy(answers: Sequence[Answer], *, held: bool) -> float | None:
    """The share of right answers among those whose line was held, or was not."""
    here = [answer.right for answer in answers if answer.held is held]
    return round(sum(here) / len(here), 4) if here else None


def configs_of(arguments: argparse.Namespace) -> list[Config]:
    sinks, window, dense = arguments.sinks, arguments.window, arguments.dense_tokens
    return [
        Config(f"{sinks}+{window}", sinks, sinks + window, None),
        Config(f"0+{window}", 0, window, None),
        Config("dense", 0, dense, dense),
    ]


def draw(arguments: argparse.Namespace, found: dict[str, list[Row]]) -> None:
    """Accuracy against distance, with the place where lines leave the window."""
    tokens = {
        "window after an eviction": arguments.sinks + LOW_WATER * arguments.window,
        "whole window": float(arguments.sinks + arguments.window),
    }
    per_line = max((row["tokens"] / row["lines"] for rows in found.values() for row in rows), default=1.0)
    panels = [
        common.Panel(
            f"distance in {unit}",
            "right answers",
            {name: ([row[unit] for row in rows], [row["accuracy"] for row in rows]) for name, rows in found.items()},
            marks={name: place / scale for name, place in tokens.items()},
        )
        for unit, scale in (("lines", per_line), ("tokens", 1.0))
    ]
    common.draw(arguments.out / "recall.png", panels)


def parse() -> argparse.Namespace:
    about = "What a stream still knows of lines that came a while ago (StreamEval)."
    parser = common.parser_of("recall", about, model=MODEL)
    add, whole = parser.add_argument, common.positive
    add("--window", type=whole, default=1020, help="tokens behind the sinks (default 1020)")
    add("--sinks", type=whole, default=4, help="tokens pinned at the beginning (default 4)")
    add("--lines", type=whole, default=400, help="length of the stream (default 400)")
    add("--every", type=whole, default=10, help="lines between two questions (default 10)")
    distances = "2,5,10,20,40,80,160"
    add("--distances", type=common.numbers, default=distances, help=f"lines back to ask for (default {distances})")
    add(
        "--dense-tokens",
        type=whole,
        default=4096,
        help="tokens at which the cache that keeps everything stops (default 4096)",
    )
    add("--engine", choices=("stock", "lean"), default="lean", help="what runs the model (default lean)")
    add("--seed", type=int, default=0, help="random seed of the lines' numbers (default 0)")
    arguments = parser.parse_args()
    if 0 in arguments.distances:
        parser.error("a distance of 0 lines, expected 1 (the newest line) or more")
    if arguments.window < 2 * SLICE:
        parser.error(f"a window of {arguments.window} tokens, expected at least {2 * SLICE}")
    return arguments


def main() -> None:
    arguments = parse()
    folder = common.model_folder(arguments.model)
    decoder, tokenizer = common.open_decoder(folder, arguments.engine, arguments.threads), Tokenizer(folder)
    lines = make_lines(tokenizer, arguments.lines, arguments.seed)
    path = common.new_rows(arguments.out, "recall")
    figures: Row = {}
    for config in configs_of(arguments):
        answers: list[Answer] = []
        examiner = Examiner(decoder, tokenizer, config)
        for answer in examine(examiner, lines, every=arguments.every, distances=arguments.distances):
            answers.append(answer)
            common.add_row(path, {"config": config.name, **asdict(answer)})
            if answer.lines == arguments.distances[-1]:
                common.say(f"{config.name}: {len(answers)} questions, {sum(each.right for each in answers)} right")
        figures[config.name] = {
            "distances": summary(answers),
            "accuracy_held": accuracy(answers, held=True),
            "accuracy_evicted": accuracy(answers, held=False),
        }
    found = {name: each["distances"] for name, each in figures.items()}
    draw(arguments, found)
    rows = [["config", "lines back", "tokens back", "asked", "right", "held"]]
    rows += [
        [name, *(str(row[key]) for key in ("lines", "tokens", "asked")), f"{row['accuracy']:.0%}", f"{row['held']:.0%}"]
        for name, each in found.items()
        for row in each
    ]
    print(common.table(rows))
    shape = {"model": arguments.model, "engine": arguments.engine, "window": arguments.window, "sinks": arguments.sinks}
    common.conclude("recall", {**shape, "tokens": sum(len(line.ids) for line in lines), "configs": figures})


if __name__ == "__main__":
    sys.exit(exit_status("scripts/bench recall", main))
