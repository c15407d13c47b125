"""Which language a text is in.

In: text. Out: how likely it is the one of two languages rather than the other, or each of many. Between two given
languages a few words are enough, where a free guess needs sentences. py3langid does it: naive Bayes over byte n-grams
(Lui and Baldwin 2012). Knows no translation.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

from py3langid.langid import MODEL_FILE
from py3langid.langid import LanguageIdentifier as _Identifier

from surtitle.pipeline.languages import LANGUAGES

Likelihood = Callable[[str], float]
"""Of a text, between 0 and 1; 0.5 where nothing tells."""


class Identifier:
    """A loaded model (80 MB, a third of a second)."""

    def __init__(self) -> None:
        self._identifier = _Identifier.from_model_file(MODEL_FILE, norm_probs=True)
        self._among = copy(self._identifier)
        self._among.set_languages(list(LANGUAGES))

    def likelihood(self, language: str, *, other: str) -> Likelihood:
        """What says of a text how likely it is in `language` rather than in `other`."""
        pair = copy(self._identifier)  # which shares the model
        pair.set_languages([language, other])

        def judge(text: str) -> float:
            return float(dict(pair.rank(text))[language])

        return judge

    def shares(self, text: str) -> dict[str, float]:
        """How likely `text` is in each language that we know; 1 in all."""
        return {language: float(share) for language, share in self._among.rank(text)}
