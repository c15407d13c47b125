"""Milliseconds a token at a full window, in four ways.

In: a model. Out: the time of one more token behind a full window on the same stock weights, the ways taking turns so
that noise hits all alike:

- *sinks*: this project's cache, its evictions shared out over the tokens that they make room for;
- *dense*: transformers' own cache of the same length, which would go on growing;
- *rotating*: the paper's way, keys cached unrotated and all of them rotated at every step;
- *recompute*: a fresh forward over the whole window.

Knows nothing of what is read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import bench_common as common
import numpy as np
import torch
from bench_common import Row
from torch import Tensor, nn
from transformers import AttentionInterface, DynamicCache, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from surtitle.pipeline.process import exit_status
from surtitle.sinks.decoder import Decoder
from surtitle.sinks.rope import Rotation
from surtitle.sinks.stock import StockDecoder, load_stock

PAPERS = "rotating"
"""What the paper's attention is registered as."""


class Way:
    """One way to read the last token of a full window, again and again."""

    def prepare(self) -> None:
        """What is not timed."""

    def step(self) -> Tensor:
        """Read it: logits (V,)."""
        raise NotImplementedError

    def undo(self) -> None:
        """As if it was not read; not timed either."""


class Sinks(Way):
    """This project's cache."""

    def __init__(self, decoder: StockDecoder, ids: Sequence[int]) -> None:
        self._decoder, self._last = decoder, ids[-1:]
        self._cache = decoder.cache(len(ids))
        decoder.decode(ids[:-1], self._cache, keep=1)
        self._mark = self._cache.mark()

    def step(self) -> Tensor:
        return self._decoder.decode(self._last, self._cache, keep=1)[0]

    def undo(self) -> None:
        self._cache.rollback(self._mark)


class Dense(Way):
    """transformers' own cache."""

    def __init__(self, model: PreTrainedModel, ids: Sequence[int]) -> None:
        self._model = model
        self._last = torch.tensor([list(ids[-1:])])
        self._cache = DynamicCache(config=model.config)
        self._read(torch.tensor([list(ids[:-1])]))

    @torch.inference_mode()
    def _read(self, ids: Tensor) -> Tensor:
        logits: Tensor = self._model(ids, past_key_values=self._cache, logits_to_keep=1).logits[0, -1]
        return logits

    def step(self) -> Tensor:
        return self._read(self._last)

    def undo(self) -> None:
        self._cache.crop(-1)


class Rotating(Way):
    """The paper's way. Its own code drops one token a step too; that copy is not counted here."""

    def __init__(self, model: PreTrainedModel, rotation: Rotation, ids: Sequence[int]) -> None:
        self._model, self._stock = model, model.config._attn_implementation
        self._last = torch.tensor([list(ids[-1:])])
        self._cache = DynamicCache(config=model.config)
        AttentionInterface.register(PAPERS, rotating_attention(rotation, len(ids)))
        AttentionMaskInterface.register(PAPERS, sdpa_mask)
        self.prepare()
        self._read(torch.tensor([list(ids)]))
        self.undo()

    @torch.inference_mode()
    def _read(self, ids: Tensor) -> Tensor:
        nowhere = torch.zeros_like(ids)  # at position 0 the model's own rotation is none
        output = self._model(ids, position_ids=nowhere, past_key_values=self._cache, logits_to_keep=1)
        logits: Tensor = output.logits[0, -1]
        return logits

    def prepare(self) -> None:
        self._model.set_attn_implementation(PAPERS)

    def step(self) -> Tensor:
        return self._read(self._last)

    def undo(self) -> None:
        self._cache.crop(-1)
        self._model.set_attn_implementation(self._stock)


class Recompute(Way):
    """A fresh forward over the window."""

    def __init__(self, model: PreTrainedModel, ids: Sequence[int]) -> None:
        self._model = model
        self._ids = torch.tensor([list(ids)])

    @torch.inference_mode()
    def step(self) -> Tensor:
        logits: Tensor = self._model(self._ids, use_cache=False, logits_to_keep=1).logits[0, -1]
        return logits


def rotating_attention(rotation: Rotation, capacity: int) -> Callable[..., tuple[Tensor, None]]:
    """An attention that rotates queries and all keys by their slots, with tables made once for `capacity` slots."""
    angles = rotation.angles(capacity)  # (T, d/2)
    cosines, sines = angles.cos().float().repeat(1, 2), angles.sin().float()

    def rotated(x: Tensor, start: int) -> Tensor:
        end, half = start + x.shape[2], x.shape[3] // 2
        turned = x * cosines[start:end]
        turned[..., :half].addcmul_(x[..., half:], sines[start:end], value=-1)
        turned[..., half:].addcmul_(x[..., :half], sines[start:end])
        return turned

    def attend(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **kwargs: Any
    ) -> tuple[Tensor, None]:
        query = rotated(query, key.shape[2] - query.shape[2])
        out, _ = sdpa_attention_forward(module, query, rotated(key, 0), value, mask, **kwargs)
        return out, None

    return attend


@dataclass(frozen=True, slots=True)
class Evictions:
    """What a decoding run that evicts spent."""

    count: int
    tokens: int
    """Evicted in all."""
    evicting: float
    """Seconds."""
    decoding: float
    """Seconds."""

    @property
    def ms_per_token(self) -> float:
        """An eviction's time, shared out over the tokens that it made room for."""
        return 1000 * self.evicting / self.tokens

    @property
    def share(self) -> float:
        """Of the whole time, what went into evictions."""
        return self.evicting / (self.evicting + self.decoding)


def run_evictions(decoder: Decoder, ids: Sequence[int], *, sinks: int, wanted: int) -> Evictions:
    """Fill a cache with `ids`, then decode token by token until `wanted` evictions made room and it was used up."""
    cache, _ = common.read_pinned(decoder, ids, sinks=sinks, capacity=len(ids))
    evicting = decoding = 0.0
    while cache.evictions < wanted or cache.free:
        began = perf_counter()
        cache.make_room(1, whole_turns=False)
        between = perf_counter()
        decoder.decode(ids[-1:], cache, keep=1)
        evicting += between - began
        decoding += perf_counter() - between
    return Evictions(cache.evictions, cache.evicted, evicting, decoding)


def take_turns(ways: dict[str, Way], *, steps: int, rare: dict[str, int]) -> tuple[dict[str, list[float]], float]:
    """Milliseconds of each step by way, and the largest difference of a logit between two ways.

    Of the ways in `rare`, only so many steps are run, evenly spread.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    apart = 0.0
    for index in range(steps):
        found: list[Tensor] = []
        for name, way in ways.items():
            wanted = min(rare.get(name, steps), steps)
            if (index + 1) * wanted // steps == index * wanted // steps:
                continue
            way.prepare()
            began = perf_counter()
            found.append(way.step())
            times[name].append(1000 * (perf_counter() - began))
            way.undo()
        apart = max([apart, *((logits - found[0]).abs().max().item() for logits in found[1:])])
        if (index + 1) % 20 == 0:
            common.say(f"step {index + 1} of {steps}")
    return times, apart


def compare(arguments: argparse.Namespace, folder: Path) -> Row:
    """The four ways at a full window: a table, and figures."""
    torch.set_num_threads(arguments.threads)
    model = load_stock(folder)
    decoder = StockDecoder(model)
    capacity = arguments.sinks + arguments.window
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(0, model.config.vocab_size, (capacity,), generator=random).tolist()
    evictions = run_evictions(decoder, ids, sinks=arguments.sinks, wanted=arguments.evictions)
    ways: dict[str, Way] = {
        "sinks": Sinks(decoder, ids),
        "dense": Dense(model, ids),
        "rotating": Rotating(model, decoder.rotations[0], ids),
        "recompute": Recompute(model, ids),
    }
    times, apart = take_turns(ways, steps=arguments.steps, rare={"recompute": arguments.recompute_steps})
    ms = {name: float(np.median(each)) for name, each in times.items()}
    decode, ms["sinks"] = ms["sinks"], ms["sinks"] + evictions.ms_per_token
    ratios = {f"{name}/sinks": round(each / ms["sinks"], 3) for name, each in ms.items() if name != "sinks"}
    rows = [["way", "ms/token, median", "least", "steps", "to sinks"]]
    rows += [
        [name, f"{ms[name]:.2f}", f"{min(each):.2f}", str(len(each)), f"{ms[name] / ms['sinks']:.3f}"]
        for name, each in times.items()
    ]
    print(common.table(rows))
    print(
        f"sinks: {decode:.2f} ms to decode and {evictions.ms_per_token:.3f} of evicting; "
        f"{evictions.count} evictions of {evictions.tokens} tokens took {100 * evictions.share:.2f} % of a run's time"
    )
    return {
        "ms": {name: round(each, 3) for name, each in ms.items()},
        "ratios": ratios,
        "eviction_share": round(evictions.share, 5),
        "eviction_ms": round(1000 * evictions.evicting / evictions.count, 3),
        "evictions": evictions.count,
        "largest_logit_difference": apart,
        "capacity": capacity,
    }


def parse() -> argparse.Namespace:
    parser = common.parser_of("speed", "Milliseconds a token at a full window, in four ways.")
    add, whole = parser.add_argument, common.positive
    add("--window", type=whole, default=1020, help="tokens behind the sinks (default 1020)")
    add("--sinks", type=int, default=4, help="tokens pinned at the beginning (default 4)")
    add("--steps", type=whole, default=200, help="tokens timed in each way (default 200)")
    add(
        "--recompute-steps", type=whole, default=5, help="how many of these by recomputation, which is slow (default 5)"
    )
    add("--evictions", type=whole, default=4, help="evictions in the run that times them (default 4)")
    arguments = parser.parse_args()
    common.check_window(parser, arguments)
    return arguments


def main() -> None:
    arguments = parse()
    figures = compare(arguments, common.model_folder(arguments.model))
    common.conclude("speed", {"model": arguments.model, "threads": arguments.threads, **figures})


if __name__ == "__main__":
    sys.exit(exit_status("scripts/bench speed", main))
