"""Which connections came in with which token, and that they go when it is revoked.

In: connections with the secrets that they brought, and the tokens as they are from moment to moment. Out: `Refused` for
who may not come in, and a goodbye to who may not stay. Knows no room and no message but that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from websockets.asyncio.server import ServerConnection

from surtitle.pipeline.connection import in_time, refuse
from surtitle.pipeline.messages import Refused
from surtitle.pipeline.operations import Operations, Visit
from surtitle.pipeline.tokens import Admission, Right, Tokens

TOKENS_SECONDS = 0.5
"""How often it is looked whether a token was revoked."""
EXPEL_SECONDS = 1.0
"""How long who is expelled may take to hear why and to leave: whoever does not is cut off, and heard no more."""
Writer = Callable[[ServerConnection], Callable[[Refused], str]]
"""How the client of a connection is told why it is refused."""


class Admissions:
    """One server's."""

    def __init__(self, tokens: Callable[[], Tokens], operations: Operations, writer: Writer) -> None:
        self._tokens = tokens
        self._operations = operations
        self._writer = writer
        self._admitted: dict[ServerConnection, Admission] = {}
        self._known = Tokens()  # as they were when it was last looked
        self._expelling: set[asyncio.Task[bool]] = set()
        self._checking: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look from now on, on this event loop, whether tokens were revoked."""
        self._check()

    def stop(self) -> None:
        """Look no more."""
        assert self._checking is not None, "it isn't started yet"
        self._checking.cancel()

    def admit(self, connection: ServerConnection, visit: Visit, token: str | None, right: Right, session: str) -> None:
        """Let a client in, until its token is revoked; raises `Refused`."""
        admission = self._tokens().admit(token, right, session)
        self._operations.admitted(visit, session, admission.name)
        self._admitted[connection] = admission

    def release(self, connection: ServerConnection) -> None:
        """It has left."""
        self._admitted.pop(connection, None)

    def _check(self) -> None:
        """Expel whose token was revoked since it was last looked."""
        # first: whatever goes wrong now, it is looked again
        self._checking = asyncio.get_running_loop().call_later(TOKENS_SECONDS, self._check)
        tokens = self._tokens()
        if tokens == self._known:
            return
        for connection, admission in list(self._admitted.items()):
            try:
                tokens.renew(admission)
            except Refused as refused:
                self.release(connection)
                # Not by cancelling: the session of a publisher that has to go says what it has still to say.
                goodbye = refuse(connection, refused, self._writer(connection), EXPEL_SECONDS / 2)
                expelling = asyncio.create_task(in_time(connection, EXPEL_SECONDS, goodbye))
                self._expelling.add(expelling)
                expelling.add_done_callback(self._expelling.discard)
        self._known = tokens
