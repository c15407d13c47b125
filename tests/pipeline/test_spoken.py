"""`surtitle.pipeline.spoken`: when a change of language is believed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.spoken import SpokenLanguage

CODES = ("en", "es", "de")
ENGLISH = {"en": 0.9, "es": 0.05, "de": 0.01}
PERHAPS_SPANISH = {"en": 0.4, "es": 0.5, "de": 0.01}
SPANISH = {"en": 0.01, "es": 0.09, "de": 0.0}
"""Of all languages that the model knows another may be the likeliest: it is not one of ours."""
GERMAN = {"en": 0.01, "es": 0.0, "de": 0.9}


def test_the_first_language_is_spoken_until_another_is_heard() -> None:
    spoken = SpokenLanguage(CODES)
    assert spoken.current == "en"
    assert spoken.push(ENGLISH, fresh=True)
    assert spoken.current == "en"


def test_where_nothing_is_committed_one_look_is_enough() -> None:
    spoken = SpokenLanguage(CODES)
    assert spoken.push(SPANISH, fresh=True)
    assert spoken.current == "es"


def test_behind_committed_words_it_takes_two_looks_and_nothing_is_committed_between() -> None:
    spoken = SpokenLanguage(CODES)
    assert not spoken.push(SPANISH, fresh=False)
    assert spoken.current == "en"
    assert spoken.push(SPANISH, fresh=False)
    assert spoken.current == "es"


def test_two_looks_that_hear_two_other_languages_prove_neither() -> None:
    spoken = SpokenLanguage(CODES)
    assert not spoken.push(SPANISH, fresh=False)
    assert not spoken.push(GERMAN, fresh=False)
    assert spoken.current == "en"
    assert spoken.push(GERMAN, fresh=False)
    assert spoken.current == "de"


def test_a_look_at_the_language_spoken_ends_the_doubt() -> None:
    spoken = SpokenLanguage(CODES)
    assert not spoken.push(SPANISH, fresh=False)
    assert spoken.push(ENGLISH, fresh=False)
    assert not spoken.push(SPANISH, fresh=False)
    assert spoken.current == "en"


def test_what_stays_unsure_holds_words_back_for_three_looks_only() -> None:
    spoken = SpokenLanguage(CODES)
    assert [spoken.push(PERHAPS_SPANISH, fresh=True) for _ in range(5)] == [False, False, False, True, True]
    assert spoken.current == "en"


def test_the_last_look_decides() -> None:
    spoken = SpokenLanguage(CODES)
    assert spoken.push(PERHAPS_SPANISH, fresh=False, last=True)
    assert spoken.current == "en"
    assert spoken.push(SPANISH, fresh=False, last=True)
    assert spoken.current == "es"


def test_before_any_was_likely_the_first_is_not_spoken_if_it_is_out_of_the_question() -> None:
    norwegian = {"ar": 0.001, "no": 0.6, "da": 0.3, "en": 0.01}
    spoken = SpokenLanguage(["ar", "no", "da", "en"])
    assert [spoken.push(norwegian, fresh=True) for _ in range(4)] == [False, False, False, True]
    assert spoken.current == "no"
    assert spoken.push(norwegian | {"da": 0.9}, fresh=True, last=True)
    assert spoken.current == "no", "it may be that"
    assert spoken.push({"ar": 0.0, "no": 0.02, "da": 0.1, "en": 0.4}, fresh=True, last=True)
    assert spoken.current == "en", "nothing was likely so far"
    assert spoken.push({"ar": 0.0, "no": 0.0, "da": 0.01, "en": 0.9}, fresh=True)
    assert spoken.push({"ar": 0.0, "no": 0.5, "da": 0.3, "en": 0.01}, fresh=True, last=True)
    assert spoken.current == "en", "it was"


def test_a_model_that_hears_none_of_the_languages_changes_nothing() -> None:
    spoken = SpokenLanguage(CODES)
    assert spoken.push(dict.fromkeys(CODES, 0.0), fresh=True)
    assert spoken.current == "en"


@given(st.lists(st.tuples(st.sampled_from([ENGLISH, SPANISH, GERMAN, PERHAPS_SPANISH]), st.booleans())))
def test_words_are_never_held_back_for_more_than_three_looks(looks: list[tuple[dict[str, float], bool]]) -> None:
    spoken = SpokenLanguage(CODES)
    sure = [spoken.push(likelihoods, fresh=fresh) for likelihoods, fresh in looks]
    assert not any(not any(sure[start : start + 4]) for start in range(len(sure) - 3))
