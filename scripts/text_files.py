"""Text files that scripts read. In: a path. Out: its text, or one line that says why there is none."""

from __future__ import annotations

from pathlib import Path

from surtitle.pipeline.errors import UserError


def read(path: Path) -> str:
    """The whole text of a UTF-8 file. Raises UserError if it can't be read or is no such text."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no UTF-8 text (byte {error.start})") from error
