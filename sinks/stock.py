"""The sink cache under an unmodified transformers model.

In: any transformers decoder with one rotary embedding. Out: a `Decoder` for `stream.py`. No model code is
forked or patched: the model sees a `transformers.Cache` whose slots are positions, so its own causal mask
and `position_ids` are right. The reference that `lean.py` is held against, and the way for models that
`lean.py` does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, CacheLayerMixin

from surtitle.sinks.cache import SinkCache, SinkLayer
from surtitle.sinks.rope import Rotation


class StockDecoder:
    """Reads token ids with a stock model."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self.layers: int = model.config.get_text_config().num_hidden_layers
        self.rotation = rotation_of(model)

    @torch.inference_mode()
    def decode(self, ids: Sequence[int], cache: SinkCache, *, keep: int) -> Tensor:
        """Read `ids` (n of them) at the cache's end; logits (keep, V) of what follows the last `keep` of them."""
        held = cache.length
        output = self._model(
            input_ids=torch.tensor([list(ids)]),  # (1, n)
            position_ids=torch.arange(held, held + len(ids))[None],  # (1, n)
            past_key_values=as_transformers(cache),
            use_cache=True,
            logits_to_keep=keep,
        )
        logits: Tensor = output.logits[0]  # (keep, V)
        return logits


def rotation_of(model: torch.nn.Module) -> Rotation:
    """The rotation that `model` applies, read from its live `rotary_emb` (so that a degraded dtype matches too).

    Raises ValueError for a model with none (learned positions, ALiBi) or several (per layer type).
    """
    buffers = [buffer for name, buffer in model.named_buffers() if name.endswith("rotary_emb.inv_freq")]
    if len(buffers) != 1:
        raise ValueError(
            f"{type(model).__name__} has {len(buffers)} rotary embeddings, expected exactly one shared by all layers: "
            f"models with learned, ALiBi or per-layer positions are not supported yet"
        )
    return Rotation(buffers[0])


def as_transformers(cache: SinkCache) -> Cache:
    """`cache` as a transformers model wants it; both see the same storage."""
    return Cache(layers=[_Layer(layer) for layer in cache.layers])


class _Layer(CacheLayerMixin):  # type: ignore[misc]
    """One `SinkLayer` behind transformers' layer interface (5.15 and newer)."""

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
