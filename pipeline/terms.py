"""The terms that a conversation should know before it translates a text, and whether a translation has them.

In: a text, its translation. Out: the glossary's terms in it, and names that were translated before (`memory.py`), which
give way to the glossary; never more than a few, since each is a turn to read. Of these, what a translation tells and
what it lacks. Knows no cache.
"""

from __future__ import annotations

from collections.abc import Sequence

from surtitle.pipeline.aside import TERM_TOKENS, PromptTokens
from surtitle.pipeline.glossary import MAX_TERMS, GlossaryTerms, Rendering, missed, put_in
from surtitle.pipeline.languages import Language
from surtitle.pipeline.memory import TermMemory
from surtitle.sinks.tokenizer import Tokenizer


class Terms:
    """Of one language pair."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        prompts: Sequence[PromptTokens],
        glossary: GlossaryTerms,
        memory: TermMemory,
        source: Language,
        target: Language,
    ) -> None:
        """A turn that tells a term may be one of any of `prompts`."""
        self._tokenizer = tokenizer
        self._turn = max(len(prompt.turn("")) for prompt in prompts)  # tokens around a term
        self._glossary = glossary
        self.memory = memory
        self._source, self._target = source.code, target.code

    def wanted(self, text: str) -> Sequence[Rendering]:
        """What the glossary asks for."""
        return self._few(self._glossary(text)[:MAX_TERMS])

    def known(self, text: str) -> Sequence[Rendering]:
        """That, and the words of names that were translated before."""
        wanted = self.wanted(text)
        taken = {word for term in wanted for word in term.said.casefold().split()}
        names = (name for name in self.memory.renderings(text) if name.said.casefold() not in taken)
        return self._few([*wanted, *names][:MAX_TERMS])

    def told(self, text: str, translation: str) -> tuple[Rendering, ...]:
        """What is known of `text` whose words stand in `translation`."""
        known = self.known(text)
        absent = missed(known, translation, self._target)
        return tuple(term for term in known if term not in absent)

    def missed(self, text: str, translation: str) -> int:
        """How many of those wanted have other words in `translation`."""
        return len(missed(self.wanted(text), translation, self._target))

    def put_in(self, text: str) -> str:
        """`text` with the words that the glossary wants in it already."""
        return put_in(self.wanted(text), text, self._source)

    def _few(self, terms: Sequence[Rendering]) -> list[Rendering]:
        """As many as have TERM_TOKENS tokens together, as turns."""
        found: list[Rendering] = []
        tokens = 0
        for term in terms:
            more = self._turn + sum(len(self._tokenizer.encode_plain(text)) for text in (term.said, term.wanted))
            if tokens + more <= TERM_TOKENS:  # a shorter one behind a longer one may still fit
                found.append(term)
                tokens += more
        return found
