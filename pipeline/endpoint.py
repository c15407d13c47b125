"""A model behind an OpenAI-compatible endpoint: vLLM, llama.cpp's server, Ollama and others.

In: what to ask. Out: the answer, streamed (https://platform.openai.com/docs/api-reference/chat/create). Whatever else
comes back, and nothing, is an `EndpointError`; how long to wait is the caller's to say. Spoken text is in no message
of this file. Knows no language and no prompt.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from urllib.parse import urlsplit

import httpx2
import msgspec
from msgspec import Struct

from surtitle.pipeline.access import is_loopback
from surtitle.pipeline.address import Address
from surtitle.pipeline.dialogue import Ask, Reply
from surtitle.pipeline.outgoing import client_of
from surtitle.pipeline.protocol import clean_text

_KEEP_ALIVE = 4.0
"""Seconds that an idle connection is kept: less than servers keep theirs (vLLM's five), so none dies in our hands."""
_LAST_MARKS = 0.2
"""Seconds that the end of the stream may come after the end of the answer."""
_LONGEST_TOKEN = 32
"""Characters; an answer longer than that for each token that it may have is nonsense."""
_THOUGHT_BEGINS, _THOUGHT_ENDS = "<think>", "</think>"
_CUT = frozenset({"length", "max_tokens", "content_filter", "error", "abort"})
"""Why an answer ended that is not whole: a router says `error` where the server behind it failed in the middle."""
_REASON = 200
"""Characters of a server's own words that people are shown."""
_EXPLAINED = frozenset({401, 403, 404})
"""Statuses whose explanation is about the key or the model; that of others may repeat what was asked."""
_REFUSED = frozenset({400, 413, 422})
"""Statuses by which servers say that messages are longer than a model's context, among other things."""
_NO_JSON = (msgspec.DecodeError, ValueError, RecursionError)
"""What decoding raises for the wrong text, bytes, or brackets without end."""


class EndpointError(Exception):
    """No answer, and why."""


class Refusal(EndpointError):
    """It does not take what it is asked: of all reasons the likeliest is that it is too long for the model."""


class ThinksAloud(EndpointError):
    """It thinks, and says nothing: it was not told not to, and is from now on."""


class _Delta(Struct, frozen=True):
    content: str | None = None
    reasoning: object = None
    reasoning_content: object = None
    """The same, of other servers."""

    @property
    def thinks(self) -> bool:
        """Whether a part of what it thinks comes apart from what it says."""
        return bool(self.reasoning or self.reasoning_content)


class _Choice(Struct, frozen=True):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Chunk(Struct, frozen=True):
    choices: list[_Choice]


class _Explanation(Struct, frozen=True):
    message: str


class _Refusal(Struct, frozen=True):
    error: _Explanation


class Endpoint:
    """One model of one server; used on one event loop."""

    def __init__(self, address: Address) -> None:
        """Connects when it is first asked. Raises UserError where a proxy on the way can't be used."""
        self._address = address
        self._thinks = False  # as far as is known: Ollama's models do, until they are told not to
        self._obeys = False  # it has answered when it was told so, and has not failed since
        headers = {"Authorization": f"Bearer {address.key}"} if address.key else {}
        self._client = client_of(
            headers=headers,
            timeout=None,
            limits=httpx2.Limits(keepalive_expiry=_KEEP_ALIVE),
            trust_env=not is_loopback(urlsplit(address.url).hostname or ""),  # no proxy knows this machine's loopback
        )

    async def answer(self, ask: Ask, wrote: Callable[[int], None]) -> Reply:
        """The likeliest answer; `wrote` hears how many pieces of it there are, a token each as a rule.

        Raises EndpointError for anything else, ThinksAloud where it is worth asking once more.
        """
        body: dict[str, object] = {
            "model": self._address.model,
            "messages": ask.messages,
            "max_tokens": ask.limit,
            "temperature": 0,
            "stream": True,
        }
        if ask.stop:
            body["stop"] = ask.stop
        if ask.variables:
            body["chat_template_kwargs"] = ask.variables
        told = self._thinks
        if told:
            body["reasoning_effort"] = "none"
        try:
            async with self._client.stream("POST", f"{self._address.url}/chat/completions", json=body) as response:
                await _check(response)
                reply = await _read(response, ask.limit, wrote)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise EndpointError(_shown(str(error)) or type(error).__name__) from error
        except EndpointError as error:
            self._note(error, told=told)
            if told and isinstance(error, ThinksAloud):
                raise EndpointError(str(error)) from error
            raise
        self._obeys = self._obeys or told
        return reply

    def _note(self, error: EndpointError, *, told: bool) -> None:
        """What a server refuses to be told, it is told no more; of one that obeyed before the second failure counts."""
        if isinstance(error, ThinksAloud):
            self._thinks = True
        elif told:
            self._thinks = self._obeys
        self._obeys = False

    async def close(self) -> None:
        """Let go of its connections."""
        await self._client.aclose()


async def _check(response: httpx2.Response) -> None:
    if response.status_code != 200:
        failure = Refusal if response.status_code in _REFUSED else EndpointError
        seen = f"HTTP {response.status_code} {_shown(response.reason_phrase)}"
        raise failure(f"{seen}{await _explanation(response)}")
    kind = response.headers.get("Content-Type", "nothing")
    if kind.partition(";")[0].strip().lower() != "text/event-stream":
        raise EndpointError(f"it sends {_shown(kind)}, expected text/event-stream")


def _shown(said: str) -> str:
    """What a server says, as people are shown it."""
    return clean_text(said)[:_REASON]


async def _explanation(response: httpx2.Response) -> str:
    if response.status_code not in _EXPLAINED:
        return ""
    read = b""
    async for part in response.aiter_bytes():
        read += part
        if len(read) > 2**16:
            return ""
    try:
        message = msgspec.json.decode(read, type=_Refusal).error.message
    except _NO_JSON:
        return ""
    return f": {_shown(message)}"


async def _read(response: httpx2.Response, limit: int, wrote: Callable[[int], None]) -> Reply:
    text, pieces, thinks = "", 0, False
    response.encoding = "utf-8"  # as event streams always are, whatever a proxy says of its texts
    events = aiter(httpx2.EventSource(response))
    async for event in events:
        if not event.data:  # a sign of life, such as `retry: 3000` alone
            continue
        try:
            (choice,) = msgspec.json.decode(event.data, type=_Chunk).choices or [_Choice()]
        except _NO_JSON as error:
            raise EndpointError("it sends events that are no chat.completion.chunk") from error
        thinks = thinks or choice.delta.thinks
        if choice.delta.content:
            text += choice.delta.content
            pieces += 1
            wrote(pieces)
        if len(text) > limit * _LONGEST_TOKEN:
            raise EndpointError(f"it writes on beyond max_tokens ({limit})")
        if choice.finish_reason:  # some servers have an empty one in every chunk but the last
            await _drain(events)
            return Reply(_said(text, limit, thinks=thinks), choice.finish_reason not in _CUT)
    raise EndpointError("its answer broke off")


def _said(text: str, limit: int, *, thinks: bool) -> str:
    """`text` without what a model thought before, as servers send it that know no thoughts. Raises EndpointError where
    it has said nothing else.
    """
    _, found, said = text.rpartition(_THOUGHT_ENDS)
    begun, thinks_on, _ = said.partition(_THOUGHT_BEGINS)
    if not begun.strip() and (thinks or found or thinks_on):
        raise ThinksAloud(
            f"it thinks aloud, and says nothing within max_tokens ({limit}): expected a model that does not, or a "
            f"server that is told so"
        )
    return said


async def _drain(events: AsyncIterator[httpx2.ServerSentEvent]) -> None:
    """Read the last marks, so that the connection can be used again; who sends none is not waited for, and who hangs up
    has said all.
    """
    with suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(_LAST_MARKS):
            async for _ in events:
                pass
