"""The process around a command: its standard streams, its libraries' settings, its exit status.

In: the work to be done. Out: what it returns, as a number for the shell. 0 is done, 1 a failure reported in one line, 2
wrong usage, 130 interrupted, or nobody reads the output any more. Knows no command and no flag.
"""

from __future__ import annotations

import atexit
import ctypes
import errno
import os
import signal
import sys
from collections.abc import Callable
from io import TextIOWrapper

from surtitle.pipeline.errors import NO_ROOM, UserError, first_error, one_line

INTERRUPTED = 130
"""The exit status of what was not done to its end."""
LIBRARY_SETTINGS = {
    # two teams of threads that spin at barriers over the same cores are 3 to 16 times slower
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "0",
    # numpy would share the features' small product among all cores: ten times slower where another model has them, and
    # the threads it leaves spinning make the recogniser a third slower
    "OPENBLAS_NUM_THREADS": "1",
    # the recogniser's windows have hundreds of lengths, and code is kept for each: 175 MB more an hour, and no faster
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "0",
    "TOKENIZERS_PARALLELISM": "false",
    # models come from the store; nothing is fetched while running
    "HF_HUB_OFFLINE": "1",
}
"""Of the environment, unless they are set there: libraries look at them once, when they are loaded."""
_HEAPS = 2
"""For all threads, instead of eight for each core: each keeps what is free in it, and a dozen threads at work come and
go in the libraries of two models. A tenth less memory."""
_M_ARENA_MAX = -8
"""Of glibc's <malloc.h>."""


def open_streams() -> None:
    """Have all three standard streams, and lose no session to a letter that an old locale lacks.

    Those that were closed (`>&-`) lead nowhere: Python has None in their place, and the next file that is opened, such
    as a log, would have their numbers.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # each takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    if isinstance(sys.stdout, TextIOWrapper):  # standard error is so already
        sys.stdout.reconfigure(errors="backslashreplace")


def set_up_libraries() -> None:
    """Set the environment for two models on few cores, before their libraries are imported."""
    for name, value in LIBRARY_SETTINGS.items():
        os.environ.setdefault(name, value)
    if "MALLOC_ARENA_MAX" not in os.environ:
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):  # glibc's; macOS has its own ways
            libc.mallopt(_M_ARENA_MAX, _HEAPS)


_TYPED = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP
)  # fmt: skip
"""What is wrong with a path that somebody typed; with any other it is a mistake of ours."""


def exit_status(program: str, work: Callable[[], int | None]) -> int:
    """Do `work`, and say in one line of `program` what a user can mend; 130 if it was interrupted, or nobody reads
    what it writes any more. See `open_streams` for where it writes.
    """
    open_streams()
    try:
        status = work() or 0
        sys.stdout.flush()
        return status
    except UserError as error:
        return _fail(program, error)
    except BaseExceptionGroup as group:
        mine = group.subgroup(UserError)
        if mine is None:
            raise
        return _fail(program, first_error(mine))
    except (KeyboardInterrupt, BrokenPipeError):
        return INTERRUPTED
    except OSError as error:
        if error.errno in NO_ROOM:
            return _fail(program, UserError(f"{error.strerror}: free some space, or write elsewhere"))
        if error.filename is None or error.errno not in _TYPED:
            raise
        return _fail(
            program, UserError(f"{error.filename}: {error.strerror}; choose another path, or change its permissions")
        )
    finally:
        _let_go()
        # first of what libraries do when Python ends: who presses Ctrl-C once more then has nothing to be told
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_DFL)


def _let_go() -> None:
    """What standard output still holds would be written, and fail, when Python ends: its documentation's remedy."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(program: str, error: UserError) -> int:
    print(f"{program}: {one_line(error)}", file=sys.stderr)
    return error.exit_status
