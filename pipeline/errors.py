"""The one exception that is meant for people.

In: nothing. Out: `UserError`, which the command line prints as one line and turns into an exit status, and
which the server turns into an `error` message. Knows nothing of how it is shown.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""What the system says where a disk is full, or one's part of it."""


def cure(error: OSError, otherwise: str) -> str:
    """What to do about a file that can't be written: `otherwise`, where there is room for it."""
    return "free some space" if error.errno in NO_ROOM else otherwise


def unwritable(path: Path, error: OSError) -> UserError:
    """What to raise for a file that can't be begun."""
    return UserError(f"{path}: cannot be written ({error.strerror}); {cure(error, 'choose another file')}")


class UserError(Exception):
    """Something a user can mend: the message says what was seen, what was expected and what to do.

    Raise it at the edge where the cause is known, chained to that cause (`raise UserError(...) from error`).
    """

    exit_status = 1
    """Process exit status: 1, the work failed."""


class UsageError(UserError):
    """The command or message itself is wrong (an unknown language, a missing argument)."""

    exit_status = 2
    """Process exit status: 2, wrong usage."""


_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def one_line(error: BaseException) -> str:
    """What `error` says, which may be several lines, in one.

    What would steer a terminal is written out: a server's words and a file's name, which others chose, may stand there.
    """
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], " ".join(str(error).split()))


def first_error(group: BaseExceptionGroup[UserError]) -> UserError:
    """Return the first leaf of nested groups: several tasks of one session may have failed of one cause."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, UserError), "except* UserError gathers nothing else"
    return error
