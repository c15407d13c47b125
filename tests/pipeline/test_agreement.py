"""`surtitle.pipeline.agreement`: what is committed, and that it stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.agreement import LocalAgreement
from surtitle.pipeline.events import Word

TEXTS = st.lists(st.sampled_from(["we", "We", "we,", "will", "meet", "meat", "again.", "again", "."]), max_size=8)


def words(text: str, start: float = 0.0) -> list[Word]:
    """A word a second."""
    return [Word(word, start + i, start + i + 0.9, 0.8) for i, word in enumerate(text.split())]


def text_of(found: list[Word] | tuple[Word, ...]) -> str:
    return " ".join(word.text for word in found)


@given(st.lists(TEXTS, max_size=8))
def test_what_is_committed_and_what_is_pending_are_together_the_guess(guesses: list[list[str]]) -> None:
    agreement = LocalAgreement()
    for guess in guesses:
        heard = words(" ".join(guess))
        assert [*agreement.push(heard), *agreement.pending] == heard


@given(TEXTS, st.lists(st.integers(0, 8), max_size=10))
def test_guesses_that_grow_are_committed_in_order_once_each(truth: list[str], lengths: list[int]) -> None:
    agreement = LocalAgreement()
    spoken, committed = words(" ".join(truth)), list[Word]()
    for length in sorted(lengths):
        before = list(committed)
        committed += agreement.push(spoken[len(committed) : max(length, len(committed))])
        assert committed[: len(before)] == before
        assert committed == spoken[: len(committed)]
    committed += agreement.flush()
    assert committed == spoken[: min(max([0, *lengths]), len(spoken))]


def test_a_first_guess_commits_nothing() -> None:
    agreement = LocalAgreement()
    assert agreement.push(words("we will meet")) == []
    assert text_of(agreement.pending) == "we will meet"


def test_what_two_guesses_begin_with_is_committed() -> None:
    agreement = LocalAgreement()
    agreement.push(words("we will meat a"))
    assert text_of(agreement.push(words("we will meet again"))) == "we will"
    assert text_of(agreement.pending) == "meet again"


def test_case_and_punctuation_follow_the_newer_guess() -> None:
    agreement = LocalAgreement()
    agreement.push(words("Well we will"))
    assert text_of(agreement.push(words("Well, We will meet"))) == "Well, We will"


def test_the_last_word_must_be_written_the_same() -> None:
    agreement = LocalAgreement()
    agreement.push(words("we will meet again"))
    assert text_of(agreement.push(words("we will meet again."))) == "we will meet"
    assert text_of(agreement.push(words("again."))) == "again."


def test_different_marks_do_not_agree() -> None:
    agreement = LocalAgreement()
    agreement.push(words("? so"))
    assert agreement.push(words("! so it is")) == []


def test_what_lies_far_enough_back_is_settled_without_a_second_vote() -> None:
    agreement = LocalAgreement()
    agreement.push(words("we will meet again"))
    assert text_of(agreement.settle(before=2.0)) == "we will"
    assert text_of(agreement.pending) == "meet again"
    assert agreement.settle(before=2.0) == []


def test_a_flush_commits_the_last_guess_and_leaves_nothing() -> None:
    agreement = LocalAgreement()
    agreement.push(words("we will"))
    assert text_of(agreement.flush()) == "we will"
    assert agreement.flush() == []
    assert agreement.pending == ()
