"""The sink cache under an unmodified transformers model.

In: a transformers decoder whose positions `positions.py` understands. Out: a `Decoder` for `stream.py`. Knows no text
and no turns.

No model code is forked or patched: the model sees a `transformers.Cache` whose slots are positions, so its own causal
mask and `position_ids` are right. This is the reference that `lean.py` is held against, and the way for models that
`lean.py` does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.cache_utils import Cache, CacheLayerMixin
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from surtitle.sinks.blocks import JOINED, WEIGHTS, widen_blocks
from surtitle.sinks.cache import SinkCache, horizon_of
from surtitle.sinks.decoder import Read
from surtitle.sinks.layer import SinkLayer
from surtitle.sinks.positions import positions_of, takes_positions


class StockDecoder:
    """Reads token ids with a stock model."""

    def __init__(self, model: PreTrainedModel) -> None:
        """Raises UnsupportedModel."""
        self._model = model
        self._dtype = model.dtype
        self._takes_positions = takes_positions(model)
        positions = positions_of(model)
        self.rotations = positions.rotations
        self.limit = positions.limit

    def cache(self, capacity: int) -> SinkCache:
        """A cache for this model. Raises ValueError for more tokens than its positions bear, and where it was cast."""
        if self._model.dtype != self._dtype:
            raise ValueError(
                f"the model was {self._dtype} when its positions were found and is {self._model.dtype} now, which "
                f"rounds their frequencies: expected endless(model), or a decoder, after the cast"
            )
        if self.limit is not None and capacity > self.limit:
            raise ValueError(
                f"a window of {capacity} tokens in all, expected at most {self.limit}: beyond, the positions or the "
                f"sight of {type(self._model).__name__} change"
            )
        # in 16 bits every turn of the survivors would round them again; in fp32 it costs less than it saves
        anchored = self._model.dtype != torch.float32
        return SinkCache(
            capacity=capacity,
            rotations=self.rotations,
            anchored=anchored,
            horizon=horizon_of(capacity, self.limit),
        )

    def caches(self, count: int, capacity: int) -> tuple[SinkCache, ...]:
        """`count` of them."""
        return tuple(self.cache(capacity) for _ in range(count))

    def decode_rows(self, reads: Sequence[Read]) -> list[Tensor]:
        """As `decode`, one after the other: a stock model's rows have one length."""
        return [self.decode(read.ids, read.cache, keep=read.keep) for read in reads]

    @torch.inference_mode()
    def decode(self, ids: Sequence[int], cache: SinkCache, *, keep: int) -> Tensor:
        """Read `ids` (n of them) at the cache's end; logits (keep, V) of what follows the last `keep` of them."""
        return self.decode_batch(torch.tensor([list(ids)], device=self._model.device), cache, keep=keep)[0]

    @torch.inference_mode()
    def decode_batch(self, ids: Tensor, cache: SinkCache, *, keep: int) -> Tensor:
        """Read `ids` (B, n), rows in lock-step, at the cache's end; logits (B, keep, V)."""
        kwargs = {"position_ids": next_positions(cache, ids)} if self._takes_positions else {}
        with cache.reading():
            output = self._model(
                input_ids=ids, past_key_values=as_transformers(cache), use_cache=True, logits_to_keep=keep, **kwargs
            )
            cache.record(ids)
        logits: Tensor = output.logits[:, -keep:]  # (B, keep, V); some models know no logits_to_keep
        return logits


def next_positions(cache: SinkCache, ids: Tensor) -> Tensor:
    """Of `ids` (B, n), the tokens that come next: (1, n)."""
    return torch.arange(cache.position, cache.position + ids.shape[1], device=ids.device)[None]


def load_stock(folder: Path, **kwargs: Any) -> PreTrainedModel:
    """The engine's folder (`convert.py`) as a stock model, with the very weights that the engine multiplies by.

    `kwargs` as for transformers' `from_pretrained`; fp32 unless they say otherwise. Raises OSError where a file is
    missing or damaged.
    """
    weights: dict[str, Tensor] = {}
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - it is no dict
            stem, _, leaf = name.rpartition(".")
            if leaf == "scale":
                continue
            tensor = file.get_tensor(name)
            if tensor.dtype == torch.uint8:
                rows = widen_blocks(tensor.numpy(), file.get_tensor(f"{stem}.scale").numpy())
                weights[name] = torch.from_numpy(rows)
            else:
                weights[name] = tensor.float()
    config = AutoConfig.from_pretrained(folder)
    _part(weights, config)
    config.tie_word_embeddings = False  # the head is in 8 bits, the embedding in 16
    dtype = kwargs.pop("torch_dtype", kwargs.pop("dtype", torch.float32))
    model_class = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    model = model_class.from_pretrained(None, config=config, state_dict=weights, dtype=dtype, **kwargs)
    return model.eval().requires_grad_(False)


def _part(weights: dict[str, Tensor], config: PretrainedConfig) -> None:
    """Put the stock model's layers in the place of those that a conversion joined."""
    heads = [config.num_attention_heads, config.num_key_value_heads, config.num_key_value_heads]
    shares = {"self_attn.qkv_proj": heads, "mlp.gate_up_proj": [1, 1]}
    for name in list(weights):
        stem, _, leaf = name.rpartition(".")
        joined = ".".join(stem.split(".")[-2:])
        if joined in JOINED:
            whole = weights.pop(name)
            rows = [len(whole) * share // sum(shares[joined]) for share in shares[joined]]
            for part, tensor in zip(JOINED[joined], torch.split(whole, rows), strict=True):
                weights[f"{stem.removesuffix(joined)}{part}.{leaf}"] = tensor


def from_pretrained(name: str | Path, *args: Any, **kwargs: Any) -> PreTrainedModel:
    """`transformers.AutoModelForCausalLM.from_pretrained`, which also knows the engine's folders."""
    if not (Path(name) / WEIGHTS).is_file():
        return AutoModelForCausalLM.from_pretrained(name, *args, **kwargs)
    hub = ("revision", "trust_remote_code", "token", "cache_dir", "local_files_only", "use_safetensors")
    return load_stock(Path(name), **{key: value for key, value in kwargs.items() if key not in hub})


def as_transformers(cache: SinkCache) -> Cache:
    """`cache` as a transformers model wants it; both see the same storage."""
    return Cache(layers=[_Layer(layer) for layer in cache.layers])


class _Layer(CacheLayerMixin):  # type: ignore[misc]
    """One `SinkLayer` behind transformers' layer interface (5.15 and newer)."""

    is_sliding = False

    def __init__(self, layer: SinkLayer) -> None:
        super().__init__()
        self._layer = layer
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing to do: the layer allocates at its first update."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        return self._layer.update(key_states, value_states)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._layer.length + query_length, 0

    def get_seq_length(self) -> int:
        return self._layer.length

    def get_max_length(self) -> int:
        return self._layer.capacity
