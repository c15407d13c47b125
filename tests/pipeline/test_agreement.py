"""`surtitle.pipeline.agreement`: what is committed, and that it stays, by either policy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.agreement import CommitPolicy, LocalAgreement
from surtitle.pipeline.alignment import Alignment
from surtitle.pipeline.events import Word

TEXTS = st.lists(st.sampled_from(["we", "We", "we,", "will", "meet", "meat", "again.", "again", "."]), max_size=8)

NOW = 0.0
"""The audio has just begun: nothing ended long before."""


def words(text: str) -> list[Word]:
    """A word a second."""
    return [Word(word, i, i + 0.9, 0.8) for i, word in enumerate(text.split())]


def text_of(found: list[Word] | tuple[Word, ...]) -> str:
    return " ".join(word.text for word in found)


@pytest.mark.parametrize("policy", [LocalAgreement, Alignment])
@given(guesses=st.lists(st.tuples(TEXTS, st.floats(0, 12)), max_size=8))
def test_what_is_committed_and_what_is_pending_are_together_the_guess(
    policy: type[LocalAgreement | Alignment], guesses: list[tuple[list[str], float]]
) -> None:
    commits: CommitPolicy = policy()
    for guess, end in guesses:
        heard = words(" ".join(guess))
        assert [*commits.push(heard, end), *commits.pending] == heard


@pytest.mark.parametrize("policy", [LocalAgreement, Alignment])
@given(truth=TEXTS, lengths=st.lists(st.integers(0, 8), max_size=10))
def test_guesses_that_grow_are_committed_in_order_once_each(
    policy: type[LocalAgreement | Alignment], truth: list[str], lengths: list[int]
) -> None:
    commits: CommitPolicy = policy()
    spoken, committed = words(" ".join(truth)), list[Word]()
    for length in sorted(lengths):
        before = list(committed)
        committed += commits.push(spoken[len(committed) : max(length, len(committed))], float(length))
        assert committed[: len(before)] == before
        assert committed == spoken[: len(committed)]
    committed += commits.flush()
    assert committed == spoken[: min(max([0, *lengths]), len(spoken))]
    assert commits.pending == ()
    assert commits.flush() == []


def test_a_first_guess_commits_nothing() -> None:
    agreement = LocalAgreement()
    assert agreement.push(words("we will meet"), NOW) == []
    assert text_of(agreement.pending) == "we will meet"


def test_what_two_guesses_begin_with_is_committed() -> None:
    agreement = LocalAgreement()
    agreement.push(words("we will meat a"), NOW)
    assert text_of(agreement.push(words("we will meet again"), NOW)) == "we will"
    assert text_of(agreement.pending) == "meet again"


def test_case_and_punctuation_follow_the_newer_guess() -> None:
    agreement = LocalAgreement()
    agreement.push(words("Well we will"), NOW)
    assert text_of(agreement.push(words("Well, We will meet"), NOW)) == "Well, We will"


def test_the_last_word_must_be_written_the_same() -> None:
    agreement = LocalAgreement()
    agreement.push(words("we will meet again"), NOW)
    assert text_of(agreement.push(words("we will meet again."), NOW)) == "we will meet"
    assert text_of(agreement.push(words("again."), NOW)) == "again."


def test_different_marks_do_not_agree() -> None:
    agreement = LocalAgreement()
    agreement.push(words("? so"), NOW)
    assert agreement.push(words("! so it is"), NOW) == []


def test_what_lies_far_enough_back_is_settled_without_a_second_vote() -> None:
    agreement = LocalAgreement(settle=2.0)
    assert text_of(agreement.push(words("we will meet again"), 4.0)) == "we will"
    assert text_of(agreement.pending) == "meet again"


def test_a_flush_commits_the_last_guess_and_leaves_nothing() -> None:
    agreement = LocalAgreement()
    agreement.push(words("we will"), NOW)
    assert text_of(agreement.flush()) == "we will"
    assert agreement.flush() == []
    assert agreement.pending == ()


@pytest.mark.parametrize("policy", [LocalAgreement, Alignment])
def test_nothing_is_committed_of_a_guess_that_is_held_though_another_said_the_same(
    policy: type[LocalAgreement | Alignment],
) -> None:
    commits: CommitPolicy = policy()
    for _ in range(2):
        commits.hold(words("we will meat"))
        assert text_of(commits.pending) == "we will meat"
    assert text_of(commits.push(words("we will meet again"), 9.0)) == "we will meet again"
