"""`surtitle.pipeline.alignment`: what was heard whole is committed at once. What it has in common with the other policy
is in `test_agreement.py`."""

from __future__ import annotations

from surtitle.pipeline.alignment import Alignment
from surtitle.pipeline.events import Word


def words(text: str, start: float = 0.0) -> list[Word]:
    """A word a second, from `start` on."""
    return [Word(word, start + i, start + i + 0.9, 0.8) for i, word in enumerate(text.split())]


def pushed(alignment: Alignment, guess: list[Word], end: float) -> str:
    """What is committed of `guess`, in audio up to `end`."""
    return " ".join(word.text for word in alignment.push(guess, end))


def test_alignment_commits_at_once_what_was_heard_whole() -> None:
    alignment = Alignment(margin=1.0)
    assert pushed(alignment, words("we will meet again"), 4.0) == "we will meet"
    assert pushed(alignment, words("again some day", start=3.0), 4.5) == ""
    assert [word.text for word in alignment.pending] == ["again", "some", "day"]


def test_the_last_word_of_a_guess_may_go_on_and_is_committed_when_another_follows() -> None:
    alignment = Alignment(margin=0.7)
    assert pushed(alignment, words("we will meat"), 4.0) == "we will"
    assert pushed(alignment, words("meeting again", start=2.0), 5.0) == "meeting"


def test_the_last_word_of_a_guess_is_committed_when_nothing_was_heard_after_it_for_long() -> None:
    alignment = Alignment(margin=0.7)
    assert pushed(alignment, words("we"), 2.5) == ""
    assert pushed(alignment, words("we"), 3.0) == "we"
