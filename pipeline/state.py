"""What a session knows, as values: to go on with it another day, or after a crash.

In: conversations. Out: one JSON text, beside the tensors of their caches, and back. The text alone would do to begin
again from; the tensors make what comes the same as if nothing had happened. Knows no file and no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from surtitle.pipeline.ledger import Turn
from surtitle.pipeline.memory import Memorised

if TYPE_CHECKING:
    from torch import Tensor  # seconds, for those whose model is behind an endpoint

VERSION = 1


@dataclass(slots=True)
class Counts:
    """What a conversation counts, from its beginning on, restarts included."""

    tokens_written: int = 0
    """Of all translations."""
    retries: int = 0
    """Segments whose translation was none, or lost a "not", and was made again, without context."""
    untranslated: int = 0
    """Segments that had none in the end."""
    terms: int = 0
    """Terms of the glossary that were said, once a segment."""
    terms_missed: int = 0
    """Of them, those whose translations have other words."""
    recalled_tokens: int = 0
    """Read so that the context has the words of terms and names."""
    corrected: int = 0
    """Turns that were made again after they had been shown."""
    rebuilds: int = 0
    """Times that the context was read again in a pause."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation, but for its cache."""

    prompt: str
    """What tells its prompt from others."""
    turns: tuple[Turn, ...]
    """In the window, as the cache holds them."""
    memory: Memorised
    counts: Counts
    rebuilt: int
    """Evictions before the context was last read again."""


@dataclass(frozen=True, slots=True)
class SavedConversation:
    """A conversation, whole."""

    talk: Talk
    cache: Mapping[str, Tensor] = field(repr=False)
    """As `SinkCache.state` has it."""


SavedConversations = dict[str, SavedConversation]
"""Conversations by language pair, such as en-es."""


class _Header(msgspec.Struct, frozen=True):
    version: int


class _Text(msgspec.Struct, frozen=True):
    version: int
    llm: str
    talks: dict[str, Talk]


def pack(state: SavedConversations, llm: str) -> tuple[str, dict[str, Tensor]]:
    """The text and the tensors of a file; `llm` names the model."""
    text = _Text(VERSION, llm, {pair: kept.talk for pair, kept in state.items()})
    tensors = {f"{pair}/{name}": tensor for pair, kept in state.items() for name, tensor in kept.cache.items()}
    return msgspec.json.encode(text).decode(), tensors


def unpack(text: str, tensors: Mapping[str, Tensor], llm: str) -> SavedConversations:
    """What was packed. Raises ValueError for what is no such text, or does not fit."""
    version = msgspec.json.decode(text, type=_Header).version
    if version != VERSION:
        raise ValueError(f"it has version {version}, expected {VERSION}")
    found = msgspec.json.decode(text, type=_Text)
    if found.llm != llm:
        raise ValueError(f"it was saved with {found.llm}, expected {llm}")
    caches: dict[str, dict[str, Tensor]] = {pair: {} for pair in found.talks}
    for name, tensor in tensors.items():
        pair, _, rest = name.partition("/")
        if pair not in caches:
            raise ValueError(f"it has a tensor {name}, expected those of {', '.join(caches) or 'nothing'}")
        caches[pair][rest] = tensor
    return {pair: SavedConversation(talk, caches[pair]) for pair, talk in found.talks.items()}
