"""`surtitle.pipeline.ledger`: what the window holds, as text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surtitle.pipeline.glossary import Rendering
from surtitle.pipeline.ledger import Ledger, Turn

KESSLER = Rendering("Kessler", "Kessler")
ONE, TWO, THREE = (Turn(text, text.upper(), tuple(range(size))) for text, size in (("a", 3), ("b", 4), ("c", 5)))


def held() -> Ledger:
    return Ledger([ONE, TWO, THREE])


def test_the_oldest_turns_go_as_the_cache_evicts_them() -> None:
    ledger = held()
    ledger.keep(2)
    assert ledger.turns == (TWO, THREE)
    assert ledger.ids == [(0, 1, 2, 3), (0, 1, 2, 3, 4)]
    assert [turn.tokens for turn in ledger.turns] == [4, 5]
    ledger.keep(0)
    assert ledger.turns == ()


def test_more_turns_than_are_written_down_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="4 turns are in the cache, and 3 in the ledger"):
        held().keep(4)


def test_a_turn_tells_its_terms_as_long_as_it_is_in_the_window() -> None:
    ledger = Ledger([replace(ONE, tells=(KESSLER,)), TWO])
    assert ledger.tells(KESSLER)
    assert not ledger.tells(Rendering("Kessler", "señor K"))
    ledger.keep(1)
    assert not ledger.tells(KESSLER)


def test_a_corrected_turn_keeps_its_place() -> None:
    ledger = held()
    better = replace(TWO, translation="?", ids=(9,))
    ledger.correct(TWO, better)
    assert ledger.turns == (ONE, better, THREE)
    with pytest.raises(ValueError, match="not in list"):
        ledger.correct(TWO, better)


def test_turns_are_left_out_only_when_the_context_is_read_again() -> None:
    ledger = held()
    ledger.correct(TWO, replace(TWO, ids=()))
    assert len(ledger.turns) == 3  # as in the cache
    ledger.settle()
    assert ledger.turns == (ONE, THREE)


@pytest.mark.parametrize(("tokens", "left"), [(12, "abc"), (11, "bc"), (9, "bc"), (5, "c"), (4, "")])
def test_what_is_too_long_loses_its_oldest_turns(tokens: int, left: str) -> None:
    ledger = held()
    ledger.fit(tokens)
    ledger.settle()
    assert "".join(turn.source for turn in ledger.turns) == left
