from __future__ import annotations

import math
import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from surtitle.pipeline.store import open_store
from surtitle.sinks.cache import SinkCache
from surtitle.sinks.load import load_model
from surtitle.sinks.lockstep import alone
from surtitle.sinks.rope import Rotation
from surtitle.sinks.stock import StockDecoder
from surtitle.sinks.stream import SLICE, TokenStream
from surtitle.sinks.tokenizer import Tokenizer

PROMPT = [3, 1, 4, 1, 5, 9, 2, 6]
TOKEN = st.integers(0, 259)
TALE = """The lighthouse at the end of the island had been dark for eleven years when Marta came to live in it. She
brought two suitcases, a box of paint, a cat that had never seen the sea, and a letter from the harbour office which
said that she could stay as long as she kept the roof dry. The letter did not say anything about the lamp. On the first
evening she climbed the stairs to see it. There were one hundred and twelve steps, and the cat counted every one of them
with her. At the top she found a room made of glass, and in the middle of the room a lamp as tall as a man, covered with
an old grey sail. She pulled the sail away. The glass of the lamp was clean, as if somebody had polished it that
morning.

In the village they told her that the last keeper had been a quiet man named Johannes, who wrote down the weather three
times a day and never missed a day in thirty years. When the ships no longer came, the office sent him a clock and a
letter of thanks, and he moved to the mainland to live with his sister. He left his books behind. Marta found them in
the kitchen, forty thick books with black covers, and in each of them the wind, the rain, the temperature and the height
of the waves, written in blue ink. On some pages there was a second line, in pencil, with things that were not the
weather. "Saw a whale." "Bread is finished." "The fisherman's daughter was married today, and I rang the bell." She read
them in the evenings while the cat slept on the warm stones in front of the stove, and little by little she came to know
the man who had lived there before her.

In November the storms began. The first one took the small boat that belonged to the baker, and the second one took the
wooden bridge. During the third storm, long after midnight, Marta woke up because the cat was standing at the window and
would not stop crying. Far out on the water there was a light, very weak, that rose and fell with the waves and came
closer to the rocks each time it rose. She did not think about the letter from the harbour office. She ran up the one
hundred and twelve steps, filled the lamp with the oil that Johannes had left under the stairs, and struck a match. For
a moment nothing happened. Then the flame stood up, and the great glass caught it and threw it across the sea.

In the morning there were four fishermen in her kitchen, drinking coffee and telling the story for the second time. The
oldest of them went to the table, opened the last of the black books, and looked for a pencil. Under the weather of that
night, which nobody had written down, he wrote a single line. "The lamp is burning again." Then he gave the pencil to
Marta, and she wrote the temperature, the wind, and the height of the waves."""


@pytest.fixture(scope="module", params=["stock", "lean"])
def decoder(request, make_model, make_lean):
    return StockDecoder(make_model("qwen2")) if request.param == "stock" else make_lean("qwen2")


def stream_of(decoder, ids=PROMPT, capacity: int = 80) -> TokenStream:
    stream = TokenStream(decoder, capacity=capacity)
    stream.append(ids)
    return stream


def written(stream: TokenStream, limit: int = 12, stop: frozenset[int] = frozenset()) -> list[int]:
    return list(stream.write(stop=stop, limit=limit))


def test_it_writes_what_transformers_generates(make_model) -> None:
    model = make_model("llama", eos_token_id=None)
    prompt = torch.tensor([PROMPT])
    generated = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=20, do_sample=False)
    assert written(stream_of(StockDecoder(model)), 20) == generated[0, len(PROMPT) :].tolist()


def test_a_long_text_is_read_in_slices_with_the_same_result(make_model) -> None:
    text = [(13 * index) % 260 for index in range(2 * SLICE + 5)]
    decoder = StockDecoder(make_model("llama"))
    whole = stream_of(decoder, text, 200)
    by_one = TokenStream(decoder, capacity=200)
    for token in text:
        by_one.append([token])
    assert whole.cache.length == by_one.cache.length == len(text)
    assert written(whole) == written(by_one)


def test_writing_ends_at_the_limit_and_every_token_was_read(decoder) -> None:
    stream = stream_of(decoder)
    assert len(written(stream, 5)) == 5
    assert stream.cache.length == len(PROMPT) + 5
    assert written(stream, 0) == []


def test_writing_ends_before_a_stop_token_which_is_not_read(decoder) -> None:
    free = written(stream_of(decoder))
    stop = free[4]
    stream = stream_of(decoder)
    assert written(stream, stop=frozenset({stop})) == free[: free.index(stop)]
    assert stream.cache.length == len(PROMPT) + free.index(stop)


@pytest.mark.slow
@settings(max_examples=25)
@given(
    kept=st.integers(0, 6),
    rest=st.lists(TOKEN, max_size=6),
    tail=st.integers(0, 6),
    stop=st.frozensets(TOKEN, max_size=3),
)
def test_a_draft_changes_nothing_of_what_is_written(decoder, kept, rest, tail, stop) -> None:
    plain = stream_of(decoder)
    expected = written(plain, 12, stop)
    draft = [*expected[:kept], *rest, *expected[kept + tail :]]
    stream = stream_of(decoder)
    assert list(stream.write(stop=stop, limit=12, draft=draft)) == expected
    assert stream.cache.length == plain.cache.length
    assert written(stream) == written(plain)


def written_behind(stream: TokenStream, ids: list[int], limit: int, stop=frozenset(), draft=(), bias=0.0) -> list[int]:
    said: list[int] = []
    alone(stream._decoder, stream.writing(said.append, stop=stop, limit=limit, draft=draft, bias=bias, behind=ids))
    return said


@pytest.mark.slow
@settings(max_examples=25)
@given(
    length=st.sampled_from((1, 5, SLICE - 5, SLICE, SLICE + 1)),
    limit=st.integers(0, 14),
    kept=st.integers(0, 14),
    rest=st.lists(TOKEN, max_size=6),
    stop=st.frozensets(TOKEN, max_size=3),
    bias=st.sampled_from((0.0, math.inf)),
)
def test_what_is_written_behind_an_unread_text_is_the_same(decoder, length, limit, kept, rest, stop, bias) -> None:
    ids = [(13 * index) % 260 for index in range(length)]
    read = stream_of(decoder, [*PROMPT, *ids], 120)
    draft = [*written(stream_of(decoder, [*PROMPT, *ids], 120), kept, stop), *rest]
    expected = list(read.write(stop=stop, limit=limit, draft=draft, bias=bias))
    unread = stream_of(decoder, capacity=120)
    assert written_behind(unread, ids, limit, stop, draft, bias) == expected
    assert unread.cache.ids.tolist() == read.cache.ids.tolist()
    assert written(unread) == written(read)


class CountingDecoder:
    """Counts forwards."""

    def __init__(self, inner) -> None:
        self.inner, self.rotations, self.cache, self.forwards = inner, inner.rotations, inner.cache, 0

    def decode(self, ids, cache, *, keep):
        self.forwards += 1
        return self.inner.decode(ids, cache, keep=keep)


def test_a_right_draft_is_read_in_one_forward_and_met_again_after_an_error(decoder) -> None:
    right = written(stream_of(decoder), 12)
    counting = CountingDecoder(decoder)
    stream = stream_of(counting)
    counting.forwards = 0
    assert list(stream.write(stop=(), limit=12, draft=right)) == right
    assert counting.forwards == 1
    behind = stream_of(counting, PROMPT[:4])
    counting.forwards = 0
    assert written_behind(behind, PROMPT[4:], 12, draft=right) == right
    assert counting.forwards == 1
    wrong = [(right[0] + 1) % 260, *right[1:]]
    again = stream_of(counting)
    counting.forwards = 0
    assert list(again.write(stop=(), limit=12, draft=wrong)) == right
    assert counting.forwards < 12


@pytest.mark.slow
@settings(max_examples=25)
@given(draft=st.lists(TOKEN, min_size=1, max_size=8), stop=st.frozensets(TOKEN, max_size=3))
def test_a_text_that_leans_on_its_draft_goes_on_as_the_draft_until_it_would_stop(decoder, draft, stop) -> None:
    def read_to(place: int) -> TokenStream:
        return stream_of(decoder, [*PROMPT, *draft[:place]])

    goes_on = (draft[place] not in stop and bool(written(read_to(place), 1, stop)) for place in range(len(draft)))
    stays = next((place for place, goes in enumerate(goes_on) if not goes), len(draft))
    expected = [*draft[:stays], *written(read_to(stays), 12 - stays, stop)]
    assert list(stream_of(decoder).write(stop=stop, limit=12, draft=draft, bias=math.inf)) == expected


def test_a_draft_is_left_where_its_token_is_too_unlikely(decoder) -> None:
    logits = decoder.decode(PROMPT, decoder.cache(80), keep=1)[0]  # (V,)
    best, second = logits.topk(2).indices.tolist()
    lead = float(logits[best] - logits[second])
    assert next(stream_of(decoder).write(stop=(), limit=1, draft=[second], bias=lead * 1.01)) == second
    assert next(stream_of(decoder).write(stop=(), limit=1, draft=[second], bias=lead * 0.99)) == best


def test_the_prefix_comes_first_and_stays(decoder) -> None:
    stream = TokenStream(decoder, capacity=30)
    stream.pin(PROMPT)
    assert stream.cache.pinned == len(PROMPT)
    first = [tensor[:, :, : len(PROMPT)].clone() for layer in stream.cache.layers for tensor in layer.held()]
    for turn in range(20):
        stream.cache.make_room(7)
        stream.append([turn] * 7)
        stream.cache.end_turn()
    now = [tensor[:, :, : len(PROMPT)] for layer in stream.cache.layers for tensor in layer.held()]
    assert all(torch.equal(a, b) for a, b in zip(now, first, strict=True))
    with pytest.raises(ValueError, match=r"already holds \d+ tokens: a prefix comes first"):
        stream.pin(PROMPT)


def test_a_rebuilt_stream_is_one_that_read_only_what_it_holds(decoder) -> None:
    stream, fresh = TokenStream(decoder, capacity=30), TokenStream(decoder, capacity=30)
    stream.pin(PROMPT)
    for turn in range(20):
        stream.cache.make_room(6)
        stream.append([turn, 3, 1, 4, 1, 5][: 4 + turn % 3])
        stream.cache.end_turn()
    stream.append([9])
    held, ends = stream.cache.ids[0].tolist(), stream.cache.turn_ends
    mark = stream.mark()
    stream.rebuild()
    assert (stream.cache.ids[0].tolist(), stream.cache.turn_ends, stream.cache.pinned) == (held, ends, len(PROMPT))
    fresh.append(held)
    torch.testing.assert_close(stream.cache.layers[-1].held(), fresh.cache.layers[-1].held(), atol=1e-3, rtol=0)
    with pytest.raises(ValueError, match="mark again after an eviction"):
        stream.rollback(mark)
    assert written(stream, 1) == written(fresh, 1)


def test_a_rolled_back_stream_goes_on_as_if_nothing_had_been(decoder) -> None:
    stream = stream_of(decoder)
    mark = stream.mark()
    stream.append([8, 8, 8])
    stream.rollback(mark)
    stream.append([42])
    assert written(stream) == written(stream_of(decoder, [*PROMPT, 42]))


def test_nothing_is_written_before_something_was_read(decoder) -> None:
    stream = TokenStream(decoder, capacity=30)
    with pytest.raises(ValueError, match="append something first"):
        written(stream)
    stream.append(PROMPT)
    stream.rollback(stream.mark())
    with pytest.raises(ValueError, match="append something first"):
        written(stream)


def test_reading_nothing_changes_nothing(decoder) -> None:
    stream = stream_of(decoder)
    stream.append([])
    assert written(stream) == written(stream_of(decoder))


def perplexity(decoder, ids: list[int], capacity: int, rotation: Rotation | None = None) -> float:
    """How surprised the model is by the tokens from the 257th on, with four sinks and turns of sixteen tokens."""
    rotations = [rotation] * len(decoder.rotations) if rotation else decoder.rotations
    cache = SinkCache(capacity=capacity, rotations=rotations)
    losses = []
    logits = decoder.decode(ids[:1], cache, keep=1)
    logits = decoder.decode(ids[1:4], cache, keep=1)
    cache.pin()
    for start in range(4, len(ids), 16):
        turn = ids[start : start + 16]
        cache.make_room(len(turn), low_water=0.95)
        known = decoder.decode(turn, cache, keep=len(turn))
        guesses = torch.cat((logits, known[:-1])).log_softmax(-1)
        losses += [-guess[token].item() for guess, token in zip(guesses, turn, strict=True)]
        logits = known[-1:]
        cache.end_turn()
    return math.exp(sum(losses[252:]) / len(losses[252:]))


@pytest.mark.weights
def test_a_text_stays_as_clear_with_a_window_as_with_the_whole_of_it() -> None:
    folder = open_store(os.environ).path("smollm2-135m")
    decoder, ids = load_model(folder, threads=1), Tokenizer(folder).encode(TALE)
    assert len(ids) > 550
    whole = perplexity(decoder, ids, len(ids))
    window = perplexity(decoder, ids, 256)
    unmoved = perplexity(decoder, ids, 256, Rotation(torch.zeros(decoder.shape.head_size // 2)))
    # measured: 22.0 with everything, 27.1 with the window, 155.6 where keys are not moved
    assert whole < 30
    assert window < 1.3 * whole
    assert unmoved > 2 * window
