"""Attention sinks: an LLM token stream that never ends, in constant memory (StreamingLLM, Xiao et al. 2023). Useful
alone; knows no audio and no captions.

What follows is imported when it is first asked for: the engine needs no transformers, which takes seconds to import.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

# here, before any of our files imports ONNX Runtime: it then reports nothing to its makers (`pipeline/silero.py`)
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from surtitle.sinks.beams import Beams
    from surtitle.sinks.cache import Mark, SinkCache
    from surtitle.sinks.chat import Chat
    from surtitle.sinks.contrastive import ContrastiveSearch
    from surtitle.sinks.decoder import Decoder, Read
    from surtitle.sinks.drop_in import AutoModelForCausalLM, endless
    from surtitle.sinks.endless_cache import EndlessCache
    from surtitle.sinks.layer import CacheFull
    from surtitle.sinks.load import load_model
    from surtitle.sinks.lockstep import together
    from surtitle.sinks.positions import UnsupportedModel, positions_of
    from surtitle.sinks.rope import Rotation
    from surtitle.sinks.sampling import Sampler, likeliest
    from surtitle.sinks.static import StaticDecoder
    from surtitle.sinks.stock import StockDecoder, load_stock
    from surtitle.sinks.stream import TokenStream
    from surtitle.sinks.tokenizer import Tokenizer

_HOMES = {
    "AutoModelForCausalLM": "drop_in",
    "Beams": "beams",
    "CacheFull": "layer",
    "Chat": "chat",
    "ContrastiveSearch": "contrastive",
    "Decoder": "decoder",
    "EndlessCache": "endless_cache",
    "Mark": "cache",
    "Read": "decoder",
    "Rotation": "rope",
    "Sampler": "sampling",
    "SinkCache": "cache",
    "StaticDecoder": "static",
    "StockDecoder": "stock",
    "TokenStream": "stream",
    "Tokenizer": "tokenizer",
    "UnsupportedModel": "positions",
    "endless": "drop_in",
    "likeliest": "sampling",
    "load_model": "load",
    "load_stock": "stock",
    "positions_of": "positions",
    "together": "lockstep",
}

__all__ = [
    "AutoModelForCausalLM",
    "Beams",
    "CacheFull",
    "Chat",
    "ContrastiveSearch",
    "Decoder",
    "EndlessCache",
    "Mark",
    "Read",
    "Rotation",
    "Sampler",
    "SinkCache",
    "StaticDecoder",
    "StockDecoder",
    "TokenStream",
    "Tokenizer",
    "UnsupportedModel",
    "endless",
    "likeliest",
    "load_model",
    "load_stock",
    "positions_of",
    "together",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"surtitle.sinks has no {name}, expected one of {', '.join(__all__)}")
    return getattr(import_module(f"surtitle.sinks.{_HOMES[name]}"), name)
