"""`surtitle.pipeline.interpreter`: who translates what, with translators that shout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Drafted, Translated
from surtitle.pipeline.interpreter import FAILURES, SPOKEN, Interpreter
from surtitle.pipeline.memory import Memorised
from surtitle.pipeline.state import Counts, SavedConversation, SavedConversations, Talk

NOTHING = dict.fromkeys(("retries", "untranslated", "terms", "terms_missed", "evictions"), 0)
"""Figures of whatever translates, or does not."""


class Shouts:
    """Says from which language it translates."""

    def __init__(self, source: str, targets: tuple[str, ...], told: Made) -> None:
        self._source = source
        self._told = told
        self._targets = targets
        self._segments = 0

    def translate(
        self, text: str, *, in_time: Callable[[], bool], wrote: Callable[[str, int], None]
    ) -> Iterator[tuple[str, Translated]]:
        self._segments += 1
        for target in self._targets:
            if text == "endless" and target == self._targets[-1]:
                raise UserError("a segment of 999 tokens, expected at most 280")
            self._compute(text, target)
            wrote(target, 1)
            yield target, Translated(f"{self._source} {text.upper()}")

    def draft(self, text: str, stop: Callable[[], bool], *, binds: bool) -> Iterator[tuple[str, Drafted]]:
        for target in self._targets:
            self._compute(text, target)
            drafted = f"{self._source} {text.upper()}"
            yield target, Drafted(drafted, len(drafted) * binds)

    def abandon(self) -> None:
        self._told.abandoned.append(self._source)

    def _compute(self, text: str, target: str) -> None:
        if text == "large" and target == self._targets[-1]:
            raise RuntimeError("CUDA out of memory.\n20 MiB were wanted")

    def retarget(self, targets: Sequence[str]) -> None:
        if self._told.fails:
            raise RuntimeError("CUDA out of memory")
        if self._told.is_full:
            raise UserError("64 conversations are there")
        self._targets = tuple(targets)

    def rest(self, stop: Callable[[], bool], pause: Callable[[], bool]) -> None:
        if self._told.fails:
            raise RuntimeError("CUDA out of memory")
        self._told.rested.append(self._source)
        pause()

    def state(self) -> SavedConversations:
        if self._told.fails:
            raise RuntimeError("CUDA out of memory")
        return {f"{self._source}-{target}": KEPT for target in self._targets}

    def restore(self, state: SavedConversations) -> bool:
        self._told.restored.append(state)
        return any(pair.partition("-")[2] in self._targets for pair in state)

    def figures(self) -> dict[str, int]:
        return {"segments": self._segments, "tokens_max": 10 * self._segments}


class Made:
    """An interpreter, and the translators that it had made."""

    def __init__(
        self, sources: tuple[str, ...], targets: tuple[str, ...], state: SavedConversations | None = None
    ) -> None:
        self.made: list[str] = []
        self.rested: list[str] = []
        self.abandoned: list[str] = []
        self.restored: list[SavedConversations] = []
        self.is_full = False
        self.may_make = True
        self.fails = False
        self.heard: list[str] = []

        def make(source: str, targets: tuple[str, ...]) -> Shouts:
            if not self.may_make:
                raise UserError("no more languages can be translated at once")
            self.made.append(source)
            return Shouts(source, targets, self)

        self.interpreter = Interpreter(make, sources, targets, state=state, tell=self.heard.append)

    def translate(self, text: str, spoken: str) -> dict[str, str]:
        written = dict.fromkeys(self.interpreter._targets, 0)

        def wrote(language: str, count: int) -> None:
            written[language] += count

        found = self.interpreter.translate(text, spoken, in_time=lambda: True, wrote=wrote)
        return {language: translated.text + " (as said)" * translated.untranslated for language, translated in found}

    def draft(self, text: str, spoken: str) -> list[str]:
        """In which languages there is one."""
        return [target for target, _ in self.interpreter.draft(text, spoken, lambda: False, binds=True)]


def test_what_is_said_in_one_of_the_languages_is_translated_into_the_others() -> None:
    made = Made(("en", "es"), ("en", "es", "de"))
    assert made.translate("good", "en") == {"es": "en GOOD", "de": "en GOOD"}
    assert made.translate("bien", "es") == {"en": "es BIEN", "de": "es BIEN"}


def test_what_is_given_up_is_marked_and_counted_and_what_was_promised_of_it_stays() -> None:
    made = Made(("en",), ("es", "de", "en"))
    made.draft("so", "en")
    given_up = [list(made.interpreter.give_up(text, "en")) for text in ("so far", "so good")]
    promised = Translated("en SO …", untranslated=True)
    said = Translated("so good", untranslated=True)
    assert given_up == [[("es", promised), ("de", promised)], [("es", said), ("de", said)]]
    assert made.interpreter.figures()["untranslated"] == 4
    assert made.abandoned == ["en", "en"]
    assert len(made.heard) == 1
    assert "does not keep up" in made.heard[0]
    assert made.translate("good", "en") == {"es": "en GOOD", "de": "en GOOD"}


def test_a_language_that_nobody_speaks_has_no_translator() -> None:
    made = Made(("en", "es"), ("de",))
    made.translate("good", "en")
    assert made.made == ["en"]
    made.translate("bien", "es")
    made.translate("bien", "es")
    assert made.made == ["en", "es"]


def test_nothing_is_translated_where_only_the_language_spoken_is_wanted() -> None:
    made = Made(("en", "es"), ("en",))
    assert made.translate("good", "en") == {}
    assert list(made.interpreter.draft("good", "en", lambda: False, binds=True)) == []
    assert made.translate("bien", "es") == {"en": "es BIEN"}


def test_other_languages_are_wanted_of_every_language_that_is_spoken() -> None:
    made = Made(("en", "es"), ("en", "es"))
    made.translate("bien", "es")
    made.interpreter.retarget(("de", "en"))
    assert made.translate("good", "en") == {"de": "en GOOD"}
    assert made.translate("bien", "es") == {"de": "es BIEN", "en": "es BIEN"}
    assert made.made == ["en", "es"]  # they know what was said


def test_a_language_that_is_spoken_alone_needs_no_translator_until_another_is_wanted() -> None:
    made = Made(("en", "es"), ("es",))
    made.translate("good", "en")
    made.interpreter.retarget(("en",))
    assert made.translate("good", "en") == {}
    made.interpreter.retarget(("de",))
    assert made.translate("good", "en") == {"de": "en GOOD"}
    assert made.interpreter.figures() == NOTHING | {"segments": 2, "tokens_max": 10}


def test_where_there_is_no_room_for_one_more_the_others_go_on_and_it_is_marked() -> None:
    made = Made(("en",), ("es", "fr"))
    made.is_full = True
    made.interpreter.retarget(("es", "de"))
    assert made.translate("good", "en") == {"es": "en GOOD", "de": "good (as said)"}
    assert [target for target, _ in made.interpreter.draft("good", "en", lambda: False, binds=True)] == ["es"]
    assert made.interpreter.figures()["untranslated"] == 1
    made.is_full = False
    made.interpreter.retarget(("es", "de", "it"))
    assert made.translate("good", "en") == {"es": "en GOOD", "de": "en GOOD", "it": "en GOOD"}
    assert made.made == ["en"]


def test_what_cannot_be_translated_is_marked_and_the_rest_goes_on() -> None:
    made = Made(("en", "es"), ("de", "fr"))
    assert made.translate("endless", "en") == {"de": "en ENDLESS", "fr": "endless (as said)"}
    made.may_make = False
    assert made.translate("bien", "es") == {"de": "bien (as said)", "fr": "bien (as said)"}
    assert list(made.interpreter.draft("bien", "es", lambda: False, binds=True)) == []
    made.may_make = True
    assert made.translate("bien", "es") == {"de": "es BIEN", "fr": "es BIEN"}


def test_why_something_is_not_translated_is_told_once_for_each_cause() -> None:
    made = Made(("en", "es"), ("de", "fr"))
    made.may_make = False
    for _ in range(3):
        made.translate("bien", "es")
        made.translate("endless", "en")
    made.is_full = True
    for _ in range(2):
        made.interpreter.retarget(("de", "it"))
    assert made.heard == [
        "Spanish is shown untranslated: no more languages can be translated at once",
        "English is shown untranslated: a segment of 999 tokens, expected at most 280",
        "English can't be translated into all the languages asked for: 64 conversations are there",
    ]


NO_MEMORY = (
    "the translator from English failed, and starts again without its context: CUDA out of memory. 20 MiB were wanted"
)


def test_a_model_that_fails_once_costs_a_translation_and_not_the_session() -> None:
    made = Made(("en",), ("de", "fr"))
    assert made.translate("good", "en") == {"de": "en GOOD", "fr": "en GOOD"}
    assert made.translate("large", "en") == {"de": "en LARGE", "fr": "large (as said)"}
    assert made.translate("good", "en") == {"de": "en GOOD", "fr": "en GOOD"}
    assert made.made == ["en", "en"]
    assert made.heard == [NO_MEMORY]
    assert made.interpreter.figures() == NOTHING | {"segments": 3, "tokens_max": 20, "untranslated": 1}


def test_a_model_that_fails_again_and_again_ends_the_session() -> None:
    made = Made(("en",), ("de",))
    for _ in range(2):
        for _ in range(FAILURES - 1):
            assert made.translate("large", "en") == {"de": "large (as said)"}
        assert made.translate("good", "en") == {"de": "en GOOD"}
    for _ in range(FAILURES - 1):
        made.translate("large", "en")
    with pytest.raises(RuntimeError, match="out of memory"):
        made.translate("large", "en")
    assert made.heard == [NO_MEMORY]


def test_a_model_that_fails_at_drafts_is_begun_anew_and_ends_nothing() -> None:
    made = Made(("en",), ("de", "fr"))
    for _ in range(FAILURES):
        assert made.draft("large", "en") == ["de"]
    assert made.translate("large again", "en") == {"de": "en LARGE AGAIN", "fr": "en LARGE AGAIN"}
    assert made.made == ["en"] * (FAILURES + 1)
    assert made.heard == [NO_MEMORY]


def test_a_model_that_fails_between_segments_is_begun_anew() -> None:
    made = Made(("en",), ("de", "fr"))
    made.fails = True
    made.interpreter.rest(lambda: False, lambda: False)
    assert made.translate("good", "en") == {"de": "en GOOD", "fr": "en GOOD"}
    made.interpreter.retarget(("it",))
    assert made.translate("good", "en") == {"it": "en GOOD"}
    assert made.made == ["en"] * 3


def test_a_mistake_of_ours_is_no_model_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def mistake(*arguments: object) -> None:
        raise KeyError("a name that is not there")

    made = Made(("en",), ("de",))
    monkeypatch.setattr(Shouts, "_compute", mistake)
    with pytest.raises(KeyError):
        made.translate("good", "en")


def test_what_viewers_have_read_stands_where_the_model_fails() -> None:
    made = Made(("en",), ("de", "fr"))
    made.draft("it is", "en")
    assert made.draft("large", "en") == []
    assert made.draft("it was", "en") == []  # by another one, which says otherwise
    assert made.draft("it is la", "en") == ["de", "fr"]
    assert made.translate("large", "en") == {"de": "en IT IS LA … (as said)", "fr": "en IT IS LA … (as said)"}
    assert made.translate("good", "en") == {"de": "en GOOD", "fr": "en GOOD"}
    made.draft("it is", "en")
    made.fails = True
    made.interpreter.retarget(("de",))
    assert made.draft("it was", "en") == []


def test_what_can_not_be_copied_for_lack_of_room_is_said_and_ends_nothing() -> None:
    made = Made(("en",), ("de",))
    made.fails = True
    with pytest.raises(UserError, match="can't be saved"):
        made.interpreter.state()


def test_contexts_of_the_languages_that_were_spoken_last_are_kept() -> None:
    spoken = tuple("abcdefgh")
    made = Made(spoken, ("de",))
    for language in "abcdefa":
        made.translate("x", language)
    assert made.made == list(spoken[:SPOKEN])
    for language in "gab":  # for g, b goes: that was heard longest ago
        made.translate("x", language)
    assert made.made == [*spoken[:SPOKEN], "g", "b"]
    assert made.interpreter.figures() == NOTHING | {"segments": 10, "tokens_max": 30}


def test_figures_are_those_of_all_translators() -> None:
    made = Made(("en", "es"), ("de",))
    for spoken in ("en", "es", "es"):
        made.translate("x", spoken)
    assert made.interpreter.figures() == NOTHING | {"segments": 3, "tokens_max": 20}


def test_figures_are_there_where_nothing_was_to_be_translated() -> None:
    assert Made(("es", "en"), ("es",)).interpreter.figures() == NOTHING


KEPT = SavedConversation(Talk("", (), Memorised(), Counts(), 0), {})


def test_what_each_direction_knows_is_kept_and_taken_up_by_another() -> None:
    made = Made(("en", "es"), ("en", "es"))
    made.translate("bien", "es")
    state = made.interpreter.state()
    assert state == {"en-es": KEPT, "es-en": KEPT}
    again = Made(("en", "es"), ("en", "es"), state)
    assert again.made == ["en", "es"]
    assert again.restored == [{"en-es": KEPT}, {"es-en": KEPT}]


def test_who_translates_nothing_leaves_what_was_kept_alone() -> None:
    made = Made(("en",), ("en",), {"en-es": KEPT})
    assert made.made == made.restored == []
    assert made.interpreter.state() == {}


def test_what_was_said_in_another_language_is_refused() -> None:
    for pair in ("fr-de", "en-it"):
        with pytest.raises(ValueError, match=f"it holds {pair}, expected translations from en, es into de"):
            Made(("en", "es"), ("de",), {pair: KEPT})


def test_of_what_is_kept_all_that_is_still_wanted_is_taken_up() -> None:
    again = Made(("en",), ("es", "de"), {"en-es": KEPT, "en-it": KEPT, "es-en": KEPT})
    assert again.restored == [{"en-es": KEPT, "en-it": KEPT}]


def test_a_rest_that_was_cut_short_is_finished_before_another_begins() -> None:
    made = Made(("en", "es"), ("de",))
    made.translate("bien", "es")
    asked = iter([False, True])
    made.interpreter.rest(lambda: next(asked), lambda: False)
    made.translate("good", "en")  # which is the newest now
    made.interpreter.rest(lambda: False, lambda: False)
    assert made.rested == ["en", "en", "es"]


def test_a_rest_that_is_paused_is_finished_before_another_begins() -> None:
    made = Made(("en", "es"), ("de",))
    made.translate("bien", "es")
    made.interpreter.rest(lambda: False, lambda: True)
    assert made.rested == ["en"]
    made.translate("good", "en")  # which is the newest now
    made.interpreter.rest(lambda: False, lambda: False)
    assert made.rested == ["en", "en", "es"]


def test_who_is_needed_rests_no_longer() -> None:
    made = Made(("en", "es"), ("de",))
    made.translate("bien", "es")
    asked = iter([False, True])
    made.interpreter.rest(lambda: next(asked), lambda: False)
    assert made.rested == ["en"]
