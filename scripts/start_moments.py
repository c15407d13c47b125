"""What `bench_start.py` starts: a translator up to its first token, with the imports that a session has and no others.

In: a model's folder and a number of threads. Out: a line of JSON: when the model was there, when the prompt was read,
and when the first token was written, in seconds since the epoch; and the peak memory of this process in megabytes.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from time import time

LINE = "The committee will meet again on Thursday to discuss the budget for the coming year."


class _Written(Exception):
    """The first token is there: nothing more is to be seen."""


def moments(folder: Path, threads: int) -> Iterator[float]:
    """When each moment was: seconds since the epoch, which are another process's too."""
    from surtitle.pipeline.process import set_up_libraries

    set_up_libraries()
    from surtitle.pipeline.engine import Engine
    from surtitle.pipeline.languages import find_language
    from surtitle.pipeline.translator import Translator

    engine = Engine(folder, threads=threads)
    yield time()
    translator = Translator(engine, find_language("en"), [find_language("es")])
    yield time()
    try:
        list(translator.translate(LINE, wrote=_stop))
    except _Written:
        yield time()


def _stop(language: str, tokens: int) -> None:
    raise _Written


def megabytes(peak: int, system: str) -> float:
    """Of a process's peak as getrusage tells it: in bytes on macOS, in kilobytes on Linux."""
    return peak * (1 if system == "darwin" else 1024) / 1e6


def main() -> None:
    at = list(moments(Path(sys.argv[1]), int(sys.argv[2])))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"at": at, "peak_mb": megabytes(peak, sys.platform)}))


if __name__ == "__main__":
    main()
