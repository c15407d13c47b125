"""What an LLM writes instead of a translation, and how to tell.

In: a source text and what the translator made of it. Out: what is wrong with it, or nothing. A turn that fails must not
join the context: one echoed sentence teaches the next to be echoed too. What is a fault was chosen so that the
translations of professionals have none (`scripts/LOG.md`). Knows no model but the one that tells languages apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Literal

from surtitle.pipeline.comments import is_comment
from surtitle.pipeline.identify import Identifier
from surtitle.pipeline.prompts import Prompt
from surtitle.pipeline.replies import is_answered, is_reply
from surtitle.pipeline.text import is_mute, shared

Fault = Literal[
    "empty", "runaway", "short", "echo", "language", "script", "loop", "prompt", "answer", "reply", "comment", "repeat"
]

_ANY_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LONG, _ECHO_WORDS = 4, 3
"""Letters of a longer word, and how many such words in lower case must be there to judge an echo: names and cognates
are the same in many languages."""
_ECHO_SHARE = 0.6
"""Of them, how many stand in an echo; and of all words, and more than one more, in one that could be in the target
language: a sentence of cognates has other small words ("a social crisis", "una crisis social")."""
_ADDRESS = re.compile(r"(?<![!-~])[!-~]*(?:@|://|[0-9A-Za-z]\.[a-z]{2})[!-~]*")
"""Of mail and of web sites: the same in every language, so that it tells none."""
_ALIKE = ({"da", "no"},)
"""Languages in which many a sentence is the same."""
_UNCASED = 8
"""Letters without capitals, numbers left out, of which a copy is suspect: fewer may be a name."""
_WORD = re.compile(r"[^\W\d_]{2,}")
_CALL = 4
"""Letters of a word that is called again and again, and may be the same in both languages."""
_FEW_WORDS, _SURE, _LIKELY_IF_NEAR, _LIKELY, _POSSIBLE, _UNLIKELY = 4, 0.9, 0.7, 0.5, 0.1, 0.05
"""Words without a capital below which the language has to be sure, and otherwise more likely than not, or a little more
where the other one is near."""
_NEAREST = ({"es", "pt", "ca", "it"}, {"da", "no", "sv"}, {"ru", "uk"})
"""Languages that have most of their words from one another."""
_NEAR = (*_NEAREST, {"nl", "de"}, {"cs", "pl"}, {"id", "vi"})
"""Languages that a sentence is taken for one another in."""
_FOREIGN = {
    code: re.compile(f"[{letters}]")
    for code, letters in {
        "uk": "ыэъё", "ru": "іїєґ", "cs": "łąęńśźż", "pl": "řěůčš", "es": "ãõçàêôâ", "pt": "ñ", "it": "ñãõç",
        "ca": "ñãõ", "sv": "æø", "da": "äö", "no": "äö", "nl": "äß", "id": "ăđơư",
    }.items()
}  # fmt: skip
"""Letters that a language does not have, and one has that is near."""
_KANJI, _KANA = re.compile("[\u4e00-\u9fff]"), re.compile("[\u3041-\u30fa]")
_CHINESE = frozenset("你您她很呢吧哪")
"""Characters that Japanese has, and no sentence of today."""
_SHORT, _SHORT_SHARE, _WIDE = 24, 0.2, 3
"""Letters of different words from which a source is judged, the least share of them that a translation has, and for how
many letters a wide one stands. Professionals use 0.21 and more."""
_SAID = re.compile("[\u0e00-\u0eff\u3040-\u9fff\uac00-\ud7a3]|[^\\W\u0e00-\u0eff\u3040-\u9fff\uac00-\ud7a3]+")
"""A word, or a letter where there are no spaces between words; a syllable in Korean, whose words end in particles."""
_REPEATED, _REPEATED_SHARE, _ALIKE_SHARE = 24, 0.6, 0.5
"""Letters, and the share of a translation, that it begins with as an earlier one does, where it says that again; and
the share of the shorter source's words that both have, where both may be translated alike."""
_LOOP, _LOOP_IN_SOURCE = re.compile(r"(.{2,60}?)\1{3,}"), re.compile(r"([^\W\d_])\1{3,}")
_LOOP_LENGTH = 16
"""Characters of a loop at least: who laughs ("jajajaja"), and what sounds (ドキドキドキドキ), stops before."""
_PROMPT_SHARE = 24
"""Letters in a row of the prompt that no translation has by chance."""
_QUESTION = re.compile("[?？؟]")
_QUESTION_IN = {
    "el": re.compile("[?;\u037e]"),
    "ja": re.compile("[?？]|(?:か[なねい]?|かしら|ね|でしょう|だろう|ましょう)[。」]?$"),
    "th": re.compile(""),
}
"""Where a question has another mark, or need not have one: it ends in か or ね, or in a word of many."""
_ONE_QUESTION = re.compile('[^:："“”„«»「」『』.!?。！]+[?？؟]')
_ONE_QUESTION_IN = {"el": re.compile('[^:"“”„«»·.!?;\u037e]+[?;\u037e]')}
"""A question and no more: what is quoted may be told instead."""


class Guards:
    """What tells a translation between two languages from what is none."""

    def __init__(self, prompts: Sequence[Prompt], identifier: Identifier) -> None:
        """`prompts` are what the model may be asked with for one language pair; `identifier` tells languages apart."""
        source, target = prompts[0].source, prompts[0].target
        shown = "\n".join(prompt.shown for prompt in prompts)
        self._in_source = identifier.likelihood(source.code, other=target.code)
        self._shares = identifier.shares
        self._source, self._target = source.code, target.code
        self._letters = _scripts(target.example) | {"LATIN", "GREEK"}  # names, and 5 µm
        self._prompt = _runs(f"{shown}\n{source.example}\n{target.example}")
        self._example = _runs(source.example)
        self._letters_of_example = _letters(source.example)
        self._alike = {source.code, target.code} in _ALIKE
        self._near = any({source.code, target.code} <= near for near in _NEAREST)
        self._latin = "LATIN" in _scripts(target.example)
        self._one_question = _ONE_QUESTION_IN.get(source.code, _ONE_QUESTION)
        self._question = _QUESTION_IN.get(target.code, _QUESTION)

    def fault(
        self,
        source: str,
        translation: str,
        *,
        finished: bool,
        is_whole: bool = True,
        before: Sequence[tuple[str, str]] = (),
    ) -> Fault | None:
        """What is wrong with `translation`, or None for a text that can be one of `source`; what is not `is_whole` was
        broken off. `before` are the turns that the model was shown.

        `empty`; `runaway`: the model did not end its turn by itself (`finished`); `echo`: most of the source's longer
        words, names (capitals) left out, stand in it unchanged, or, where it could be in the target language, of all
        its words; `language`: it is in the source's, or a third; `script`: letters that neither language has, or for
        the most part such as the target has not; `loop`: something said four times in a row, once in the source;
        `prompt`: part of what the model was shown; `answer`: no question, of a question; `comment`: talk about
        translating, or more than one line, of one; `reply`: it begins as an assistant's does; `short`: a word, of a
        whole sentence; `repeat`: what was made of something else `before`.
        """
        translation = translation.strip()
        if is_mute(translation) and not is_mute(source):
            return "empty"
        if not finished:
            return "runaway"
        bare = [_ADDRESS.sub(" ", text) for text in (source, translation)]
        checks: tuple[tuple[Fault, Callable[[str, str], bool]], ...] = (
            ("prompt", self._shows_the_prompt),
            ("script", self._is_in_another_script),
            ("echo", lambda *_: self._is_echo(*bare)),
            ("language", lambda *_: self._is_in_the_source_language(*bare)),
            ("language", lambda *_: self._is_in_a_third(*bare)),
            ("language", lambda said, made: self._target == "ja" and _is_chinese(said, made)),
            ("loop", _loops),
            ("answer", self._is_an_answer),
            ("comment", is_comment),
            ("comment", _has_notes),
            ("reply", self._is_reply),
            ("short", lambda said, made: is_whole and _is_short(said, made)),
        )
        found = next((kind for kind, finds in checks if finds(source, translation)), None)
        if found is None and any(repeats(source, translation, *turn) for turn in before):
            return "repeat"
        return found

    def is_lost(self, source: str, begun: str) -> bool:
        """Whether no translation can begin with `begun`, however it goes on: it loops, shows the prompt, has letters
        that neither language has, or more than one line.
        """
        begun = begun.strip()
        return (
            _loops(source, begun)
            or self._shows_the_prompt(source, begun)
            or bool(_scripts(begun) - self._letters - _scripts(source))
            or _has_notes(source, begun)
        )

    def _shows_the_prompt(self, source: str, translation: str) -> bool:
        """What says the example's words, or most of them, may be translated as the example is."""
        if not _runs(translation) & self._prompt:
            return False
        is_part = len(source) >= _PROMPT_SHARE and _letters(source) in self._letters_of_example
        return not is_part and not _runs(source) & self._example

    def _is_in_another_script(self, source: str, translation: str) -> bool:
        """One that neither language has; or, for the most part, one that only the source has."""
        strange = _scripts(translation) - self._letters
        if not strange or strange - _scripts(source):
            return bool(strange)
        letters = [letter for letter in translation if letter.isalpha()]
        return 2 * sum(bool(_scripts(letter) & strange) for letter in letters) > len(letters)

    def _is_echo(self, source: str, translation: str) -> bool:
        if self._alike:
            return False
        if _letters(source) == _letters(translation) and self._is_no_copy(source):
            return True
        words = [word for word in _ANY_WORD.findall(source) if word.islower() and len(word) >= _LONG]
        if len(words) < _ECHO_WORDS or _is_call(source) or _kept(words, translation) < _ECHO_SHARE * len(words):
            return False
        if self._in_source(translation) > (_LIKELY if self._near else _POSSIBLE):
            return True
        said = _ANY_WORD.findall(source.casefold())
        return _kept(said, translation.casefold()) > _ECHO_SHARE * len(said) + 1

    def _is_no_copy(self, source: str) -> bool:
        """Whether what is said would not be written the same in the target language: several words in Latin letters
        that are not all names, where it has others; or what is no short name in a script without capitals."""
        words = [word for part in source.split() if len(found := _WORD.findall(part)) == 1 for word in found]
        if not self._latin and len(words) > 1 and any(word.islower() for word in words):
            return True
        letters = (letter for letter in source if letter.isalpha() and not letter.isnumeric())
        return sum(letter.lower() == letter.upper() for letter in letters) >= _UNCASED

    def _is_in_the_source_language(self, source: str, translation: str) -> bool:
        words = sum(word.islower() for word in _WORD.findall(translation))
        if self._alike or _is_call(translation):
            return False
        is_short = words < _FEW_WORDS and translation.casefold() != source.casefold()  # a copy is suspect however short
        likely = _LIKELY_IF_NEAR if self._near else _LIKELY
        return words > 1 and self._in_source(translation) > (_SURE if is_short else likely)

    def _is_in_a_third(self, source: str, translation: str) -> bool:
        said = set(_WORD.findall(source))  # what is quoted stays as it was
        words = [word for word in _WORD.findall(translation) if word not in said]
        if sum(word.islower() for word in words) < _FEW_WORDS:
            return False
        shares = self._shares(" ".join(words))
        best = max(shares, key=lambda code: shares[code])
        foreign = _FOREIGN.get(self._target)
        is_told = foreign is not None and any(map(foreign.search, words))
        is_near = any({best, self._target} <= near for near in _NEAR) and not is_told
        return not is_near and shares[best] >= _SURE and shares[self._target] <= _UNLIKELY

    def _is_an_answer(self, source: str, translation: str) -> bool:
        if self._one_question.fullmatch(source):
            return not self._question.search(translation)
        return is_answered(source, translation, spoken=self._source, wanted=self._target)

    def _is_reply(self, source: str, translation: str) -> bool:
        return is_reply(source, translation, spoken=self._source, wanted=self._target)


def repeats(source: str, translation: str, said: str, made: str) -> bool:
    """Whether `translation` begins for the most part as `made` does, which was made of `said`, another text than
    `source`: a model that has written something twice goes on writing it, whatever is said."""
    letters = _letters(translation)
    same = shared(letters, _letters(made))
    if same < _REPEATED or same < _REPEATED_SHARE * len(letters):
        return False
    words, other = ({*_SAID.findall(text.casefold())} for text in (source, said))
    return len(words & other) < _ALIKE_SHARE * min(len(words), len(other))


def _is_call(text: str) -> bool:
    """Whether a short word is said again and again, and no other: `No, no, no.`, `Ha, ha, ha.`"""
    words = {*_ANY_WORD.findall(text.casefold())}
    return len(words) == 1 and len(min(words)) <= _CALL


def _kept(words: Sequence[str], translation: str) -> int:
    """How many of `words` stand in `translation`."""
    there = {*_ANY_WORD.findall(translation)}
    return sum(word in there for word in words)


def _letters(text: str) -> str:
    """Its letters and digits, one after the other."""
    return "".join(filter(str.isalnum, text.casefold()))


def _is_chinese(source: str, translation: str) -> bool:
    """Whether Japanese that has no kana has characters that are Chinese alone; names of the source may have some."""
    kanji = {*_KANJI.findall(translation)} - {*source}
    return not _KANA.search(translation) and any(
        letter in _CHINESE or not letter.encode("euc_jis_2004", "ignore") for letter in kanji
    )


def _is_short(source: str, translation: str) -> bool:
    """Numbers that are said in words may be short in digits, and what is said again and again may be said once."""
    words = list(dict.fromkeys(re.findall(r"\w+", source.casefold())))
    said = _size(" ".join(words))
    is_wide = said > sum(map(len, words))  # what is written so has no words to count
    is_sentence = said >= _SHORT and (is_wide or len(words) >= _FEW_WORDS)
    is_number = any(map(str.isdigit, translation))
    return is_sentence and not is_number and _size(translation) < _SHORT_SHARE * said


def _size(text: str) -> int:
    """In letters and digits; a wide one says more, and a kana less than that."""
    return sum(
        _WIDE - ("\u3040" <= letter <= "\u30ff") if unicodedata.east_asian_width(letter) == "W" else 1
        for letter in filter(str.isalnum, text)
    )


def _has_notes(source: str, translation: str) -> bool:
    return "\n" in translation.strip() and "\n" not in source.strip()


def _loops(source: str, translation: str) -> bool:
    """In Chinese and Korean a word may be one letter (对对对对, 네네네네), and in Thai the mark that repeats it."""
    if _longest_loop(translation) < _LOOP_LENGTH:
        return False
    return not (_LOOP_IN_SOURCE.search(source) or _longest_loop(source))


def _longest_loop(text: str) -> int:
    loops = (found for found in _LOOP.finditer(text.casefold()) if re.search(r"[^\W\d_]", found[1]))
    return max((len(found[0]) for found in loops), default=0)


def _scripts(text: str) -> set[str]:
    """Of the letters of `text`, as the first word of their Unicode names: LATIN, CJK, HIRAGANA."""
    letters = filter(str.isalpha, unicodedata.normalize("NFKC", text))  # º is an o
    found = {re.split("[ -]", unicodedata.name(letter, "?"))[0] for letter in letters}
    found -= {"MODIFIER"}  # the apostrophe of п’ять
    if "IDEOGRAPHIC" in found:  # 々
        found = found - {"IDEOGRAPHIC"} | {"CJK"}
    return found | {"KATAKANA"} if "HIRAGANA" in found else found


def _runs(text: str) -> set[str]:
    """Every run of `_PROMPT_SHARE` letters in a line, whatever stands between them; of half as many wide ones."""
    found: set[str] = set()
    for line in text.casefold().splitlines():
        letters = _letters(line)
        wide = any(unicodedata.east_asian_width(letter) == "W" for letter in letters)
        size = _PROMPT_SHARE // 2 if wide else _PROMPT_SHARE
        found.update(letters[start : start + size] for start in range(len(letters) - size + 1))
    return found
