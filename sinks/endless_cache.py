"""A sink cache as the caller of a stock model sees it: as long as all that was ever read.

In: a `SinkCache`, and forwards to make room for. Out: a transformers `Cache` that counts what was evicted too, so that
`generate` knows what is new, and says in one line what can't go on from it. Knows no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers.cache_utils import Cache

from surtitle.sinks.cache import SinkCache
from surtitle.sinks.stock import as_transformers

SHARE = 8
"""A full window loses this part of its tokens at once: eviction is then rare, and the window nearly full."""


class EndlessCache(Cache):  # type: ignore[misc]
    """A `SinkCache` as the caller of a stock model sees it: a stream that only ever grows."""

    def __init__(self, slots: SinkCache, *, sinks: int, device: torch.device) -> None:
        self.inner = as_transformers(slots)
        """What the layers see."""
        super().__init__(layers=self.inner.layers)
        self._device = device
        self.slots = slots
        """What is held."""
        self.repeated = 0
        """Of what `generate` was given last, how many were read before, where who reads it has to leave them out."""
        self._sinks = sinks
        self._seen = 0
        self._pinned = not sinks

    def update(self, *args: Any, **kwargs: Any) -> Any:
        """Raises ValueError: layers see `inner`, and of what they read past it nothing is counted."""
        raise ValueError(
            "a forward would read into an endless cache past its model: expected a call of the endless model itself, "
            "not of its forward() nor of another model"
        )

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens read so far, the evicted ones included."""
        return self._seen

    def parts(self, tokens: int) -> Iterator[int]:
        """Cut a forward of `tokens` into such that fit, making room for each just before it is yielded."""
        slots = self.slots
        step = round((slots.capacity - self._sinks) / SHARE)  # what goes at once: no less, or a forward has a token
        while tokens:
            part = min(tokens, slots.free or step)
            slots.make_room(part, low_water=1 - 1 / SHARE, whole_turns=False)
            yield part
            tokens -= part
            self._seen += part
            if not self._pinned and slots.length >= self._sinks:
                slots.pin(self._sinks)
                self._pinned = True

    def save(self, path: Path) -> None:
        """Write what is held to a safetensors file, for `load`."""
        save_file(self.slots.state() | {"seen": torch.tensor([self._seen])}, path)

    def load(self, path: Path) -> None:
        """Go on, in an empty cache, where `save` was called.

        Raises OSError for a missing file, ValueError for one of another number of layers or of a larger window. What
        another model of as many layers wrote is refused by the next forward, where its heads or its dtype differ.
        """
        state = load_file(path)
        if "seen" not in state:
            raise ValueError(f"{path} holds {len(state)} tensors, and how much was read is not among them")
        seen, device = int(state.pop("seen")), self._device
        self.slots.restore({name: tensor.to(device) if "." in name else tensor for name, tensor in state.items()})
        self._seen = seen
        self._pinned = not self._sinks or bool(self.slots.pinned or self.slots.evicted)

    def crop(self, tokens_to_remove: int) -> None:
        """Forget the newest tokens; their number is negative, as transformers has it."""
        if tokens_to_remove > 0:
            raise ValueError(f"{tokens_to_remove} tokens to remove, expected a negative number")
        tokens = -int(tokens_to_remove)  # assisted generation of transformers 5.15 has it in a tensor
        left = self.slots.length - tokens
        if self._seen == self.slots.length and 0 <= left < self.slots.pinned:  # nothing has gone: others may be sinks
            self.slots.pin(0)
            self._pinned = False
        self.slots.forget(tokens)
        self._seen -= tokens

    def reset(self) -> None:
        """Begin anew."""
        self.slots.clear()
        self._seen = 0
        self._pinned = not self._sinks

    def reread(self, read: Callable[[Tensor], object]) -> None:
        """Let `read` take in anew the ids of what is held. Raises ValueError where they are not known."""
        ids, seen = self.slots.ids, self._seen
        self.reset()
        read(ids)
        self._seen = seen  # what was evicted still counts

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Hold these rows: the beams that go on."""
        self.slots.select(beam_idx)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Hold these rows alone."""
        self.slots.select(indices)

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Hold every row `repeats` times."""
        if self.slots.rows:
            device = self.slots.layers[0].held()[0].device
            self.slots.select(torch.arange(self.slots.rows, device=device).repeat_interleave(repeats))

    def require_history(self, read: Tensor, mask: Any, copies: int) -> None:
        """Raises ValueError where `generate` can't go on from here with `read`, ids (B, n) or embeddings (B, n, D), of
        whose rows it makes `copies` each.
        """
        seen, held, (rows, tokens) = self._seen, self.slots.rows, read.shape[:2]
        masked = mask.shape[1] if isinstance(mask, Tensor) and mask.dim() == 2 else tokens
        if masked not in (tokens, seen + tokens):
            raise ValueError(
                f"an attention_mask of {masked} for {tokens} tokens and a cache that has read {seen}: expected {tokens}"
                f", or {seen + tokens} where all tokens are new"
            )
        if seen and rows * copies != held:
            raise ValueError(
                f"{rows * copies} rows for a cache of {held}: expected as many (for beams or several sequences "
                f"cache.batch_repeat_interleave makes more; behind beams begin a new cache)"
            )
        self.repeated = 0
        if not seen or (read.dim() == 2 and masked == seen + tokens):
            return
        if tokens <= seen or not self._begins(read):
            raise ValueError(
                f"{tokens} {'ids' if read.dim() == 2 else 'embeddings'} for a cache that has read {seen}: expected all "
                f"of these and new ones behind them (or new ids alone with an attention_mask of {seen} more ones than "
                f"ids)"
            )
        self.repeated = seen

    def _begins(self, read: Tensor) -> bool:
        """Whether `read` repeats what is held behind the sinks, as far as that is known in ids."""
        if read.dim() > 2 or not self.slots.knows_ids:
            return True
        held = self.slots.ids[:, self.slots.pinned :].cpu()
        said = read[:, self._seen - held.shape[1] : self._seen].cpu()
        return torch.equal(said.repeat_interleave(len(held) // len(said), dim=0), held)
