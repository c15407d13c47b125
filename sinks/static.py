"""A stock transformers model over storage of one shape for ever: what a CUDA graph can capture.

In: token ids for some of the caches that it handed out, each a row of its storage. Out: their logits, all from one
forward, which reads the weights once for all rows. Knows no sessions and no scheduling.

On a GPU the forward of each size is captured once and replayed, so launching its few hundred kernels costs nothing;
elsewhere it runs as it is, and gives the same. Tokens are written into the rows and slots that the inputs name. What
fills a row or a forward up goes into one slot more than caches may hold, which nobody looks at. So a forward costs what
is read in it, wherever that lies. Evictions happen between forwards, in place, in views of the same storage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary, finalize

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache

from surtitle.sinks.cache import SinkCache, horizon_of
from surtitle.sinks.decoder import NoRoom, Read
from surtitle.sinks.positions import UnsupportedModel, positions_of, takes_positions

LONGEST = 64
"""Tokens of a row that one forward reads at most."""
_LENGTHS = (1, 16, LONGEST)  # a step, a draft to verify, a slice or a turn with its draft: each size is a graph
_FILLING = 256
"""Tokens that may fill up the rows of a forward: what would fill up more of them goes into one of its own, which takes
about as long as these do (measured on an H100)."""
_ALIGNED = 16
"""Storage has a multiple of so many slots: attention copies masks of any other length, at every layer."""
_ATTENTION = "surtitle_grouped"


class StaticDecoder:
    """Reads into up to `sequences` caches at once."""

    def __init__(self, model: PreTrainedModel, *, sequences: int, capacity: int) -> None:
        """Storage for `sequences` caches of `capacity` tokens each is allocated now, where the model is.

        The model's attention is replaced: let it have no other user. Raises UnsupportedModel, ValueError for one that
        takes no position ids or bears fewer positions, torch.OutOfMemoryError.
        """
        if not takes_positions(model):
            raise ValueError(f"{type(model).__name__} takes no position ids: expected a model that rotates keys")
        positions = positions_of(model)
        if positions.limit is not None and capacity > positions.limit:
            raise ValueError(f"a window of {capacity} tokens, expected at most {positions.limit} for this model")
        self.rotations = positions.rotations
        self._model = model
        self._capacity = capacity
        self._limit = positions.limit
        self._stores = _storage(model, rows=sequences, slots=_slots(capacity))  # (S, H, T, d) each
        AttentionInterface.register(_ATTENTION, grouped_attention)
        model.set_attn_implementation(_ATTENTION)
        self._free = list(range(sequences))
        self._rows: WeakKeyDictionary[SinkCache, int] = WeakKeyDictionary()
        self._forwards: dict[tuple[int, int, int], _Forward] = {}
        # a model whose attention can't be replaced is refused now, not when somebody speaks
        with torch.inference_mode():
            _reader(model, self._stores, 1)(self._inputs((), 1, 1).to(model.device))

    @property
    def device(self) -> torch.device:
        """Where the model and its storage are."""
        device: torch.device = self._model.device
        return device

    def cache(self, capacity: int) -> SinkCache:
        """An empty cache in a row of its own, which is free again when nobody holds the cache any more.

        Raises ValueError for more tokens than there is storage for, and NoRoom where no row is free.
        """
        if capacity > self._capacity:
            raise ValueError(f"a cache of {capacity} tokens, expected at most {self._capacity}")
        if not self._free:
            raise NoRoom(f"all {len(self._stores[0])} caches that there is storage for are in use")
        row = self._free.pop()
        cache = SinkCache(
            capacity=capacity,
            rotations=self.rotations,
            anchored=self._model.dtype != torch.float32,
            horizon=horizon_of(capacity, self._limit),
        )
        self._rows[cache] = row
        finalize(cache, self._free.append, row).atexit = False
        self._place(cache)
        return cache

    def caches(self, count: int, capacity: int) -> tuple[SinkCache, ...]:
        """`count` of them."""
        return tuple(self.cache(capacity) for _ in range(count))

    def decode(self, ids: Sequence[int], cache: SinkCache, *, keep: int) -> Tensor:
        """Read `ids` (n of them) at the cache's end; logits (keep, V) of what follows the last `keep` of them."""
        return self.decode_rows([Read(ids, cache, keep)])[0]

    @torch.inference_mode()
    def decode_rows(self, reads: Sequence[Read]) -> list[Tensor]:
        """As `decode`, for several caches in one forward, or in a few where what they read is of different lengths.

        Raises CacheFull before anything is written, ValueError for more tokens than go into a forward and for a cache
        of another decoder.
        """
        for read in reads:
            read.cache.require(len(read.ids))
            if len(read.ids) > LONGEST or read.cache not in self._rows:
                raise ValueError(
                    f"{len(read.ids)} tokens for a cache that is {'' if read.cache in self._rows else 'not '}this "
                    f"decoder's: expected at most {LONGEST} in a forward, and its own"
                )
            self._place(read.cache)
        found: dict[int, Tensor] = {}
        for chosen in _alike([len(read.ids) for read in reads]):
            logits = self._decode_alike([reads[index] for index in chosen])
            found.update(zip(chosen, logits, strict=True))
        return [found[index] for index in range(len(reads))]

    def _decode_alike(self, reads: Sequence[Read]) -> list[Tensor]:
        """`decode_rows` in one forward."""
        n = _size_of(max(len(read.ids) for read in reads))
        rows = 1 << (len(reads) - 1).bit_length()
        keep = 1 if all(read.keep == 1 for read in reads) else n
        logits = self._forward(rows, n, keep)(self._inputs(reads, rows, n))  # (B, keep, V)
        found = [logits[index, keep - read.keep :].clone() for index, read in enumerate(reads)]
        for read in reads:
            read.cache.extend(len(read.ids))
            read.cache.record(torch.tensor([list(read.ids)]))
        return found

    def _place(self, cache: SinkCache) -> None:
        """Have what `cache` holds in its row: something that was restored lies elsewhere."""
        row = self._rows[cache]
        for layer, keys, values in zip(cache.layers, self._stores[::2], self._stores[1::2], strict=True):
            if not layer.uses(keys[row]):
                layer.move_to(keys[row : row + 1, :, : cache.capacity], values[row : row + 1, :, : cache.capacity])

    def _inputs(self, reads: Sequence[Read], rows: int, n: int) -> Tensor:
        """Ids, rows, slots and positions, (4, B, n): a row's tokens stand at its end, behind what fills it up."""
        inputs = torch.zeros(4, rows, n, dtype=torch.int64)
        inputs[2] = self._capacity  # the slot that nobody looks at
        for index, read in enumerate(reads):
            cache, count = read.cache, len(read.ids)
            inputs[1, index] = self._rows[cache]
            ids, _, slots, positions = inputs[:, index, n - count :]  # (count,) each
            ids[:] = torch.tensor(list(read.ids))
            slots[:] = torch.arange(cache.length, cache.length + count)
            positions[:] = torch.arange(cache.position, cache.position + count)
        return inputs

    def _forward(self, rows: int, n: int, keep: int) -> _Forward:
        size = (rows, n, keep)
        if size not in self._forwards:
            idle = self._inputs((), rows, n).to(self._model.device)
            self._forwards[size] = _Forward(_reader(self._model, self._stores, keep), idle)
        return self._forwards[size]


def _size_of(count: int) -> int:
    """Tokens a row of the smallest forward that reads `count`."""
    return next(size for size in _LENGTHS if size >= count)


def _alike(counts: Sequence[int]) -> list[list[int]]:
    """Which of the reads, of so many tokens each, go into one forward: all, unless that would fill up too much."""
    groups: list[list[int]] = []
    for size in sorted({_size_of(count) for count in counts}, reverse=True):
        chosen = [index for index, count in enumerate(counts) if _size_of(count) == size]
        if groups and len(chosen) * _size_of(counts[groups[-1][0]]) <= _FILLING:
            groups[-1] += chosen
        else:
            groups.append(chosen)
    return groups


class _Forward:
    """The forward of one size: captured where there is a GPU."""

    def __init__(self, run: Callable[[Tensor], Tensor], inputs: Tensor) -> None:
        """`inputs` (4, B, n) write nothing that anybody looks at: capturing runs them."""
        self._run = run
        self._inputs = inputs
        self._graph: torch.cuda.CUDAGraph | None = None
        if inputs.is_cuda:
            self._graph, self._logits = _capture(run, inputs)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Logits (B, keep, V), valid until the next call."""
        self._inputs.copy_(inputs)
        if self._graph is None:
            return self._run(self._inputs)
        self._graph.replay()
        return self._logits


def _capture(run: Callable[[Tensor], Tensor], inputs: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor]:
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # libraries choose and allocate at their first calls, which a capture can't hold
        for _ in range(3):
            run(inputs)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # other threads go on, and a recogniser beside it may allocate: that spoils no capture of this thread's work
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        logits = run(inputs)
    return graph, logits


def _reader(model: PreTrainedModel, stores: Sequence[Tensor], keep: int) -> Callable[[Tensor], Tensor]:
    """The model on inputs (4, B, n): logits (B, keep, V)."""
    slots_of_all = torch.arange(stores[0].shape[2], device=model.device)  # (T,)

    def run(inputs: Tensor) -> Tensor:
        ids, rows, slots, positions = inputs
        layers = [_Slots(keys, values, rows, slots) for keys, values in zip(stores[::2], stores[1::2], strict=True)]
        unseen = slots_of_all > slots[:, None, :, None]  # (B, 1, n, T)
        output = model(
            input_ids=ids,
            position_ids=positions,
            # added to the scores: made once, while attention would make it of truth values at every layer
            attention_mask=torch.zeros_like(unseen, dtype=model.dtype).masked_fill_(unseen, -torch.inf),
            past_key_values=Cache(layers=layers),
            use_cache=True,
            logits_to_keep=keep,
        )
        logits: Tensor = output.logits[:, -keep:]
        return logits

    return run


def row_bytes(model: PreTrainedModel, capacity: int) -> int:
    """Bytes of the storage for a cache of `capacity` tokens."""
    return _slots(capacity) * sum(states.nbytes for states in _token(model))


def _slots(capacity: int) -> int:
    return -(-(capacity + 1) // _ALIGNED) * _ALIGNED


def _storage(model: PreTrainedModel, *, rows: int, slots: int) -> list[Tensor]:
    """Keys and values of the first layer, of the second, ...: (rows, H, slots, d) each, of what the model makes."""
    return [
        torch.zeros(rows, states.shape[1], slots, states.shape[3], dtype=states.dtype, device=states.device)
        for states in _token(model)
    ]


@torch.inference_mode()
def _token(model: PreTrainedModel) -> list[Tensor]:
    """Keys and values that the model makes of one token: (1, H, 1, d) each."""
    probe = DynamicCache(config=model.config)
    model(input_ids=torch.zeros(1, 1, dtype=torch.int64, device=model.device), past_key_values=probe, use_cache=True)
    return [states for layer in probe.layers for states in (layer.keys, layer.values)]


class _Slots(CacheLayerMixin):  # type: ignore[misc]
    """Some rows of a layer's storage: tokens are written into the slots they are aimed at, and the rows are given."""

    is_sliding = False

    def __init__(self, keys: Tensor, values: Tensor, rows: Tensor, slots: Tensor) -> None:
        """Storage (S, H, T, d) each, and where the tokens that come next go, (B, n) each: all of a row into one."""
        super().__init__()
        self._stores = (keys, values)
        self._rows, self._slots = rows, slots
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing to do: the storage is there."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        for store, states in zip(self._stores, (key_states, value_states), strict=True):
            store[self._rows, :, self._slots] = states.transpose(1, 2)  # (B, n, H, d)
        keys, values = (store.index_select(0, self._rows[:, 0]) for store in self._stores)  # (B, H, T, d) each
        return keys, values

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_max_length(), 0

    def get_seq_length(self) -> int:
        return 0  # rows differ: the mask and the positions say it

    def get_max_length(self) -> int:
        return self._stores[0].shape[2]


def _narrowed(mask: Tensor, window: int) -> Tensor:
    """A causal mask (B, 1, n, T), to be added to scores, whose tokens see themselves and the `window - 1` before."""
    seen = (mask == 0).sum(dim=-1, keepdim=True)  # (B, 1, n, 1): slots up to the token's own
    far = torch.arange(mask.shape[-1], device=mask.device) < seen - window  # (B, 1, n, T)
    return mask.masked_fill(far, -torch.inf)


def grouped_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scaling: float | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Query (B, H g, n, d) on keys and values (B, H, T, d): (B, n, H g, d). transformers' own repeats every key for the
    g query heads that share it, where there is a mask; here they are rows of one product. A causal `mask` is narrowed
    to the newest `sliding_window` tokens where a layer sees no more. Raises UnsupportedModel for a model that does more
    than a softmax.
    """
    if softcap is not None or s_aux is not None:
        raise UnsupportedModel(f"{type(module).__name__} caps its scores or adds to them: expected plain attention")
    (b, heads, n, d), h = query.shape, key.shape[1]
    rows = query.reshape(b, h, -1, d)  # (B, H, g n, d)
    if mask is not None and sliding_window is not None:
        mask = _narrowed(mask, sliding_window)
    seen = None if mask is None else mask.expand(b, 1, n, -1).repeat(1, 1, heads // h, 1)  # (B, 1, g n, T)
    attended = scaled_dot_product_attention(rows, key, value, seen, scale=scaling)  # (B, H, g n, d)
    return attended.reshape(b, heads, n, -1).transpose(1, 2).contiguous(), None
