"""Where sentences and clauses end, word by word, as far as what was heard so far tells.

In: words as a recogniser writes them, and the code of their language. Out: yes or no. A full stop may be an
abbreviation's or an ordinal's, and dots a hesitation's: then the next word tells. Pure functions; knows no model.
"""

from __future__ import annotations

import re

SENTENCE_ENDS = ".?!…。？！؟।"
DASHES = "—–"
CLAUSE_ENDS = f",;:，；：、،؛{DASHES}"
CLOSERS = "\"'”’»)]}」』）"
OPENERS = "\"'“‘«„([{¿¡「『（"
_CLOSING_QUOTES = CLOSERS + "“‘«"
"""Behind a word, whichever way they look: German closes with “, Danish with «."""


def by_language(**texts: str) -> dict[str, frozenset[str]]:
    """Sets of words, by the code of their language."""
    return {language: frozenset(text.split()) for language, text in texts.items()}


NONE = frozenset[str]()
_ABBREVIATIONS_EVERYWHERE = frozenset({"mr", "mrs", "ms", "dr", "prof", "st", "vs", "nr", "vol", "fig"})
_ABBREVIATIONS = by_language(
    en="messrs figs vols approx cf pp",
    de="hr fr bzw bspw ca ggf vgl evtl inkl mio mrd abs str bd hrsg",
    es="sr sra srta sres dra dña ud uds núm pág págs aprox av avda ej ee gral lic ing",
    fr="mm env av chap ste",
    it="sig sigg dott ssa ing avv geom es pag",
    pt="sr sra srs dra profa av núm pág págs aprox",
    nl="dhr mevr ir blz ca bijv evt",
    cs="např tzv tzn tj resp cca",
    da="ca kl eks dvs",
    fi="esim mm ns",
    hi="डॉ",
    hu="pl kb ún ill",
    no="ca kl eks dvs",
    pl="np tzn tzw tj św ul tys godz",
    ru="тыс млн млрд ул",
    sv="ca kl dvs",
    uk="тис млн млрд вул",
    vi="tp ts gs pgs",
)
"""Without their stop, the last one of several: something always follows them."""
_AS_WRITTEN = by_language(da="mio mia", de="sog", en="Gen Col Sgt Lt Capt Rev Hon Sen Rep Gov Mt al")
"""The same, in these letters alone: others are words and names (`Ask our sales rep.`, `Thank you, Al.`)."""
_WORDS_HERE = by_language(ca="fig vol", fr="prof vol", nl="vol")
"""Of those of everywhere, the words of a language: `J'ai raté mon vol.`"""
_LAST_AT_TIMES = by_language(
    en="no nos jan feb aug sept oct nov dec etc inc ltd co corp jr sr",
    de="etc usw chr",
    es="etc uu",
    fr="etc ex",
    it="ecc",
    pt="etc ex",
    nl="enz",
    cs="atd apod",
    da="osv",
    fi="jne yms",
    hu="stb",
    no="osv",
    pl="itd itp",
    sv="osv",
)
"""Abbreviations that a sentence can end with."""
_NUMBERED = by_language(en="no nos jan feb aug sept oct nov dec")
"""Of these, those that stand before numbers; before anything else they end a sentence, as words and names do."""
_BEGIN_SENTENCES = by_language(
    en="A After All An And Are As At Because Before But By Can Could Did Do Does Every For From Had Has Have He Her "
    "Here His How If In Is It Its Let My Not Now On Or Our She So Some That The Their Then There These They This Those "
    "To Was We Were What When Where Which While Who Why With You Your"
)
"""Small words, which names do not go on with: with a capital they begin a sentence, whatever is before."""
_APOSTROPHE = re.compile("['’]")
_ORDINAL_STOP = frozenset({"de", "da", "no", "fi", "cs", "sk", "pl", "hu", "hr", "sl", "sr", "tr", "et", "lv", "is"})
"""Languages that write ordinal numbers with a stop: `am 3. Mai`."""
_ROMAN = frozenset("ivx")
_GREEK_QUESTION = (";", "\N{GREEK QUESTION MARK}")
_WORDS_OF_ONE_LETTER = frozenset({"i", "é", "è"})
"""With which a sentence can end: `So do I.`, `Não sei o que é.`"""
_SMALL_WORDS_OF_ONE_LETTER = by_language(
    da="å ø", fr="a", hu="ő", nl="u", no="å", ro="e", ru="я", sv="å ö", tr="o", uk="я є", vi="à á ạ ô ơ ồ ờ ở ư ừ y ý"
)
"""The same, where a capital is an initial: `Xin cảm ơn ạ.`, `Il y en a.`"""


def ends_sentence(word: str, language: str) -> bool:
    """True if `word` ends a sentence for certain: no abbreviation, initial, short number or hesitation does."""
    bare = word.rstrip(_CLOSING_QUOTES)
    if language == "el" and bare.endswith(_GREEK_QUESTION):
        return True
    if not bare or bare[-1] not in SENTENCE_ENDS or _hesitates(bare):
        return False
    written = _written(bare)
    stem = written.lower()
    is_small = not bare.isupper() and stem in _SMALL_WORDS_OF_ONE_LETTER.get(language, NONE)
    is_word = is_small or stem in _WORDS_OF_ONE_LETTER
    is_letter = stem.lower() != stem.upper() or language == "ar"  # د. محمد
    is_initial = len(stem) == 1 and is_letter and not is_word
    is_known = _is_always_followed(written, language) or stem in _LAST_AT_TIMES.get(language, NONE)
    is_short_number = (stem.isdigit() and len(stem) < 3) or _is_roman_ordinal(written, language)
    return bare[-1] != "." or not (is_initial or is_known or is_short_number or _is_dotted(stem, language))


def ended_after_all(word: str, following: str, language: str) -> bool:
    """True if `word` ended a sentence after all, as the one after it tells: `I said no. Then`, `Well... But`,
    `at 5 p.m. We`."""
    bare, begins = word.rstrip(_CLOSING_QUOTES), following.lstrip(OPENERS)
    stem = _written(bare).lower()
    if bare[-1:] == "." and (_is_dotted(stem, language) or (len(stem) == 1 and stem.isalpha())):
        return _APOSTROPHE.split(begins)[0].rstrip(CLAUSE_ENDS) in _BEGIN_SENTENCES.get(language, NONE)
    is_number = stem.isdigit() and language not in _ORDINAL_STOP
    if not (_hesitates(bare) or (bare[-1:] == "." and (is_number or stem in _LAST_AT_TIMES.get(language, NONE)))):
        return False
    if stem in _NUMBERED.get(language, NONE):
        return not begins[:1].isdigit()
    # German writes nouns with a capital, and English its I
    tells = language != "de" and not (language == "en" and begins[:1] == "I" and not begins[1:2].isalpha())
    return tells and begins[:1].isupper()


def ends_clause(word: str, language: str) -> bool:
    """True if a reader could pause after `word`."""
    bare = word.rstrip(_CLOSING_QUOTES)
    is_mark = bare[-1:] in tuple(CLAUSE_ENDS) and not _may_be_longer(bare)
    return is_mark or _hesitates(bare) or ends_sentence(word, language)


def leads_on(word: str, language: str) -> bool:
    """True if what belongs to `word` may be still to come: behind a number, an abbreviation or what opens a quote."""
    bare = word.rstrip(_CLOSING_QUOTES)
    is_abbreviation = bare[-1:] == "." and not _hesitates(bare) and not ends_sentence(word, language)
    is_opening = bool(word) and not word.strip(OPENERS)
    return is_abbreviation or is_opening or bare[-1:].isdigit() or _may_be_longer(bare)


def _is_always_followed(written: str, language: str) -> bool:
    stem = written.lower().rpartition(".")[2]
    is_known = stem in _ABBREVIATIONS_EVERYWHERE and stem not in _WORDS_HERE.get(language, NONE)
    is_here = stem in _ABBREVIATIONS.get(language, NONE) or written in _AS_WRITTEN.get(language, NONE)
    return is_known or is_here


def _is_dotted(stem: str, language: str) -> bool:
    """True for what is short for several words (`U.S`), and for a date where ordinals have stops (`3.5`, in May): not
    for other numbers (`2.5%`, `1.000`) and addresses (`example.com`, `example.de`), behind which a stop ends a
    sentence."""
    parts = stem.split(".")
    is_date = language in _ORDINAL_STOP and all(part.isdigit() for part in parts if part)  # `.5` may be left of `3.5`
    is_number = any(map(str.isdigit, parts[-1]))
    return len(parts) > 1 and max(map(len, parts)) < 3 and (is_date or not is_number)


def _is_roman_ordinal(written: str, language: str) -> bool:
    """True for `XIV` of `Ludwig XIV. war`."""
    return language in _ORDINAL_STOP and len(written) > 1 and written.isupper() and _ROMAN.issuperset(written.lower())


def _written(bare: str) -> str:
    return bare.rstrip(".").lstrip(OPENERS)


def _hesitates(bare: str) -> bool:
    return bare.endswith(("...", "…"))


def _may_be_longer(bare: str) -> bool:
    """True for `1,`, which may become `1,000`."""
    return bare[-1:] == "," and bare[:-1].isdigit() and len(bare) <= 4
