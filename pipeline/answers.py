"""What the model wrote for a turn, judged; and which of several answers is taken.

In: answers. Out: one of them. Knows no model and no rule of what is a translation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from surtitle.pipeline.consensus import most_agreed
from surtitle.pipeline.guards import Fault


@dataclass(frozen=True, slots=True)
class Answer:
    """What was written for a turn."""

    tokens: list[int]
    text: str
    fault: Fault | None
    """Why it is no translation, if it is none."""
    missed: int
    """Terms of the glossary that it does not have."""
    is_whole: bool = True
    """Whether it was not cut short for something more urgent."""


def best_of(answers: Sequence[Answer]) -> Answer:
    """Of those that are translations the ones with most of the glossary's terms, and of these the one that the others
    agree with most. The first, which is the likeliest, where none is a translation. Raises ValueError for no answers.
    """
    if not answers:
        raise ValueError("no answers, expected at least one to choose")
    sound = [answer for answer in answers if answer.fault is None]
    if not sound:
        return answers[0]
    least = min(answer.missed for answer in sound)
    chosen = [answer for answer in sound if answer.missed == least]
    return chosen[most_agreed([answer.text for answer in chosen])]
