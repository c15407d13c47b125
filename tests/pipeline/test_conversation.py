"""`surtitle.pipeline.conversation` and its context: what it holds, in pauses, and from one day to the next."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import accumulate, chain
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_translator import ENGLISH, SMALLEST, SPANISH, TERMS, Spanish, numbered, write_model

from surtitle.pipeline.aside import PromptTokens
from surtitle.pipeline.engine import Engine
from surtitle.pipeline.events import Translated
from surtitle.pipeline.glossary import Glossary
from surtitle.pipeline.identify import Identifier
from surtitle.pipeline.languages import find_language
from surtitle.pipeline.memory import CAPACITY
from surtitle.pipeline.translator import Translator
from surtitle.sinks.lockstep import alone

WINDOW = SMALLEST + TERMS
LONG = "x" * 60
TURN = ("they walk", "they run")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, identifier: Identifier) -> Engine:
    """Of two layers: keys and values of the second see what was before them."""
    folder = write_model(tmp_path_factory.mktemp("tiny"), ending=3.0, layers=2, seed=6)
    return Engine(folder, threads=1, identifier=identifier)


def never() -> bool:
    return False


def after(forwards: int) -> Iterator[bool]:
    """False so many times."""
    return chain((False for _ in range(forwards)), iter(lambda: True, False))


def assert_in_step(stream: Spanish) -> None:
    """The ledger has the turns that the cache has."""
    cache, turns = stream.conversation._stream.cache, stream.conversation.turns
    ended = cache.turn_ends[-1] if cache.turn_ends else cache.pinned
    assert [token for turn in turns for token in turn.ids] == cache.ids[0, cache.pinned : ended].tolist()
    assert list(accumulate((turn.tokens for turn in turns), initial=cache.pinned))[1:] == list(cache.turn_ends)


def filled(engine: Engine, turns: int = 12, **settings: int) -> Spanish:
    """A conversation that lost its oldest turns."""
    stream = Spanish(engine, WINDOW, **settings)
    for number in range(turns):
        stream.translator.join(numbered(number), {"es": f"{number} {LONG}"})
    return stream


def held_by(stream: Spanish) -> list[torch.Tensor]:
    return [tensor.clone() for layer in stream.conversation._stream.cache.layers for tensor in layer.held()]


# --- the ledger ---


@pytest.mark.slow
@settings(max_examples=6)
@given(st.lists(st.sampled_from(["translate", "join", "draft", "rest"]), min_size=8, max_size=30))
def test_the_ledger_has_the_turns_of_the_cache_whatever_happens(engine: Engine, deeds: list[str]) -> None:
    stream = filled(engine, 9)
    for number, deed in enumerate(deeds):
        match deed:
            case "translate":
                stream.translate(numbered(number))
            case "join":
                stream.translator.join(f"{number} {LONG}", {"es": LONG})
            case "draft":
                stream.draft(numbered(number))
            case _:
                stream.translator.rest(never)
        assert_in_step(stream)


@pytest.mark.parametrize("beams", [1, 2])
def test_marks_alone_are_the_same_in_every_language_and_nobody_is_asked(engine: Engine, beams: int) -> None:
    stream = Spanish(engine, beams=beams)
    stream.translate("they walk")
    held = stream.conversation.cache_tokens, stream.translator.tokens_written
    assert [stream.translate(text) for text in ("* * *", "♪", "…")] == ["* * *", "♪", "…"]
    assert (stream.conversation.cache_tokens, stream.translator.tokens_written) == held
    assert_in_step(stream)


def test_a_line_of_marks_may_be_longer_than_a_segment(engine: Engine) -> None:
    line = 400 * "═"
    assert Spanish(engine).translate(line) == line


def test_the_ledger_tells_what_was_said_and_what_it_became(engine: Engine) -> None:
    stream = Spanish(engine)
    made_again = set()
    for number in range(30):
        before = stream.conversation.counts.retries, stream.conversation.counts.untranslated
        text = stream.translate(numbered(number))
        if stream.conversation.counts.untranslated == before[1]:
            turn = stream.conversation.turns[-1]
            assert (turn.source, turn.translation) == (numbered(number), text)  # as it is shown, not as it was first
            made_again.add(stream.conversation.counts.retries > before[0])
    assert made_again == {True, False}


@pytest.mark.parametrize("beams", [1, 3])
def test_marks_of_exclamation_are_those_of_who_speaks(tmp_path: Path, identifier: Identifier, beams: int) -> None:
    engine = Engine(write_model(tmp_path, ending=3.0, layers=2, seed=6), threads=1, identifier=identifier)
    marks = "aeiou "  # which a random model sets as others set marks
    engine.exclaiming = torch.tensor(engine.tokenizer.having(marks))
    stream = Spanish(engine, promises=True, beams=beams)
    calm, loud = list[str](), list[str]()
    for number in range(12):
        for said, texts in ((numbered(number), calm), (f"{numbered(number)}!", loud)):
            before = stream.conversation.counts.untranslated
            texts.append(stream.draft(said).text)
            text = stream.translate(said)
            if stream.conversation.counts.untranslated == before:
                texts.append(text)
    assert not {*marks} & {*"".join(calm)}
    assert {*marks} & {*"".join(loud)}


def test_a_term_of_the_glossary_keeps_its_mark_of_exclamation(engine: Engine) -> None:
    glossary = Glossary(({"en": "yahoo", "es": "Yahoo!"},))
    conversation = Spanish(engine, WINDOW, glossary=glossary).conversation
    assert conversation._never("they use yahoo") is None
    assert conversation._never("they use maps") is not None


# --- several beginnings ---


def test_with_beams_too_the_context_holds_what_is_shown_and_stays_in_its_window(engine: Engine) -> None:
    stream = Spanish(engine, WINDOW, beams=3)
    shown = set()
    for number in range(40):
        before, counts = stream.conversation.counts.untranslated, []
        text = stream.translate(numbered(number), wrote=counts.append)
        assert_in_step(stream)
        assert stream.conversation.cache_tokens <= WINDOW
        if stream.conversation.counts.untranslated == before:
            turn = stream.conversation.turns[-1]
            assert (turn.source, turn.translation) == (numbered(number), text)
            assert counts
            shown.add(text)
    assert len(shown) > 1
    assert stream.conversation.evictions > 0


def test_the_search_is_for_those_who_have_time(engine: Engine) -> None:
    late, plain, weighed = Spanish(engine, beams=3), Spanish(engine), Spanish(engine, beams=3)
    texts = [numbered(number) for number in range(12)]
    in_a_hurry = [late.translate(text, in_time=never) for text in texts]
    assert in_a_hurry == [plain.translate(text, in_time=never) for text in texts]
    assert in_a_hurry != [weighed.translate(text) for text in texts]


def test_a_conversation_with_beams_is_saved_and_goes_on_as_if_it_had_not_been(engine: Engine) -> None:
    whole, first, second = (Spanish(engine, WINDOW, beams=3) for _ in range(3))
    texts = [numbered(number) for number in range(12)]
    expected = [whole.translate(text) for text in texts]
    before = [first.translate(text) for text in texts[:6]]
    second.translator.restore(first.translator.state())
    assert before + [second.translate(text) for text in texts[6:]] == expected


# --- rests ---


def test_after_a_rest_the_context_is_as_if_what_was_evicted_had_never_been(engine: Engine) -> None:
    stream = filled(engine)
    fresh = Spanish(engine, WINDOW)
    assert stream.conversation.evictions > 0
    before = held_by(stream)
    stream.translator.rest(never)
    for turn in stream.conversation.turns:
        fresh.translator.join(turn.source, {"es": turn.translation})
    assert stream.conversation.counts.rebuilds == 1
    moved = 0
    for mine, other, was in zip(held_by(stream), held_by(fresh), before, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4)
        moved += not torch.allclose(mine, was, atol=1e-2, rtol=1e-2)
    assert moved == 2  # keys and values of the second layer: those of the first see no other token
    assert stream.translate("abc") == fresh.translate("abc")


def test_a_context_that_lost_nothing_is_left_as_it_is(engine: Engine) -> None:
    stream = Spanish(engine)
    stream.translator.join(*one("abc", "def"))
    stream.translator.rest(never)
    assert stream.conversation.counts.rebuilds == 0
    stream = filled(engine)
    for _ in range(3):
        stream.translator.rest(never)
    assert stream.conversation.counts.rebuilds == 1


def one(text: str, translation: str) -> tuple[str, dict[str, str]]:
    return text, {"es": translation}


def test_a_rest_that_is_cut_short_changes_nothing_and_the_next_goes_on_with_it(engine: Engine) -> None:
    stream, other = filled(engine), filled(engine)
    before = held_by(stream)
    for _ in range(2):
        stream.translator.rest(partial(next, after(5)))
        assert all(torch.equal(a, b) for a, b in zip(held_by(stream), before, strict=True))
    while not stream.conversation.counts.rebuilds:
        stream.translator.rest(partial(next, after(5)))
    other.translator.rest(never)
    assert all(torch.equal(a, b) for a, b in zip(held_by(stream), held_by(other), strict=True))


def test_a_draft_that_is_open_in_a_rest_goes_on(engine: Engine) -> None:
    resting, other = filled(engine), filled(engine)
    other.translator.rest(never)
    resting.draft("abc")
    resting.translator.rest(never)
    assert resting.conversation.counts.rebuilds == 1
    for each in (resting, other):
        each.draft("abc d")
    assert resting.translate("abc def") == other.translate("abc def")


def test_a_corrected_turn_is_in_the_context_after_the_next_rest(engine: Engine) -> None:
    stream = filled(engine, 3)
    turn = stream.conversation.turns[1]
    before = stream.conversation._stream.cache.ids[0].tolist()
    stream.conversation.correct(turn, "better")
    assert stream.conversation._stream.cache.ids[0].tolist() == before
    stream.translator.rest(never)
    assert stream.conversation._stream.cache.ids[0].tolist() != before
    assert [each.translation for each in stream.conversation.turns] == [f"0 {LONG}", "better", f"2 {LONG}"]
    assert (stream.conversation.counts.rebuilds, stream.conversation.counts.corrected) == (1, 1)
    assert_in_step(stream)
    with pytest.raises(ValueError, match="not in list"):
        stream.conversation.correct(turn, "again")


def test_a_turn_that_is_said_again_of_something_else_is_gone_after_the_next_rest(engine: Engine) -> None:
    stream, made = filled(engine, 1), "a sentence that the model goes on writing"
    stream.translator.join("whatever", {"es": made})
    stream.conversation._leave_out("and so on", made)
    stream.translator.rest(never)
    assert [each.translation for each in stream.conversation.turns] == [f"0 {LONG}"]
    assert_in_step(stream)


def test_corrections_that_are_too_long_push_out_the_oldest_turns(engine: Engine) -> None:
    stream = filled(engine)
    held = len(stream.conversation.turns)
    stream.conversation.correct(stream.conversation.turns[-1], "x" * 560)
    stream.translator.rest(never)
    assert_in_step(stream)
    assert 0 < len(stream.conversation.turns) < held
    assert stream.conversation.turns[-1].translation == "x" * 560
    assert stream.conversation.cache_tokens <= WINDOW


def lacking(engine: Engine, letter: str) -> Spanish:
    """Two turns that lack a term which the glossary has by now, and which has `letter`."""
    stream = filled(engine, 2)
    for turn in stream.conversation.turns:
        stream.conversation.correct(turn, "-")
    stream.glossary = Glossary(({"en": "number", "es": letter},))
    return stream


@pytest.fixture(scope="module")
def letter(engine: Engine) -> str:
    """A tiny random model writes a word with some letter only now and then: which one, is tried."""
    for letter in "abcdefghijklmnopqrstuvwxyz":
        stream = lacking(engine, letter)
        stream.translator.rest(never)
        if any(turn.translation != "-" for turn in stream.conversation.turns):
            return letter
    raise AssertionError("no turn was made again: the tiny model's seed must change")


def test_turns_that_lack_a_new_term_are_made_again_in_a_rest(engine: Engine, letter: str) -> None:
    stream = lacking(engine, letter)
    before = stream.conversation.counts.corrected
    stream.translator.rest(never)
    made = [turn for turn in stream.conversation.turns if turn.translation != "-"]
    assert stream.conversation.counts.corrected == before + len(made) > before
    assert all(any(w.startswith(letter) for w in turn.translation.split()) for turn in made)


@pytest.mark.parametrize("forwards", [1, 2, 5, 9])
def test_a_turn_that_was_being_made_again_when_a_rest_was_cut_short_is_made_in_the_next(
    engine: Engine, letter: str, forwards: int
) -> None:
    whole, cut = lacking(engine, letter), lacking(engine, letter)
    whole.translator.rest(never)
    cut.translator.rest(partial(next, after(forwards)))
    cut.translator.rest(never)
    made = [[turn.translation for turn in stream.conversation.turns] for stream in (whole, cut)]
    assert made[0] == made[1]


def test_rests_that_are_paused_wherever_that_may_be_come_to_an_end_and_to_the_same(engine: Engine, letter: str) -> None:
    whole, paused = lacking(engine, letter), lacking(engine, letter)
    whole.translator.rest(never)
    rests, is_paused = 0, True
    while is_paused:
        is_paused, rests = False, rests + 1

        def pause() -> bool:
            nonlocal is_paused
            is_paused = True
            return True

        paused.translator.rest(never, pause)
        assert rests < 100
    assert rests > 2
    for mine, other in zip(held_by(paused), held_by(whole), strict=True):
        torch.testing.assert_close(mine, other)
    assert paused.conversation.turns == whole.conversation.turns


def test_a_term_that_the_glossary_has_no_longer_is_left_out(engine: Engine) -> None:
    stream = Spanish(engine, WINDOW, glossary=Glossary(({"en": "Kessler", "es": "señor K"},)))
    stream.draft("Kessler")
    assert [turn.term for turn in stream.conversation.turns] == [True]
    stream.glossary = Glossary()
    stream.translator.rest(never)
    assert stream.conversation.turns == ()
    assert_in_step(stream)


# --- names ---


def recalled(stream: Spanish, text: str) -> list[str]:
    """What is read before `text`."""
    before = stream.conversation.counts.recalled_tokens
    stream.draft(text)
    told = [turn.translation for turn in stream.conversation.turns if turn.term]
    assert bool(told) == (stream.conversation.counts.recalled_tokens > before)
    return told


def test_a_name_is_recalled_only_when_its_turn_has_left_the_window(engine: Engine) -> None:
    stream = Spanish(engine, WINDOW)
    stream.translator.join(*one("then Marenko left", "luego Marenko se fue"))
    assert recalled(stream, "we saw Marenko") == []
    for number in range(12):
        stream.translator.join(numbered(number), {"es": LONG})
    assert recalled(stream, "we saw nobody") == []
    assert recalled(stream, "we saw Marenko") == ["Marenko"]


def test_a_name_is_told_also_where_its_turn_leaves_the_window_for_the_one_that_mentions_it(engine: Engine) -> None:
    for turns in range(12):
        stream = Spanish(engine, WINDOW)
        stream.translator.join(*one("then Marenko left", "luego Marenko se fue"))
        for number in range(turns):
            stream.translator.join(numbered(number), {"es": LONG})
        stream.draft("we saw Marenko")
        assert any("Marenko" in turn.source for turn in stream.conversation.turns), turns


def test_conversations_between_the_same_languages_share_those_who_know_no_context(engine: Engine) -> None:
    one, other = (engine.profile.prompts(find_language("en"), find_language(code))[0] for code in ("es", "de"))
    tokens = PromptTokens(engine.tokenizer, one)
    aside = engine.aside(tokens)
    assert engine.aside(PromptTokens(engine.tokenizer, one)) is aside
    assert engine.aside(PromptTokens(engine.tokenizer, other)) is not aside
    held = weakref.ref(aside)
    del aside
    gc.collect()
    assert held() is None, "nobody wants it any more"


def test_the_glossary_has_the_last_word_on_a_name(engine: Engine) -> None:
    stream = Spanish(engine, WINDOW)
    stream.translator.join(*one("then Marenko left", "luego Marenko se fue"))
    stream.glossary = Glossary(({"en": "Marenko", "es": "señor M"},))
    for number in range(12):
        stream.translator.join(numbered(number), {"es": LONG})
    assert recalled(stream, "we saw Marenko") == ["señor M"]


def test_without_names_nothing_is_recalled(engine: Engine) -> None:
    stream = Spanish(engine, WINDOW, names=0)
    stream.translator.join(*one("then Marenko left", "luego Marenko se fue"))
    for number in range(12):
        stream.translator.join(numbered(number), {"es": LONG})
    assert recalled(stream, "we saw Marenko") == []


# --- from one day to the next ---


def advance(translator: Translator, number: int, *, drafts: bool) -> dict[str, Translated]:
    """One segment, between two that were translated elsewhere, and now and then a pause."""
    text = f"{numbered(number)} of Marenko" if number % 4 == 0 else numbered(number)
    translator.join(text.upper(), dict.fromkeys(("es", "de"), LONG))
    if drafts:
        dict(translator.draft(text[:8], never))
    translated = dict(translator.translate(text))
    if number % 5 == 4:
        translator.rest(never)
    return translated


@pytest.mark.slow
@settings(max_examples=3)
@given(st.integers(0, 11), st.booleans())
def test_a_run_that_is_cut_anywhere_says_what_one_does_that_is_not(engine: Engine, cut: int, drafts: bool) -> None:
    whole, resumed = (
        Translator(engine, ENGLISH, [SPANISH, find_language("de")], window=SMALLEST + 20) for _ in range(2)
    )
    for number in range(cut):
        advance(whole, number, drafts=drafts)
    resumed.restore(whole.state())
    before = whole.figures()
    for number in range(cut, 12):
        assert advance(whole, number, drafts=drafts) == advance(resumed, number, drafts=drafts)
    figures = whole.figures()
    assert figures["evictions"] > 0
    assert figures["rebuilds"] > 0
    assert {**resumed.figures(), "cache_tokens_max": figures["cache_tokens_max"]} == since(before, figures)


def since(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """What happened between, and what is held."""
    held = ("names", "cache_tokens", "cache_tokens_max")
    return {name: figure if name in held else figure - before[name] for name, figure in now.items()}


@pytest.mark.slow
@pytest.mark.timeout(900)  # three minutes, and twice that where the host is busy
def test_ten_thousand_segments_take_no_more_room_than_a_hundred(engine: Engine) -> None:
    whole = resumed = Spanish(engine, SMALLEST)
    rooms, before = set(), dict[str, int]()
    for number in range(10_000):
        if number == 5_000:
            resumed = Spanish(engine, SMALLEST)
            resumed.translator.restore(whole.translator.state())
            before = whole.translator.figures()
        text = f"{numbered(number)} of {['Marenko', 'Vandovia', 'Kessler'][number % 3]}{number % 50}"
        shown = {each.translate(text) for each in {id(each): each for each in (whole, resumed)}.values()}
        assert len(shown) == 1  # as it is without the cut
        if number % 40 == 39:
            for each in {id(each): each for each in (whole, resumed)}.values():
                each.translator.rest(never)
        if number % 100 == 99:
            cache = whole.conversation._stream.cache
            turns = len(whole.conversation.turns)
            rooms.add((cache.nbytes(), turns < 60, whole.conversation.names <= CAPACITY))
            assert_in_step(whole)
    assert len(rooms) == 1
    figures = whole.translator.figures()
    assert figures["evictions"] > 500
    assert figures["rebuilds"] > 200
    assert resumed.translator.figures() == since(before, figures)


def test_a_context_that_is_read_again_in_part_is_finished_before_another_is_begun(engine: Engine) -> None:
    translator = Translator(engine, ENGLISH, [SPANISH, find_language("de")], window=SMALLEST + 20)
    spanish, german = translator.conversations
    for number in range(12):
        advance(translator, number, drafts=False)
    alone(engine.model, german.resting(never, lambda: True))
    assert (spanish.is_reread, german.is_reread) == (False, True)
    translator.rest(lambda: spanish.is_reread)
    assert (spanish.is_reread, german.is_reread) == (True, False)


def test_however_often_a_rest_is_paused_one_context_is_read_again_at_a_time(engine: Engine) -> None:
    translator = Translator(engine, ENGLISH, [SPANISH, find_language("de")], window=WINDOW)
    for number in range(12):
        translator.join(numbered(number), dict.fromkeys(("es", "de"), f"{number} {LONG}"))
    assert all(each.evictions for each in translator.conversations)
    pauses = 0
    while sum(each.counts.rebuilds for each in translator.conversations) < 2:
        translator.rest(never, lambda: True)
        assert sum(each.is_reread for each in translator.conversations) <= 1
        pauses += 1
    assert pauses > 2


def test_what_is_of_other_languages_or_another_prompt_is_refused(engine: Engine) -> None:
    spanish, german = (Translator(engine, ENGLISH, [find_language(code)], window=WINDOW) for code in ("es", "de"))
    assert not german.restore(spanish.state())
    with pytest.raises(ValueError, match="it was saved with another prompt"):
        german.restore({"en-de": spanish.state()["en-es"]})
    roomy = filled(engine)
    with pytest.raises(ValueError, match="expected no more than fit"):
        Translator(engine, ENGLISH, [SPANISH], window=SMALLEST).restore(roomy.translator.state())
