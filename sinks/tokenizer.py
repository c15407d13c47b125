"""Text to token ids and back, and a model's own chat template.

In: the tokenizer files of a model folder. Out: ids, text. `tokenizers` does the work; transformers' wrapper is not
needed, and takes seconds to import. The template runs in jinja's sandbox, as it does in transformers. Knows no model.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from itertools import takewhile
from operator import itemgetter
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer as _Tokenizer

_TODAY = date(2024, 7, 26)
"""The day that Llama's own template writes where it is told none."""


class TemplateRefusal(ValueError):
    """The model's chat template does not take these messages, or there is none; the message says why."""


class Tokenizer:
    """The tokenizer in one folder; used from one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError for a missing file, ValueError for one that is no tokenizer."""
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        if not text.lstrip().startswith("{"):  # of which `tokenizers` raises a bare Exception
            raise ValueError(f"tokenizer.json is no JSON object, it begins {text[:40]!r}; a Git LFS pointer perhaps")
        self._tokenizer = _Tokenizer.from_str(text)
        added = self._tokenizer.get_added_tokens_decoder()
        self._special = frozenset(token for token, mark in added.items() if mark.special)
        template = _template_in(folder, config)
        try:
            self._template = None if template is None else _environment().from_string(template)
        except TemplateError as error:
            raise ValueError(f"the model's chat template is none that can be read: {error}") from error
        self._names = {name: _text_of(config.get(name)) for name in ("bos_token", "eos_token")}
        eos = self._tokenizer.token_to_id(self._names["eos_token"])
        if eos is None:
            raise ValueError(f"{folder} names no end-of-sequence token that its tokenizer knows")
        self.eos: int = eos
        """The id that ends a turn."""
        self._ends = frozenset({eos, *_ends_in(folder)})

    def encode(self, text: str) -> list[int]:
        """Ids of `text`; special tokens written in it are special (for what a chat template wrote)."""
        return self._encode(text, special_as_text=False)

    def encode_plain(self, text: str) -> list[int]:
        """Ids of `text` with no special token among them, whatever the text says: speech can't end its own turn."""
        return self._encode(text, special_as_text=True)

    def encode_between(self, before: str, said: str, after: str) -> list[int]:
        """Ids of `said` as `encode_plain` has it, between what a chat template wrote, as `encode` has that: of one
        text, since a tokenizer such as Llama 2's puts a space at the beginning of each.
        """
        begin = max((end for token, _, end in self._places(before) if token in self._special), default=0)
        end = next((start for token, start, _ in self._places(after) if token in self._special), len(after))
        within = self.encode_plain(before[begin:] + said + after[:end])
        return [*self.encode(before[:begin]), *within, *self.encode(after[end:])]

    def _places(self, text: str) -> list[tuple[int, int, int]]:
        """Each id of `text`, and where it begins and ends there."""
        self._tokenizer.encode_special_tokens = False
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        return [(token, *place) for token, place in zip(encoded.ids, encoded.offsets, strict=True)]

    def opening(self) -> list[int]:
        """Ids that a text begins with: the mark of its beginning, where the model was trained with one. (A chat
        template writes it itself.)
        """
        whole = self._tokenizer.encode("a")
        return [token for token, _ in takewhile(itemgetter(1), zip(whole.ids, whole.special_tokens_mask, strict=True))]

    def _encode(self, text: str, *, special_as_text: bool) -> list[int]:
        self._tokenizer.encode_special_tokens = special_as_text
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def ends(self, behind: str) -> frozenset[int]:
        """The ids that end an answer: what the model's files name, which may be less than it was trained to write, and
        the mark that `behind`, what the chat template writes behind an answer, begins with.
        """
        marks = self._tokenizer.get_added_tokens_decoder().keys()
        return self._ends.union(marks & set(self.encode(behind.lstrip())[:1]))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, without special tokens."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def having(self, marks: Collection[str]) -> list[int]:
        """Ids of the tokens in whose text one of `marks` stands."""
        return [token for token, text in enumerate(self.texts()) if any(mark in text for mark in marks)]

    def texts(self) -> list[str]:
        """What each token says, in their order; of those that are part of a character nothing that can be read."""
        return self._tokenizer.decode_batch([[token] for token in range(self._tokenizer.get_vocab_size())])

    def decoder(self) -> TextDecoder:
        """For ids that come one by one."""
        return TextDecoder(self._tokenizer)

    def render(self, messages: Sequence[Mapping[str, object]], **variables: str | bool) -> str:
        """The chat template applied to `messages` (`role`, `content`), ending where the model's answer begins.

        `variables` are what else the template asks for. Raises TemplateRefusal where there is no template, and for
        messages that it refuses.
        """
        if self._template is None:
            raise TemplateRefusal(
                "the model has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json), so "
                "nothing says how its turns are written: expected an instruct model"
            )
        try:
            return self._template.render(messages=messages, add_generation_prompt=True, **self._names, **variables)
        except TemplateError as error:
            raise TemplateRefusal(f"the model's chat template refuses the prompt: {error}") from error


class _Generation(Extension):
    """`{% generation %}`, which tells transformers what a model wrote; here it is what stands in it."""

    tags = {"generation"}  # noqa: RUF012 - jinja2's own name and type

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> ImmutableSandboxedEnvironment:
    """What transformers gives to templates, but one day for ever: a prompt that changes at midnight can't stay in a
    cache, nor be gone on with another day.
    """

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = _TODAY.strftime
    return environment


def _text_of(token: str | dict[str, Any] | None) -> str:
    """A special token, which some settings spell out with how it is cut off."""
    if isinstance(token, dict):
        return str(token["content"])
    return token or ""


def _ends_in(folder: Path) -> list[int]:
    """What transformers would stop at."""
    for path in (folder / "generation_config.json", folder / "config.json"):
        if path.exists():
            named = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
            return named if isinstance(named, list) else [] if named is None else [named]
    return []


def _template_in(folder: Path, config: dict[str, Any]) -> str | None:
    """A file of its own since transformers 4.50; before that the tokenizer's settings had it, or several by name."""
    path = folder / "chat_template.jinja"
    if path.exists():
        return path.read_text(encoding="utf-8")
    found = config.get("chat_template")
    if isinstance(found, list):
        found = {each["name"]: each["template"] for each in found}.get("default")
    return found


class TextDecoder:
    """Ids to text as they come: what is half a character waits for the rest of it."""

    def __init__(self, tokenizer: _Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []  # those whose text came out last, since a text begins in its own way, and what waits
        self._given = 0  # how many of them came out
        self._text = ""  # of those

    def push(self, token: int) -> str:
        """The text that `token` completes: often one word, sometimes nothing."""
        self._ids.append(token)
        text = self._decode(self._ids)
        if text == self._text or text.endswith("\N{REPLACEMENT CHARACTER}"):
            return ""
        waited = self._ids[self._given :]
        alone = self._decode(waited)
        # bytes that are no character spoil those before them too where a tokenizer falls back on bytes
        piece = text[len(self._text) :] if text.startswith(self._text) else alone
        self._ids, self._given, self._text = waited, len(waited), alone
        return piece

    def _decode(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text
