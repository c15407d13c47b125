"""`surtitle.sinks.beams`: several beginnings side by side, against trying everything."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from surtitle.sinks.beams import Beams, Candidate
from surtitle.sinks.layer import CacheFull
from surtitle.sinks.static import StaticDecoder
from surtitle.sinks.stock import StockDecoder
from surtitle.sinks.stream import TokenStream

CAPACITY = 60
FEW = 5
"""Tokens of a vocabulary that can be tried out."""
PROMPT = [3, 1, 4, 1, 5, 9, 2, 6]


@pytest.fixture(params=["stock", "lean", "static"])
def decoder(request, make_model, make_lean):
    if request.param == "static":
        return StaticDecoder(make_model("qwen2"), sequences=12, capacity=CAPACITY)
    return StockDecoder(make_model("qwen2")) if request.param == "stock" else make_lean("qwen2")


@pytest.fixture(scope="module")
def small(make_model) -> StockDecoder:
    return StockDecoder(make_model("qwen2", vocab_size=FEW, eos_token_id=None, bos_token_id=None, pad_token_id=None))


def stream_of(decoder, ids=PROMPT) -> TokenStream:
    stream = TokenStream(decoder, capacity=CAPACITY)
    stream.append(ids)
    return stream


def score_of(decoder, ids, said) -> float:
    """Mean log-probability of `said` behind `ids`."""
    logits = decoder.decode([*ids, *said[:-1]], decoder.cache(CAPACITY), keep=len(said))
    losses = logits.float().log_softmax(-1).gather(-1, torch.tensor(said)[:, None])
    return float(losses.mean())


@pytest.mark.slow
@given(ids=st.lists(st.integers(0, FEW - 1), min_size=1, max_size=8), stop=st.integers(0, FEW - 1))
@settings(max_examples=20)
def test_a_search_as_wide_as_everything_finds_the_likeliest_of_all(small, ids: list[int], stop: int) -> None:
    others = [token for token in range(FEW) if token != stop]
    whole = [said for length in range(3) for said in product(others, repeat=length)]
    best = max(whole, key=lambda said: score_of(small, ids, [*said, stop]))
    found = Beams(small, width=FEW**3, capacity=CAPACITY).search(stream_of(small, ids), stop={stop}, limit=3)
    assert found[0].tokens == best
    assert {each.tokens for each in found} <= set(whole)


def test_each_has_the_mean_log_probability_of_its_tokens_and_its_end(decoder) -> None:
    stop = 17
    found = Beams(decoder, width=4, capacity=CAPACITY).search(stream_of(decoder), stop={stop}, limit=12)
    assert all(earlier.score >= later.score for earlier, later in pairwise(found))
    assert len({each.tokens for each in found}) == len(found)
    whole = [each for each in found if len(each.tokens) < 12]
    for each in whole or found:
        said = [*each.tokens, *([stop] if whole else [])]
        assert each.score == pytest.approx(score_of(decoder, PROMPT, said), abs=2e-3)


def test_what_is_ruled_out_is_in_none_of_them(decoder) -> None:
    beams = Beams(decoder, width=4, capacity=CAPACITY)
    free = beams.search(stream_of(decoder), stop={17}, limit=9)
    never = sorted({token for each in free for token in each.tokens[:2]})
    found = beams.search(stream_of(decoder), stop={17}, limit=9, never=torch.tensor(never))
    assert found
    assert not {*never} & {token for each in found for token in each.tokens}


def test_where_nothing_ends_there_is_what_is_likeliest_up_to_the_limit(decoder) -> None:
    found = Beams(decoder, width=3, capacity=CAPACITY).search(stream_of(decoder), stop=(), limit=9)
    assert [len(each.tokens) for each in found] == [9, 9, 9]
    assert len({each.tokens for each in found}) == 3


def test_the_stream_is_left_as_it_was(decoder) -> None:
    stream, beams = stream_of(decoder), Beams(decoder, width=3, capacity=CAPACITY)
    before = {name: held.clone() for name, held in stream.cache.state().items()}
    logits = stream.logits.clone()
    beams.search(stream, stop={17}, limit=9)
    assert torch.equal(stream.logits, logits)
    assert all(torch.equal(held, before[name]) for name, held in stream.cache.state().items())
    assert list(stream.write(stop=(), limit=6)) == list(stream_of(decoder).write(stop=(), limit=6))


def test_one_room_serves_one_stream_after_the_other_also_after_evictions(decoder) -> None:
    beams = Beams(decoder, width=3, capacity=CAPACITY)
    stream = TokenStream(decoder, capacity=CAPACITY)
    stream.pin(PROMPT)
    for turn in range(8):
        stream.cache.make_room(20)
        stream.append([(7 * turn + 3 * index) % 260 for index in range(11)])
        once = beams.search(stream, stop={17}, limit=6)
        assert_alike(once, Beams(decoder, width=3, capacity=CAPACITY).search(stream, stop={17}, limit=6))
        stream.append(once[0].tokens)
        stream.cache.end_turn()
    assert stream.cache.evictions > 1


def assert_alike(some: list[Candidate], others: list[Candidate]) -> None:
    assert [each.tokens for each in some] == [each.tokens for each in others]
    assert [each.score for each in some] == pytest.approx([each.score for each in others], abs=1e-4)


def test_no_room_is_said_before_anything_is_read(decoder) -> None:
    with pytest.raises(CacheFull, match="call make_room"):
        Beams(decoder, width=2, capacity=CAPACITY).search(stream_of(decoder), stop=(), limit=CAPACITY)


def test_a_stream_that_has_read_nothing_no_limit_and_a_single_beginning_are_refused(decoder) -> None:
    with pytest.raises(ValueError, match="append something first"):
        Beams(decoder, width=2, capacity=CAPACITY).search(TokenStream(decoder, capacity=CAPACITY), stop=(), limit=3)
    with pytest.raises(ValueError, match="a limit of 0 tokens"):
        Beams(decoder, width=2, capacity=CAPACITY).search(stream_of(decoder), stop=(), limit=0)
    with pytest.raises(ValueError, match="a width of 1"):
        Beams(decoder, width=1, capacity=CAPACITY)
