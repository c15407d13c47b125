"""A model, mapped from the engine's folder in a second or two.

In: a folder made by `convert.py`. Out: a `LeanDecoder`. Imports no transformers: that alone takes longer than loading.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from surtitle.sinks.blocks import WEIGHTS
from surtitle.sinks.graph import EMBEDDING, Shape, Stored, build_graph
from surtitle.sinks.lean import Embedding, LeanDecoder, open_session

_HEAD_MULTIPLE = 16  # what the attention kernel takes
_FAMILIES = frozenset({"llama", "qwen2", "qwen3"})


class UnknownModel(ValueError):
    """The folder holds a model that this loader can't run; the message says why."""


def load_model(folder: Path, *, threads: int, exact: bool = False) -> LeanDecoder:
    """The model in `folder`, on `threads` cores; `exact` as in `build_graph`.

    Raises UnknownModel, or OSError where a file is missing or damaged.
    """
    shape = read_shape(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    stored = _stored(folder / WEIGHTS)
    try:
        graph = build_graph(shape, stored, WEIGHTS, exact=exact)
        rows = stored[EMBEDDING]
    except KeyError as missing:
        raise UnknownModel(
            f"the folder's weights hold no {missing.args[0]}: not a model that this loader knows"
        ) from missing
    embedding = Embedding(folder / WEIGHTS, offset=rows.offset, shape=rows.shape)
    return LeanDecoder(shape, open_session(graph, str(folder), threads=threads), embedding)


def read_shape(config: dict[str, Any]) -> Shape:
    """The sizes in a model's `config.json`. Raises UnknownModel for another family or scaled positions."""
    family, rope = config["model_type"], config["rope_parameters"]
    if family not in _FAMILIES or rope["rope_type"] != "default":
        raise UnknownModel(
            f"the model is {family} with {rope['rope_type']} positions, expected one of {', '.join(sorted(_FAMILIES))} "
            f"with default positions"
        )
    size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    if size % _HEAD_MULTIPLE:
        raise UnknownModel(f"the model's heads have {size} dimensions, expected a multiple of {_HEAD_MULTIPLE}")
    return Shape(
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        head_size=size,
        epsilon=config["rms_norm_eps"],
        rope_base=float(rope["rope_theta"]),
        vocabulary=config["vocab_size"],
    )


def _stored(path: Path) -> dict[str, Stored]:
    """Where each tensor lies (the safetensors format: a length, a JSON header, the tensors)."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length)
    if len(header) != length:
        raise OSError(f"{path} ends within its header")
    start, size = 8 + length, path.stat().st_size
    entries = {name: entry for name, entry in json.loads(header).items() if name != "__metadata__"}
    ends = [start + entry["data_offsets"][1] for entry in entries.values()]
    if max(ends, default=0) != size:
        raise OSError(f"{path} has {size} bytes, expected {max(ends, default=0)}")
    return {
        name: Stored(entry["dtype"], tuple(entry["shape"]), start + first, last - first)
        for name, entry in entries.items()
        for first, last in [entry["data_offsets"]]
    }
