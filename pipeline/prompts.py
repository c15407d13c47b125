"""What a translator LLM is shown: who says what, and the shape of a turn in a model's own chat template.

In: the texts of a profile in one language pair, and a chat template. Out: messages, and the texts between what is said.
Speech only ever stands in a user turn, so it can't rewrite the prompt. Knows no model and no cache.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.languages import Language

Message = Mapping[str, object]
"""A `role` and its `content`."""
TextTurn = tuple[str, str]
"""What was said, and its translation."""
Render = Callable[..., str]
"""A chat template, of messages and variables by name. Raises ValueError for what it refuses, and if there is none."""

_EXAMPLE, _ANSWER, _SPEECH = "\x11example\x11", "\x11answer\x11", "\x11speech\x11"


@dataclass(frozen=True, slots=True)
class Prompt:
    """How a model is asked for translations from one language into another."""

    source: Language
    target: Language
    system: str | None
    """The system turn; empty for an empty one, None for none."""
    before: str
    """What stands before the text in each user turn."""
    after: str
    """What stands behind it."""
    system_role: bool = True
    """False: the template has no system turn, so its text opens the first user turn."""
    structured: bool = False
    """True: the model's own template writes a user turn from the languages' codes and the bare text."""
    example: bool = True
    """Whether a worked example is the first turn."""
    stop: tuple[str, ...] = ()
    """Texts that end an answer, beside what the model's files name."""
    variables: Mapping[str, str | bool] = field(default_factory=dict)
    """What the chat template is told beside the messages."""

    @property
    def examples(self) -> tuple[TextTurn, ...]:
        """The turns that come first."""
        return ((self.source.example, self.target.example),) if self.example else ()

    @property
    def shown(self) -> str:
        """All that the model sees beside examples and speech."""
        return f"{self.system or ''}\n{self.before}\n{self.after}"

    def messages(self, turns: Sequence[TextTurn], text: str) -> list[Message]:
        """A conversation that ends with `text`, for a server that lays a plain chat template around it."""
        first, *_ = said = [*(said for said, _ in turns), text]
        contents = [self.before + each + self.after for each in said]
        opening: list[Message] = []
        if self.system is not None and self.system_role:
            opening = [{"role": "system", "content": self.system}]
        elif self.system:
            contents[0] = f"{self.system}\n\n{self.before}{first}{self.after}"
        return [*opening, *_alternating(contents, turns)]

    def for_template(self, turns: Sequence[TextTurn], text: str) -> list[Message]:
        """The same for the template that comes with the model."""
        if not self.structured:
            return self.messages(turns, text)
        codes = {"type": "text", "source_lang_code": self.source.code, "target_lang_code": self.target.code}
        return _alternating([[{**codes, "text": each}] for each in (*(said for said, _ in turns), text)], turns)


def _alternating(contents: Sequence[object], turns: Sequence[TextTurn]) -> list[Message]:
    messages: list[Message] = [{"role": "user", "content": contents[0]}]
    for content, (_, answer) in zip(contents[1:], turns, strict=True):
        messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": content}]
    return messages


@dataclass(frozen=True, slots=True)
class TurnFormat:
    """The texts around what is said, read off a model's chat template."""

    beginning: str
    """All before the first `before_speech`: what stays."""
    before_answer: str
    """From the end of a source text to its translation."""
    before_speech: str
    """From the end of a translation to the next source text."""


def turn_format(render: Render, prompt: Prompt) -> TurnFormat:
    """Learn the format from `render`, which applies the chat template. Raises UserError if it can't be learned."""
    try:
        text = render(prompt.for_template([(_EXAMPLE, _ANSWER)], _SPEECH), **prompt.variables)
    except ValueError as error:
        raise UserError(f"{error}; choose another model with --llm") from error
    start, found_example, rest = text.partition(_EXAMPLE)
    _, found_answer, rest = rest.partition(_ANSWER)
    speech, found_speech, generation = rest.partition(_SPEECH)
    instructed = prompt.structured or (prompt.system or "").strip() in start
    if not (instructed and found_example and found_answer and found_speech and generation):
        raise UserError(
            "the model's chat template drops a turn or has no generation prompt: expected an instruct model whose "
            "template keeps system, user and assistant turns; choose another with --llm"
        )
    for said, answered in prompt.examples:
        return TurnFormat(f"{start}{said}{generation}{answered}", generation, speech)
    if not start.endswith(speech):
        raise UserError(
            "the model's chat template has no system turn that could stay as its context rolls on: its profile needs "
            "example = true"
        )
    return TurnFormat(start.removesuffix(speech), generation, speech)
