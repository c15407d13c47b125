"""`surtitle.pipeline.guards`: what is no translation."""

from __future__ import annotations

import pytest

from surtitle.pipeline.guards import fault

SOURCE = "The committee will discuss the budget for the coming year."


def test_a_translation_has_no_fault() -> None:
    assert fault(SOURCE, "El comité discutirá el presupuesto para el próximo año.", finished=True) is None


def test_nothing_is_empty() -> None:
    assert fault(SOURCE, "", finished=True) == "empty"


def test_what_did_not_end_by_itself_is_runaway() -> None:
    assert fault(SOURCE, "El comité el comité el comité", finished=False) == "runaway"


@pytest.mark.parametrize("translation", [SOURCE, "The committee will discuss the budget para el año."])
def test_a_source_that_comes_back_is_an_echo(translation: str) -> None:
    assert fault(SOURCE, translation, finished=True) == "echo"


@pytest.mark.parametrize("names", ["Angela Merkel, Emmanuel Macron", "OK", "taxi total", "Anna, Berlin, Paris 2024"])
def test_names_and_few_words_may_stay_as_they_are(names: str) -> None:
    assert fault(names, names, finished=True) is None


def test_a_script_without_case_is_never_taken_for_an_echo() -> None:
    assert fault("昨天我的邻居问我", "昨天我的邻居问我", finished=True) is None
