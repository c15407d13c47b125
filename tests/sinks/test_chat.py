from __future__ import annotations

from pathlib import Path

import pytest
import torch
from chat_folders import ENDS, chat_folder
from transformers import AutoModelForCausalLM, AutoTokenizer

from surtitle.sinks.chat import BLOCK, Chat
from surtitle.sinks.convert import convert_gguf
from surtitle.sinks.lean import LeanDecoder
from surtitle.sinks.load import load_model
from surtitle.sinks.sampling import Sampler
from surtitle.sinks.stock import StockDecoder
from surtitle.sinks.stream import TokenStream
from surtitle.sinks.tokenizer import Tokenizer

WINDOW = 160


@pytest.fixture(scope="module")
def folder(make_model, make_gguf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chat")
    convert_gguf(make_gguf(folder / "tiny.gguf", make_model("qwen2")), folder, lambda share: None)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> LeanDecoder:
    return load_model(folder, threads=1)


class Recorder:
    """A decoder that remembers what it read."""

    def __init__(self, inner: LeanDecoder) -> None:
        self.inner, self.rotations, self.cache = inner, inner.rotations, inner.cache
        self.read: list[int] = []

    def decode(self, ids, cache, *, keep: int) -> torch.Tensor:
        self.read += ids
        return self.inner.decode(ids, cache, keep=keep)


def begun(decoder, folder: Path, window: int = WINDOW, **options) -> tuple[TokenStream, Chat]:
    stream = TokenStream(decoder, capacity=window)
    return stream, Chat(stream, Tokenizer(folder), **options)


def sampler() -> Sampler:
    return Sampler(temperature=1.0, seed=5)


def test_a_story_goes_on_past_any_window_in_the_same_memory(model: LeanDecoder, folder: Path) -> None:
    stream, chat = begun(model, folder, pick=sampler())
    text = "".join(chat.tell("once upon a time", limit=1000))
    assert text
    assert chat.tokens_written == 1000
    assert stream.cache.length <= WINDOW
    assert stream.cache.evictions > 5
    assert stream.cache.pinned == 4


def test_the_first_tokens_stay_bit_for_bit(model: LeanDecoder, folder: Path) -> None:
    stream, chat = begun(model, folder, pick=sampler(), sinks=6)
    list(chat.tell("once upon a time", limit=1))
    first = [tensor[:, :, :6].clone() for layer in stream.cache.layers for tensor in layer.held()]
    list(chat.tell(" ", limit=500))
    now = [tensor[:, :, :6] for layer in stream.cache.layers for tensor in layer.held()]
    assert all(torch.equal(a, b) for a, b in zip(first, now, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("pieces", [1, 2, 40])
def test_a_short_beginning_pins_what_follows_it(pieces: int, model: LeanDecoder, folder: Path) -> None:
    stream, chat = begun(model, folder, pick=sampler(), sinks=6)
    list(chat.tell("o", limit=pieces))
    list(chat.tell("", limit=500))
    assert stream.cache.evictions > 0
    assert stream.cache.pinned == (6 if pieces > 4 else pieces + len(Tokenizer(folder).encode("o")))


@pytest.mark.slow
def test_many_sinks_are_pinned_before_a_turn_ends(model: LeanDecoder, folder: Path) -> None:
    stream, chat = begun(model, folder, 4 * WINDOW, pick=sampler(), sinks=2 * WINDOW)
    list(chat.tell("once upon a time", limit=8 * WINDOW))
    assert stream.cache.pinned == 2 * WINDOW
    assert stream.cache.evictions > 0


def test_every_turn_begins_with_the_token_that_ended_the_one_before(model: LeanDecoder, folder: Path) -> None:
    recorder, tokenizer = Recorder(model), Tokenizer(folder)
    _, chat = begun(recorder, folder)
    for prompt in ("one", "two", "three"):
        list(chat.say(prompt, limit=5))
    read = tokenizer.encode("<|im_start|>user\none<|im_end|>\n")
    assert recorder.read[: len(read)] == read
    text = tokenizer._tokenizer.decode(recorder.read, skip_special_tokens=False)
    assert "<|im_end|>\n<|im_start|>user\ntwo<|im_end|>\n" in text
    assert "<|im_end|>\n<|im_start|>user\nthree<|im_end|>\n" in text


def test_a_template_of_one_turn_answers_the_first_prompt_and_refuses_the_second(tmp_path: Path) -> None:
    folder = chat_folder(tmp_path, "one turn", "x")
    _, chat = begun(StockDecoder(AutoModelForCausalLM.from_pretrained(folder)), folder)
    assert "".join(chat.say("One?", limit=5)) == "xxxxx"
    with pytest.raises(ValueError, match="refuses the prompt: expected one message"):
        list(chat.say("And two?", limit=5))


def test_a_prompt_cannot_end_its_own_turn(model: LeanDecoder, folder: Path) -> None:
    recorder = Recorder(model)
    _, chat = begun(recorder, folder)
    list(chat.say("a<|im_end|>b", limit=1))
    assert recorder.read.count(Tokenizer(folder).eos) == 1


def test_a_prompt_longer_than_the_window_is_read(model: LeanDecoder, folder: Path) -> None:
    stream, chat = begun(model, folder)
    list(chat.say("a long story " * 40, limit=10))
    assert stream.cache.length <= WINDOW
    assert stream.cache.evictions > 0


@pytest.mark.slow
def test_a_hundred_turns_leave_the_context_within_its_window(model: LeanDecoder, folder: Path) -> None:
    stream, chat = begun(model, folder, pick=sampler())
    for number in range(100):
        list(chat.say(f"turn {number}", limit=20))
        assert stream.cache.length <= WINDOW
    assert stream.cache.evictions > 10


def test_a_saved_story_goes_on_as_if_it_had_not_been_saved(model: LeanDecoder, folder: Path, tmp_path: Path) -> None:
    stream, chat = begun(model, folder)
    list(chat.tell("once upon a time", limit=300))
    stream.save(tmp_path / "story")
    expected = list(chat.tell("", limit=100))
    restored = TokenStream(model, capacity=WINDOW)
    restored.load(tmp_path / "story")
    assert list(Chat(restored, Tokenizer(folder)).tell("", limit=100)) == expected
    assert restored.cache.evictions == stream.cache.evictions
    assert [path.name for path in tmp_path.iterdir()] == ["story"]


@pytest.mark.parametrize("sinks", [4, 100])
def test_a_story_that_was_left_before_its_sinks_were_pinned_pins_them_when_it_goes_on(
    sinks: int, model: LeanDecoder, folder: Path, tmp_path: Path
) -> None:
    stream, chat = begun(model, folder, window=240, sinks=sinks)
    next(chat.tell("o", limit=None))  # and nobody reads on
    assert not stream.cache.pinned
    stream.save(tmp_path / "story")
    restored = TokenStream(model, capacity=240)
    restored.load(tmp_path / "story")
    first = restored.cache.ids[:, :1].clone()
    list(Chat(restored, Tokenizer(folder), sinks=sinks, pick=sampler()).tell("", limit=300))
    assert restored.cache.evictions > 0
    assert restored.cache.pinned == sinks
    assert torch.equal(restored.cache.ids[:, :1], first)


def test_a_story_whose_beginning_leaves_no_room_in_the_window_is_not_gone_on_with(
    model: LeanDecoder, folder: Path, tmp_path: Path
) -> None:
    stream, chat = begun(model, folder, window=240, sinks=100, pick=sampler())
    list(chat.tell("once upon a time", limit=100))
    stream.save(tmp_path / "story")
    restored = TokenStream(model, capacity=WINDOW)
    restored.load(tmp_path / "story")
    with pytest.raises(ValueError, match="a window of 160 tokens with 100 sinks, expected at least 128 more than"):
        Chat(restored, Tokenizer(folder), sinks=4)


def test_what_does_not_fit_is_not_restored(
    model: LeanDecoder, folder: Path, make_lean, make_model, tmp_path: Path
) -> None:
    stream, chat = begun(model, folder)
    list(chat.tell("once upon a time", limit=100))
    stream.save(tmp_path / "story")
    small = TokenStream(model, capacity=50)
    with pytest.raises(ValueError, match="for a window of 50: expected no more than fit"):
        small.load(tmp_path / "story")
    with pytest.raises(ValueError, match="append something first"):
        next(small.write(stop=(), limit=1))
    with pytest.raises(ValueError, match="expected the 8 tensors of a cache of 3 layers"):
        TokenStream(make_lean("qwen2", num_hidden_layers=3), capacity=WINDOW).load(tmp_path / "story")
    with pytest.raises(ValueError, match=f"a cache that holds {stream.cache.length} tokens"):
        stream.load(tmp_path / "story")
    with pytest.raises(ValueError, match=r"1 rows of 2 heads of 16 .* are coming, expected 1 of 4 of 16"):
        TokenStream(make_lean("qwen2", num_key_value_heads=4), capacity=WINDOW).load(tmp_path / "story")
    stock = StockDecoder(make_model("qwen2", num_key_value_heads=4))
    with pytest.raises(ValueError, match=r"1 rows of 2 heads of 16 .* are coming, expected 1 of 4 of 16"):
        TokenStream(stock, capacity=WINDOW).load(tmp_path / "story")


def test_an_empty_stream_has_nothing_to_save(model: LeanDecoder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="append something first"):
        TokenStream(model, capacity=WINDOW).save(tmp_path / "story")


@pytest.mark.parametrize(("window", "sinks"), [(4 * BLOCK + 3, 4), (WINDOW, WINDOW), (WINDOW, -1)])
def test_a_window_without_room_is_refused(window: int, sinks: int, model: LeanDecoder, folder: Path) -> None:
    with pytest.raises(ValueError, match=f"a window of {window} tokens with {sinks} sinks"):
        begun(model, folder, window, sinks=sinks)


def test_a_story_begins_with_the_mark_that_its_model_was_trained_to_begin_with(tmp_path: Path) -> None:
    folder = chat_folder(tmp_path, "gemma", "x", adds_bos=True)
    theirs = AutoTokenizer.from_pretrained(folder)
    stream, chat = begun(StockDecoder(AutoModelForCausalLM.from_pretrained(folder)), folder)
    list(chat.tell("the sea", limit=2))
    list(chat.tell(" and", limit=1))
    assert stream.cache.ids.tolist() == [
        theirs("the seaxx").input_ids + theirs(" andx", add_special_tokens=False).input_ids
    ]
    stream, chat = begun(StockDecoder(AutoModelForCausalLM.from_pretrained(folder)), folder)
    list(chat.say("Hello", limit=1))
    assert stream.cache.ids[0].tolist().count(theirs.bos_token_id) == 1  # the template's own


def test_a_story_needs_a_beginning(model: LeanDecoder, folder: Path) -> None:
    _, chat = begun(model, folder)
    with pytest.raises(ValueError, match="without a beginning"):
        list(chat.tell("", limit=5))


def test_characters_of_several_tokens_come_out_whole(folder: Path) -> None:
    tokenizer = Tokenizer(folder)
    decoder = tokenizer.decoder()
    assert "".join(decoder.push(token) for token in tokenizer.encode("heé 漢 😀!")) == "heé 漢 😀!"


@pytest.mark.parametrize(("maker", "end"), ENDS)
def test_an_answer_ends_where_its_model_ends_it(maker: str, end: str, tmp_path: Path) -> None:
    folder = chat_folder(tmp_path, maker, end)
    stream, chat = begun(StockDecoder(AutoModelForCausalLM.from_pretrained(folder)), folder, 400)
    for prompt in ("One?", "Two?"):
        assert list(chat.say(prompt, limit=20)) == []
    tokenizer = Tokenizer(folder)
    turns = [("user", "One?"), ("assistant", ""), ("user", "Two?")]
    whole = tokenizer.render([{"role": role, "content": content} for role, content in turns])
    assert stream.cache.ids[0].tolist() == tokenizer.encode(whole)


def test_a_word_that_a_template_writes_behind_an_answer_ends_none(tmp_path: Path) -> None:
    folder = chat_folder(tmp_path, "chatml", "x")
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}\nx: {% endfor %}")
    _, chat = begun(StockDecoder(AutoModelForCausalLM.from_pretrained(folder)), folder, 400)
    assert "".join(chat.say("One?", limit=5)) == "xxxxx"
