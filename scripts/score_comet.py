"""COMET, where its package and its weights are at hand.

In: what was said, its translation, a reference. Out: one score, or why there is none. Nothing is fetched: the weights
are gigabytes and their licence is the user's to accept. The package wants older libraries than the product, so it is
no dependency: install `unbabel-comet` beside it, or score elsewhere. Knows no file and no time.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

MODEL = "Unbabel/wmt22-comet-da"
_WEIGHTS = "checkpoints/model.ckpt"


def missing() -> str | None:
    """Why COMET can't be had here; None if it can."""
    if find_spec("comet") is None:
        return "the package unbabel-comet is not installed"
    if not isinstance(try_to_load_from_cache(MODEL, _WEIGHTS), str):
        return f"the weights of {MODEL} are not on this machine"
    return None


def comet(sources: Sequence[str], said: Sequence[str], references: Sequence[str]) -> float:
    """The system score. Call it if nothing is `missing()`."""
    weights = try_to_load_from_cache(MODEL, _WEIGHTS)
    assert isinstance(weights, str), "missing() was not asked"
    library = importlib.import_module("comet")
    model = library.load_from_checkpoint(str(Path(weights)))
    rows = [
        {"src": source, "mt": text, "ref": reference}
        for source, text, reference in zip(sources, said, references, strict=True)
    ]
    return float(model.predict(rows, batch_size=8, gpus=0).system_score)
