"""What the model wrote for a turn, judged; which of several answers is taken, and when another is made.

In: answers, and how to have one made. Out: one of them. Knows no model and no rule of what is a translation.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from surtitle.pipeline.consensus import most_agreed
from surtitle.pipeline.guards import Fault

Y = TypeVar("Y")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was written for a turn."""

    tokens: list[int]
    """Empty where a server tells the text alone."""
    text: str
    fault: Fault | None
    """Why it is no translation, if it is none."""
    missed: int
    """Terms of the glossary that it does not have."""
    is_whole: bool = True
    """Whether it was not cut short for something more urgent."""
    is_opposite: bool = False
    """Whether a "not" that was said is lost in it."""

    @property
    def is_sound(self) -> bool:
        """Whether it is a translation, and does not say the opposite."""
        return self.fault is None and not self.is_opposite

    @property
    def lacks(self) -> tuple[bool, int]:
        """What it lacks of what was said: the less, the better."""
        return self.is_opposite, self.missed


def best_of(answers: Sequence[Answer]) -> Answer:
    """Of those that are translations the ones that lack least, a "not" before any of the glossary's terms, and of these
    the one that the others agree with most. The first, which is the likeliest, where none is a translation. Raises
    ValueError for no answers.
    """
    if not answers:
        raise ValueError("no answers, expected at least one to choose")
    translations = [answer for answer in answers if answer.fault is None]
    if not translations:
        return answers[0]
    least = min(answer.lacks for answer in translations)
    chosen = [answer for answer in translations if answer.lacks == least]
    return chosen[most_agreed([answer.text for answer in chosen])]


def made_again(
    first: Answer,
    again: Callable[[int, bool], Generator[Y, S, Answer]],
    *,
    prompts: int,
    in_time: Callable[[], bool],
) -> Generator[Y, S, Answer]:
    """`first`, which is no translation or lacks something, or what is made in its place; ask only where there is time.
    `again(prompt, with_words)` makes it by one of so many `prompts`, with words of the glossary put in or not.

    What is no translation is made by one prompt after the other, until one makes a translation or time is up. What
    lacks something is made once, by the first prompt with the glossary's words put in; that is taken if it lacks less,
    and no more of those words.
    """
    if first.fault is None:
        better = yield from again(0, True)
        is_better = better.fault is None and better.lacks < first.lacks and better.missed <= first.missed
        return better if is_better else first
    answer = first
    for prompt in range(prompts):
        answer = yield from again(prompt, False)
        if answer.fault is None or not in_time():
            break
    return answer
