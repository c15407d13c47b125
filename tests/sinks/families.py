"""Tiny random models of many families and position schemes, as transformers builds them.

In: a family of `FAMILIES` or `REFUSED`. Out: its model in fp32, the same at every call, and how transformers itself
turns its keys, which is all that a reference needs. Knows nothing of caches and nothing of surtitle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import signature

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForSeq2SeqLM,
    PreTrainedModel,
)

VOCABULARY = 260
HORIZON = 30
"""Where positions end, or change, in the families where they do: beyond what the tests hold, before what they read."""

Settings = Mapping[str, object]

HIDDEN: Settings = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "initializer_range": 0.2,
    "tie_word_embeddings": False,
    "bos_token_id": 257,
    "eos_token_id": 259,
    "pad_token_id": 257,
}
DEEP = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": 512}
GROUPED = {**HIDDEN, **DEEP, "num_key_value_heads": 2}
WIDE = {**GROUPED, "head_dim": 16}
"""Of families whose heads need not share out the hidden size."""
GPT = {**HIDDEN, "n_layer": 2, "n_head": 4}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128, "rope_theta": 1e4}
LLAMA3 = YARN | {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0}
DYNAMIC = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}
LONGROPE = {
    "rope_type": "longrope",
    "short_factor": [1.0, 1.1, 1.3, 1.7],
    "long_factor": [1.0, 2.0, 4.0, 8.0],
    "rope_theta": 1e4,
}
GROWING = YARN | {"original_max_position_embeddings": HORIZON, "llama_4_scaling_beta": 0.1}
"""Queries grow with their position, beyond the horizon."""
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
MIXED = ["sliding_attention", "full_attention"]
LOCAL = {"layer_types": MIXED, "sliding_window": 9}
"""Every other layer sees less than the window holds."""
VISION = {"depth": 1, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "patch_size": 4}

Turn = Callable[[Tensor], Tensor]
"""Keys (B, H, T, d) -> the same, turned by how far each is ahead of the last: a negative number of positions."""


@dataclass(frozen=True, slots=True)
class Family:
    """One model."""

    model_type: str
    settings: Settings
    """Of its configuration, where they differ from its own defaults."""
    nope: frozenset[int] = frozenset()
    """Layers whose keys don't turn."""
    rotary: bool = True
    """Whether any layer's do."""


def _llama(**settings: object) -> Family:
    return Family("llama", {**WIDE, **settings})


FAMILIES: Mapping[str, Family] = {
    "llama": _llama(),
    "llama linear": _llama(rope_parameters={"rope_type": "linear", "factor": 3.0, "rope_theta": 1e4}),
    "llama llama3": _llama(rope_parameters=LLAMA3),
    "llama yarn": _llama(rope_parameters=YARN),
    "llama dynamic": _llama(rope_parameters=DYNAMIC, max_position_embeddings=HORIZON),
    "phi3": Family("phi3", GROUPED),
    "phi3 longrope": Family(
        "phi3", {**GROUPED, "rope_parameters": LONGROPE, "original_max_position_embeddings": HORIZON}
    ),
    "mistral": Family("mistral", {**WIDE, "sliding_window": None}),
    "mistral sliding": Family("mistral", {**WIDE, "sliding_window": HORIZON}),
    "ministral3": Family("ministral3", {**WIDE, "sliding_window": None, "rope_parameters": GROWING}),
    "qwen2": Family("qwen2", GROUPED),
    "qwen3": Family("qwen3", WIDE),
    "gemma": Family("gemma", WIDE),
    "gemma2": Family("gemma2", {**WIDE, "layer_types": MIXED, "sliding_window": HORIZON, "query_pre_attn_scalar": 16}),
    "gemma3": Family("gemma3_text", {**WIDE, **LOCAL, "query_pre_attn_scalar": 16}),
    "smollm3": Family("smollm3", {**GROUPED, "no_rope_layers": [1, 0]}, nope=frozenset({1})),
    "phi": Family("phi", {**GROUPED, "partial_rotary_factor": 0.5}),
    "stablelm": Family("stablelm", {**GROUPED, "partial_rotary_factor": 0.5}),
    "gpt_neox": Family("gpt_neox", {**HIDDEN, **DEEP, "rotary_pct": 0.5}),
    "gptj": Family("gptj", {**GPT, "n_embd": 32, "n_positions": HORIZON, "rotary_dim": 4}),
    "gptj whole": Family("gptj", {**GPT, "n_embd": 32, "n_positions": HORIZON, "rotary_dim": 8}),
    "cohere": Family("cohere", {**GROUPED, "logit_scale": 1.0}),
    "cohere norms": Family("cohere", {**GROUPED, "logit_scale": 1.0, "use_qk_norm": True}),
    "cohere2": Family("cohere2", {**WIDE, **LOCAL, "logit_scale": 1.0}, nope=frozenset({1})),
    "glm": Family("glm", {**WIDE, "partial_rotary_factor": 0.5}),
    "falcon": Family("falcon", {**HIDDEN, **DEEP}),
    "falcon new": Family("falcon", {**HIDDEN, **DEEP, "new_decoder_architecture": True, "num_kv_heads": 2}),
    "falcon alibi": Family("falcon", {**HIDDEN, **DEEP, "alibi": True, "multi_query": False}, rotary=False),
    "mpt": Family("mpt", {**HIDDEN, "d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": HORIZON}, rotary=False),
    "bloom": Family("bloom", GPT, rotary=False),
    "olmo2": Family("olmo2", GROUPED),
    "granite": Family("granite", {**GROUPED, "attention_multiplier": 0.35, "residual_multiplier": 0.8}),
    "nanochat": Family("nanochat", GROUPED),
    "gpt_oss": Family("gpt_oss", {**WIDE, **EXPERTS, **LOCAL, "rope_parameters": YARN}),
    "qwen2_vl": Family(
        "qwen2_vl",
        {
            "text_config": {**GROUPED, "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1]}},
            "vision_config": VISION,
        },
    ),
    "starcoder2": Family("starcoder2", GROUPED),
}

LATENT = {"kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}
STATES = {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_n_groups": 1}
DELTA = {"linear_num_key_heads": 2, "linear_num_value_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8}
SPARSE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}

REFUSED: Mapping[str, tuple[Family, str]] = {
    "gpt2": (Family("gpt2", {**GPT, "n_embd": 32, "n_positions": 64}), "learned"),
    "opt": (Family("opt", {**HIDDEN, **DEEP, "ffn_dim": 48, "word_embed_proj_dim": 32}), "learned"),
    "deepseek_v3": (Family("deepseek_v3", {**HIDDEN, **DEEP, **LATENT, "first_k_dense_replace": 2}), "MLA"),
    "mamba": (Family("mamba", {**HIDDEN, "num_hidden_layers": 2, "state_size": 4}), "state"),
    "falcon_h1": (Family("falcon_h1", {**GROUPED, **STATES}), "state"),
    "qwen3_next": (
        Family("qwen3_next", {**WIDE, **DELTA, **SPARSE, "layer_types": ["linear_attention", "full_attention"]}),
        "state",
    ),
    "llama4": (Family("llama4_text", {**WIDE, **EXPERTS, "attention_chunk_size": 8}), "chunked"),
    "t5": (
        Family("t5", {"vocab_size": VOCABULARY, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2}),
        "decoder alone",
    ),
}
"""With the word that says why."""


def make_family(family: Family) -> PreTrainedModel:
    """`family` with random weights."""
    config = AutoConfig.for_model(family.model_type, **family.settings)
    torch.manual_seed(1)
    maker = AutoModelForImageTextToText if "vision_config" in config.sub_configs else AutoModelForCausalLM
    if config.is_encoder_decoder:
        maker = AutoModelForSeq2SeqLM
    model: PreTrainedModel = maker.from_config(config, dtype=torch.float32)
    for parameter in model.parameters():
        if parameter.dim() == 1:  # biases and norms start out the same everywhere: that would hide a mix-up
            parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval().requires_grad_(False)


def turn_of(model: PreTrainedModel, family: Family, layer: int) -> Turn:
    """How transformers itself turns the keys of `layer`."""
    if not family.rotary or layer in family.nope:
        return lambda keys: keys
    return _by_table(model, layer) if family.model_type == "gptj" else _by_module(model, layer)


def _by_module(model: PreTrainedModel, layer: int) -> Turn:
    rotary = next(module for name, module in model.named_modules() if name.endswith("rotary_emb"))
    apply = import_module(type(rotary).__module__).apply_rotary_pos_emb
    kinds, stem = [], ""
    if "layer_type" in signature(rotary.forward).parameters:
        kinds = [model.config.layer_types[layer]]
        stem = f"{kinds[0]}_"
    dimensions = 2 * len(getattr(rotary, f"{stem}inv_freq"))
    scaling = getattr(rotary, f"{stem}attention_scaling")  # the model has applied it already, at position 0
    behind = torch.arange(1 - HORIZON, 1)[None]
    cosines, sines = (table / scaling for table in rotary(torch.zeros(1), behind, *kinds))  # (1, HORIZON, D) each

    def turn(keys: Tensor) -> Tensor:
        held, part = keys.shape[-2], keys[..., :dimensions]
        turned, _ = apply(part, part, cosines[:, -held:], sines[:, -held:])
        return torch.cat((turned, keys[..., dimensions:]), dim=-1)

    return turn


def _by_table(model: PreTrainedModel, layer: int) -> Turn:
    attention = model.transformer.h[layer].attn
    apply = import_module(type(attention).__module__).apply_rotary_pos_emb
    sines, cosines = attention.embed_positions.flip(0)[None].chunk(2, dim=-1)  # (1, HORIZON, D/2) each
    dimensions = 2 * sines.shape[-1]

    def turn(keys: Tensor) -> Tensor:
        held, part = keys.shape[-2], keys[..., :dimensions].transpose(1, 2)
        turned = apply(part, -sines[:, -held:], cosines[:, -held:]).transpose(1, 2)  # backwards: the sine's sign
        return torch.cat((turned, keys[..., dimensions:]), dim=-1)

    return turn
