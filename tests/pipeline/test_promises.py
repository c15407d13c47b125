"""`surtitle.pipeline.promises`: what drafts lead to and what they promise, with a token a byte."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.answers import Answer
from surtitle.pipeline.guards import Fault
from surtitle.pipeline.promises import DRAFT_BIAS, Promises, Shown

HEARD, MORE = "the train", "the train arrives"
AT, ABOUT = "der Zug kommt um neun", "der Zug kommt ungefähr um neun"


def text_of(tokens: Sequence[int]) -> str:
    return bytes(tokens).decode(errors="replace")


def answer(text: str, *, fault: Fault | None = None, is_whole: bool = True) -> Answer:
    return Answer(list(text.encode()), text, fault, 0, is_whole)


def drafted(*drafts: tuple[str, Answer], binds: bool = True, spaced: bool = True, shown: bool = True) -> Promises:
    """After such answers to drafts of such texts."""
    promises = Promises(text_of, spaced=spaced, shown=shown)
    for text, each in drafts:
        promises.note(text, each, binds=binds)
    return promises


def test_two_drafts_that_agree_promise_whole_words() -> None:
    assert drafted((HEARD, answer(AT))).tokens == []
    assert text_of(drafted((HEARD, answer(AT)), (MORE, answer(ABOUT))).tokens) == "der Zug kommt"


def test_in_a_language_without_spaces_they_promise_whole_characters() -> None:
    comes, not_yet = answer("列車は来る"), answer("列車は未だ")  # the fourth ones begin with the same byte
    assert text_of(drafted((HEARD, comes), (MORE, not_yet), spaced=False).tokens) == "列車は"


def test_and_no_half_of_a_latin_word_a_number_or_a_syllable() -> None:
    for one, other, agreed in [
        ("我们用OpenSource", "我们用OpenAI", "我们用"),
        ("增长10%", "增长100%", "增长"),
        ("增长3%", "增长3.5%", "增长"),
        ("约1,234人", "约1,234.5公斤", "约"),
        ("在10点", "在10:30", "在"),
        ("有10,", "有10,和20", "有10,"),
        ("ดื่มนม", "ดื่มน้ำ", "ดื่ม"),
        ("私はキャスパaldiです", "私はキャスパrです", "私は"),
    ]:
        assert text_of(drafted((HEARD, answer(one)), (MORE, answer(other)), spaced=False).tokens) == agreed


def test_and_none_of_a_number_that_is_written_with_a_space_in_it() -> None:
    """As the 1.5B writes them."""
    assert text_of(
        drafted((HEARD, answer("es sind 10. 000 Leute")), (MORE, answer("es sind 10. 500 Leute"))).tokens
    ) == ("es sind")
    thousands = ((HEARD, answer("es sind 1 847 Leute")), (MORE, answer("es sind 1 600 Leute")))
    assert text_of(drafted(*thousands).tokens) == "es sind"
    two = ((HEARD, answer("es war 1989. Er kam")), (MORE, answer("es war 1989. Sie kam")))
    assert text_of(drafted(*two).tokens) == "es war 1989."


def test_drafts_of_something_else_agree_on_nothing() -> None:
    assert drafted((HEARD, answer(AT)), ("no", answer(AT))).tokens == []


def test_a_guess_promises_nothing() -> None:
    assert drafted((HEARD, answer(AT)), (HEARD, answer(AT)), binds=False).tokens == []


def test_where_no_drafts_are_shown_nothing_is_promised_and_nothing_leans() -> None:
    promises = drafted((HEARD, answer(AT)), (HEARD, answer(AT)), shown=False)
    assert promises.tokens == []
    assert text_of(promises.guess) == AT
    assert promises.bias(HEARD) == 0


def test_what_misleads_leads_nothing() -> None:
    promises = drafted((HEARD, answer(HEARD, fault="echo")), (HEARD, answer(HEARD, fault="echo")))
    assert (promises.tokens, list(promises.guess)) == ([], [])


def test_what_comes_leans_towards_the_draft_of_how_it_began() -> None:
    promises = drafted((HEARD, answer(AT)))
    assert (promises.bias(MORE), promises.bias("no")) == (DRAFT_BIAS, 0)


def test_what_was_cut_short_is_a_guess_if_it_is_longer_and_promises_nothing() -> None:
    promises = drafted((HEARD, answer("der Zug kommt")), (HEARD, answer("der Zug", is_whole=False)))
    assert text_of(promises.guess) == "der Zug kommt"
    promises.note(MORE, answer(AT, fault="echo", is_whole=False), binds=True)
    assert text_of(promises.guess) == "der Zug kommt"
    promises.note(MORE, answer(AT, is_whole=False), binds=True)
    assert text_of(promises.guess) == AT
    assert promises.tokens == []


SAID = st.tuples(st.text("ab ", max_size=8), st.text("ab ", max_size=8), st.booleans(), st.booleans(), st.booleans())


@given(st.lists(SAID, max_size=12))
def test_a_promise_never_shrinks(said: list[tuple[str, str, bool, bool, bool]]) -> None:
    promises = drafted()
    for text, rest, fails, is_whole, binds in said:
        before = text_of(promises.tokens)
        promises.note(text, answer(before + rest, fault="echo" if fails else None, is_whole=is_whole), binds=binds)
        assert text_of(promises.tokens).startswith(before)


def test_what_was_promised_is_shown_as_it_was_though_it_would_be_written_otherwise_by_now() -> None:
    shown = Shown("It cost 3.499 Euro", "It cost 3.499 Euro")
    assert shown.begins("It cost 3.499 Euro and 3.499 Cent", lambda text: text.replace(".", ",")) == (
        "It cost 3.499 Euro and 3,499 Cent"
    )
    assert shown.begins("They cost 3.499", lambda text: text.replace(".", ",")) == "They cost 3,499"


def test_nothing_is_left_of_a_turn_that_is_over() -> None:
    promises = drafted((HEARD, answer(AT)), (HEARD, answer(AT)))
    promises.drop()
    assert (promises.tokens, list(promises.guess), promises.draft.is_whole) == ([], [], False)
