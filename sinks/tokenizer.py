"""Text to token ids and back, and a model's own chat template.

In: the tokenizer files of a model folder. Out: ids, text. `tokenizers` does the work; transformers' wrapper
is not needed, and takes seconds to import. The template runs in jinja's sandbox, as it does in
transformers. Knows no model.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer as _Tokenizer
from tokenizers.decoders import DecodeStream


class Tokenizer:
    """The tokenizer in one folder; used from one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError for a missing file, ValueError for one that is no tokenizer."""
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        self._tokenizer = _Tokenizer.from_str(text)
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        self._template = environment.from_string((folder / "chat_template.jinja").read_text(encoding="utf-8"))
        self._names = {name: config.get(name) or "" for name in ("bos_token", "eos_token")}
        eos = self._tokenizer.token_to_id(self._names["eos_token"])
        if eos is None:
            raise ValueError(f"{folder} names no end-of-sequence token that its tokenizer knows")
        self.eos: int = eos
        """The id that ends a turn."""

    def encode(self, text: str) -> list[int]:
        """Ids of `text`; special tokens written in it are special (for what a chat template wrote)."""
        return self._encode(text, special_as_text=False)

    def encode_plain(self, text: str) -> list[int]:
        """Ids of `text` with no special token among them, whatever the text says: speech can't end its own turn."""
        return self._encode(text, special_as_text=True)

    def _encode(self, text: str, *, special_as_text: bool) -> list[int]:
        self._tokenizer.encode_special_tokens = special_as_text
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, without special tokens."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def decoder(self) -> TextDecoder:
        """For ids that come one by one."""
        return TextDecoder(self._tokenizer)

    def render(self, messages: list[dict[str, str]]) -> str:
        """The chat template applied to `messages` (`role`, `content`), ending where the model's answer begins."""
        return self._template.render(messages=messages, add_generation_prompt=True, **self._names)


class TextDecoder:
    """Ids to text as they come: what is half a character waits for the rest of it."""

    def __init__(self, tokenizer: _Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)

    def push(self, token: int) -> str:
        """The text that `token` completes: often one word, sometimes nothing."""
        return self._stream.step(self._tokenizer, token) or ""
