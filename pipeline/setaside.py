"""A file that would be overwritten, kept under another name.

In: a path. Out: the file there renamed, `log.jsonl` to `log-1.jsonl`, then `log-2.jsonl`. Knows no content.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

from surtitle.pipeline.errors import UserError


def set_aside(path: Path) -> Path | None:
    """Rename the file at `path` if it holds anything, and return where it is now.

    Raises UserError where that can't be.
    """
    if not path.is_file() or not path.stat().st_size:
        return None
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(1))
    free = next(each for each in names if not each.exists())
    try:
        return path.rename(free)
    except OSError as error:
        raise UserError(f"{path}: can not become {free.name} ({error.strerror}); name another file") from error
