"""A publisher in Python: audio in, captions for all who watch.

In: PCM as an async iterator, at the pace of speech. Out: a session on the server, until its last caption is said.
Knows the protocol (`PROTOCOL.md`) and nothing of the program that speaks it; needs `viewer.py` and websockets.

    await publish("http://127.0.0.1:8765", "en", ["es"], chunks)
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Sequence

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from surtitle.clients.viewer import UNREACHED, VERSION, Message, connecting_to, introduction, refusal, unreachable

Chunk = bytes | list[str] | tuple[str, ...]
"""PCM, or the languages of the translations from here on."""
COMPLETE = 1000
"""The close code of a session that was said to its end."""


async def publish(
    url: str,
    source: str | Sequence[str],
    targets: Sequence[str],
    chunks: AsyncIterable[Chunk],
    *,
    session: str = "main",
    token: str | None = None,
    sample_rate: int = 16_000,
) -> None:
    """Send audio to be captioned; return when it has been captioned to its end.

    The first chunk is asked for when the server is ready to hear it, so that nothing waits for models to load.

    Args:
        url: `http://host:port`, `ws://host:port`, or with any page of the server.
        source: The language code of the speech; several where the speakers change between them.
        targets: The language codes of the translations.
        chunks: Signed 16-bit little-endian mono PCM, whole samples, 20 to 200 ms each, at the pace of speech; between
            them, lists of language codes: the translations from there on.
        session: The name under which viewers find it.
        token: For servers that ask for one.
        sample_rate: Hertz of the PCM, 8000 to 96000.

    Raises:
        ViewerError: there is no server, or it ended the session; `retry` says whether to try again. What `chunks`
            raises comes as it is.
    """
    start: Message = {"type": "start", "v": VERSION, **introduction(session, token)}
    start |= {"from": source if isinstance(source, str) else list(source), "to": list(targets)}
    start["sample_rate"] = sample_rate
    try:
        connection = await connecting_to(url, "/publish")
    except UNREACHED as error:
        raise unreachable(url, error) from error
    async with connection:  # where `chunks` fails, that is no failure of the server's
        await _speak(connection, start, chunks)


async def _speak(connection: ClientConnection, start: Message, chunks: AsyncIterable[Chunk]) -> None:
    answer: Message = {}
    try:
        await connection.send(json.dumps(start))
        answer = await _next(connection, "ready", "error")
        if answer.get("type") == "ready":
            async for chunk in chunks:
                is_list = isinstance(chunk, list | tuple)
                await connection.send(json.dumps({"type": "translate", "to": chunk}) if is_list else chunk)
            await connection.send('{"type":"stop"}')
            answer = {}
    except ConnectionClosed:
        # Why it was closed is still to be read.
        answer = {}
    complaint = answer or await _next(connection, "error")
    if complaint or connection.close_code != COMPLETE:
        raise refusal(connection.close_code, complaint)


async def _next(connection: ClientConnection, *kinds: str) -> Message:
    """Return the next message of these kinds; an empty one when the connection is closed before."""
    try:
        while True:
            message: Message = json.loads(await connection.recv())
            if message["type"] in kinds:
                return message
    except ConnectionClosed:
        return {}
