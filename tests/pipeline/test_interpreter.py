"""`surtitle.pipeline.interpreter`: who translates what, with translators that shout."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from surtitle.pipeline.events import Drafted, Translated
from surtitle.pipeline.interpreter import Interpreter
from surtitle.pipeline.memory import Memorised
from surtitle.pipeline.state import Counts, Kept, State, Talk


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
            yield target, Translated(f"{self._source} {text.upper()}")

    def draft(self, text: str, stop: Callable[[], bool], *, binds: bool) -> Iterator[tuple[str, Drafted]]:
        for target in self._targets:
            yield target, Drafted(f"{self._source} {text.upper()}", 0)

    def rest(self, stop: Callable[[], bool], pause: Callable[[], bool]) -> None:
        self._told.rested.append(self._source)

    def state(self) -> State:
        return {f"{self._source}-{target}": KEPT for target in self._targets}

    def restore(self, state: State) -> None:
        self._told.restored.append(state)

    def figures(self) -> dict[str, int]:
        return {"segments": self._segments, "tokens_max": 10 * self._segments}


class Made:
    """An interpreter, and the translators that it had made."""

    def __init__(self, sources: tuple[str, ...], targets: tuple[str, ...], state: State | None = None) -> None:
        self.made: list[str] = []
        self.rested: list[str] = []
        self.restored: list[State] = []

        def make(source: str, targets: tuple[str, ...]) -> Shouts:
            self.made.append(source)
            return Shouts(source, targets, self)

        self.interpreter = Interpreter(make, sources, targets, state=state)

    def translate(self, text: str, spoken: str) -> dict[str, str]:
        found = self.interpreter.translate(text, spoken, in_time=lambda: True, wrote=lambda language, count: None)
        return {language: translated.text for language, translated in found}


def test_what_is_said_in_one_of_the_languages_is_translated_into_the_others() -> None:
    made = Made(("en", "es"), ("en", "es", "de"))
    assert made.translate("good", "en") == {"es": "en GOOD", "de": "en GOOD"}
    assert made.translate("bien", "es") == {"en": "es BIEN", "de": "es BIEN"}


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


def test_figures_are_those_of_all_translators() -> None:
    made = Made(("en", "es"), ("de",))
    for spoken in ("en", "es", "es"):
        made.translate("x", spoken)
    assert made.interpreter.figures() == {"segments": 3, "tokens_max": 20}


KEPT = Kept(Talk("", (), Memorised(), Counts(), 0), {})


def test_what_each_direction_knows_is_kept_and_taken_up_by_another() -> None:
    made = Made(("en", "es"), ("en", "es"))
    made.translate("bien", "es")
    state = made.interpreter.state()
    assert state == {"en-es": KEPT, "es-en": KEPT}
    again = Made(("en", "es"), ("en", "es"), state)
    assert again.made == ["en", "es"]
    assert again.restored == [{"en-es": KEPT}, {"es-en": KEPT}]


def test_what_was_said_in_another_language_is_refused() -> None:
    with pytest.raises(ValueError, match="it is from fr, expected one of en, es"):
        Made(("en", "es"), ("de",), {"fr-de": KEPT})


def test_who_is_needed_rests_no_longer() -> None:
    made = Made(("en", "es"), ("de",))
    made.translate("bien", "es")
    asked = iter([False, True])
    made.interpreter.rest(lambda: next(asked), lambda: False)
    assert made.rested == ["en"]
