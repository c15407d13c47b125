"""Stories and chats as a user starts them, on the smallest real model."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_running import surtitle

pytestmark = pytest.mark.weights
GENERATE = ("generate", "--model", "smollm2-135m")


def test_a_story_outgrows_its_window_and_goes_on_from_a_saved_cache(tmp_path: Path) -> None:
    cache, log = str(tmp_path / "cache"), tmp_path / "logs" / "story.txt"
    begun = surtitle(
        *(*GENERATE, "--prompt", "The lighthouse keeper opened the door and", "--max-new-tokens", "400"),
        *("--window", "256", "--temperature", "0.7", "--save", cache, "--log", str(log)),
    )
    assert begun.returncode == 0, begun.stderr
    assert len(begun.stdout.split()) > 150
    assert log.read_text(encoding="utf-8") == begun.stdout
    more = surtitle(*GENERATE, "--resume", cache, "--max-new-tokens", "40", "--window", "256")
    assert more.returncode == 0, more.stderr
    assert len(more.stdout.split()) > 15


def test_a_list_of_prompts_is_answered_in_one_conversation(tmp_path: Path) -> None:
    def answers(*prompts: str) -> list[str]:
        file = tmp_path / "prompts.txt"
        file.write_text("\n\n".join(prompts), encoding="utf-8")
        done = surtitle(*GENERATE, "--prompts", str(file), "--max-new-tokens", "40")
        assert done.returncode == 0, done.stderr
        shown = done.stdout.split("> ")[1:]
        assert [each.partition("\n\n")[0] for each in shown] == list(prompts)
        return [each.partition("\n\n")[2].strip() for each in shown]

    first, second = answers("Tell me about the sea.", "And what lives in it?")
    assert first
    assert second
    assert answers("And what lives in it?") != [second]  # what was said before made a difference


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 2, "expected --prompt TEXT"),
        (("--prompt", "a", "--window", "20"), 2, "a window of 20 tokens with 4 sinks"),
        (("--prompts", "nowhere.txt"), 1, "can't read nowhere.txt"),
        (("--resume", "nowhere"), 1, "can't read nowhere"),
        (("--resume", __file__), 1, "expected a file that --save wrote"),
        (("--prompt", "a", "--temperature", "hot"), 2, "expected a number from 0 to 100"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(arguments: tuple[str, ...], status: int, words: str) -> None:
    done = surtitle(*GENERATE, *arguments)
    assert done.returncode == status
    assert words in done.stderr
    assert "Traceback" not in done.stderr
