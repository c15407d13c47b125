"""Which words belong together, where no mark tells: before which a clause may end, and which lead on to the next.

In: a word as a recogniser writes it, and the code of its language. Out: yes or no. Known are closed classes of seven
languages (conjunctions and relatives; articles, prepositions, pronouns, auxiliaries), how Japanese is written, and by
BudouX where Chinese and Thai words begin; in others all answers are no.
Pure functions; knows no model.
"""

from __future__ import annotations

from functools import cache
from itertools import accumulate

import budoux

from surtitle.pipeline.sentences import NONE, OPENERS, by_language
from surtitle.pipeline.text import is_one

_BEGIN = by_language(
    en="and but or because that which who whom whose what how when while where if whether although though unless "
    "until since so",
    de="und oder aber denn weil dass ob wenn während obwohl damit sodass nachdem bevor sondern sowie",
    es="y e o u pero porque que cuando donde mientras aunque si sino cual cuales quien quienes pues",
    fr="et ou mais car que qu qui quand lorsque lorsqu si parce puisque puisqu dont où donc",
    it="e ed o ma perché che quando mentre se dove quindi cui",
    pt="e ou mas porque que quando enquanto se onde embora pois",
    nl="en of maar want omdat dat als wanneer terwijl hoewel toen",
)
"""Conjunctions and relatives."""
_LEAD_ON = by_language(
    en="the a an of to in on at by for with from into through over under between about against during without "
    "within than as this these those my your his its our their i he she we they there is are was were be been "
    "being has have had do does did will would can could should may might must no very more most even just such",
    de="der die das den dem des ein eine einen einem einer eines kein keine keinen in im ins an am auf aus bei "
    "beim mit nach von vom vor zu zum zur für über unter um durch gegen ohne zwischen mein meine dein deine "
    "sein seine ihr ihre unser unsere dieser diese dieses diesen diesem wir ich man sehr mehr als wie so",
    es="el la los las un una unos unas de del a al en con por para sin sobre entre hasta desde como mi tu su mis "
    "tus sus este esta estos estas ese esa esos esas se lo le les me te nos muy más es son ha han hay tiene "
    "tienen tenemos ya así",
    fr="le la les un une des du de à au aux en dans sur sous par pour avec sans entre vers chez ce cette ces mon "
    "ton son ma ta sa mes tes ses notre votre leur leurs je tu il on ils ne se me te est sont a ont alors ainsi "
    "afin pendant bien",
    it="il lo la i gli le un uno una di a da in con su per tra fra del dello della dei degli delle al allo alla ai "
    "agli alle dal dalla nel nella nei nelle sul sulla come mio tuo suo si mi ti ci vi non è sono ha hanno più "
    "molto prima dopo",
    pt="o a os as um uma uns umas de do da dos das em no na nos nas por pelo pela para com sem sobre entre até "
    "como meu seu sua seus suas não muito mais é são já tem têm",
    nl="de het een van in op aan bij met naar voor door over onder tussen die dit deze mijn zijn hun ik hij we "
    "zeer meer te is",
)
"""What follows them belongs to them, as it does to those that begin a clause. Left out are
pronouns that are objects as often (you, it): a phrase ends with those too."""

PARSERS = {
    "ja": cache(budoux.load_default_japanese_parser),
    "th": cache(budoux.load_default_thai_parser),
    "zh": cache(budoux.load_default_simplified_chinese_parser),
}
"""What finds phrases in text without spaces; made when it is first asked for, in some hundredths of a second."""
_NEAR = 30
"""Letters before a word that may tell whether it begins there."""
_LONG_VOWEL = "\N{KATAKANA-HIRAGANA PROLONGED SOUND MARK}"
_OPENING = tuple("「『（“《")
_ENDINGS = tuple("はがをにへともでやばてらどたす")
"""Of particles and verbs. Left out are those that words have within: 取り組み, 三か月, この人."""


def begins_clause(word: str, language: str) -> bool:
    """True if a clause often ends before `word`."""
    return _stem(word) in _BEGIN.get(language, NONE)


def is_bound(word: str, language: str) -> bool:
    """True if `word` belongs to what follows it: a phrase does not end with it."""
    return _stem(word) in _LEAD_ON.get(language, NONE) or begins_clause(word, language)


def shows_phrases(language: str) -> bool:
    """Whether the writing shows where phrases begin, so that `begins_phrase` may say yes."""
    return language in PARSERS


def begins_phrase(word: str, before: str, language: str) -> bool:
    """True if `word` begins a phrase behind the text `before`; a word is one in Chinese and Thai. In Japanese phrases
    begin with a stem, in kanji, katakana or digits, and many end with a particle or an ending that stands within no
    word.
    """
    if not before or not shows_phrases(language) or not (word[:1] in _OPENING or word[:1].isalnum()):
        return False
    if language == "ja":
        return not _is_hiragana(word[0]) and word[0] != _LONG_VOWEL and before[-1] in _ENDINGS
    near = before[-_NEAR:]
    return not is_one(near, word) and len(near) in accumulate(map(len, PARSERS[language]().parse(near + word)))


def _is_hiragana(letter: str) -> bool:
    return "\N{HIRAGANA LETTER SMALL A}" <= letter <= "\N{HIRAGANA LETTER SMALL KE}"


def _stem(word: str) -> str:
    """`that` of `That's`, `qu` of `qu'il`."""
    return word.lstrip(OPENERS).lower().replace("’", "'").partition("'")[0]
