"""The language model and its tokenizer, loaded once.

In: a folder of a fetched model, or of a transformers model as its makers publish it. Out: an `Engine` for all
conversations of the process. Knows no language and no prompt.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import psutil
import torch
from safetensors import SafetensorError, safe_open

from surtitle.pipeline.aside import Aside, PromptTokens
from surtitle.pipeline.errors import UserError, one_line
from surtitle.pipeline.events import Device
from surtitle.pipeline.identify import Identifier
from surtitle.pipeline.leftovers import Leftovers
from surtitle.pipeline.profiles import find_profile
from surtitle.pipeline.text import EXCLAMATIONS
from surtitle.sinks.beams import Beams
from surtitle.sinks.blocks import WEIGHTS
from surtitle.sinks.decoder import Decoder
from surtitle.sinks.load import load_model
from surtitle.sinks.tokenizer import Tokenizer

WINDOW = 1024
"""Tokens in a conversation's cache, the pinned prefix included."""
_WHOLE = "model.safetensors"
"""What transformers calls the weights where they are one file."""
_MORE = 512
"""Tokens that a conversation without context may need more than one with, for its longer prompt and terms."""
GPU_ROWS = 64
"""Conversations that a GPU has room for, where it is large enough: those of a session's languages, those that have
nothing behind them, one that is read again, and the beginnings of a translation that are kept."""
GPU_FEWEST = 4
"""What one language needs."""
GPU_SPARE = 3_000_000_000
"""Bytes that stay free for what a forward makes, and for a recogniser."""


def convert_gguf(gguf: Path, out_dir: Path, progress: Callable[[float], None]) -> None:
    """Convert a fetched model to the engine's form, once: see `surtitle.sinks.convert`.

    Raises UserError where it can't be written, on a full disk for one.
    """
    # imported here: it needs transformers, which takes seconds, and a running session does not
    from surtitle.sinks.convert import convert_gguf as convert

    try:
        convert(gguf, out_dir, progress)
    except SafetensorError as error:  # of writing too, whose OSError it keeps to itself
        raise UserError(
            f"{gguf.name} can't be converted in {out_dir} ({one_line(error)}): make room there, or set SURTITLE_HOME "
            f"to a folder on another disk, and fetch again"
        ) from error


def _as_made(folder: Path, dtype: torch.dtype) -> Any:
    """The model in `folder` as transformers loads it. Raises UserError where it wants a library or a GPU that is not
    here, as those do that were published in a few bits (AWQ, GPTQ, bitsandbytes).
    """
    from surtitle.sinks.stock import from_pretrained

    try:
        return from_pretrained(folder, dtype=dtype, use_safetensors=True, local_files_only=True)
    except (ImportError, RuntimeError) as error:
        raise UserError(
            f"{folder} can't be loaded here ({one_line(error)}): install what it wants, or choose one that was "
            f"published in 16 or 32 bits"
        ) from error


def on_gpu(folder: Path, device: str, *, window: int) -> Decoder:
    """The model in `folder` on torch's `device`, for up to `GPU_ROWS` conversations of `window` tokens each.

    Raises UserError for a GPU that is too small, or not torch's, and for a model that can't be run there.
    """
    # imported here: it needs transformers, which takes seconds, and a session on processor cores does not
    from surtitle.sinks.static import StaticDecoder, row_bytes

    model = _as_made(folder, torch.bfloat16)
    try:
        model = model.to(torch.device(device))
        capacity = window + _MORE
        rows = rows_that_fit(_free_bytes(model.device), row_bytes(model, capacity))
        return StaticDecoder(model, sequences=rows, capacity=capacity)
    except (RuntimeError, ValueError) as error:  # torch's errors of a GPU are RuntimeErrors
        raise UserError(
            f"--llm-device cuda: {folder} can't run there ({one_line(error)}): leave the flag out to use the cores, or "
            f"choose a smaller --window"
        ) from error


def rows_that_fit(free: int, row: int) -> int:
    """Conversations of `row` bytes each that a GPU with `free` bytes has room for. Raises ValueError for too few."""
    rows, least = min(GPU_ROWS, (free - GPU_SPARE) // row), GPU_SPARE + GPU_FEWEST * row
    if rows < GPU_FEWEST:
        raise ValueError(
            f"the model leaves {free / 1e9:.1f} GB of its memory free, expected {least / 1e9:.1f} for {GPU_FEWEST} "
            f"conversations"
        )
    return rows


def _free_bytes(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available


def as_published(folder: Path, *, window: int) -> Decoder:
    """The model in `folder` as transformers has it, in fp32, on cores: larger and slower than what is fetched.

    Raises UserError for one that can't roll a window, can't bear conversations of `window` tokens, or is larger than
    the machine's memory: the system would end the process, or stand still, without a word.
    """
    from surtitle.sinks.positions import UnsupportedModel
    from surtitle.sinks.stock import StockDecoder

    needed, memory = bytes_on_cores(folder), psutil.virtual_memory().total
    if needed > memory:
        raise UserError(
            f"{folder} takes {needed / 1e9:.1f} GB of memory on cores, where it runs in fp32, and this machine has "
            f"{memory / 1e9:.1f}: choose a smaller one, one that `surtitle models fetch` puts in 8 bits, or a GPU"
        )
    model = _as_made(folder, torch.float32)
    try:
        decoder = StockDecoder(model)
    except UnsupportedModel as error:
        raise UserError(f"{folder} can't be used: {error}") from error
    if decoder.limit is not None and decoder.limit < window + _MORE:
        raise UserError(
            f"{folder} takes {decoder.limit} tokens at most, expected {window + _MORE} (a window of {window}, and "
            f"{_MORE} more): choose a smaller --window"
        )
    return decoder


def bytes_on_cores(folder: Path) -> int:
    """Of the weights in `folder` that transformers loads, in fp32 what is in floats."""
    index = folder / "model.safetensors.index.json"
    names = set(json.loads(index.read_text("utf-8"))["weight_map"].values()) if index.is_file() else {_WHOLE}
    total = 0
    for path in (folder / name for name in names):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dict
                part = file.get_slice(name)
                total += math.prod(part.get_shape()) * (4 if "F" in part.get_dtype() else 1)
    return total


def names_of(folder: Path) -> Iterator[str]:
    """What the model in `folder` may be called: as it was named, where that leads, and as the Hugging Face Hub's cache
    has it (`models--OWNER--NAME/snapshots/REVISION`).
    """
    resolved = folder.resolve()
    yield folder.absolute().name
    yield resolved.name
    yield from (part for part in resolved.parts if part.startswith("models--"))


class Engine:
    """Weights, tokenizer and what tells languages apart, shared by all streams; used from one thread at a time."""

    def __init__(
        self,
        folder: Path,
        *,
        threads: int,
        device: Device = "cpu",
        window: int = WINDOW,
        identifier: Identifier | None = None,
    ) -> None:
        """Map the model in `folder` and use `threads` cores, or a GPU with room for conversations of `window` tokens.

        `identifier` is what tells languages apart, where it is loaded already. Raises UserError if the model can't be
        loaded.
        """
        published = not (folder / WEIGHTS).is_file() and any(folder.glob("*.safetensors"))
        # with our own engine what torch does, moving keys at an eviction, is over in a millisecond
        torch.set_num_threads(threads if published else 1)
        if device == "cuda" and not torch.cuda.is_available():
            raise UserError("--llm-device cuda: torch finds no GPU, expected one: leave the flag out to use the cores")
        try:
            with ThreadPoolExecutor(1) as beside:  # most of the weights' loading is outside the interpreter's lock
                load: Callable[[], Decoder]
                if device == "cuda":
                    load = partial(on_gpu, folder, device, window=window)
                elif published:
                    load = partial(as_published, folder, window=window)
                else:
                    load = partial(load_model, folder, threads=threads)
                loading = beside.submit(load)
                self.tokenizer = Tokenizer(folder)
                self.exclaiming = torch.tensor(self.tokenizer.having(EXCLAMATIONS), dtype=torch.long)
                self.identifier = identifier or Identifier()
                self.model: Decoder = loading.result()
            family = json.loads((folder / "config.json").read_text("utf-8"))["model_type"]
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise UserError(
                f"{folder} holds no translator that can be loaded ({one_line(error)}): if it was fetched, see what is "
                f"wrong with `surtitle models verify {folder.name}`"
            ) from error
        self.profile = find_profile(*names_of(folder), family)
        """How this model is asked for translations."""
        self._beams: dict[tuple[int, int], Beams] = {}
        self._asides = WeakValueDictionary[str, Aside]()

    @cached_property
    def leftovers(self) -> Leftovers:
        """Which tokens leave words as they are; made when first asked for, in a third of a second."""
        return Leftovers(self.tokenizer.texts(), self.tokenizer.encode_plain)

    def beams(self, width: int, window: int) -> Beams | None:
        """Room to keep `width` beginnings in behind conversations of `window` tokens; None for one, which needs none.

        All who ask for as much have the same: they search one after the other.
        """
        if width > 1 and (width, window) not in self._beams:
            self._beams[width, window] = Beams(self.model, width=width, capacity=window)
        return self._beams.get((width, window))

    def aside(self, prompt: PromptTokens) -> Aside:
        """One who knows nothing but `prompt`: the same for all conversations that want it, one after the other."""
        aside = self._asides.get(prompt.digest)
        if aside is None:
            aside = self._asides[prompt.digest] = Aside(self.model, prompt)
        return aside
