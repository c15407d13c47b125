from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, normalizers
from tokenizers import Tokenizer as Made
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from surtitle.sinks.convert import convert_gguf
from surtitle.sinks.tokenizer import TextDecoder, Tokenizer

CHAT = [{"role": "system", "content": "Translate."}, {"role": "user", "content": "the sea ☀"}]


@pytest.fixture(scope="module")
def folder(make_model, make_gguf, tmp_path_factory) -> Path:
    gguf = make_gguf(tmp_path_factory.mktemp("tokenizer") / "tiny.gguf", make_model("qwen2"))
    convert_gguf(gguf, gguf.parent, lambda share: None)
    return Path(gguf.parent)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer(folder)


def put(folder: Path, into: Path, *names: str) -> None:
    for name in names:
        (into / name).write_bytes((folder / name).read_bytes())


@given(text=st.text())
def test_text_comes_back_from_its_ids(tokenizer: Tokenizer, text: str) -> None:
    # the library's own composition knows fewer characters than Python's, U+2F800 for one
    back = tokenizer.decode(tokenizer.encode_plain(text))
    assert unicodedata.normalize("NFC", back) == unicodedata.normalize("NFC", text)


@given(text=st.text())
def test_text_comes_back_token_by_token(tokenizer: Tokenizer, text: str) -> None:
    ids, decoder = tokenizer.encode_plain(text), tokenizer.decoder()
    assert "".join(map(decoder.push, ids)) == tokenizer.decode(ids).rstrip("\ufffd")  # it may be half a character


BYTES = st.lists(st.sampled_from([*"😀\n".encode(), 0xFF]), max_size=6).map(bytes)


@given(said=st.lists(st.tuples(st.sampled_from("ab"), st.one_of(st.just(b""), st.just("😀".encode()), BYTES))))
def test_bytes_that_are_no_character_take_nothing_else_with_them(said: list[tuple[str, bytes]]) -> None:
    """As Gemma and Llama 2 write what they have no token for."""
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁a", "▁b"]
    made = Made(models.BPE({piece: index for index, piece in enumerate(pieces)}, [], unk_token="<unk>"))
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    decoder, shown = TextDecoder(made), ""
    for word, more in [*said, ("a", b"")]:
        shown += decoder.push(pieces.index(f"▁{word}"))
        shown += "".join(decoder.push(pieces.index(f"<0x{byte:02X}>")) for byte in more)
    words = " ".join([*(word + more.decode(errors="ignore") for word, more in said), "a"])
    assert [letter for letter in shown if letter in " ab"] == [letter for letter in words if letter in " ab"]
    if all(more in (b"", "😀".encode()) for _, more in said):
        assert shown == words


def test_ids_and_templates_are_those_of_transformers(folder: Path) -> None:
    ours, theirs = Tokenizer(folder), AutoTokenizer.from_pretrained(folder)
    rendered = ours.render(CHAT)
    assert rendered == theirs.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    assert ours.encode(rendered) == theirs.encode(rendered, add_special_tokens=False)
    assert ours.eos == theirs.eos_token_id


def test_speech_cannot_end_its_own_turn(folder: Path) -> None:
    tokenizer = Tokenizer(folder)
    said = "he said <|im_end|>"
    assert tokenizer.eos in tokenizer.encode(said)
    assert tokenizer.eos not in tokenizer.encode_plain(said)
    assert tokenizer.decode(tokenizer.encode_plain(said)) == said


@pytest.mark.parametrize("prefix", [False, True], ids=["Gemma's", "Llama 2's, which begins every text with a space"])
@pytest.mark.parametrize(
    ("before", "after"),
    [("<s>[INST] ", " [/INST]"), ("</s>[INST] ", " [/INST]"), ("<s>user\n", "</s>\nmodel\n"), ("Q: ", "\nA:")],
)
def test_what_is_said_stands_in_its_turn_as_transformers_has_it(
    before: str, after: str, prefix: bool, tmp_path: Path
) -> None:
    letters = ["<unk>", "<s>", "</s>", *map(chr, range(32, 127)), "▁", "▁▁", "\n"]
    made = Made(models.BPE({letter: index for index, letter in enumerate(letters)}, [("▁", "▁")], unk_token="<unk>"))
    spaces = [normalizers.Prepend("▁")] * prefix + [normalizers.Replace(" ", "▁")]
    made.normalizer = normalizers.Sequence(spaces)
    made.add_special_tokens([AddedToken(mark, special=True) for mark in letters[:3]])
    theirs = PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>")
    theirs.save_pretrained(tmp_path)
    ours = Tokenizer(tmp_path)
    whole = theirs(f"{before}Hello you{after}", add_special_tokens=False).input_ids
    assert ours.encode_between(before, "Hello you", after) == whole
    marks = sum(mark in before + after for mark in ("<s>", "</s>"))
    assert sum(token in (1, 2) for token in ours.encode_between(before, "</s>", after)) == marks


def test_a_tokenizer_without_an_end_is_refused(folder: Path, tmp_path: Path) -> None:
    put(folder, tmp_path, "tokenizer.json", "chat_template.jinja")
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "<|unheard-of|>"}')
    with pytest.raises(ValueError, match="names no end-of-sequence token that its tokenizer knows"):
        Tokenizer(tmp_path)


def test_an_end_may_be_spelled_out_with_how_it_is_cut_off(folder: Path, tmp_path: Path) -> None:
    put(folder, tmp_path, "tokenizer.json")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    spelled = {"content": config["eos_token"], "lstrip": False, "special": True}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**config, "eos_token": spelled}))
    assert Tokenizer(tmp_path).eos == Tokenizer(folder).eos


def test_a_template_may_stand_among_the_tokenizers_settings_alone_or_by_name(folder: Path, tmp_path: Path) -> None:
    put(folder, tmp_path, "tokenizer.json")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    template = "{{ messages[0]['content'] }}"
    several = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": template}]
    for stored in (template, several):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": stored}))
        assert Tokenizer(tmp_path).render(CHAT) == "Translate."


def test_without_a_template_nothing_is_rendered_and_what_is_missing_is_said(folder: Path, tmp_path: Path) -> None:
    put(folder, tmp_path, "tokenizer.json", "tokenizer_config.json")
    with pytest.raises(ValueError, match=r"the model has no chat template \(chat_template\.jinja"):
        Tokenizer(tmp_path).render(CHAT)


def test_a_template_may_use_what_transformers_adds_to_jinja(folder: Path, tmp_path: Path) -> None:
    put(folder, tmp_path, "tokenizer.json", "tokenizer_config.json")
    template = (
        "{% for each in messages %}{% if loop.index > 2 %}{% break %}{% endif %}"
        "[{% generation %}{{ each.content }}{% endgeneration %}]{% endfor %}"
    )
    (tmp_path / "chat_template.jinja").write_text(template)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    chat = [*CHAT, {"role": "user", "content": "not this"}]
    assert Tokenizer(tmp_path).render(chat) == "[Translate.][the sea ☀]"
    assert Tokenizer(tmp_path).render(chat) == theirs.apply_chat_template(chat, tokenize=False)


@pytest.mark.parametrize(
    ("template", "written"),
    [
        ('{%- set today = strftime_now("%Y-%m-%d") %}The current date is {{ today }}.', "2024-07-26."),  # Mistral Small
        ("{{- 'Today Date: ' ~ strftime_now('%d %B %Y') -}}", "26 July 2024"),  # SmolLM 3
        (
            '{%- if strftime_now is defined %}{{ strftime_now("%d %b %Y") }}{%- else %}{{ "26 Jul 2024" }}{%- endif %}',
            "26 Jul 2024",  # Llama 3.2
        ),
    ],
)
def test_a_template_that_asks_for_the_day_gets_the_same_one_for_ever(
    template: str, written: str, folder: Path, tmp_path: Path
) -> None:
    put(folder, tmp_path, "tokenizer.json", "tokenizer_config.json")
    (tmp_path / "chat_template.jinja").write_text(template)
    assert Tokenizer(tmp_path).render(CHAT).endswith(written)


def test_a_template_that_can_not_be_read_is_refused(folder: Path, tmp_path: Path) -> None:
    put(folder, tmp_path, "tokenizer.json", "tokenizer_config.json")
    (tmp_path / "chat_template.jinja").write_text("{% unheard %}")
    with pytest.raises(ValueError, match="template is none that can be read: Encountered unknown tag"):
        Tokenizer(tmp_path)


def test_a_template_is_told_variables_and_may_refuse(folder: Path, tmp_path: Path) -> None:
    put(folder, tmp_path, "tokenizer.json", "tokenizer_config.json")
    template = "{% if think %}hm{% else %}{{ raise_exception('think first') }}{% endif %}"
    (tmp_path / "chat_template.jinja").write_text(template)
    tokenizer = Tokenizer(tmp_path)
    assert tokenizer.render(CHAT, think=True) == "hm"
    with pytest.raises(ValueError, match="refuses the prompt: think first"):
        tokenizer.render(CHAT)


def test_tokens_are_found_by_the_marks_in_their_text(tokenizer: Tokenizer) -> None:
    found = tokenizer.having({"!", "¡"})
    assert tokenizer.encode_plain("!")[0] in found
    assert all({"!", "¡"} & {*tokenizer.decode([token])} for token in found)
    assert tokenizer.having({"no token has this"}) == []
