"""What eight bits cost: translations and perplexity of the engine beside those of the same model in fp32.

In: sentences and their references, a line each. Out: for each target language chrF and BLEU of both at the product's
prompt, isolated sentences, greedily; and the perplexity of the references, read as translations, under both. Knows no
speed.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import bench_common as common
import numpy as np
import torch
from bench_common import Losses, Row
from engine_rivals import Prompt, costing, losses_of, pinned
from score_quality import quality
from text_files import read_lines
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from surtitle.pipeline.languages import find_language, parse_languages
from surtitle.pipeline.process import exit_status
from surtitle.sinks.lean import LeanDecoder
from surtitle.sinks.load import load_model
from surtitle.sinks.lockstep import Steps, together
from surtitle.sinks.stock import load_stock
from surtitle.sinks.stream import TokenStream

ROWS = 8
"""Sentences at a time."""


class Engine(Protocol):
    """A way to run the model."""

    def translate(self, prompt: Prompt, sources: Sequence[str]) -> list[str]:
        """The likeliest translations, each without context."""

    def losses(self, prompt: Prompt, sources: Sequence[str], targets: Sequence[str]) -> Losses:
        """What each token of the targets costs behind its source, and the end of each, in order."""


class Ours:
    """This project's engine, its conversations in step."""

    def __init__(self, decoder: LeanDecoder) -> None:
        self._decoder = decoder

    def translate(self, prompt: Prompt, sources: Sequence[str]) -> list[str]:
        turns = [prompt.turn(source) for source in sources]
        written: list[list[int]] = [[] for _ in sources]
        capacity = len(prompt.prefix) + max(len(ids) + limit for ids, limit in turns) + 1
        streams = pinned(self._decoder, prompt, len(sources), capacity)

        def writing(stream: TokenStream, turn: tuple[list[int], int], out: list[int]) -> Steps[None]:
            yield from stream.reading(turn[0])
            yield from stream.writing(out.append, stop=prompt.stop, limit=turn[1])

        steps = [writing(*each) for each in zip(streams, turns, written, strict=True)]
        list(together(self._decoder, steps))
        return [_text(prompt, ids) for ids in written]

    def losses(self, prompt: Prompt, sources: Sequence[str], targets: Sequence[str]) -> Losses:
        pairs = list(_said(prompt, sources, targets))
        capacity = len(prompt.prefix) + max(len(turn) + len(said) for turn, said in pairs) + 1
        streams = pinned(self._decoder, prompt, len(pairs), capacity)

        def reading(stream: TokenStream, turn: list[int], said: list[int]) -> Steps[Losses]:
            yield from stream.reading(turn[:-1])
            return (yield from costing(stream.cache, turn[-1], said)).numpy()

        found = dict(
            together(self._decoder, [reading(stream, *pair) for stream, pair in zip(streams, pairs, strict=True)])
        )
        return np.concatenate([found[index] for index in range(len(pairs))])


class Fp32:
    """The stock model in fp32, in padded batches; the prompt's beginning is read once."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self._begun: tuple[tuple[int, ...], DynamicCache] = ((), DynamicCache())

    @torch.inference_mode()
    def translate(self, prompt: Prompt, sources: Sequence[str]) -> list[str]:
        turns = [prompt.turn(source) for source in sources]
        ids, mask = _padded(prompt.prefix, [turn for turn, _ in turns])
        limits = [limit for _, limit in turns]
        out = self.model.generate(
            ids, attention_mask=mask, past_key_values=self._behind(prompt, len(turns)), max_new_tokens=max(limits),
            do_sample=False, eos_token_id=sorted(prompt.stop), pad_token_id=prompt.tokenizer.eos,
        )  # fmt: skip
        rows = [row[ids.shape[1] :].tolist()[:limit] for row, limit in zip(out, limits, strict=True)]
        return [_text(prompt, _until(row, prompt.stop)) for row in rows]

    @torch.inference_mode()
    def losses(self, prompt: Prompt, sources: Sequence[str], targets: Sequence[str]) -> Losses:
        found = []
        for turn, said in _said(prompt, sources, targets):
            read = torch.tensor([[*turn, *said[:-1]]])
            out = self.model(read, past_key_values=self._behind(prompt, 1), logits_to_keep=len(said))
            found.append(losses_of(out.logits[0], said).numpy())
        return np.concatenate(found)

    def _behind(self, prompt: Prompt, rows: int) -> DynamicCache:
        """A cache of `rows` rows that holds the prompt's beginning."""
        if self._begun[0] != prompt.prefix:
            out = self.model(torch.tensor([prompt.prefix]), use_cache=True, logits_to_keep=1)
            self._begun = (prompt.prefix, out.past_key_values)
        found = copy.deepcopy(self._begun[1])
        found.batch_repeat_interleave(rows)
        return found


def _said(prompt: Prompt, sources: Sequence[str], targets: Sequence[str]) -> Iterator[tuple[list[int], list[int]]]:
    for source, target in zip(sources, targets, strict=True):
        turn, _ = prompt.turn(source)
        yield turn, [*prompt.tokenizer.encode_plain(target), prompt.end]


def _padded(prefix: Sequence[int], rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """`prefix` and each of `rows` as one batch (B, n), padded between the two, and its mask."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*prefix, *[0] * (longest - len(row)), *row] for row in rows])
    mask = torch.tensor([[1] * len(prefix) + [0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def _until(ids: Sequence[int], stop: frozenset[int]) -> list[int]:
    return list(ids[: next((at for at, token in enumerate(ids) if token in stop), len(ids))])


def _text(prompt: Prompt, ids: Sequence[int]) -> str:
    return " ".join(prompt.tokenizer.decode(list(ids)).split())


def judge(engine: Engine, prompt: Prompt, sources: Sequence[str], references: Sequence[str], language: str) -> Row:
    """chrF and BLEU of the translations into `language`, and the perplexity of the references."""
    order = sorted(range(len(sources)), key=lambda index: len(sources[index]))  # rows of a length are padded least
    lines, losses = [""] * len(sources), []
    for start in range(0, len(order), ROWS):
        group = order[start : start + ROWS]
        said, wanted = [sources[index] for index in group], [references[index] for index in group]
        for index, line in zip(group, engine.translate(prompt, said), strict=True):
            lines[index] = line
        losses.append(engine.losses(prompt, said, wanted))
    scores = quality(lines, references, language)
    return {
        "chrf": round(scores.chrf, 2),
        "bleu": round(scores.bleu, 2),
        "perplexity": round(common.perplexity(np.concatenate(losses)), 4),
    }


def parse() -> argparse.Namespace:
    parser = common.parser_of("quality", "Hold the engine's translations against fp32's.", model="qwen2.5-coder-1.5b")
    add = parser.add_argument
    add("texts", type=Path, metavar="DIR", help="folder with LANG.txt for English and each target, line by line")
    add("--to", type=parse_languages, default=("es", "de", "fr"), metavar="CODES", help="targets (default es,de,fr)")
    add("--lines", type=common.positive, default=40, help="how many of the first lines (default 40)")
    return parser.parse_args()


def read_texts(folder: Path, targets: Sequence[str], count: int) -> dict[str, list[str]]:
    """The first `count` lines in English and in each target: of `LANG.txt` in `folder`.

    Raises UserError where one can't be read; ends the process where they do not belong together.
    """
    texts = {code: read_lines(folder / f"{code}.txt")[:count] for code in ("en", *targets)}
    for code, lines in texts.items():
        if len(lines) != len(texts["en"]):
            expected = f"expected {len(texts['en'])} as in en.txt"
            sys.exit(f"scripts/bench: saw {len(lines)} lines in {folder / f'{code}.txt'}, {expected}")
    return texts


def main() -> None:
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    folder = common.model_folder(arguments.model)
    texts = read_texts(arguments.texts, arguments.to, arguments.lines)
    figures: dict[str, dict[str, Row]] = {code: {} for code in arguments.to}
    for name in ("surtitle", "fp32"):
        common.say(f"{name}: loading")
        engine: Engine = (
            Ours(load_model(folder, threads=arguments.threads)) if name == "surtitle" else Fp32(load_stock(folder))
        )
        for code in arguments.to:
            prompt = Prompt(folder, find_language("en"), find_language(code))
            figures[code][name] = judge(engine, prompt, texts["en"], texts[code], code)
            common.say(f"{name}, en to {code}: {figures[code][name]}")
    heads = ["to", "chrF", "fp32's", "BLEU", "fp32's", "perplexity", "fp32's"]
    rows = [
        [code, *(str(by[name][key]) for key in ("chrf", "bleu", "perplexity") for name in ("surtitle", "fp32"))]
        for code, by in figures.items()
    ]
    print(common.table([heads, *rows]))
    common.conclude("quality", {"model": arguments.model, "lines": len(texts["en"]), "to": figures})


if __name__ == "__main__":
    sys.exit(exit_status("scripts/bench quality", main))
