"""PROTOCOL.md and the code name the same messages, fields and close codes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from surtitle.pipeline.events import Event
from surtitle.pipeline.http import refusal
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.languages import Pair
from surtitle.pipeline.messages import ClientMessage, CloseCode, Refused, ServerMessage
from surtitle.pipeline.operations import Operations
from surtitle.pipeline.pages import load_pages
from surtitle.pipeline.publishing import GUESTS
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.site import Site
from surtitle.pipeline.tokens import Tokens
from surtitle.pipeline.transcriptions import Transcriptions
from surtitle.pipeline.transcripts import Given
from surtitle.pipeline.uploads import FILE

DOCUMENT = (Path(__file__).parent.parent / "PROTOCOL.md").read_text(encoding="utf-8")
MESSAGES = [*get_args(ClientMessage), *get_args(ServerMessage)]


def documented() -> dict[str, list[str]]:
    """Field names by message type: a paragraph that begins with `type`: and the table below it."""
    sections = re.findall(r"^`(\w+)`: (.*?)(?=^`\w+`: |^#|\Z)", DOCUMENT, re.M | re.S)
    return {
        name: [field for row in re.findall(r"^\| (`[^|]*) \|", section, re.M) for field in re.findall(r"`(\w+)`", row)]
        for name, section in sections
    }


def kind(message: type[msgspec.Struct]) -> str:
    return str(message.__struct_config__.tag)


def test_every_message_is_documented_and_no_other() -> None:
    assert set(documented()) == {kind(message) for message in MESSAGES}


@pytest.mark.parametrize("message", MESSAGES, ids=kind)
def test_every_field_is_documented_in_order_and_no_other(message: type[msgspec.Struct]) -> None:
    assert documented()[kind(message)] == list(message.__struct_encode_fields__)


def test_every_close_code_is_documented_and_no_other() -> None:
    rows = re.findall(r"^\| (4\d{3}) \| `(\w+)` \|", DOCUMENT, re.M)
    assert rows == [(str(code.value), code.name.lower()) for code in CloseCode]


def test_every_path_but_the_pages_is_documented_and_no_other() -> None:
    named = {
        (method, path)
        for row in re.findall(r"^\| (`[A-Z]+ /.*?) \|", DOCUMENT, re.M)
        for method, path in re.findall(r"`([A-Z]+) (/[\w./]*)", row)
    }
    site = Site(Rooms(lambda: Hub("e")), Tokens, Operations(), full=lambda: False, beat=20)
    recordings = Transcriptions(Rooms(lambda: Hub("e")), Tokens, unheard).routes()
    sockets = {("GET", path) for path in GUESTS}
    assert named == {*site.routes(), *recordings, *sockets} - {("GET", path) for path in load_pages()}


async def unheard(path: Path, pair: Pair) -> list[Event]:
    raise NotImplementedError


def test_every_field_of_a_recordings_form_is_documented_and_no_other() -> None:
    _, _, section = DOCUMENT.partition("### OpenAI's transcriptions")
    rows = re.findall(r"^\| (`[^|]*) \|", section.partition("###")[0], re.M)
    named = {name for row in rows for name in re.findall(r"`(\w+)(?:\[\])?`", row)}
    assert named == {FILE, *Given.__struct_fields__}


def test_the_statuses_of_refusals_over_plain_http_are_documented() -> None:
    _, _, section = DOCUMENT.partition("\nWhat is refused")
    statuses = {name: int(status) for status, name in re.findall(r"(\d{3}) `(\w+)`", section)}
    assert statuses == {"unauthorized": 401, "forbidden": 403, "full": 503}
    for name, status in statuses.items():
        assert refusal(Refused(CloseCode[name.upper()], "")).status == status
