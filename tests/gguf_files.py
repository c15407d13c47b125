"""The files that llama.cpp's converter would make of tiny models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFWriter
from gguf.quants import quant_shape_to_byte_shape, quantize
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel
from transformers.convert_slow_tokenizer import bytes_to_unicode

TOKENS = [*bytes_to_unicode().values(), "he", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
LLAMA_CPP_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "input_layernorm": "attn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "post_attention_layernorm": "ffn_norm",
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}

K_SCALES = {GGMLQuantizationType.Q4_K: (0, 2), GGMLQuantizationType.Q6_K: (208,)}
"""Where a block of each kind keeps its fp16 scales: byte offsets."""


def to_gguf(
    path: Path, model: PreTrainedModel, kind: GGMLQuantizationType = GGMLQuantizationType.F32, **strings: str
) -> Path:
    writer = GGUFWriter(path, model.config.model_type)
    _describe(writer, model)
    for key, text in strings.items():
        writer.add_string(f"{model.config.model_type}.{key.replace('_', '.')}", text)
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    for name, weight in model.state_dict().items():
        if name in tied:
            continue
        stem, _, leaf = name.rpartition(".")
        stored = _interleaved(name, weight, model).numpy()
        if stored.ndim == 2 and kind is not GGMLQuantizationType.F32:
            writer.add_tensor(f"{_llama_cpp_name(stem)}.{leaf}", _pack(stored, kind), raw_dtype=kind)
        else:
            writer.add_tensor(f"{_llama_cpp_name(stem)}.{leaf}", stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer: GGUFWriter, model: PreTrainedModel) -> None:
    config = model.config
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_embedding_length(config.hidden_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([1] * 257 + [3] * 3)
    writer.add_token_merges(["h e"])
    writer.add_bos_token_id(257)
    writer.add_eos_token_id(259)
    writer.add_pad_token_id(257)
    writer.add_chat_template(TEMPLATE)


def _pack(matrix: NDArray[np.float32], kind: GGMLQuantizationType) -> NDArray[np.uint8]:
    if kind not in K_SCALES:
        packed: NDArray[np.uint8] = quantize(matrix, kind)
        return packed
    # the gguf package reads K-quants but can't write them: random blocks with sane scales do as well
    shape = quant_shape_to_byte_shape(matrix.shape, kind)
    blocks = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    blocks = blocks.reshape(-1, GGML_QUANT_SIZES[kind][1])
    for at in K_SCALES[kind]:
        blocks[:, at : at + 2] = np.array([0.001], np.float16).view(np.uint8)
    return blocks.reshape(shape)


def _llama_cpp_name(stem: str) -> str:
    if not stem.startswith("model.layers."):
        return LLAMA_CPP_NAMES[stem]
    _, _, layer, rest = stem.split(".", 3)
    return f"blk.{layer}.{LLAMA_CPP_NAMES[rest]}"


def _interleaved(name: str, weight: Tensor, model: PreTrainedModel) -> Tensor:
    # llama.cpp rotates neighbouring pairs, for the llama architecture only: its converter shuffles these rows
    heads = {"q_proj": model.config.num_attention_heads, "k_proj": model.config.num_key_value_heads}
    projection = name.split(".")[-2]
    if model.config.model_type != "llama" or projection not in heads:
        return weight
    split = weight.reshape(heads[projection], 2, -1, *weight.shape[1:])
    return split.swapaxes(1, 2).reshape(weight.shape)
