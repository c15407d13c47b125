from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from functools import cached_property
from itertools import chain, pairwise, product, starmap
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from surtitle.sinks.cache import SinkCache
from surtitle.sinks.positions import UnsupportedModel
from surtitle.sinks.rope import Rotation
from surtitle.sinks.stock import StockDecoder

from .families import FAMILIES, HORIZON, REFUSED, VOCABULARY, Family, Turn, make_family, turn_of

PREFIX = [3, 1, 4, 1, 5]
LENGTHS = [4, 2, 3, 5, 2, 4, 3, 5]
TURNS = [[(1 + 31 * turn + 7 * token) % VOCABULARY for token in range(n)] for turn, n in enumerate(LENGTHS)]
CAPACITY = 16
EVICTED = {True: [0, 0, 0, 4, 2, 3, 5, 6], False: [0, 0, 0, 3, 3, 3, 3, 5]}
"""Tokens that go before each turn, by whether turns go whole."""
UNTOUCHED = 3
"""Turns that are read before the first eviction."""
REBASED = 26
"""Horizon of the anchored caches: their positions are brought back on the way."""
TOLERANCE = 1e-4
"""In a logit, of a spread near one: fp32's rounding, met in another order."""
ROUNDING = 2.0**-8
"""Of bfloat16: half of its last place, relative."""
CORE = ("llama", "qwen2", "gptj", "gemma3", "mpt")
"""One of each kind of positions; the others are tested too, but not in the first minute."""
ENDING = ["llama dynamic", "phi3 longrope", "gptj", "mpt", "mistral sliding", "ministral3"]
"""Families of which the window must end where their positions do."""
FREQUENCIES = 1e4 ** -(torch.arange(8).double() / 8)


class Way(NamedTuple):
    """To read and to evict."""

    step: int
    """Tokens in a forward; turns are shorter than 100."""
    whole_turns: bool
    anchored: bool


SOME = [Way(1, False, True), Way(3, True, False), Way(3, False, False), Way(100, True, True)]
"""Every step, and either way to evict with either way to move keys."""
OTHERS = [way for way in starmap(Way, product((1, 3, 100), (True, False), (True, False))) if way not in SOME]


class Unrotated(DynamicLayer):  # type: ignore[misc]
    """Keys as they were before any rotation, shown to the newest token from where it stands."""

    keys: Tensor
    values: Tensor

    def __init__(self, turn: Turn) -> None:
        super().__init__()
        self._turn = turn

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        keys, values = super().update(key_states, value_states)
        # (q R(a)) . (k R(b)) = q . (k R(b - a)): with the query left at 0, only the distance is turned by
        return self._turn(keys), values

    def drop(self, start: int, count: int) -> None:
        held = torch.ones(self.get_seq_length(), dtype=torch.bool)
        held[start : start + count] = False
        self.keys, self.values = self.keys[:, :, held], self.values[:, :, held]


class Oracle:
    """StreamingLLM as the paper has it, token by token: keys are cached unrotated, and all rotated at every step."""

    def __init__(self, model: PreTrainedModel, family: Family) -> None:
        layers = model.config.get_text_config(decoder=True).num_hidden_layers
        self._layers = [Unrotated(turn_of(model, family, layer)) for layer in range(layers)]
        self._cache = Cache(layers=self._layers)
        self._model = model
        # at position 0 the model's own rotation is none
        self._nowhere = {"position_ids": torch.zeros(1, 1, dtype=torch.long)} if family.rotary else {}

    @torch.inference_mode()
    def decode(self, ids: Sequence[int]) -> Tensor:
        """Logits (n, V) of what follows each of `ids`."""
        kwargs = {"past_key_values": self._cache, **self._nowhere}
        return torch.cat([self._model(torch.tensor([[token]]), **kwargs).logits[0] for token in ids])

    def evict(self, start: int, count: int) -> None:
        for layer in self._layers:
            layer.drop(start, count)

    def fork(self) -> Oracle:
        """Another that goes on from here by itself."""
        other = copy(self)
        other._layers = [copy(layer) for layer in self._layers]
        other._cache = Cache(layers=other._layers)
        return other


class Subject:
    """A family's model, and what the oracle says of it; made when first asked for."""

    def __init__(self, name: str) -> None:
        self.family = FAMILIES[name]
        self.model = make_family(self.family)

    @cached_property
    def decoder(self) -> StockDecoder:
        return StockDecoder(self.model)

    @cached_property
    def expected(self) -> dict[bool, Tensor]:
        """Logits (n, V) of what follows every token, by whether turns are evicted whole."""
        oracle = Oracle(self.model, self.family)
        first = oracle.decode([*PREFIX, *chain(*TURNS[:UNTOUCHED])])
        return {whole: torch.cat((first, self._expect(oracle.fork(), gone))) for whole, gone in EVICTED.items()}

    def _expect(self, oracle: Oracle, evicted: Sequence[int]) -> Tensor:
        logits = []
        for turn, count in zip(TURNS[UNTOUCHED:], evicted[UNTOUCHED:], strict=True):
            oracle.evict(len(PREFIX), count)
            logits.append(oracle.decode(turn))
        return torch.cat(logits)

    @torch.inference_mode()
    def plain(self, ids: Sequence[int]) -> Tensor:
        """Logits (n, V) of the model with its own cache, as everyone runs it."""
        cache = DynamicCache(config=self.model.config)
        logits: Tensor = self.model(torch.tensor([ids]), past_key_values=cache).logits[0]
        return logits

    def difference(self, way: Way, rotations: Sequence[Rotation] | None = None) -> float:
        """The largest of any logit from the oracle's."""
        rotations = rotations or self.decoder.rotations
        cache = SinkCache(capacity=CAPACITY, rotations=rotations, anchored=way.anchored, horizon=REBASED)
        logits = [self.decoder.decode(PREFIX, cache, keep=len(PREFIX))]
        cache.pin()
        evicted = []
        for turn in TURNS:
            evicted.append(cache.make_room(len(turn), whole_turns=way.whole_turns))
            logits += [self.decoder.decode(part, cache, keep=len(part)) for part in cut(turn, way.step)]
            cache.end_turn()
        assert evicted == EVICTED[way.whole_turns]
        assert cache.evictions > 4  # or nothing was tested
        return (torch.cat(logits) - self.expected[way.whole_turns]).abs().max().item()


def cut(turn: Sequence[int], step: int) -> Iterator[Sequence[int]]:
    return (turn[start : start + step] for start in range(0, len(turn), step))


EVERY = [name if name in CORE else pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES]


@pytest.fixture(scope="module", params=EVERY)
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.param)


def test_the_oracle_is_a_plain_cache_before_the_first_eviction(subject: Subject) -> None:
    plain = subject.plain([*PREFIX, *chain(*TURNS[:UNTOUCHED])])
    for expected in subject.expected.values():
        torch.testing.assert_close(expected[: len(plain)], plain, atol=1e-5, rtol=0)


def test_after_evictions_the_model_sees_what_the_papers_algorithm_shows_it(subject: Subject) -> None:
    differences = {way: subject.difference(way) for way in SOME}
    assert max(differences.values()) < TOLERANCE, differences


@pytest.mark.slow
@pytest.mark.parametrize("subject", ["llama", "gptj", "gemma3"], indirect=True)
def test_it_sees_so_in_every_other_way_to_read_and_to_evict(subject: Subject) -> None:
    differences = {way: subject.difference(way) for way in OTHERS}
    assert max(differences.values()) < TOLERANCE, differences


def test_keys_that_are_not_moved_are_far_from_it_where_they_turn_at_all(subject: Subject) -> None:
    still = [Rotation(torch.zeros(1))] * len(subject.decoder.rotations)
    difference = subject.difference(Way(100, whole_turns=True, anchored=False), still)
    assert difference > 0.1 if subject.family.rotary else difference < TOLERANCE


def test_without_evictions_it_is_a_plain_cache(subject: Subject) -> None:
    cache = SinkCache(capacity=HORIZON, rotations=subject.decoder.rotations)
    turns = [PREFIX, *TURNS[:6]]
    ours = torch.cat([subject.decoder.decode(turn, cache, keep=len(turn)) for turn in turns])
    torch.testing.assert_close(ours, subject.plain([*chain(*turns)]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("subject", ENDING, indirect=True)
def test_a_window_ends_where_a_models_positions_do(subject: Subject) -> None:
    assert subject.decoder.limit == HORIZON
    with pytest.raises(ValueError, match=f"expected at most {HORIZON}"):
        subject.decoder.cache(HORIZON + 1)


@pytest.mark.parametrize("subject", ["llama", "gptj", "gemma3"], indirect=True)
@settings(max_examples=4)
@given(data=st.data(), whole_turns=st.booleans(), anchored=st.booleans())
def test_however_tokens_are_cut_into_forwards_the_logits_are_the_same(
    subject: Subject, data: st.DataObject, whole_turns: bool, anchored: bool
) -> None:
    tokens = st.integers(0, VOCABULARY - 1)
    turns = data.draw(st.lists(st.lists(tokens, min_size=1, max_size=5), min_size=8, max_size=9))
    whole = SinkCache(capacity=CAPACITY, rotations=subject.decoder.rotations)
    parts = SinkCache(capacity=CAPACITY, rotations=subject.decoder.rotations, anchored=anchored, horizon=REBASED)
    for cache in (whole, parts):
        subject.decoder.decode(PREFIX, cache, keep=1)
        cache.pin()
    for turn in turns:
        for cache in (whole, parts):
            cache.make_room(len(turn), whole_turns=whole_turns)
        expected = subject.decoder.decode(turn, whole, keep=len(turn))
        ends = sorted(data.draw(st.sets(st.integers(0, len(turn)))) | {0, len(turn)})
        got = [subject.decoder.decode(turn[a:b], parts, keep=b - a) for a, b in pairwise(ends)]
        torch.testing.assert_close(torch.cat(got), expected, atol=TOLERANCE, rtol=0)
        whole.end_turn()
        parts.end_turn()


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_whose_keys_can_not_be_moved_is_refused_by_name_and_reason(name: str) -> None:
    family, reason = REFUSED[name]
    model = make_family(family)
    with pytest.raises(UnsupportedModel, match=f"{type(model).__name__}.*{reason}"):
        StockDecoder(model)


@pytest.mark.slow
def test_in_bfloat16_hundreds_of_evictions_add_nothing_to_its_rounding() -> None:
    exact, rough = make_family(FAMILIES["llama"]), make_family(FAMILIES["llama"])
    for sharp, blunt in zip(exact.parameters(), rough.parameters(), strict=True):
        blunt.data = blunt.data.bfloat16()
        sharp.data = blunt.data.float()
    ids = torch.randint(VOCABULARY, (CAPACITY - len(PREFIX) + 300,), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        rounding = (rough(ids[None]).logits - exact(ids[None]).logits).abs().max()
    oracle, decoder = Oracle(exact, FAMILIES["llama"]), StockDecoder(rough)
    cache = SinkCache(capacity=CAPACITY, rotations=decoder.rotations, anchored=True, horizon=64)
    differences = [(decoder.decode(PREFIX, cache, keep=5) - oracle.decode(PREFIX)).abs().max()]
    cache.pin()
    for token in ids.tolist():
        oracle.evict(len(PREFIX), cache.make_room(1, low_water=1.0, whole_turns=False))
        differences.append((decoder.decode([token], cache, keep=1) - oracle.decode([token])).abs().max())
    assert cache.evictions == 300
    assert max(differences) < 1.5 * rounding


def rotated(raw: Tensor, positions: Tensor) -> Tensor:
    """`raw` (T, D/2), pairs as complex numbers, rotated once, in fp64."""
    return raw * torch.exp(1j * positions[:, None] * FREQUENCIES)


def worst_key(*, evictions: int, anchored: bool) -> float:
    """By how much any bfloat16 key ever held was off, in roundings of its length."""
    raw = torch.randn(CAPACITY + evictions, len(FREQUENCIES), 2, generator=torch.Generator().manual_seed(1))
    raw = torch.view_as_complex(raw.double())  # (T, D/2)
    cache = SinkCache(capacity=CAPACITY, rotations=(Rotation(FREQUENCIES),), anchored=anchored, horizon=96)
    worst = 0.0

    def read(coming: Tensor) -> None:
        keys = rotated(coming, cache.position + torch.arange(len(coming)))
        keys = torch.cat((keys.real, keys.imag), dim=-1)[None, None].bfloat16()
        cache.layers[0].update(keys, keys)

    read(raw[:5])
    cache.pin()
    read(raw[5:CAPACITY])
    for end in range(CAPACITY + 10, len(raw) + 1, 10):
        for _ in range(10):
            cache.evict(1)
        read(raw[end - 10 : end])
        keys = cache.layers[0].held()[0][0, 0].double()
        positions = cache.position - CAPACITY + torch.arange(CAPACITY)
        truth = rotated(torch.cat((raw[:5], raw[end - CAPACITY + 5 : end])), positions)
        off = (torch.complex(*keys.chunk(2, dim=-1)) - truth).abs() / truth.abs()
        worst = max(worst, off.max().item())
    assert cache.evictions == evictions
    return worst / ROUNDING


@pytest.mark.slow
def test_anchored_bfloat16_keys_are_rounded_twice_however_many_evictions_come() -> None:
    assert worst_key(evictions=10_000, anchored=True) < 2  # as they came, and when they moved
    assert worst_key(evictions=100, anchored=False) > 4  # at every eviction: what anchoring is for
