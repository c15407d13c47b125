"""`surtitle.pipeline.generate`: how it ends, with a model that is a script."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from chat_folders import chat_folder

from surtitle.pipeline import generate as module
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.generate import Wanted, generate
from surtitle.sinks.stream import TokenStream


class Scripted:
    """A chat that goes on until nobody reads it, and the stream under it."""

    def __init__(self) -> None:
        self.cache = SimpleNamespace(length=1)

    def tell(self, text: str, *, limit: int | None) -> Iterator[str]:
        while True:
            yield text

    def save(self, path: Path) -> None:
        path.write_text("cache")


class Head(io.StringIO):
    """Reads a few words, and is gone, or presses Ctrl-C."""

    def __init__(self, end: type[BaseException] = BrokenPipeError) -> None:
        super().__init__()
        self.end: type[BaseException] | None = end

    def write(self, text: str) -> int:
        if self.tell() > 20 and self.end is not None:
            end, self.end = self.end, None
            raise end
        return super().write(text)


def test_what_was_written_until_nobody_reads_on_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_begin", lambda *_: (Scripted(),) * 2)
    monkeypatch.setattr(sys, "stdout", Head())
    wanted = Wanted("Once ", None, None, 256, 4, 0.0, 0, None, tmp_path / "cache", None)
    with pytest.raises(BrokenPipeError):
        generate(tmp_path, wanted, threads=1)
    assert (tmp_path / "cache").read_text() == "cache"


@pytest.mark.parametrize(("limit", "is_done"), [(None, True), (1000, False)])
def test_ctrl_c_is_the_end_of_what_has_no_other_and_an_interruption_of_all_else(
    limit: int | None, is_done: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_begin", lambda *_: (Scripted(),) * 2)
    monkeypatch.setattr(sys, "stdout", Head(KeyboardInterrupt))
    wanted = Wanted("Once ", None, limit, 256, 4, 0.0, 0, None, tmp_path / "cache", None)
    with nullcontext() if is_done else pytest.raises(KeyboardInterrupt):
        generate(tmp_path, wanted, threads=1)
    assert (tmp_path / "cache").read_text() == "cache"


def test_a_prompt_is_a_line_as_any_editor_saves_it(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_bytes("\ufeffOne\u2028more?\r\n\n two \n".encode())
    wanted = Wanted(None, file, None, 256, 4, 0.0, 0, None, None, None)
    assert module._prompts(wanted) == ["One\u2028more?", "two"]


def test_what_holds_no_prompt_is_said(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text(" \n")
    for prompt, prompts, said in ((None, file, "prompts.txt holds no prompt"), ("\udcff", None, "--prompt is no text")):
        with pytest.raises(UserError, match=said):
            generate(tmp_path, Wanted(prompt, prompts, None, 256, 4, 0.0, 0, None, None, None), threads=1)


def test_what_can_not_begin_leaves_the_log_of_an_earlier_run_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "talk.txt"
    log.write_text("what was said")
    monkeypatch.setattr(module, "Engine", lambda *_, **__: SimpleNamespace(model=None, tokenizer=None))
    monkeypatch.setattr(module, "TokenStream", lambda *_, **__: TokenStream.__new__(TokenStream))
    wanted = Wanted(None, None, 9, 256, 4, 0.0, 0, log, None, tmp_path / "mistyped")
    with pytest.raises(UserError, match=r"can't read .*mistyped"):
        generate(tmp_path, wanted, threads=1)
    assert log.read_text() == "what was said"


@pytest.mark.slow
def test_a_model_that_was_not_made_to_chat_is_refused_in_one_line(tmp_path: Path) -> None:
    folder, file = chat_folder(tmp_path / "model", "one turn", "x"), tmp_path / "prompts.txt"
    file.write_text("One?\nTwo?\n")
    wanted = Wanted(None, file, 3, 256, 4, 0.0, 0, None, None, None)
    with pytest.raises(UserError, match=r"can't answer --prompts: .* refuses the prompt: expected one message"):
        generate(folder, wanted, threads=1)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(UserError, match="can't answer --prompts: the model has no chat template"):
        generate(folder, wanted, threads=1)
