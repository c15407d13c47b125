"""Writes the protocol's JSON schema: clients/protocol.schema.json, from the structs that the server itself uses.

In: the structs of `messages.py`, and PROTOCOL.md for what their fields mean. Out: JSON Schema 2020-12, a definition a
message by its `type`, and one for each direction. A test fails where the file is not what this writes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec

from surtitle.pipeline.messages import (
    VERSION,
    BeatMessage,
    ErrorMessage,
    EventMessage,
    Hello,
    Painted,
    PublishSkipped,
    PublishStart,
    PublishStop,
    PublishTargets,
    ReadyMessage,
    ServerMessage,
    SnapshotMessage,
    Subscribe,
    WelcomeMessage,
)

ROOT = Path(__file__).parent.parent
SCHEMA = ROOT / "clients" / "protocol.schema.json"
"""Where it is kept: beside the clients, for whoever writes another."""

Schema = dict[str, Any]
Kinds = tuple[type[msgspec.Struct], ...]

WAYS: dict[str, Kinds] = {
    "from_viewer": (Hello, Subscribe, Painted),
    "from_publisher": (PublishStart, PublishSkipped, PublishTargets, PublishStop),
    "to_viewer": (*get_args(EventMessage), WelcomeMessage, SnapshotMessage, BeatMessage, ErrorMessage),
    "to_publisher": (ReadyMessage, ErrorMessage),
    "log": get_args(EventMessage),
}
"""Which messages go which way."""


def schema(page: str) -> Schema:
    """Return the schema; `page` is PROTOCOL.md, whose tables describe the fields."""
    kinds: Kinds = tuple(dict.fromkeys(kind for kinds in WAYS.values() for kind in kinds))
    assert set(kinds) >= set(get_args(ServerMessage)), "a message goes no way"
    _, components = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    names = {kind.__name__: str(kind.__struct_config__.tag) for kind in kinds}
    names |= {name: name.removesuffix("Message").lower() for name in components if name not in names}
    definitions = {names[name]: _renamed(body, names) | {"title": names[name]} for name, body in components.items()}
    definitions["snapshot"]["properties"]["captions"]["items"] = _ref("caption")
    for name, meanings in meanings_of(page).items():
        properties = definitions[name]["properties"]
        for field, meaning in meanings.items():
            properties[field] = properties[field] | ({"description": meaning} if meaning else {})
    for definition in definitions.values():
        if "v" in definition.get("properties", {}):
            definition["properties"]["v"] = {"const": VERSION}
    ways = {way: {"anyOf": [_ref(names[kind.__name__]) for kind in kinds]} for way, kinds in WAYS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"surtitle protocol, version {VERSION}",
        "description": "The JSON messages of PROTOCOL.md. Written by scripts/schema; readers ignore types and fields "
        "that they do not know. A publisher's audio goes in binary messages, which no schema describes.",
        "anyOf": [_ref(name) for name in ways],
        "$defs": ways | definitions,
    }


def meanings_of(page: str) -> dict[str, dict[str, str]]:
    """Return what PROTOCOL.md says of each field, by message type: the table under a paragraph that begins with it."""
    sections = re.findall(r"^`(\w+)`: (.*?)(?=^`\w+`: |^#|\Z)", page, re.M | re.S)
    return {
        name: {
            field: meaning.strip()
            for fields, meaning in re.findall(r"^\| (`[^|]*) \|(.*)\|$", section, re.M)
            for field in re.findall(r"`(\w+)`", fields)
        }
        for name, section in sections
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _renamed(part: Any, names: dict[str, str]) -> Any:
    """Return a part of a schema with its references by message type, and its patterns as JavaScript has them."""
    match part:
        case {"$ref": str(ref)}:
            return _ref(names[ref.rpartition("/")[2]])
        case dict():
            return {key: _renamed(value, names) for key, value in part.items()}
        case list():
            return [_renamed(value, names) for value in part]
        case str():
            return part.replace(r"\Z", "$")
        case _:
            return part


def written(page: str) -> str:
    """Return the file's text."""
    return json.dumps(schema(page), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(written((ROOT / "PROTOCOL.md").read_text(encoding="utf-8")), encoding="utf-8")
