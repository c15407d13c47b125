"""`surtitle.pipeline.endpoint`: what goes to a server and what comes back, over real HTTP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
from chat_server import ChatServer, Mode

from surtitle.pipeline.address import Address
from surtitle.pipeline.callbacks import ignore
from surtitle.pipeline.dialogue import Ask, Reply
from surtitle.pipeline.endpoint import Endpoint, EndpointError, Refusal

ASK = Ask([{"role": "user", "content": "Good morning."}], 40, (), {})


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    server = ChatServer(lambda messages: "Buenos días, señoras.")
    with server.listening():
        yield server


async def answers_of(address: Address, *asks: Ask) -> tuple[list[Reply], list[int]]:
    counts: list[int] = []
    endpoint = Endpoint(address)
    try:
        async with asyncio.timeout(20):
            return [await endpoint.answer(ask, counts.append) for ask in asks], counts
    finally:
        await endpoint.close()


async def test_an_answer_is_streamed_and_its_pieces_are_counted(chat: ChatServer) -> None:
    (answer,), counts = await answers_of(Address(chat.url, "m"), ASK)
    assert answer == Reply("Buenos días, señoras.", finished=True)
    assert counts == [1, 2, 3, 4, 5, 6]


async def test_a_model_is_asked_greedily_and_for_no_more_than_a_translation(chat: ChatServer) -> None:
    await answers_of(Address(chat.url, "m"), ASK, Ask(ASK.messages, 7, ("<end>",), {"enable_thinking": False}))
    plain = {"model": "m", "messages": [{"role": "user", "content": "Good morning."}], "max_tokens": 40}
    assert chat.asked[0] == {**plain, "temperature": 0, "stream": True}
    assert {name: chat.asked[1][name] for name in ("max_tokens", "stop", "chat_template_kwargs")} == {
        "max_tokens": 7,
        "stop": ["<end>"],
        "chat_template_kwargs": {"enable_thinking": False},
    }


async def test_the_key_goes_to_the_server_and_into_no_text(chat: ChatServer) -> None:
    address = Address(chat.url, "m", key="sk-secret")
    await answers_of(address, ASK)
    await answers_of(Address(chat.url, "m"), ASK)
    assert chat.headers[0]["Authorization"] == "Bearer sk-secret"
    assert "Authorization" not in chat.headers[1]
    assert "secret" not in repr(address)


async def test_one_connection_serves_one_question_after_the_other(chat: ChatServer) -> None:
    await answers_of(Address(chat.url, "m"), *[ASK] * 5)
    assert (len(chat.asked), chat.connections) == (5, 1)


async def test_events_without_data_are_no_part_of_an_answer(chat: ChatServer) -> None:
    chat.mode = "chatters"
    (answer,), _ = await answers_of(Address(chat.url, "m"), ASK)
    assert answer == Reply("Buenos días, señoras.", finished=True)


async def test_an_answer_may_come_byte_by_byte(chat: ChatServer) -> None:
    chat.mode = "dribbles"
    (answer,), _ = await answers_of(Address(chat.url, "m"), ASK)
    assert answer.text == "Buenos días, señoras."


@pytest.mark.parametrize("kind", ["text/event-stream; charset=iso-8859-1", "Text/Event-Stream ;charset=utf-16"])
async def test_events_are_utf_8_whatever_is_said_of_them(chat: ChatServer, kind: str) -> None:
    chat.kind = kind
    (answer,), _ = await answers_of(Address(chat.url, "m"), ASK)
    assert answer.text == "Buenos días, señoras."


async def test_who_hangs_up_behind_a_whole_answer_has_given_it(chat: ChatServer) -> None:
    chat.mode = "hangs up"
    (answer,), _ = await answers_of(Address(chat.url, "m"), ASK)
    assert answer.text == "Buenos días, señoras."
    assert answer.finished


@pytest.mark.parametrize("reason", ["length", "content_filter", "error"])
async def test_an_answer_that_was_cut_is_not_finished(chat: ChatServer, reason: str) -> None:
    chat.finish = reason
    (answer,), _ = await answers_of(Address(chat.url, "m"), ASK)
    assert not answer.finished


async def test_an_answer_goes_on_behind_an_empty_reason_to_end(chat: ChatServer) -> None:
    chat.open = ""
    (answer,), _ = await answers_of(Address(chat.url, "m"), ASK)
    assert answer == Reply("Buenos días, señoras.", finished=True)


@pytest.mark.parametrize("thought", ["<think>\n\n</think>\n\n", "They greet me.\n</think>\n", "<think>Hm</think>"])
async def test_what_was_thought_before_is_no_part_of_an_answer(chat: ChatServer, thought: str) -> None:
    chat.reply = lambda messages: f"{thought}Buenos días."
    (answer,), _ = await answers_of(Address(chat.url, "m"), ASK)
    assert answer.text.strip() == "Buenos días."


@pytest.mark.parametrize("text", ["<think>\nThe user greets me. I should", "<think>They greet me.</think>\n"])
async def test_who_thinks_and_says_nothing_is_told(chat: ChatServer, text: str) -> None:
    chat.reply, chat.finish = lambda messages: text, "length"
    with pytest.raises(EndpointError, match=r"^it thinks aloud, and says nothing within max_tokens \(40\): expected"):
        await answers_of(Address(chat.url, "m"), ASK)


async def test_who_thinks_aloud_is_told_not_to_until_it_refuses(chat: ChatServer) -> None:
    endpoint = Endpoint(Address(chat.url, "m"))
    chat.mode = "thinks"
    with pytest.raises(EndpointError, match="thinks aloud"):
        await endpoint.answer(ASK, ignore)
    assert (await endpoint.answer(ASK, ignore)).text == "Buenos días, señoras."
    chat.mode = "500"
    for _ in range(2):  # the first may have any reason, since it did as it was told
        with pytest.raises(EndpointError, match="500"):
            await endpoint.answer(ASK, ignore)
    chat.mode = "well"
    await endpoint.answer(ASK, ignore)
    await endpoint.close()
    assert [asked.get("reasoning_effort") for asked in chat.asked] == [None, "none", "none", "none", None]


async def test_who_was_told_not_to_think_is_told_so_behind_a_question_that_was_too_long(chat: ChatServer) -> None:
    endpoint = Endpoint(Address(chat.url, "m"))
    chat.mode = "thinks"
    with pytest.raises(EndpointError, match="thinks aloud"):
        await endpoint.answer(ASK, ignore)
    for _ in range(2):
        assert (await endpoint.answer(ASK, ignore)).text == "Buenos días, señoras."
        chat.longest = 1
        with pytest.raises(Refusal):
            await endpoint.answer(ASK, ignore)
        chat.longest = 10**9
    assert (await endpoint.answer(ASK, ignore)).text == "Buenos días, señoras."
    await endpoint.close()


async def test_who_refuses_to_be_told_at_once_is_told_no_more(chat: ChatServer) -> None:
    endpoint = Endpoint(Address(chat.url, "m"))
    for mode in ("thinks", "500"):
        chat.mode = mode
        with pytest.raises(EndpointError):
            await endpoint.answer(ASK, ignore)
    chat.mode = "well"
    await endpoint.answer(ASK, ignore)
    await endpoint.close()
    assert [asked.get("reasoning_effort") for asked in chat.asked] == [None, "none", None]


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("500", "^HTTP 500 Internal Server Error$"),
        ("404", "^HTTP 404 Not Found: The model `m` does not exist.$"),
        ("page", "^it sends text/html, expected text/event-stream$"),
        ("json", "^it sends application/json, expected text/event-stream$"),
        ("no json", "events that are no chat.completion.chunk"),
        ("schema", "events that are no chat.completion.chunk"),
        ("two", "events that are no chat.completion.chunk"),
        ("deep", "events that are no chat.completion.chunk"),
        ("breaks off", "."),
        ("thinks", r"^it thinks aloud, and says nothing within max_tokens \(40\)"),
        ("endless", r"writes on beyond max_tokens \(40\)"),
        ("at once", r"writes on beyond max_tokens \(40\)"),
    ],
)
async def test_what_is_no_answer_is_told_and_nothing_that_was_said(chat: ChatServer, mode: Mode, said: str) -> None:
    chat.mode = mode
    with pytest.raises(EndpointError, match=said) as caught:
        await answers_of(Address(chat.url, "m"), ASK)
    assert "SECRET" not in str(caught.value)
    assert "Good morning" not in str(caught.value)


async def test_what_a_server_says_of_itself_can_not_write_over_a_terminal(chat: ChatServer) -> None:
    chat.mode = "404"
    with pytest.raises(EndpointError, match="The model `a b` does not exist"):
        await answers_of(Address(chat.url, "a\x1b\n\u202eb"), ASK)


async def test_nor_can_what_it_calls_its_failure(chat: ChatServer) -> None:
    chat.mode = "colours"
    with pytest.raises(EndpointError, match=r"^HTTP 500 \[31mOh no!{100,200}$"):
        await answers_of(Address(chat.url, "m"), ASK)


async def test_nobody_there_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(EndpointError, match="connection"):
        await answers_of(Address(f"http://127.0.0.1:{port}/v1", "m"), ASK)
