"""PROTOCOL.md and the code name the same messages, fields and close codes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from surtitle.pipeline.messages import ClientMessage, CloseCode, ServerMessage

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
