"""README's programs, as they stand there."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def program(name: str) -> str:
    """The indented block that begins with a comment of this name."""
    return block(f"# {name} ")


def block(beginning: str) -> str:
    """The indented block whose first line begins so."""
    (found,) = re.findall(rf"^    {re.escape(beginning)}.*\n(?:    .*\n|\n)+", README, re.M)
    return textwrap.dedent(found)
