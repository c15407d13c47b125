"""What a conversation's window holds, as text: one line a turn, beside the keys and values.

In: turns as they join the context, how many of them the cache still holds, corrections. Out: the turns that are in the
window, and the tokens they are read from when the context is read again. The cache evicts whole turns, the oldest
first, and so does this: it is bounded by the window. Knows no model and no cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from surtitle.pipeline.glossary import Rendering


@dataclass(frozen=True, slots=True)
class Turn:
    """What was said and what it became; or a term, and what it is called."""

    source: str
    translation: str
    ids: tuple[int, ...]
    """The tokens of both, as they are read: with the marks of the prompt around them. None for a turn that is left out
    when the context is read again."""
    tells: tuple[Rendering, ...] = ()
    """Terms and names that were said, and whose words stand in the translation."""
    asked: tuple[Rendering, ...] = ()
    """Terms that the glossary had for it when it was made, or when it was last looked at."""
    term: bool = False
    """Whether nobody said it: it was read so that what follows has the words wanted."""

    @property
    def tokens(self) -> int:
        """In the window, or when it is read again."""
        return len(self.ids)


class Ledger:
    """The turns of one window, the oldest first."""

    def __init__(self, turns: Sequence[Turn] = ()) -> None:
        self._turns = list(turns)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What is in the window."""
        return tuple(self._turns)

    @property
    def ids(self) -> list[tuple[int, ...]]:
        """The tokens to read for each turn."""
        return [turn.ids for turn in self._turns]

    def add(self, turn: Turn) -> None:
        """`turn` joined the context."""
        self._turns.append(turn)

    def keep(self, count: int) -> None:
        """The cache evicted turns: `count` are left."""
        if count > len(self._turns):
            raise ValueError(f"{count} turns are in the cache, and {len(self._turns)} in the ledger: expected the same")
        del self._turns[: len(self._turns) - count]

    def tells(self, rendering: Rendering) -> bool:
        """Whether a turn in the window has what `rendering` asks for."""
        return any(rendering in turn.tells for turn in self._turns)

    def correct(self, turn: Turn, better: Turn) -> None:
        """Read `better` in the place of `turn` when the context is read again; nothing, if it has no tokens.

        Raises ValueError for a turn that is in the window no more.
        """
        self._turns[self._turns.index(turn)] = better

    def fit(self, tokens: int) -> None:
        """Corrections may be longer than what they correct: leave out the oldest turns until all have `tokens` at most
        when they are read again."""
        left = sum(turn.tokens for turn in self._turns)
        for index, turn in enumerate(self._turns):
            if left <= tokens:
                break
            self._turns[index] = replace(turn, ids=())
            left -= turn.tokens

    def settle(self) -> None:
        """The context was read again: what was left out is gone."""
        self._turns = [turn for turn in self._turns if turn.ids]
