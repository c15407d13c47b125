"""Text files that scripts read. In: a path. Out: its text or its lines, or one line that says why there are none."""

from __future__ import annotations

from pathlib import Path

from surtitle.pipeline.errors import UserError


def read(path: Path) -> str:
    """The whole text of a UTF-8 file, without the mark that Windows begins it with. Raises UserError if it can't be
    read or is no such text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no UTF-8 text (byte {error.start})") from error


def read_lines(path: Path) -> list[str]:
    """Its lines, split at line ends alone: Unicode knows others, which stand within texts. Raises as `read` does."""
    lines = read(path).split("\n")
    return lines if lines[-1] else lines[:-1]
