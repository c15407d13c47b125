"""The JSON schema is what the code says, and agrees with what the server sends and takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from schema import ROOT, SCHEMA, written
from taken import taken

from surtitle.pipeline.events import Caption, Event, Gap, SessionEnd, SessionStart, Stamps, Status, Word
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.messages import BeatMessage, ErrorMessage, Refused
from surtitle.pipeline.protocol import encode, parse_hello, parse_publisher, parse_start, parse_viewer

KEPT = SCHEMA.read_text(encoding="utf-8")
DEFINITIONS = json.loads(KEPT)["$defs"]


def is_valid(message: Any, way: str) -> bool:
    return Draft202012Validator({"$ref": f"#/$defs/{way}", "$defs": DEFINITIONS}).is_valid(message)


def test_the_schema_that_is_kept_is_the_codes() -> None:
    assert written((ROOT / "PROTOCOL.md").read_text(encoding="utf-8")) == KEPT, "stale: run scripts/schema"


def test_it_is_a_schema_and_every_field_of_a_message_is_described() -> None:
    Draft202012Validator.check_schema(json.loads(KEPT))
    undescribed = {
        f"{name}.{field}"
        for name, definition in DEFINITIONS.items()
        for field, body in definition.get("properties", {}).items()
        if "type" in definition.get("properties", {})
        and field not in ("type", "v", "seq")
        and "description" not in body
    }
    assert undescribed == set()


EVENTS: list[Event] = [
    SessionStart("night-1", ("en", "es"), ("de",), {"asr": "base", "llm": "small"}, "real"),
    Caption(0, 0, "en", "source", "good ev", 0.5, 1, False, 4, 2, 2),
    Caption(0, 1, "en", "source", "good evening", 0.5, 1, True, 12, 2, 2, words=(Word("good", 0.5, 0.8, 0.97),)),
    Caption(0, 0, "de", "target", "guten Abend", 0.5, 1, True, 11, 2, 3, stamps=Stamps(1.0, 2.0, 2.5, 3.0)),
    Caption(1, 0, "de", "target", "hm", 1, 2, True, 2, 2, 3, stamps=Stamps(1.0, 2.0), untranslated=True),
    Gap(2, 3, "overload"),
    Status("behind", 6.2, 4, 5),
    SessionEnd(4, 5, {"segments": 2, "asr_s": 0.5}),
]


def test_what_the_server_sends_is_valid() -> None:
    hub = Hub("e")
    early = hub.join()
    for event in EVENTS:
        hub.publish(event)
    wire = [*taken(early), *taken(hub.join())]
    wire += [encode(BeatMessage(7)), encode(ErrorMessage("busy", "another speaks", True))]
    messages = [json.loads(message) for message in wire]
    assert {message["type"] for message in messages} >= {"welcome", "snapshot", "session", "caption", "gap", "end"}
    for message in messages:
        Draft202012Validator({"$ref": "#/$defs/to_viewer", "$defs": DEFINITIONS}).validate(message)
        assert not is_valid(message | {"type": "song"}, "to_viewer")


CLIENTS = [
    ("from_viewer", parse_hello, {"type": "hello", "v": 1}),
    (
        "from_viewer",
        parse_hello,
        {"type": "hello", "v": 1, "langs": ["es", "pt-BR"], "since": {"epoch": "e", "seq": 3}},
    ),
    ("from_viewer", parse_hello, {"type": "hello", "v": 2}),
    ("from_viewer", parse_hello, {"type": "hello", "v": 1, "lang": ["es"]}),
    ("from_viewer", parse_hello, {"type": "hello", "v": 1, "langs": "es"}),
    ("from_viewer", parse_hello, {"type": "hello", "v": 1, "langs": ["Spanish"]}),
    ("from_viewer", parse_hello, {"type": "hello", "v": 1, "since": {"epoch": "e"}}),
    ("from_viewer", parse_viewer, {"type": "painted", "seq": 3}),
    ("from_viewer", parse_viewer, {"type": "painted", "seq": -1}),
    ("from_viewer", parse_viewer, {"type": "subscribe", "langs": ["de"]}),
    ("from_viewer", parse_viewer, {"type": "subscribe"}),
    ("from_viewer", parse_hello, {"type": "hello", "v": 1, "session": "hall-2", "token": "t" * 256}),
    ("from_viewer", parse_hello, {"type": "hello", "v": 1, "session": "hall 2"}),
    ("from_viewer", parse_hello, {"type": "hello", "v": 1, "token": "t" * 257}),
    ("from_publisher", parse_start, {"type": "start", "v": 1, "from": "en", "to": ["es"]}),
    ("from_publisher", parse_start, {"type": "start", "v": 1, "from": ["en", "es"], "to": ["de"], "sample_rate": 8000}),
    ("from_publisher", parse_start, {"type": "start", "v": 1, "from": "en", "to": []}),
    ("from_publisher", parse_start, {"type": "start", "v": 1, "from": "en", "to": ["es"], "sample_rate": 1}),
    ("from_publisher", parse_publisher, {"type": "stop"}),
    ("from_publisher", parse_publisher, {"type": "stop", "now": True}),
    ("from_publisher", parse_publisher, {"type": "skipped", "samples": 1600}),
    ("from_publisher", parse_publisher, {"type": "skipped", "samples": 0}),
    ("from_publisher", parse_publisher, {"type": "skipped"}),
]


@pytest.mark.parametrize(
    ("way", "parse", "message"), CLIENTS, ids=lambda each: str(each) if isinstance(each, dict) else ""
)
def test_what_the_server_takes_is_valid_and_what_it_refuses_is_not(
    way: str, parse: Any, message: dict[str, Any]
) -> None:
    try:
        parse(json.dumps(message))
        taken = True
    except Refused:
        taken = False
    assert is_valid(message, way) == taken
