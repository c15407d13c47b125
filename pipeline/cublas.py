"""The library of matrix products that CTranslate2 asks a GPU's machine for, found where pip puts it.

In: nothing. Out: it is loaded, or one line says how to get it. CTranslate2 looks for it by name at its first product,
which comes when somebody speaks, and only where the system's libraries are: torch's own is of another version, and what
pip installs lies elsewhere. Knows no model.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from surtitle.pipeline.errors import UserError

CUBLAS = "libcublas.so.12"
"""By this name CTranslate2 looks for it on Linux."""
_PACKAGE = "nvidia.cublas"
"""Where `pip install nvidia-cublas-cu12` puts it."""


def load_cublas(name: str = CUBLAS, places: Sequence[Path] | None = None) -> None:
    """Load `name` from the system, or else from one of `places` (pip's, by default): whoever asks for it by its name
    later finds it loaded. Raises UserError where it is nowhere. On Linux alone: elsewhere it has other names.
    """
    if sys.platform != "linux":
        return
    failed: list[OSError] = []
    for path in (name, *(str(place / name) for place in (_installed() if places is None else places))):
        try:
            ctypes.CDLL(path)
        except OSError as error:
            failed.append(error)
        else:
            return
    raise UserError(
        f"--asr-device cuda: CTranslate2 needs {name} (CUDA 12), which can't be loaded ({failed[-1]}): get it with "
        f"`{sys.executable} -m pip install nvidia-cublas-cu12`, or leave the flag out"
    ) from failed[-1]


def _installed() -> Iterator[Path]:
    try:
        package = find_spec(_PACKAGE)
    except ModuleNotFoundError:  # nothing of NVIDIA's is installed
        return
    for place in (package and package.submodule_search_locations) or ():
        yield Path(place) / "lib"
