"""`surtitle.pipeline.prompts`: the shape of a turn, read off a chat template."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.languages import find_language
from surtitle.pipeline.profiles import find_profile
from surtitle.pipeline.prompts import Prompt, TurnFormat, turn_format

Messages = list[dict[str, str]]
PROMPT = Prompt(find_language("en"), find_language("es"), "Translate.", "", "")


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
    said, answered = PROMPT.source.example, PROMPT.target.example
    assert turn_format(chatml, PROMPT) == TurnFormat(
        beginning=(
            "<|im_start|>system\nTranslate.<|im_end|>\n<|im_start|>user\n"
            f"{said}<|im_end|>\n<|im_start|>assistant\n{answered}"
        ),
        before_answer="<|im_end|>\n<|im_start|>assistant\n",
        before_speech="<|im_end|>\n<|im_start|>user\n",
    )


def test_the_texts_put_together_are_what_the_template_renders() -> None:
    form = turn_format(chatml, PROMPT)
    example = [("user", PROMPT.source.example), ("assistant", PROMPT.target.example)]
    conversation = [("system", "Translate."), *example, ("user", "one"), ("assistant", "uno"), ("user", "two")]
    rendered = chatml([{"role": role, "content": content} for role, content in conversation])
    turns = f"{form.before_speech}one{form.before_answer}uno{form.before_speech}two{form.before_answer}"
    assert form.beginning + turns == rendered


@pytest.mark.parametrize("render", [without_system, without_answers, without_generation_prompt])
def test_a_template_that_drops_something_is_refused(render: Callable[[Messages], str]) -> None:
    with pytest.raises(UserError, match="drops a turn or has no generation prompt: expected an instruct model"):
        turn_format(render, PROMPT)


def test_the_instruction_names_both_languages() -> None:
    plain, strict = find_profile().prompts(find_language("en"), find_language("de"))
    assert "from English to German" in plain.shown
    assert strict.shown == "You translate from English into German.\nTranslate into German: \n"


def test_an_instruction_without_a_system_turn_opens_the_first_user_turn_and_no_other() -> None:
    prompt = Prompt(find_language("en"), find_language("es"), "Translate.", "> ", " <", system_role=False)
    contents = [message["content"] for message in prompt.messages([("one", "uno")], "two")]
    assert contents == ["Translate.\n\n> one <", "uno", "> two <"]
