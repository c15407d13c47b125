"""`surtitle.pipeline.prompts`: the shape of a turn, read off a chat template."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.languages import find_language
from surtitle.pipeline.prompts import TurnFormat, instruction, turn_format

Messages = list[dict[str, str]]


def chatml(messages: Messages) -> str:
    turns = (f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n" for message in messages)
    return "".join(turns) + "<|im_start|>assistant\n"


def without_system(messages: Messages) -> str:
    return chatml([message for message in messages if message["role"] != "system"])


def without_answers(messages: Messages) -> str:
    return chatml([message for message in messages if message["role"] != "assistant"])


def without_generation_prompt(messages: Messages) -> str:
    return messages[0]["content"] + "".join(message["content"] for message in messages[1:])


def test_a_chatml_template_gives_the_texts_between_what_is_said() -> None:
    assert turn_format(chatml, "Translate.") == TurnFormat(
        before_example="<|im_start|>system\nTranslate.<|im_end|>\n<|im_start|>user\n",
        before_answer="<|im_end|>\n<|im_start|>assistant\n",
        before_speech="<|im_end|>\n<|im_start|>user\n",
    )


def test_the_texts_put_together_are_what_the_template_renders() -> None:
    form = turn_format(chatml, "Translate.")
    conversation = [("system", "Translate."), ("user", "one"), ("assistant", "uno"), ("user", "two")]
    rendered = chatml([{"role": role, "content": content} for role, content in conversation])
    assert f"{form.before_example}one{form.before_answer}uno{form.before_speech}two{form.before_answer}" == rendered


@pytest.mark.parametrize("render", [without_system, without_answers, without_generation_prompt])
def test_a_template_that_drops_something_is_refused(render: Callable[[Messages], str]) -> None:
    with pytest.raises(UserError, match="drops a turn or has no generation prompt: expected an instruct model"):
        turn_format(render, "Translate.")


def test_the_instruction_names_both_languages() -> None:
    text = instruction(find_language("en"), find_language("de"))
    assert "from English to German" in text
