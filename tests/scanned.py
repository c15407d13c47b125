"""A camera: what a QR code says that is drawn in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import zxingcpp

Modules = npt.NDArray[np.uint8]
_DRAWN = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}


def modules_of(lines: Sequence[str]) -> Modules:
    """Half blocks as modules, 1 where it is dark."""
    rows = [[_DRAWN[block][half] for block in line] for line in lines for half in (0, 1)]
    return np.array(rows, np.uint8)


def read(modules: Modules) -> str:
    """What the camera reads, of a wall that is dark all around the code."""
    image = np.pad(1 - modules, 4).repeat(8, axis=0).repeat(8, axis=1) * np.uint8(255)
    (found,) = zxingcpp.read_barcodes(image)
    text: str = found.text
    return text
