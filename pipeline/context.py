"""What one conversation has before it: the prompt, and the turns in the window, as keys and values and as text.

In: turns to read. Out: steps (`sinks/lockstep.py`) that leave the cache ending in them; the ledger of what it holds.
The pinned prompt is the attention sink; whole turns roll behind it and are evicted whole, between forwards, from both.
In a pause the context is read again beside the one in use, without the traces of what was evicted and with what was
corrected, and takes its place when it is whole. Knows no rule of what is a translation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from torch import Tensor

from surtitle.pipeline.aside import PromptTokens
from surtitle.pipeline.ledger import Ledger, Turn
from surtitle.pipeline.text import shared
from surtitle.sinks.cache import Mark
from surtitle.sinks.decoder import Decoder, NoRoom
from surtitle.sinks.lockstep import Steps, until
from surtitle.sinks.shadow import Shadow
from surtitle.sinks.stream import TokenStream


class Context:
    """One window, with at most one turn open at its end."""

    def __init__(self, model: Decoder, stream: TokenStream, prompt: PromptTokens) -> None:
        """Pin `prompt` in the empty `stream`."""
        self._model = model
        self.stream = stream
        """Ends in the open turn, where there is one."""
        self.stream.pin(prompt.prefix)
        self._prompt = prompt
        self.ledger = Ledger()
        """The turns that ended, as the cache holds them."""
        self.rebuilt = 0
        """Evictions before the context was last read again."""
        self._shadow: Shadow | None = None  # what is read of it so far, from pause to pause
        self._turn: Mark | None = None  # where the open turn began

    def reading_turn(self, ids: list[int]) -> Steps[None]:
        """Have the cache end in `ids`; what was already read of them stays."""
        yield from self.stream.reading(self.begin_turn(ids, 0))

    def begin_turn(self, ids: list[int], limit: int) -> list[int]:
        """Let go of what the open turn has and `ids` have not, and make room for `limit` more. What is to be read then,
        at least a token, for the cache to end in `ids`.
        """
        self.make_room(len(ids) + limit)
        if self._turn is None:
            self._turn = self.stream.mark()
        same = shared(self._open_ids(), ids[:-1])  # the last token is read again, for its logits
        self.stream.rollback(replace(self._turn, length=self._turn.length + same))
        return ids[same:]

    def holds(self, ids: list[int]) -> bool:
        """Whether the open turn is `ids`, to the last token that was written."""
        return self._turn is not None and self._open_ids() == ids

    def make_room(self, tokens: int) -> None:
        """Evict what has to go for a turn of `tokens`; the open one stays where it may become as long."""
        cache = self.stream.cache
        if self._turn is None or self._turn.length + tokens > cache.capacity:
            self.leave_turn()
            cache.make_room(tokens)
            self.ledger.keep(len(cache.turn_ends))

    def leave_turn(self) -> None:
        """Nothing of the open turn stays; it may be read again."""
        if self._turn is not None:
            self.stream.rollback(self._turn)
        self._turn = None

    def end_turn(self, turn: Turn) -> None:
        """The open turn is over, and stays: `turn` says what it is, but for its tokens, which the cache knows."""
        ids = tuple(self._open_ids())
        self.stream.cache.end_turn()
        self.ledger.add(replace(turn, ids=ids))
        self._turn = None

    def _open_ids(self) -> list[int]:
        """What the cache holds behind the turns that ended."""
        cache = self.stream.cache
        ids: list[int] = cache.ids[0, cache.length - cache.open_turn :].tolist()
        return ids

    def adding(self, turn: Turn) -> Steps[None]:
        """Read a whole turn behind those that ended."""
        self.leave_turn()
        yield from self.reading_turn(list(turn.ids))
        self.end_turn(turn)

    def rereading(self, stop: Callable[[], bool]) -> Steps[bool]:
        """Read what is held again, where turns were evicted or corrected since; whether that was done to the end.

        `stop` is asked after every slice: true leaves it there, and the next pause goes on as far as the turns are
        still the same.
        """
        cache = self.stream.cache
        if cache.evictions == self.rebuilt and not self._is_corrected():
            return False
        self.leave_turn()
        self.ledger.fit(cache.capacity - cache.pinned)
        if self._shadow is None:
            try:
                self._shadow = Shadow(self._model, cache.capacity)
            except NoRoom:  # others are read again: in the next pause, then
                return False
        if not (yield from until(self._shadow.reading(self._prompt.prefix, self.ledger.ids), stop)):
            return False
        self._shadow.replace(self.stream)
        self._shadow = None
        self.ledger.settle()
        self.rebuilt = cache.evictions
        return True

    @property
    def is_reread(self) -> bool:
        """Whether a part of it was read again, and waits for the next pause."""
        return self._shadow is not None

    def _is_corrected(self) -> bool:
        cache = self.stream.cache
        ended = cache.ids[0, cache.pinned : cache.length - cache.open_turn]  # (n,)
        return list(chain.from_iterable(self.ledger.ids)) != ended.tolist()

    def state(self) -> dict[str, Tensor]:
        """The cache, for `restore`; the open turn is left."""
        self.leave_turn()
        return self.stream.cache.state()

    def restore(self, state: Mapping[str, Tensor], turns: Sequence[Turn], rebuilt: int) -> None:
        """Hold what another context held, bit for bit.

        Raises ValueError where `state` is of another model, or does not fit; then nothing more can be done with this.
        """
        cache = self.stream.cache
        cache.clear()
        cache.restore(state)
        if len(turns) != len(cache.turn_ends):
            raise ValueError(f"it has {len(turns)} turns in text and {len(cache.turn_ends)} in the cache")
        self.stream.rollback(self.stream.mark())  # nothing is to be written before something is read
        self.ledger, self.rebuilt = Ledger(turns), rebuilt
