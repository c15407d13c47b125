"""Which of several translations to take: the one that the others agree with most.

In: texts. Out: the place of one. That is the choice of minimum Bayes risk (Kumar and Byrne 2004; Eikema and Aziz 2022),
where what is likely stands for what could be right, and the likeness of two texts is chrF (Popovic 2015): the F-score,
beta 2, of the pieces of 1 to 6 characters that both have, spaces left out. Knows no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

ORDER = 6
"""Characters of the longest pieces."""
BETA = 2.0
"""How much more it counts that nothing is missing than that nothing is too much."""

Pieces = tuple[Counter[str], ...]


def most_agreed(texts: Sequence[str]) -> int:
    """The place of the text that is likest to the others, the first of several; texts that are repeated count once.

    Raises ValueError for no texts.
    """
    found = {text: pieces(text) for text in texts}
    alike = {
        text: sum(likeness(mine, other) for other in found.values() if other is not mine)
        for text, mine in found.items()
    }
    return texts.index(max(alike, key=alike.__getitem__))


def pieces(text: str) -> Pieces:
    """By length, how often each piece of that many characters is there."""
    said = "".join(text.split())
    return tuple(Counter(said[at : at + n] for at in range(len(said) - n + 1)) for n in range(1, ORDER + 1))


def likeness(mine: Pieces, other: Pieces) -> float:
    """chrF of a text of the pieces `mine` where one of `other` would be right, 0 to 1.

    Precision and recall are means over the lengths that both texts have pieces of.
    """
    both = [(a & b, a, b) for a, b in zip(mine, other, strict=True) if a and b]
    if not both:
        return 0.0
    precision = sum(shared.total() / a.total() for shared, a, _ in both) / len(both)
    recall = sum(shared.total() / b.total() for shared, _, b in both) / len(both)
    if not precision + recall:
        return 0.0
    return (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)
