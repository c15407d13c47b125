"""README's programs, as they stand there."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def program(name: str) -> str:
    """The indented block that begins with a comment of this name."""
    (found,) = re.findall(rf"^    # {re.escape(name)} .*\n(?:    .*\n|\n)+", README, re.M)
    return textwrap.dedent(found)
