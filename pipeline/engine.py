"""The language model and its tokenizer, loaded once.

In: a folder of a fetched model, or of a transformers model as its makers publish it. Out: an `Engine` for all
conversations of the process. Knows no language and no prompt.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

import torch

from surtitle.pipeline.aside import Aside, PromptTokens
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Device
from surtitle.pipeline.identify import Identifier
from surtitle.pipeline.profiles import find_profile
from surtitle.sinks.beams import Beams
from surtitle.sinks.blocks import WEIGHTS
from surtitle.sinks.decoder import Decoder
from surtitle.sinks.load import load_model
from surtitle.sinks.tokenizer import Tokenizer

WINDOW = 1024
"""Tokens in a conversation's cache, the pinned prefix included."""
_MORE = 512
"""Tokens that a conversation without context may need more than one with, for its longer prompt and terms."""
GPU_ROWS = 64
"""Conversations that a GPU has room for: those of a session's languages, those that have nothing behind them, one that
is read again, and the beginnings of a translation that are kept."""


def convert_gguf(gguf: Path, out_dir: Path, progress: Callable[[float], None]) -> None:
    """Convert a fetched model to the engine's form, once: see `surtitle.sinks.convert`."""
    # imported here: it needs transformers, which takes seconds, and a running session does not
    from surtitle.sinks.convert import convert_gguf as convert

    convert(gguf, out_dir, progress)


def on_gpu(folder: Path, device: str, *, window: int) -> Decoder:
    """The model in `folder` on torch's `device`, for up to `GPU_ROWS` conversations of `window` tokens each."""
    # imported here: they need transformers, which takes seconds, and a session on processor cores does not
    from surtitle.sinks.static import StaticDecoder
    from surtitle.sinks.stock import from_pretrained

    model = from_pretrained(folder, dtype=torch.bfloat16, use_safetensors=True, local_files_only=True)
    return StaticDecoder(model.to(torch.device(device)), sequences=GPU_ROWS, capacity=window + _MORE)


def as_published(folder: Path, *, window: int) -> Decoder:
    """The model in `folder` as transformers has it, in fp32, on cores: larger and slower than what is fetched.

    Raises ValueError where it can't bear conversations of `window` tokens.
    """
    from surtitle.sinks.stock import StockDecoder, from_pretrained

    model = from_pretrained(folder, dtype=torch.float32, use_safetensors=True, local_files_only=True)
    decoder = StockDecoder(model)
    if decoder.limit is not None and decoder.limit < window + _MORE:
        raise ValueError(f"it bears {decoder.limit} tokens, expected {window + _MORE}: --window, and {_MORE} more")
    return decoder


class Engine:
    """Weights, tokenizer and what tells languages apart, shared by all streams; used from one thread at a time."""

    def __init__(self, folder: Path, *, threads: int, device: Device = "cpu", window: int = WINDOW) -> None:
        """Map the model in `folder` and use `threads` cores, or a GPU with room for conversations of `window` tokens.

        Raises UserError if it can't be loaded.
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
                self.identifier = Identifier()
                self.model: Decoder = loading.result()
            family = json.loads((folder / "config.json").read_text("utf-8"))["model_type"]
        except (OSError, ValueError, KeyError) as error:
            why = " ".join(str(error).split())  # transformers says it in several lines
            raise UserError(
                f"{folder} holds no loadable translator model ({why}): mend it with `surtitle models fetch`"
            ) from error
        self.profile = find_profile(folder.resolve().name, family)
        """How this model is asked for translations."""
        self._beams: dict[tuple[int, int], Beams] = {}
        self._asides = WeakValueDictionary[str, Aside]()

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
