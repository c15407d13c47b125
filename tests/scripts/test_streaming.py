"""`scripts/streaming.py`: which prompts a file holds."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from streaming import prompts_of


@pytest.mark.parametrize(
    ("name", "content", "prompts"),
    [
        ("a.txt", 'Hello.\n\n{"prompt": "no JSON"}\n', ["Hello.", '{"prompt": "no JSON"}']),
        (
            "a.jsonl",
            '{"prompt": ["One?", "And two?"], "category": "math"}\n\n{"prompt": "Three?"}\n',
            ["One?", "And two?", "Three?"],
        ),
        ("a.jsonl", '{"question_id": 81, "turns": ["One?", "And two?"]}\n', ["One?", "And two?"]),
    ],
)
def test_a_line_is_a_prompt_or_the_json_of_a_conversation(
    name: str, content: str, prompts: list[str], tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    assert prompts_of(tmp_path / name) == prompts


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("Hello.\n")
    with pytest.raises(msgspec.DecodeError):
        prompts_of(tmp_path / "a.jsonl")
