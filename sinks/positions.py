"""How a model turns its keys, found by asking it.

In: a transformers decoder. Out: a `Rotation` for each layer, and how long a window it bears. What turns in no known
way, or keeps a state that can't lose a piece, is refused by name. Knows no text and no eviction.

There is no list of families. The model reads a few tokens at two places, and what its cached keys did in between says
which of its frequencies turn them, in which pairs of dimensions, or that none do (NoPE, ALiBi).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from surtitle.sinks.rope import Rotation

_TOKENS, _SHIFT = 4, 5
"""What is read, and how much further on the second time: enough to tell any two frequencies apart."""
_ALIBI_WITHOUT_POSITIONS = frozenset({"bloom", "mpt"})
"""Take no positions: their bias comes from the slots."""


class UnsupportedModel(ValueError):
    """The model can't run on a sink cache; the message says why."""


@dataclass(frozen=True, slots=True)
class Positions:
    """What a cache must know of a model."""

    rotations: tuple[Rotation, ...]
    """How the keys of each layer turn."""
    limit: int | None
    """Tokens that a window may hold at most, where the model's positions end or change; None: no such bound."""


@torch.no_grad()
def positions_of(model: PreTrainedModel) -> Positions:
    """Find out how `model` turns its keys, with two short forwards. Raises UnsupportedModel."""
    _refuse(model)
    here, there = _keys(model, 0), _keys(model, _SHIFT)
    candidates = list(_candidates(model))
    rotations = tuple(_explain(model, *layer, candidates) for layer in zip(here, there, strict=True))
    return Positions(rotations, _limit(model.config.get_text_config(decoder=True)))


def _refuse(model: PreTrainedModel) -> None:
    config = model.config.get_text_config(decoder=True)
    name = f"{type(model).__name__} ({config.model_type})"
    settings = config.to_dict()
    if not model.can_generate():
        raise UnsupportedModel(f"{name} writes no text, expected a model with a language head, of AutoModelForCausalLM")
    if model.config.is_encoder_decoder:
        raise UnsupportedModel(f"{name} is an encoder-decoder, expected a decoder alone")
    if settings.get("kv_lora_rank"):
        raise UnsupportedModel(
            f"{name} has latent attention (MLA), whose keys turn in a part of their own: not supported"
        )
    if settings.get("attention_chunk_size") and "chunked_attention" in (settings.get("layer_types") or ()):
        raise UnsupportedModel(
            f"{name} has chunked attention, which looks at absolute positions: no window rolls over it"
        )
    layers = DynamicCache(config=config).layers
    kinds = {type(layer).__name__ for layer in layers} - {DynamicLayer.__name__, DynamicSlidingWindowLayer.__name__}
    if kinds or not model._supports_default_dynamic_cache():
        raise UnsupportedModel(
            f"{name} has layers with a recurrent state or a cache of their own ({', '.join(sorted(kinds)) or 'all'}), "
            f"from which no token can be taken back: expected keys and values alone"
        )


def _keys(model: PreTrainedModel, start: int) -> list[Tensor]:
    """What each layer caches of the same few tokens, from position `start` on: (1, H, _TOKENS, d) each."""
    config = model.config.get_text_config(decoder=True)
    ids = (torch.arange(_TOKENS, device=model.device)[None] + 1) * 7 % config.vocab_size  # (1, n)
    cache = DynamicCache()
    kwargs = {}
    if takes_positions(model):
        kwargs["position_ids"] = torch.arange(start, start + _TOKENS, device=model.device)[None]
    elif config.model_type not in _ALIBI_WITHOUT_POSITIONS:
        raise UnsupportedModel(
            f"{type(model).__name__} ({config.model_type}) takes no position_ids: its positions can't be counted in "
            f"the cache"
        )
    training = model.training
    model.eval()
    try:
        model(input_ids=ids, past_key_values=cache, use_cache=True, **kwargs)
    finally:
        model.train(training)
    keys = [layer.keys for layer in cache.layers]
    if len(keys) != config.num_hidden_layers or any(key is None for key in keys):
        raise UnsupportedModel(
            f"{type(model).__name__} ({config.model_type}) caches keys in {len(keys)} of {config.num_hidden_layers} "
            f"layers, expected a cache of its own for each"
        )
    return [key.float() for key in keys]


def takes_positions(model: PreTrainedModel) -> bool:
    """Whether its forward is told positions."""
    return "position_ids" in inspect.signature(model.forward).parameters


def _candidates(model: PreTrainedModel) -> Iterator[Rotation]:
    """Every way to turn keys that the model's live buffers allow; live, so that a degraded dtype matches too."""
    yield Rotation.none()
    for name, buffer in model.named_buffers():
        if name.endswith("embed_positions") and buffer.dim() == 2:  # GPT-J and CodeGen keep a table instead
            yield Rotation(_frequencies_of(buffer), interleaved=True)
        if name.endswith("inv_freq") and not name.endswith("original_inv_freq"):
            for turn in (buffer, -buffer):  # NanoChat turns backwards
                yield Rotation(turn)
                yield Rotation(turn, interleaved=True)


def _frequencies_of(table: Tensor) -> Tensor:
    """Of sines and cosines (P, D), a row a position: its second row has them, and in a table that was cast to 16 bits
    off by as much as rounds it. Each row twice as far on halves that.
    """
    sines, cosines = table.cpu().double().chunk(2, dim=-1)
    angles = torch.atan2(sines, cosines)  # (P, D/2), whole turns left out
    found, row = angles[1], 2
    while row < len(angles):
        off = angles[row] - row * found
        found = found + (off - 2 * math.pi * torch.round(off / (2 * math.pi))) / row
        row *= 2
    return found


def _explain(model: PreTrainedModel, here: Tensor, there: Tensor, candidates: list[Rotation]) -> Rotation:
    """The candidate that makes `there` of `here`."""
    errors = []
    for rotation in candidates:
        if rotation.dimensions > here.shape[-1]:
            errors.append(float("inf"))
            continue
        moved = here.clone()
        rotation.rotate_(moved, _SHIFT)
        errors.append(((moved - there).norm() / there.norm()).item())
    best = min(range(len(candidates)), key=errors.__getitem__)
    bound = 1e-3 if model.dtype == torch.float32 else 0.1
    if not errors[best] < bound:
        raise UnsupportedModel(
            f"{type(model).__name__} ({model.config.model_type}): a layer's keys change with their position, but turn "
            f"in no known way (off by {errors[best]:.2g} at best), such as learned positions do: they can't be moved"
        )
    return candidates[best]


def _limit(config: PretrainedConfig) -> int | None:
    """Beyond which window the model would see other positions than those it keeps its keys at."""
    settings = config.to_dict()
    limits = []
    rope = settings.get("rope_parameters") or {}
    for parameters in [rope, *(part for part in rope.values() if isinstance(part, dict))]:
        # frequencies change with the length, or queries grow with their position
        if parameters.get("rope_type") in ("dynamic", "longrope") or "llama_4_scaling_beta" in parameters:
            limits.append(
                parameters.get("original_max_position_embeddings")
                or settings.get("original_max_position_embeddings")
                or settings["max_position_embeddings"]
            )
    if config.model_type in ("gptj", "codegen"):  # a table of sines
        limits.append(settings["n_positions"])
    if config.model_type == "mpt":  # a table of biases
        limits.append(settings["max_seq_len"])
    layers = DynamicCache(config=config).layers
    if layers and all(isinstance(layer, DynamicSlidingWindowLayer) for layer in layers):
        # beyond it no layer would see the sinks
        limits.append(min(layer.sliding_window for layer in layers))
    return min(limits, default=None)
