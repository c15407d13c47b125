"""The languages that surtitle names: codes, names, and one sentence that shows the translator what to do.

In: codes as a user types them. Out: `Language`s and `Pair`s, or a UsageError that suggests the nearest. Knows no model;
whether a model speaks a language is in the model manifest.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from surtitle.pipeline.errors import UsageError


@dataclass(frozen=True, slots=True)
class Language:
    """One language."""

    code: str
    """ISO 639-1."""
    name: str
    """In English, as a prompt names it."""
    example: str
    """The same sentence in every language: the worked example of the translator's prompt."""


_TABLE = (
    Language("ar", "Arabic", 'بالأمس سألني جاري: "متى يصل القطار القادم؟"'),
    Language("ca", "Catalan", "Ahir el meu veí em va preguntar: «Quan arriba el proper tren?»"),
    Language("cs", "Czech", "Včera se mě soused zeptal: „Kdy přijede další vlak?“"),
    Language("da", "Danish", 'I går spurgte min nabo mig: "Hvornår kommer det næste tog?"'),
    Language("de", "German", "Gestern fragte mich mein Nachbar: „Wann kommt der nächste Zug?“"),
    Language("el", "Greek", "Χθες ο γείτονάς μου με ρώτησε: «Πότε φτάνει το επόμενο τρένο;»"),
    Language("en", "English", 'Yesterday my neighbour asked me: "When does the next train arrive?"'),
    Language("es", "Spanish", "Ayer mi vecino me preguntó: «¿Cuándo llega el próximo tren?»"),
    Language("fi", "Finnish", 'Eilen naapurini kysyi minulta: "Milloin seuraava juna saapuu?"'),
    Language("fr", "French", "Hier, mon voisin m'a demandé : « Quand arrive le prochain train ? »"),
    Language("he", "Hebrew", 'אתמול השכן שלי שאל אותי: "מתי מגיעה הרכבת הבאה?"'),
    Language("hi", "Hindi", 'कल मेरे पड़ोसी ने मुझसे पूछा: "अगली ट्रेन कब आएगी?"'),
    Language("hu", "Hungarian", "Tegnap a szomszédom megkérdezte tőlem: „Mikor érkezik a következő vonat?”"),
    Language("id", "Indonesian", 'Kemarin tetangga saya bertanya: "Kapan kereta berikutnya tiba?"'),
    Language("it", "Italian", "Ieri il mio vicino mi ha chiesto: «Quando arriva il prossimo treno?»"),
    Language("ja", "Japanese", "昨日、隣の人に「次の電車はいつ来ますか」と聞かれました。"),
    Language("ko", "Korean", '어제 이웃이 나에게 "다음 기차는 언제 도착합니까?"라고 물었습니다.'),
    Language("nl", "Dutch", 'Gisteren vroeg mijn buurman mij: "Wanneer komt de volgende trein aan?"'),
    Language("no", "Norwegian", "I går spurte naboen meg: «Når kommer neste tog?»"),
    Language("pl", "Polish", "Wczoraj sąsiad zapytał mnie: „Kiedy przyjedzie następny pociąg?”"),
    Language("pt", "Portuguese", 'Ontem o meu vizinho perguntou-me: "Quando chega o próximo comboio?"'),
    Language("ro", "Romanian", "Ieri vecinul meu m-a întrebat: „Când sosește următorul tren?”"),
    Language("ru", "Russian", "Вчера сосед спросил меня: «Когда приходит следующий поезд?»"),
    Language("sv", "Swedish", 'Igår frågade min granne mig: "När kommer nästa tåg?"'),
    Language("th", "Thai", 'เมื่อวานเพื่อนบ้านถามฉันว่า "รถไฟขบวนต่อไปจะมาถึงเมื่อไหร่"'),
    Language("tr", "Turkish", 'Dün komşum bana sordu: "Bir sonraki tren ne zaman geliyor?"'),
    Language("uk", "Ukrainian", "Учора сусід запитав мене: «Коли прибуває наступний потяг?»"),
    Language("vi", "Vietnamese", 'Hôm qua hàng xóm hỏi tôi: "Khi nào chuyến tàu tiếp theo đến?"'),
    Language("zh", "Chinese", "昨天我的邻居问我：“下一班火车什么时候到？”"),
)
LANGUAGES = {language.code: language for language in _TABLE}


def find_language(code: str) -> Language:
    """The language of an ISO 639-1 `code`, in any case. Raises UsageError, with the nearest known one."""
    known = LANGUAGES.get(code.strip().lower())
    if known is not None:
        return known
    near = _nearest(code.strip().lower())
    hint = f"; did you mean {near.code} ({near.name})?" if near else "."
    raise UsageError(f"unknown language {code!r}{hint} Known: {', '.join(sorted(LANGUAGES))}")


_COUNTRIES = {
    "at": "de", "br": "pt", "cn": "zh", "cz": "cs", "dk": "da", "gb": "en", "gr": "el", "in": "hi", "jp": "ja",
    "kr": "ko", "mx": "es", "se": "sv", "tw": "zh", "ua": "uk", "us": "en", "ces": "cs",
}  # fmt: skip
"""What people type who think of a country, where that is no language's code or the beginning of another's name."""


def _nearest(text: str) -> Language | None:
    """What is meant by a name (spanish), some of its letters (sp, jp), a code with a region (es-MX), or the like."""
    by_name = {language.name.lower(): language for language in _TABLE}
    if text in _COUNTRIES:
        return LANGUAGES[_COUNTRIES[text]]
    short = text if 1 < len(text) < 4 and text.isalpha() else ""
    for pattern in (f"{short}.*", ".*".join(short)):  # how a name begins, or its letters in order, as a country's code
        for name, language in by_name.items():
            if short and re.match(pattern, name):
                return language
    known = {**LANGUAGES, **by_name}
    base = re.split("[-_]", text)[0]
    close = [base] if base in known else difflib.get_close_matches(text, known, n=1, cutoff=0.4)
    return known[close[0]] if close else None


def parse_languages(codes: str) -> tuple[str, ...]:
    """`es,de` is ("es", "de"). Raises UsageError for an unknown, a repeated or no code."""
    found = tuple(find_language(code).code for code in codes.split(",") if code.strip())
    if not found or len(set(found)) != len(found):
        raise UsageError(f"got the languages {codes!r}, expected codes with commas between, each once, such as es,de")
    return found


ANY = "auto"
"""What a user types who does not know which language will be spoken."""
ALL = tuple(sorted(LANGUAGES, key=lambda code: code != "en"))
"""Every language, the likeliest to be spoken first."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The languages that are spoken and those that are wanted, as ISO 639-1 codes."""

    sources: tuple[str, ...]
    """One, or several that the speakers change between; the first is expected first."""
    targets: tuple[str, ...]
    """In which captions are wanted: what is said in one of them stands as it is, and is translated into the others."""

    @property
    def translations(self) -> int:
        """The most languages that anything said is translated into; 0: captions are wanted as it is said alone."""
        return max(len({*self.targets} - {spoken}) for spoken in self.sources)


def pair_of_codes(sources: Sequence[str], targets: Sequence[str]) -> Pair:
    """`parse_pair` of codes that are listed already."""
    return parse_pair(",".join(sources), ",".join(targets))


def parse_pair(sources: str, targets: str) -> Pair:
    """`en` into `es,de`, or `en,es` into both.

    Raises UsageError for codes that are unknown, repeated or none.
    """
    wanted = parse_languages(targets)
    spoken = ALL if sources.strip().lower() == ANY else parse_languages(sources)
    return Pair(spoken, wanted)
