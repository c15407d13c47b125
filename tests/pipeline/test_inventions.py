"""`surtitle.pipeline.inventions`: what was really invented is left out, and what was really said is left in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.events import Word
from surtitle.pipeline.inventions import heard, loops, recites, repeats, said_once, unlikely


def said(text: str, seconds: float = 0.3, start: float = 0.0) -> list[Word]:
    """Words at a steady pace."""
    return [Word(each, start + i * seconds, start + (i + 1) * seconds, 0.9) for i, each in enumerate(text.split())]


def text_of(words: list[Word]) -> str:
    return " ".join(word.text for word in words)


@pytest.mark.parametrize(
    ("guess", "kept"),
    [
        # whisper-base of a telephone's busy tone, and of noise behind speech
        ("Beep, beep, beep, beep, beep, beep, beep, beep, beep, beep, beep, beep", "Beep,"),
        ("we will see that we will see that we will see that we will see that", "we will see that"),
        ("so I'm not sure. I'm not sure. I'm not sure. I'm not sure. I'm", "so I'm not sure."),
    ],
)
def test_what_goes_round_and_round_is_said_once(guess: str, kept: str) -> None:
    assert text_of(heard(said(guess))) == kept


@pytest.mark.parametrize(
    ("after", "more", "is_new"),
    [
        # whisper-base, made to go on behind a slide's title that was read, and behind a sentence
        ("What is simultaneous speech translation?", "What is simultaneous speech translation?", False),
        ("What is simultaneous speech translation?", "what is simultaneous", False),
        ("collected from Reuters News from 2020.", "And then annotated them with", True),
        ("we found that we had to", "we had two hypotheses", True),
        ("", "We", True),
    ],
)
def test_what_a_model_is_made_to_say_is_new_or_what_it_said_before(after: str, more: str, is_new: bool) -> None:
    assert recites(said(more), said(after)) == (not is_new)


@pytest.mark.parametrize(
    "text",
    [
        "No, no, no, no, no.",
        "never, never, never give up",
        "we shall fight on the beaches we shall fight on the landing grounds we shall fight in the fields",
        "Again! Again! Again!",
        "one two three four five six seven",
    ],
)
def test_what_people_repeat_stays(text: str) -> None:
    assert text_of(heard(said(text))) == text


ROUND = [*["we", "will", "see", "that"] * 4, "we", "will"]


@given(st.integers(1, len(ROUND) - 1))
def test_a_loop_may_have_begun_in_what_is_committed(known: int) -> None:
    words = said(" ".join(["and", "so", *ROUND]))
    assert loops(words[known:], words[:known]) == (known >= 6)  # the first round is no repetition


@pytest.mark.parametrize(
    ("committed", "guess"),
    [
        ("and so we will see that we will see that", "we will see that we will see that if we wait"),
        ("no no no no no", "no that is not what I said"),
        ("no no no", "no no"),
        ("thank you thank you thank you", ""),
        ("", "beep beep beep beep beep beep"),
    ],
)
def test_who_says_something_else_behind_it_repeats_and_does_not_loop(committed: str, guess: str) -> None:
    assert not loops(said(guess), said(committed))


def test_what_is_said_once_more_in_no_time_is_cut_and_what_was_said_before_stays() -> None:
    again = [Word(each, 0.0, 0.0, 0.9) for each in ["And", "so", "my", "fellow"]]
    said_once = said("fellow Americans.", 0.4, start=-0.8)
    assert text_of(heard([*said_once, *again, Word("Americans.", 0.0, 0.14, 0.97)])) == "fellow Americans."
    assert text_of(heard([*said_once, *again[:3]])) == "fellow Americans. And so my", "a few may come at once"


def at_once(text: str, at: float) -> list[Word]:
    """Words without time."""
    return [Word(each, at, at, 0.97) for each in text.split()]


@pytest.mark.parametrize("known", range(3))
@pytest.mark.parametrize(
    "again",
    [
        # whisper-base behind "Ask not", in two of three alignments; and once more
        at_once("Ask not.", 1.24),
        [Word("Ask", 1.24, 1.96, 0.83), Word("not.", 1.96, 1.96, 0.97)],
        at_once("ask not. Ask not.", 1.22),
    ],
)
def test_what_is_said_again_where_nobody_speaks_any_more_was_said_once(again: list[Word], known: int) -> None:
    guess = said("Ask not.", 0.62)
    assert said_once([*guess[known:], *again], guess[:known], until=1.26) == guess[known:]


@pytest.mark.parametrize(("spaced", "least"), [(True, 5 * 0.5 / 6), (False, 5 * 0.5 / 12)])
def test_several_words_said_again_in_less_than_they_take_were_said_once(least: float, *, spaced: bool) -> None:
    def again(seconds: float) -> list[Word]:  # whisper-base had it in 0.28 s, where speech seemed to go on until 2.22
        return [*at_once("And so my fellow", 1.76), Word("Americans.", 1.76, 1.76 + seconds, 0.96)]

    guess = said("And so my fellow Americans.", 0.35)
    in_no_time, in_time = [*guess, *again(least - 0.01)], [*guess, *again(least + 0.01)]
    assert said_once(in_no_time, [], until=2.22, spaced=spaced) == guess
    assert said_once(in_time, [], until=2.22, spaced=spaced) == in_time


@pytest.mark.parametrize("text", ["No. No.", "never, never", "Ask not. Ask not.", "we know what we know what we are"])
def test_what_is_said_again_while_somebody_speaks_stays(text: str) -> None:
    guess = said(text, 0.2)
    assert said_once(guess, [], until=guess[-1].end - 0.05) == guess
    assert said_once(guess, [], until=guess[-1].end + 2.0) == guess


def test_other_words_behind_the_end_of_speech_stay_for_where_it_ended_is_guessed_too() -> None:
    guess = [*said("ask what you can do", 0.2), *at_once("for your country.", 1.0)]
    assert said_once(guess, [], until=1.0) == guess


def test_a_piece_of_a_word_may_be_one_twice() -> None:
    guess = [*said("そ れ は も", 0.2), *at_once("も", 0.8)]
    assert said_once(guess, [], until=0.85, spaced=False) == guess
    assert said_once([*guess, *at_once("も も", 0.8)], [], until=0.85, spaced=False) == guess


def test_words_that_take_no_time_were_not_said() -> None:
    # whisper-base of air conditioning: it is surer of this (0.40) than of much that is said
    rushed = [Word(each, 0.0, 0.02, 0.4) for each in ["but", "I'm", "not", "sure", "if", "I'm", "right", "or", "wrong"]]
    assert heard([*said("I'm not", 0.6, start=-1.2), *rushed]) == []
    assert text_of(heard([*said("and that is why", 0.6, start=-2.4), *rushed])) == "and that is why"


def test_a_few_short_words_may_come_at_once() -> None:
    words = [Word(each, 1.0, 1.02, 0.9) for each in ["if", "it", "is", "a"]]
    assert heard([*words, *said("word then it is said", start=1.02)])[: len(words)] == words


def test_pieces_of_words_are_said_faster_than_words() -> None:
    quick = said("ゆ っ く り 話 し て く だ さ い ね", 0.08)
    assert heard(quick, spaced=False) == quick
    assert heard(quick) == []
    rushed = said("ゆ っ く り 話 し て く だ さ い ね", 0.03)
    assert heard(rushed, spaced=False) == []


PHRASE = "ご 視聴 あり が とう ご ざ い ま し た"


def test_a_loop_may_go_round_twice_as_many_pieces_of_words() -> None:
    guess = said(" ".join([PHRASE] * 5), 0.1)
    assert text_of(heard(guess, spaced=False)) == PHRASE
    assert heard(guess) == guess
    assert loops(guess[33:], guess[:33], spaced=False)
    assert not loops(guess[33:], guess[:33])


def timed(text: str) -> list[Word]:
    """Words, each with its seconds: `one 0.5 two 0`."""
    words, now = [], 0.0
    for word, seconds in zip(text.split()[::2], map(float, text.split()[1::2]), strict=True):
        words.append(Word(word, now, now + seconds, 0.9))
        now += seconds
    return words


def test_a_loop_is_not_heard_once_where_its_first_round_is_doubted() -> None:
    # whisper-base of music: each round makes the next surer
    rounds = [(0.11, 0.07, 0.1), (0.45, 0.39, 0.55), (0.9, 0.9, 0.82), (0.99, 0.99, 0.95), (0.99, 1.0, 0.99)]
    texts = ["I'm", "not", "sure"]
    guess = [
        Word(texts[i], n + i / 3, n + (i + 1) / 3, sure) for n, each in enumerate(rounds) for i, sure in enumerate(each)
    ]
    assert heard(guess) == []
    assert text_of(heard(said("I'm not sure " * 5))) == "I'm not sure"


def test_words_that_take_time_behind_some_that_take_none_were_said() -> None:
    # whisper-base behind "esto parece", which it wrote twice: at each look it was these words, and none was believed
    late = "tener 0 sentido 0 ya 0.1 que 0.1 en 0.08 la 0.08 tierra 0.3 no 0.32 se 0.16 percibe 0.48 su 0.12 movi 0.4"
    later = late.replace("0.1 ", "0 ", 2)
    assert (heard(timed(late)), heard(timed(later))) == (timed(late), timed(later))
    assert heard(timed("tener 0 sentido 0 ya 0 que 0 en 0.1 la 0.08")) == []


@pytest.mark.parametrize(
    ("guess", "is_written_twice"),
    [
        # whisper-base, with three seconds of silence behind each
        ("esto 0.5 parece 0.26 tener 0.2 sentido 0 esto 0 parece 0 tener 0.14 sentido 0.42", True),
        ("Carpaneo 0.78 participó 0.42 Carpaneo 0 participó 0.38", True),
        ("for 0.26 you. 0.2 For 0 you. 0.04", True),
        ("no, 0.3 no, 0.3 no, 0.2", False),
        ("that 0.2 that 0.02 is 0.1", True),
        ("one 0.3 a 0 two 0.2 a 0", False),
        ("", False),
    ],
)
def test_words_that_stand_twice_in_a_row_and_take_no_time_were_written_twice(
    guess: str, is_written_twice: bool
) -> None:
    assert repeats(timed(guess)) == is_written_twice
    assert not repeats(timed("も 0.1 も 0 が 0.1"), spaced=False)  # a piece of a word may be one twice


@pytest.mark.parametrize(
    ("sureness", "is_not_believed"),
    [  # "Thank you very much." and "Thank you." of music; a first word that was misheard; and one that is sure
        ((0.03, 0.95, 0.15, 1.0), True),
        ((0.01, 0.94), True),
        ((0.07, 0.88, 0.98), False),
        ((0.31,), False),
        ((0.29,), True),
        ((), False),
    ],
)
def test_a_phrase_of_which_the_first_word_is_unlikely_is_unlikely(
    sureness: tuple[float, ...], is_not_believed: bool
) -> None:
    assert unlikely([Word("so", 0.3 * i, 0.3 * i + 0.3, each) for i, each in enumerate(sureness)]) == is_not_believed


@given(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=30), st.floats(0.09, 1.0))
def test_what_is_left_is_how_the_guess_begins(texts: list[str], seconds: float) -> None:
    guess = said(" ".join(texts), seconds)
    kept = heard(guess)
    assert kept == guess[: len(kept)]
    assert bool(kept) == bool(guess)
