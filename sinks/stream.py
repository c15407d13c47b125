"""One endless token stream through a model and its sink cache.

In: token ids to read. Out: token ids that the model would write. The model is shared, the stream is not: it holds the
cache and the last logits, nothing else, and `rollback` returns it to a mark exactly. It is purely token id sequences:
no tokenizer, no text, no turns beyond what the caller marks on the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from surtitle.sinks.cache import Mark, SinkCache
from surtitle.sinks.decoder import Decoder, Read
from surtitle.sinks.lockstep import Steps, alone
from surtitle.sinks.sampling import Pick, likeliest

SLICE = 64
"""Tokens read in one forward: long inputs go in slices, so that activations stay small."""

GUESS = 12
"""Tokens of a draft that are read along at most: more cost more than they save."""
REACH = 6
"""Tokens of a draft that may be skipped to meet it again."""


class TokenStream:
    """A model reading and writing one conversation that has no end."""

    def __init__(self, decoder: Decoder, cache: SinkCache | None = None, *, capacity: int = 1024) -> None:
        """`capacity` tokens are held at most, the pinned prefix included.

        `cache` is what to hold them in, one of `decoder.caches` for streams that go in step; otherwise it is made.
        """
        self._decoder = decoder
        self.cache = decoder.cache(capacity) if cache is None else cache
        self._logits: Tensor | None = None  # (V,) for the token that comes next

    def append(self, ids: Sequence[int]) -> None:
        """Read `ids`. There must be room: call `cache.make_room(len(ids))` first. Nothing happens for no ids."""
        alone(self._decoder, self.reading(ids))

    def reading(self, ids: Sequence[int]) -> Steps[None]:
        """`append`, in step with other streams (`lockstep.py`)."""
        for start in range(0, len(ids), SLICE):
            logits = yield Read(ids[start : start + SLICE], self.cache, keep=1)
            self._logits = logits[-1]

    @property
    def logits(self) -> Tensor:
        """(V,) of the token that comes next. Raises ValueError where nothing was read that it could follow."""
        if self._logits is None:
            raise ValueError("nothing was read since the stream began or rolled back: append something first")
        return self._logits

    def pin(self, prefix: Sequence[int]) -> None:
        """Read `prefix` into an empty stream and pin it."""
        if self.cache.length:
            raise ValueError(f"the stream already holds {self.cache.length} tokens: a prefix comes first")
        self.append(prefix)
        self.cache.pin()

    def write(
        self,
        *,
        stop: Collection[int],
        limit: int,
        draft: Sequence[int] = (),
        bias: float = 0.0,
        pick: Pick = likeliest,
    ) -> Iterator[int]:
        """Yield the next token that `pick` chooses, read, until one of `stop` is next (it is not read) or `limit` came.

        `draft` is a guess at what will be written, such as the translation of how the sentence began. Where the text
        meets it, what it says next is read along and kept as far as it is what would have been written: the result
        is the same (but for rounding, where two tokens are equally likely), and several tokens cost little more than
        one, since a step's time goes into reading the weights
        (speculative decoding by lookup; Stern et al. 2018, Saxena 2023).

        With a `bias`, the result leans towards the draft: as long as it is what the draft says, so it stays where the
        draft's token is `bias` nats less likely than the likeliest one or less, unless that is one of `stop` (biased
        search; Arivazhagan et al. 2020). What is shown while it grows changes less for it.
        """
        said: list[int] = []
        steps = self.writing(said.append, stop=stop, limit=limit, draft=draft, bias=bias, pick=pick)
        logits: Tensor | None = None
        told = 0
        while True:
            try:
                read = next(steps) if logits is None else steps.send(logits)
            except StopIteration:
                break
            yield from said[told:]
            told = len(said)
            logits = self._decoder.decode(read.ids, read.cache, keep=read.keep)
        yield from said[told:]

    def writing(
        self,
        say: Callable[[int], object],
        *,
        stop: Collection[int],
        limit: int,
        draft: Sequence[int] = (),
        bias: float = 0.0,
        pick: Pick = likeliest,
        behind: Sequence[int] = (),
    ) -> Steps[None]:
        """`write`, in step with other streams (`lockstep.py`): `say` is told each token.

        `behind` is read first, with as much of the draft's beginning as fits beside its end in one forward; nothing of
        it, and the stream goes on from what was read last.
        """
        if draft and pick is not likeliest:
            raise ValueError("a draft is verified against the likeliest tokens: expected no other way to pick them")
        begun = yield from self._beginning(behind, draft[: max(0, min(GUESS, limit))], stop, bias)
        for each in begun:
            say(each)
        place = count = len(begun)
        leans = bias > 0  # as long as it is what the draft says
        while count < limit:
            logits = self.logits
            token = pick(logits)
            if token in stop:
                return
            if leans and _kept(logits[None], draft[place : place + 1], stop, bias):
                token = draft[place]
            at = _find(draft, token, place)
            leans = leans and at == place
            guess = () if at is None else draft[at + 1 : at + 1 + min(GUESS, limit - count - 1)]
            agreed = yield from self._reading_along((token,), guess, stop, bias if leans else 0.0)
            if at is not None:
                place = at + 1 + len(agreed)
            count += 1 + len(agreed)
            for each in (token, *agreed):
                say(each)

    def _beginning(
        self, ids: Sequence[int], guess: Sequence[int], stop: Collection[int], bias: float
    ) -> Steps[list[int]]:
        """Read `ids`, and behind them the part of `guess` that is to be written and fits in; return that part."""
        if not ids:
            return []
        last = (len(ids) - 1) // SLICE * SLICE
        yield from self.reading(ids[:last])
        rest = ids[last:]
        return (yield from self._reading_along(rest, guess[: SLICE - len(rest)], stop, bias))

    def _reading_along(
        self, ids: Sequence[int], guess: Sequence[int], stop: Collection[int], bias: float
    ) -> Steps[list[int]]:
        """Read `ids` and the part of `guess` that is to be written; return that part."""
        before = self.mark()
        logits = yield Read((*ids, *guess), self.cache, keep=1 + len(guess))  # (1 + n, V)
        kept = _kept(logits, guess, stop, bias)
        self.cache.rollback(Mark(length=before.length + len(ids) + kept, evicted=before.evicted))
        self._logits = logits[kept]
        return list(guess[:kept])

    def save(self, path: Path) -> None:
        """Write what the stream holds to a safetensors file, whole or not at all.

        Raises ValueError if it holds nothing, OSError where it can't be written.
        """
        logits = self.logits
        new = path.with_name(f"{path.name}.new")
        save_file({**self.cache.state(), "logits": logits.contiguous()}, new)
        new.replace(path)

    def load(self, path: Path) -> None:
        """Go on, in an empty stream, where `save` was called.

        Raises OSError for a missing file, ValueError for one of another model or of a larger window.
        """
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        if "logits" not in state:
            raise ValueError(f"{path} holds {len(state)} tensors and no logits among them: expected a saved stream")
        logits = state.pop("logits")
        if not self.cache.length:  # where it has read something, what comes must be like that
            self._decoder.decode([0], self.cache, keep=1)
            self.cache.clear()
        self.cache.restore(state)
        self._logits = logits

    def rebuild(self) -> None:
        """Read again what is held, as if it were all that ever was: what remains of evicted text in the keys and values
        is gone then, and so is all rounding. Costs as much as reading it. Raises ValueError for an empty stream.
        """
        cache = self.cache
        ids, at, ends = cache.ids[0].tolist(), cache.pinned, cache.turn_ends
        cache.clear()
        self.append(ids[:at])
        cache.pin()
        for end in ends:
            self.append(ids[at:end])
            cache.end_turn()
            at = end
        self.append(ids[at:])

    def take(self, other: TokenStream) -> None:
        """Go on where `other` is, in the storage that is here. Raises ValueError as `SinkCache.take` does."""
        self.cache.take(other.cache)
        self._logits = other._logits

    def move(self, cache: SinkCache) -> None:
        """Go on in `cache`, which is this decoder's and empty: to be read side by side with others. Marks stay good.

        Raises ValueError as `SinkCache.take` does.
        """
        cache.take(self.cache)
        cache.evictions, cache.evicted = self.cache.evictions, self.cache.evicted
        self.cache = cache

    def mark(self) -> Mark:
        """Remember this point of the stream."""
        return self.cache.mark()

    def rollback(self, mark: Mark) -> None:
        """Forget what was read since `mark`; something must be read before the next `write`."""
        self.cache.rollback(mark)
        self._logits = None


def _find(draft: Sequence[int], token: int, place: int) -> int | None:
    """Where `draft` says `token`, at `place` or a little further on."""
    return next((at for at in range(place, min(place + REACH, len(draft))) if draft[at] == token), None)


def _kept(logits: Tensor, guess: Sequence[int], stop: Collection[int], bias: float) -> int:
    """How many of `guess` stand, by the `logits` (n or more, V) of what comes in the place of each of its n tokens."""
    if not guess:
        return 0
    best, likeliest_ids = logits[: len(guess)].max(-1)  # (n,), (n,)
    said = logits.gather(-1, logits.new_tensor(guess, dtype=torch.long)[:, None])[:, 0]  # (n,)
    near = (best - said <= bias).tolist()
    for count, (token, wanted, is_near) in enumerate(zip(guess, likeliest_ids.tolist(), near, strict=True)):
        if token in stop or wanted in stop or not is_near:
            return count
    return len(guess)
