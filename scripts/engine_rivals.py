"""The engines that `bench_engine.py` has take turns.

In: a model as each of them wants it. Out: seconds, for the same work: some tokens behind a context that is already
held. After each piece of work the context is as it was. Every engine is asked for a token's id and not for its
logits alone, since that is what its users wait for. Knows no tables and no clocks but `perf_counter`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import torch
from gguf import GGUFReader
from safetensors import safe_open
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel

from surtitle.pipeline.aside import PromptTokens
from surtitle.pipeline.languages import Language
from surtitle.pipeline.profiles import find_profile
from surtitle.sinks.blocks import WEIGHTS
from surtitle.sinks.cache import Mark, SinkCache
from surtitle.sinks.decoder import Decoder, Read
from surtitle.sinks.graph import EMBEDDING
from surtitle.sinks.lockstep import Steps
from surtitle.sinks.stock import StockDecoder
from surtitle.sinks.stream import TokenStream
from surtitle.sinks.tokenizer import Tokenizer

LANGUAGES = 4
"""Conversations side by side."""
ROOM = 128
"""Tokens that a conversation may have beyond its context."""
_SLICE = 64


class Prompt:
    """The product's prompt for one language pair, in the tokens of the model in a folder."""

    def __init__(self, folder: Path, source: Language, target: Language) -> None:
        self.tokenizer = Tokenizer(folder)
        family = json.loads((folder / "config.json").read_text("utf-8"))["model_type"]
        profile = find_profile(folder.resolve().name, family)
        self._tokens = PromptTokens(self.tokenizer, profile.prompts(source, target)[0])
        self.prefix = tuple(self._tokens.prefix)
        self.stop = self._tokens.stop
        """What ends a translation."""
        self.end = self._tokens.turn("")[0]
        """What stands behind a translation."""

    def turn(self, source: str) -> tuple[list[int], int]:
        """What a sentence is read as, and the most tokens that its translation may have."""
        return self._tokens.turn(source), self._tokens.limit(len(self.tokenizer.encode_plain(source)))


class Rival(Protocol):
    """An engine whose conversations all hold the same context."""

    weight_bytes: int
    """What a step reads of the model: all but the embedding."""

    def read(self, tokens: int) -> float:
        """Seconds to read `tokens` in one conversation, up to what comes next."""

    def verify(self, tokens: int) -> float:
        """The same, up to what comes next after each of them."""

    def step(self, rows: int, count: int) -> float:
        """Seconds of one of `count` steps, each a token in each of `rows` conversations."""

    def segment(self, rows: int, reads: int, writes: int) -> float:
        """Seconds to read `reads` tokens in each of `rows` conversations and to write `writes`."""

    def translate(self, prompt: Prompt, source: str) -> str:
        """The likeliest translation of a sentence without context."""


class Ours:
    """This project's engine."""

    def __init__(self, decoder: Decoder, context: Sequence[int], *, weight_bytes: int, rows: int = LANGUAGES) -> None:
        self._decoder = decoder
        self._caches = decoder.caches(rows, len(context) + ROOM)
        for start in range(0, len(context), _SLICE):
            decoder.decode(context[start : start + _SLICE], self._caches[0], keep=1)
        for cache in self._caches[1:]:
            cache.restore(self._caches[0].state())
        self._mark = self._caches[0].mark()
        self._random = random.Random(0)
        self.weight_bytes = weight_bytes

    @property
    def cache_bytes(self) -> int:
        """Of one conversation's storage."""
        return self._caches[0].nbytes()

    def read(self, tokens: int) -> float:
        began = perf_counter()
        self._next(1, self._fresh(tokens))
        return self._done(began)

    def verify(self, tokens: int) -> float:
        began = perf_counter()
        self._decoder.decode(self._fresh(tokens), self._caches[0], keep=tokens).argmax(-1).tolist()
        return self._done(began)

    def step(self, rows: int, count: int) -> float:
        ids = [self._fresh(1)] * rows
        began = perf_counter()
        for _ in range(count):
            ids = [[each] for each in self._next(rows, *ids)]
        return self._done(began) / count

    def segment(self, rows: int, reads: int, writes: int) -> float:
        ids = [self._fresh(reads) for _ in range(rows)]
        began = perf_counter()
        for _ in range(writes):  # the last token is not read: neither do the others
            ids = [[each] for each in self._next(rows, *ids)]
        return self._done(began)

    def translate(self, prompt: Prompt, source: str) -> str:
        return _translated(self._decoder, prompt, source)

    def _next(self, rows: int, *ids: Sequence[int]) -> list[int]:
        reads = [Read(each, cache, 1) for each, cache in zip(ids, self._caches[:rows], strict=True)]
        return torch.stack(self._decoder.decode_rows(reads)).argmax(-1).flatten().tolist()  # of (rows, 1, V)

    def _fresh(self, tokens: int) -> list[int]:
        return fresh(self._random, tokens)

    def _done(self, began: float) -> float:
        seconds = perf_counter() - began
        for cache in self._caches:
            cache.rollback(Mark(self._mark.length, cache.evicted))
        return seconds


class Stock:
    """A transformers model in its own loop: its cache, its forward, the likeliest token."""

    def __init__(
        self, model: PreTrainedModel, context: Sequence[int], *, weight_bytes: int, decoder: StockDecoder | None = None
    ) -> None:
        """`decoder` is the model's before it was rounded: how keys turn can't be seen well in 8 bits."""
        self._decoder = decoder or StockDecoder(model)
        self._model = model
        self._caches = {rows: self._filled(context, rows) for rows in (1, LANGUAGES)}
        self._context = len(context)
        self._random = random.Random(0)
        self.weight_bytes = weight_bytes

    def read(self, tokens: int) -> float:
        began = perf_counter()
        self._next(torch.tensor([fresh(self._random, tokens)]))
        return self._done(began)

    def verify(self, tokens: int) -> float:
        began = perf_counter()
        self._next(torch.tensor([fresh(self._random, tokens)]), keep=tokens)
        return self._done(began)

    def step(self, rows: int, count: int) -> float:
        ids = torch.tensor([fresh(self._random, 1)] * rows)
        began = perf_counter()
        for _ in range(count):
            ids = self._next(ids)
        return self._done(began) / count

    def segment(self, rows: int, reads: int, writes: int) -> float:
        ids = torch.tensor([fresh(self._random, reads) for _ in range(rows)])
        began = perf_counter()
        for _ in range(writes):
            ids = self._next(ids)
        return self._done(began)

    def translate(self, prompt: Prompt, source: str) -> str:
        return _translated(self._decoder, prompt, source)

    @torch.inference_mode()
    def _next(self, ids: Tensor, keep: int = 1) -> Tensor:
        """The likeliest tokens after `ids` (B, n): (B, keep)."""
        cache = self._caches[len(ids)]
        best: Tensor = self._model(ids, past_key_values=cache, logits_to_keep=keep).logits.argmax(-1)
        return best

    def _filled(self, context: Sequence[int], rows: int) -> DynamicCache:
        cache = DynamicCache(config=self._model.config)
        with torch.inference_mode():
            for start in range(0, len(context), _SLICE):
                part = torch.tensor([list(context[start : start + _SLICE])])
                self._model(part, past_key_values=cache, logits_to_keep=1)
        cache.batch_repeat_interleave(rows)
        return cache

    def _done(self, began: float) -> float:
        seconds = perf_counter() - began
        for cache in self._caches.values():
            if read := cache.get_seq_length() - self._context:
                cache.crop(-read)
        return seconds


class LlamaCpp:
    """llama.cpp's server, in this process, from the `xllamacpp` package: a slot a conversation, its prompts cached.

    It says itself how long it read and stepped; a segment's time is what its caller waits.
    """

    def __init__(self, gguf: Path, context: Sequence[int], *, threads: int) -> None:
        """Raises ModuleNotFoundError without the package."""
        import xllamacpp  # an extra: it is no part of the product

        params = xllamacpp.CommonParams()
        params.model.path = str(gguf)
        params.n_parallel, params.n_ctx = LANGUAGES, LANGUAGES * (len(context) + 4 * _SLICE)
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.n_gpu_layers = 0
        self._server = xllamacpp.Server(params)
        self._pool = ThreadPoolExecutor(LANGUAGES)
        self._context = list(context)
        self._random = random.Random(0)
        self.weight_bytes = sum(
            int(tensor.n_bytes) for tensor in GGUFReader(gguf).tensors if tensor.name != "token_embd.weight"
        )
        for slot in range(LANGUAGES):
            self._ask(slot, 1, 1)

    def read(self, tokens: int) -> float:
        return float(self._ask(0, tokens, 1)["timings"]["prompt_ms"]) / 1000

    def verify(self, tokens: int) -> float:
        return self.read(tokens)  # its server gives no more than the last token's, so this flatters it

    def step(self, rows: int, count: int) -> float:
        answers = self._pool.map(lambda slot: self._ask(slot, 1, count + 1), range(rows))
        return sum(float(answer["timings"]["predicted_ms"]) / 1000 / count for answer in answers) / rows

    def segment(self, rows: int, reads: int, writes: int) -> float:
        began = perf_counter()
        list(self._pool.map(lambda slot: self._ask(slot, reads, writes), range(rows)))
        return perf_counter() - began

    def translate(self, prompt: Prompt, source: str) -> str:
        turn, limit = prompt.turn(source)
        answer = self._complete([*prompt.prefix, *turn], limit, id_slot=0)
        return " ".join(str(answer["choices"][0]["text"]).split())

    def _ask(self, slot: int, reads: int, writes: int) -> dict[str, Any]:
        prompt = self._context + fresh(self._random, reads)
        return self._complete(prompt, writes, id_slot=slot, ignore_eos=True)

    def _complete(self, prompt: Sequence[int], writes: int, **more: Any) -> dict[str, Any]:
        # one sampler that keeps the likeliest token: its usual chain takes a millisecond more
        asked = {"prompt": list(prompt), "n_predict": writes, "cache_prompt": True, "samplers": ["top_k"], "top_k": 1}
        found: dict[str, Any] = self._server.handle_completions({**asked, **more})
        return found


class Int8Linear(nn.Module):
    """A linear layer as torch multiplies it in 8 bits: a scale a row of weights, one for all activations of a call."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()  # (N, K)
        scales = weight.abs().amax(1).clamp(min=1e-12) / 127
        rows = torch.quantize_per_channel(weight, scales, torch.zeros(len(weight), dtype=torch.int64), 0, torch.qint8)
        bias = None if linear.bias is None else linear.bias.detach().float()
        self._packed = torch.ops.quantized.linear_prepack(rows, bias)

    def forward(self, x: Tensor) -> Tensor:
        product: Tensor = torch.ops.quantized.linear_dynamic(x, self._packed)
        return product


def to_int8(model: PreTrainedModel) -> PreTrainedModel:
    """`model` with every linear layer in 8 bits, in place."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Linear):
                setattr(module, name, Int8Linear(child))
    return model


def pinned(decoder: Decoder, prompt: Prompt, count: int, capacity: int) -> list[TokenStream]:
    """So many streams that begin with the prompt, which is read once."""
    caches = decoder.caches(count, capacity)
    streams = [TokenStream(decoder, cache) for cache in caches]
    streams[0].pin(prompt.prefix)
    for cache in caches[1:]:
        cache.restore(caches[0].state())
    return streams


def costing(cache: SinkCache, before: int, said: Sequence[int]) -> Steps[Tensor]:
    """-log of the probability (n,) of each of `said` behind `before`, which is read here: more than a forward takes."""
    ids, found = [before, *said[:-1]], []
    for start in range(0, len(ids), _SLICE):
        part = ids[start : start + _SLICE]
        logits = yield Read(part, cache, keep=len(part))  # (n, V)
        found.append(losses_of(logits, said[start : start + _SLICE]))
    return torch.cat(found)


def losses_of(logits: Tensor, said: Sequence[int]) -> Tensor:
    """-log of the probability (n,) of each of `said` by `logits` (n, V)."""
    return -logits.float().log_softmax(-1).gather(1, torch.tensor(list(said))[:, None])[:, 0]


def bytes_of_ours(folder: Path) -> int:
    """Of an engine's folder, what a step reads."""
    total = 0
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - it is no dict
            part = file.get_slice(name)
            size = {"U8": 1, "F16": 2, "F32": 4}[part.get_dtype()]
            total += 0 if name == EMBEDDING else size * torch.Size(part.get_shape()).numel()
    return total


def parameters_of(model: PreTrainedModel) -> int:
    """Parameters that a step reads: all but the embedding's, which gives it one row."""
    embedding = model.get_input_embeddings().weight
    return int(sum(each.numel() for each in model.parameters()) - embedding.numel())


def fresh(source: random.Random, tokens: int) -> list[int]:
    """Ids of no text: what is read takes the same time whatever it says. They are below every model's vocabulary."""
    return [source.randrange(1000, 40_000) for _ in range(tokens)]


def _translated(decoder: Decoder, prompt: Prompt, source: str) -> str:
    turn, limit = prompt.turn(source)
    stream = TokenStream(decoder, capacity=len(prompt.prefix) + len(turn) + limit + 1)
    stream.pin(prompt.prefix)
    stream.append(turn)
    return " ".join(prompt.tokenizer.decode(list(stream.write(stop=prompt.stop, limit=limit))).split())
