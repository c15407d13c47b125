"""Endless text: a chat of many turns, or a story, in one stream that never grows.

In: a model's stream and tokenizer; prompts. Out: text, in pieces, as it is written. Knows no terminal.

The first tokens are pinned (four are enough: StreamingLLM, Xiao et al. 2023). Of the rest, whole turns go where they
fit, and pieces of a turn that is longer than a quarter of the window. Every turn begins with the token that ended the
one before, which a model expects and a generation loop forgets to feed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property

from surtitle.sinks.sampling import Pick, likeliest
from surtitle.sinks.stream import TokenStream
from surtitle.sinks.tokenizer import Tokenizer

BLOCK = 32
"""Tokens that are written between two looks at the room left."""
_ASKED, _ANSWERED, _NEXT = "\x11asked\x11", "\x11answered\x11", "\x11next\x11"


class Chat:
    """One conversation or story."""

    def __init__(self, stream: TokenStream, tokenizer: Tokenizer, *, sinks: int = 4, pick: Pick = likeliest) -> None:
        """Go on in `stream` (empty or restored); of an empty one the first `sinks` tokens will be pinned.

        Raises ValueError where the window has no room beside the sinks.
        """
        cache = stream.cache
        # what was restored is pinned as it was, but where it was left before it had as many tokens
        self._is_pinned = bool(cache.length and (cache.pinned or cache.turn_ends or cache.evicted))
        pinned = cache.pinned if self._is_pinned and sinks >= 0 else sinks
        if pinned < 0 or cache.capacity < pinned + 4 * BLOCK:
            raise ValueError(
                f"a window of {cache.capacity} tokens with {pinned} sinks, expected at least "
                f"{4 * BLOCK} more than sinks, and no negative number of them"
            )
        self._stream = stream
        self._tokenizer = tokenizer
        self._sinks = sinks
        self._pick = pick
        self.tokens_written = 0
        """Since this object was made."""

    def say(self, prompt: str, *, limit: int) -> Iterator[str]:
        """The answer to `prompt`, of `limit` tokens at most; prompt and answer join the context."""
        self._read(self._turn(prompt))
        yield from self._write(stop=self._ends, limit=limit)
        self._end_turn()

    def tell(self, beginning: str, *, limit: int | None) -> Iterator[str]:
        """How the text that begins like this goes on: for `limit` tokens, or for ever. It may be empty in a stream
        that was restored."""
        ids = self._tokenizer.encode_plain(beginning)
        if not ids and not self._stream.cache.length:
            raise ValueError("a story without a beginning, expected at least one token to go on from")
        self._read(ids if self._stream.cache.length else [*self._tokenizer.opening(), *ids])
        yield from self._write(stop=(), limit=limit)
        self._end_turn()

    def _turn(self, prompt: str) -> list[int]:
        opening, _, after = self._render(_ASKED).partition(_ASKED)
        before = self._behind_answer if self._stream.cache.length else opening
        return self._tokenizer.encode_between(before, prompt, after)

    @cached_property
    def _behind_answer(self) -> str:
        """What the template writes between an answer and the next prompt."""
        _, _, rest = self._render(_ASKED, _ANSWERED, _NEXT).partition(_ANSWERED)
        behind, _, _ = rest.partition(_NEXT)
        return behind

    @cached_property
    def _ends(self) -> frozenset[int]:
        try:
            return self._tokenizer.ends(self._behind_answer)
        except ValueError:  # a template of one turn: who asks again is told
            return self._tokenizer.ends("")

    def _render(self, *contents: str) -> str:
        roles = ("user", "assistant")
        return self._tokenizer.render(
            [{"role": roles[index % 2], "content": content} for index, content in enumerate(contents)]
        )

    def _read(self, ids: Sequence[int]) -> None:
        for start in range(0, len(ids), BLOCK):
            part = ids[start : start + BLOCK]
            self._make_room(len(part))
            self._stream.append(part)

    def _write(self, *, stop: Collection[int], limit: int | None) -> Iterator[str]:
        text = self._tokenizer.decoder()
        count = 0
        while limit is None or count < limit:
            block = BLOCK if limit is None else min(BLOCK, limit - count)
            self._make_room(block)
            before = count
            for token in self._stream.write(stop=stop, limit=block, pick=self._pick):
                count += 1
                self.tokens_written += 1
                if piece := text.push(token):
                    yield piece
            if count < before + block:
                return

    def _make_room(self, tokens: int) -> None:
        cache = self._stream.cache
        if cache.length >= self._sinks:
            self._pin()
        if self._is_pinned and cache.open_turn > (cache.capacity - cache.pinned) // 4:
            cache.end_turn()
        cache.make_room(tokens)

    def _end_turn(self) -> None:
        self._pin()
        self._stream.cache.end_turn()

    def _pin(self) -> None:
        """The first tokens stay, whoever wrote them; before a turn ends, all there are."""
        if not self._is_pinned:
            self._stream.cache.pin(min(self._sinks, self._stream.cache.length))
            self._is_pinned = True
