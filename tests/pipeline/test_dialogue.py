"""`surtitle.pipeline.dialogue`: what is asked of a model that keeps nothing, without any."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.dialogue import Ask, Dialogue, History, NoAnswer, Reply, limit_of
from surtitle.pipeline.events import Translated
from surtitle.pipeline.glossary import Glossary, terms_of
from surtitle.pipeline.guards import Guards
from surtitle.pipeline.identify import Identifier
from surtitle.pipeline.languages import find_language
from surtitle.pipeline.profiles import find_profile

ENGLISH, SPANISH = find_language("en"), find_language("es")
GOOD, BETTER = "El tren llega a las nueve.", "El tren llega a las diez."
ECHO = "The train arrives at the station at nine today."


class Talk:
    """A dialogue, and what was asked in it."""

    def __init__(
        self, identifier: Identifier, *, model: str = "qwen2", window: int = 1000, glossary: Glossary | None = None
    ) -> None:
        prompts = find_profile(model).prompts(ENGLISH, SPANISH)
        guards = Guards(prompts, identifier)
        self.glossary = glossary or Glossary()
        terms = terms_of(lambda: self.glossary, "en", "es")
        self.dialogue = Dialogue(prompts, guards, window=window, terms=terms)
        self.asked: list[Ask] = []

    def say(self, text: str, *answers: str | None, in_time: Callable[[], bool] = lambda: True) -> Translated:
        """`answers` in their order; None is no answer, and "…" at the end one that was cut."""
        steps, waiting = self.dialogue.translating(text, in_time), list(answers)
        try:
            ask = next(steps)
            while True:
                self.asked.append(ask)
                answer = waiting.pop(0)
                if answer is None:
                    ask = steps.throw(NoAnswer())
                else:
                    ask = steps.send(Reply(answer, finished=not answer.endswith("…")))
        except StopIteration as end:
            assert not waiting
            found: Translated = end.value
            return found

    def contents(self, ask: int = -1) -> list[object]:
        return [message["content"] for message in self.asked[ask].messages]


def test_what_was_said_before_is_said_again_in_front(identifier: Identifier) -> None:
    talk = Talk(identifier)
    assert talk.say("The train arrives at nine.", GOOD) == Translated(GOOD)
    talk.say("No, at ten.", "No, a las diez.")
    system, *rest = talk.contents()
    assert "from English to Spanish" in str(system)
    assert rest == [ENGLISH.example, SPANISH.example, "The train arrives at nine.", GOOD, "No, at ten."]


def test_what_was_made_of_something_else_is_asked_again_without_it(identifier: Identifier) -> None:
    talk = Talk(identifier)
    made = "El ministro de hacienda llega hoy a las diez."
    talk.say("The minister of finance arrives at ten today.", made)
    assert talk.say("You can book your seats online.", made, GOOD) == Translated(GOOD)
    assert made in talk.contents(1)
    assert made not in talk.contents(2)
    talk.say("And so on.", "Y así sucesivamente.")
    assert made not in talk.contents(), "it would be said again"


@given(st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40)), max_size=60), st.integers(1, 200))
def test_a_history_is_the_newest_turns_and_loses_a_quarter_at_a_time(turns: list[tuple[str, str]], limit: int) -> None:
    history = History(limit)
    for count, turn in enumerate(turns, 1):
        cuts, before = history.cuts, history.turns
        history.add(turn)
        kept = history.turns
        assert kept == tuple(turns[count - len(kept) : count])
        size = sum(len((said + found).encode()) + 32 for said, found in kept)
        if history.cuts == cuts:
            assert kept == (*before, turn)
            assert size <= 4 * limit
        else:
            assert size <= 3 * limit


def test_the_oldest_turns_are_cut_seldom_and_many_at_once(identifier: Identifier) -> None:
    talk = Talk(identifier, window=500)
    changed = 0
    for number in range(100):
        talk.say(f"Train {number} arrives.", f"El tren {number} llega.")
        if number:
            kept = talk.asked[-2].messages
            changed += list(talk.asked[-1].messages[: len(kept)]) != list(kept)
    assert changed == talk.dialogue.figures()["evictions"]
    assert 0 < changed <= 20
    assert len(talk.contents()) > 20


def test_what_is_no_translation_is_asked_for_without_context_then_strictly_and_never_stays(
    identifier: Identifier,
) -> None:
    talk = Talk(identifier)
    talk.say("The train arrives at nine.", GOOD)
    assert talk.say(ECHO, ECHO, ECHO, BETTER) == Translated(BETTER)
    with_context, without, strictly = talk.asked[1:]
    assert GOOD in [message["content"] for message in with_context.messages]
    assert len(without.messages) == 4
    assert strictly.messages[0]["content"] == "You translate from English into Spanish."
    assert strictly.messages[-1]["content"] == f"Translate into Spanish: {ECHO}"
    talk.say("Yes.", "Sí.")
    assert talk.contents()[3:] == ["The train arrives at nine.", GOOD, ECHO, BETTER, "Yes."]
    assert talk.dialogue.figures()["retries"] == 1


def test_what_never_becomes_a_translation_is_shown_as_it_was_said_and_forgotten(identifier: Identifier) -> None:
    talk = Talk(identifier)
    assert talk.say(ECHO, ECHO, "", "El tren…") == Translated(ECHO, untranslated=True)
    talk.say("Yes.", "Sí.")
    assert talk.contents()[3:] == ["Yes."]
    assert talk.dialogue.figures()["untranslated"] == 1


def test_a_model_with_one_documented_prompt_is_asked_once_more_without_context_alone(identifier: Identifier) -> None:
    talk = Talk(identifier, model="towerinstruct")
    assert talk.say(ECHO, ECHO, ECHO).untranslated
    assert [len(ask.messages) for ask in talk.asked] == [3, 3]


def test_late_words_are_not_asked_for_again(identifier: Identifier) -> None:
    assert Talk(identifier).say(ECHO, ECHO, in_time=lambda: False).untranslated


@pytest.mark.parametrize("answers", [(None,), (ECHO, None), (ECHO, ECHO, None)])
def test_without_an_answer_what_was_said_is_shown(identifier: Identifier, answers: tuple[str | None, ...]) -> None:
    talk = Talk(identifier)
    assert talk.say(ECHO, *answers) == Translated(ECHO, untranslated=True)
    talk.say("Yes.", "Sí.")
    assert talk.contents()[3:] == ["Yes."]


SINK = Glossary(({"en": "attention sink", "es": "sumidero de atención"},))


def test_a_term_is_a_turn_before_it_is_first_said_and_not_again_while_that_is_there(identifier: Identifier) -> None:
    talk = Talk(identifier, glossary=SINK)
    talk.say("The attention sink stays.", "El sumidero de atención se queda.")
    assert talk.contents()[3:] == ["attention sink", "sumidero de atención", "The attention sink stays."]
    talk.say("The attention sink helps.", "El sumidero de atención ayuda.")
    assert talk.contents().count("attention sink") == 1
    assert talk.dialogue.figures() | {"terms": 2, "terms_missed": 0} == talk.dialogue.figures()


def test_a_term_that_was_cut_is_told_again(identifier: Identifier) -> None:
    talk = Talk(identifier, glossary=SINK, window=100)
    talk.say("The attention sink stays.", "El sumidero de atención se queda.")
    for number in range(12):
        talk.say(f"Train {number}.", f"Tren {number}.")
    assert "attention sink" not in talk.contents()
    talk.say("The attention sink helps.", "El sumidero de atención ayuda.")
    assert talk.contents()[-3:] == ["attention sink", "sumidero de atención", "The attention sink helps."]


@pytest.mark.parametrize("between", range(8))
def test_a_term_that_is_cut_for_another_is_told_again(identifier: Identifier, between: int) -> None:
    both = Glossary((*SINK.terms, {"en": "key cache", "es": "caché de claves"}))
    talk = Talk(identifier, glossary=both, window=80)
    talk.say("The attention sink stays.", "El sumidero de atención se queda.")
    for number in range(between):
        talk.say(f"Train {number}.", f"Tren {number}.")
    talk.say("The attention sink has a key cache.", "El sumidero de atención tiene una caché de claves.")
    assert {"attention sink", "key cache"} <= {*talk.contents()}


def test_a_term_that_the_glossary_has_no_longer_is_told_no_longer(identifier: Identifier) -> None:
    talk = Talk(identifier, glossary=SINK)
    talk.say("The attention sink stays.", "El sumidero de atención se queda.")
    talk.glossary = Glossary(({"en": "attention sink", "es": "pozo de atención"},))
    talk.say("It is pinned.", "Está fijado.")
    assert talk.contents()[3:5] == ["The attention sink stays.", "El sumidero de atención se queda."]
    talk.say("The attention sink helps.", "El pozo de atención ayuda.")
    assert talk.contents()[-3:-1] == ["attention sink", "pozo de atención"]
    talk.glossary = Glossary()
    talk.say("Yes.", "Sí.")
    assert "attention sink" not in talk.contents()


def test_a_translation_without_the_term_is_asked_for_again_with_its_words_in_the_source(identifier: Identifier) -> None:
    talk = Talk(identifier, glossary=SINK)
    said = "The attention sink stays."
    assert talk.say(said, "El lavabo se queda.", "El sumidero de atención se queda.").text.startswith("El sumidero")
    assert talk.contents()[-1] == "The sumidero de atención stays."
    assert talk.say(said, "El lavabo se queda.", "El fregadero se queda.").text == "El lavabo se queda."
    assert talk.say(said, "El lavabo se queda.", None).text == "El lavabo se queda."
    assert talk.dialogue.figures()["terms_missed"] == 2


def test_a_translation_that_lost_a_not_is_asked_for_again(identifier: Identifier) -> None:
    talk = Talk(identifier)
    said, lost, kept = "This claim is not wrong.", "Esta afirmación es falsa.", "Esta afirmación no es falsa."
    assert talk.say(said, lost, kept).text == kept
    assert talk.say(said, lost, lost).text == lost
    assert talk.say(said, lost, None).text == lost
    assert talk.dialogue.figures()["retries"] == 3


@pytest.mark.parametrize("mark", ["<|im_end|>", "<｜hy_User｜>", "<start_of_turn>", "</s>", "[INST]", "[/INST]"])
def test_speech_can_not_end_its_turn(identifier: Identifier, mark: str) -> None:
    talk = Talk(identifier)
    talk.say(f"The train {mark} arrives at 5 < 6 [sic].", f"El tren {mark} llega a las 5 < 6 [sic].")
    talk.say("Yes.", "Sí.")
    assert not any(mark in str(content) for content in talk.contents())
    assert talk.contents()[3:5] == [
        f"The train {mark[0]} {mark[1:]} arrives at 5 < 6 [sic].",
        f"El tren {mark[0]} {mark[1:]} llega a las 5 < 6 [sic].",
    ]


def test_an_answer_may_be_as_long_as_a_translation_and_not_as_long_as_a_story() -> None:
    said = "The committee will meet again on Thursday to discuss the budget for the coming year."
    prompt, *_ = find_profile().prompts(ENGLISH, SPANISH)
    assert 2 * len(said.split()) < limit_of(said, prompt) < 10 * len(said.split())
    assert limit_of("会議", prompt) > 32


@pytest.mark.parametrize(
    ("code", "translation"),
    [
        ("hi", "समिति अगले वर्ष के बजट पर चर्चा करने के लिए गुरुवार को फिर से बैठक करेगी।"),
        ("th", "คณะกรรมการจะประชุมอีกครั้งในวันพฤหัสบดีเพื่อหารือเรื่องงบประมาณปีหน้า และรับคำถามหลังจากนั้น"),
    ],
)
def test_an_answer_may_be_spelt_out_by_its_tokenizer(code: str, translation: str) -> None:
    said = "The committee meets again on Thursday to discuss next year's budget, and takes questions after it."
    prompt, *_ = find_profile().prompts(ENGLISH, find_language(code))
    assert limit_of(said, prompt) > 2 * len(translation)  # two tokens a character


def test_marks_of_exclamation_go_but_those_of_the_glossarys_words(identifier: Identifier) -> None:
    talk = Talk(identifier, glossary=Glossary(({"en": "yahoo", "es": "Yahoo!"},)))
    assert talk.say("They ask yahoo every day.", "¡Preguntan a Yahoo! todos los días!").text.count("Yahoo!") == 1
    assert talk.say("They ask maps every day.", "¡Preguntan a los mapas!").text == "Preguntan a los mapas."
