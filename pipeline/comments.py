"""Whether an LLM talks about translating instead of doing it.

In: a source text and what was made of it. Out: whether that is a comment on the task ("Here is the translation", "As a
language model"). A speaker may talk of translating too, or in words that mean moving, converting or leading to: then it
is none. Patterns in all languages that Surtitle names. Knows no model and no language pair.
"""

from __future__ import annotations

import re

_TRANSLATING = (
    "translat|traduc|traduz|tradu[iï]|tradut|übersetz|vertal|przetł|(?<!wy)tłumaczeni"
    "|перевод|перевед|переклад(?!ин)|翻译|翻訳|번역|ترجم"
)
_MODEL = "language model|modelo de lenguaje|modèle de langage|sprachmodell"
_AS_ONE = (
    r"(?:as an (?:ai|assistant)|en tant qu['’](?:ia|assistante?)|als (?:ki|assistent(?:in)?)|como (?:ia|asistente))\b"
)
_BEING_A_MODEL = rf"{_MODEL}|(?:^|[^\w\s]\s*|\b(?:i|ich|yo) ){_AS_ONE}(?!-)"
"""Who is one begins so: things may be more than AI, or known as one ("mehr als KI", "como IA")."""
_LEADING_TO = re.compile(
    r"\b(?:s[ei](?: \w+)? |s['’](?:est|était|étaient) |se sont )tradu\w+ (?:\w+ )?(?:en|em|par|in)\b"
    r"|\btradu\w+-se(?:-\w+)? em\b|\btradursi in\b|\btraduci(?:rse|éndose) en\b|\btradui\w+ (?:en justice|devant)\b"
    r"|\btranslat\w+ (?:\w+ )?(?:in)?to (?-i:[a-z])|\bübersetzungs(?:verhältni|getriebe)",
    re.IGNORECASE,
)
"""What one says of a cause and what comes of it, of courts and of gears, in the word for translating."""
_MOVING = re.compile(
    r"transf|convert|umrechn|\bmov(?:e|ing)|shift|switch|remit|\bwir(?:e|ing)|überweis|übertrag|verleg|verschieb|virement|traslad"
    r"|\bgir(?:o|ar)\b|trasfer|spost|bonific|przele|przen|przesu|overmak|överför|siirr|送金|振り?込|移|转|匯|汇|송금|이체",
    re.IGNORECASE,
)
_TO_MOVE = re.compile("перевод|перевед|переклад", re.IGNORECASE)
"""In Russian and Ukrainian one word is for translating, for moving, and for sending money."""
_TO_MOVE_SOMETHING = re.compile(r"перев(?:ед|оди|одя)\w*|переклада[єюйвлт]\w*", re.IGNORECASE)
_TEXT = re.compile(
    r"текст|слов|язык|\bмов[аиоу]|предложен|речен|фраз|следующ|наступн|\b(?:на|с|со|з|із) \w+(?:ск|ьк)", re.IGNORECASE
)
"""What is translated, and into what: without any, the verb is of clocks, patients or money."""
_COMMENT = re.compile(f"{_TRANSLATING}|{_BEING_A_MODEL}", re.IGNORECASE)
"""What one says of translating, or of being a model, who does not translate."""
_OF_TRANSLATING = (
    r"(?<![a-z])[ns]?mt(?![a-z])|subtit|caption|untertit|sous-titr|sottotit|ondertit|字幕|자막|субтитр"  # ترجمة
    r"|interpret|dolmetsch|tolk(?!ien)|\brender|\bversion|tradu|trado[tc]|verta+l|przekł|перев[её]|перекла|[öo]vers[aeäæ]t"
    r"|fordít|kään(?:nö|nt|tä)|přel(?:ož|oz)|překl|μετ[αάέ]φρ|תו?רג[וםמ]|(?<!申し)(?<!言い)訳|译|譯|통역|अनुवाद|अनूदित|ट्रांसलेट"
    r"|แปล(?![กง])|çevir|çevri|tercüme|erjemah|(?<!giao )(?<!đại )\bdịch\b(?! (?:vụ|bệnh|tễ|chuyển|covid))"
)
_OF_MODELS = (
    r"(?<![a-z])llms?(?![a-z])"
    r"|mod[eèé]l|(?<!s)mall[ie]|モデル|模型|модел|نموذج|نماذج|모델|मॉडल|โมเดล|แบบจำลอง|מודל|μοντέλ|mô hình"
    r"|assist|asisten[ct]|asistan|asyst|asszis|ассист|асист|アシスタント|助手|어시스턴트|مساعد|βοηθ|सहायक|ผู้ช่วย|trợ lý"
)
_OF_COMMENTS = re.compile(f"{_COMMENT.pattern}|{_AS_ONE}|{_OF_TRANSLATING}|{_OF_MODELS}", re.IGNORECASE)
"""What that may be a translation of, in all languages that are named."""


def is_comment(source: str, translation: str) -> bool:
    """Whether `translation` speaks of translating, or of being a model, and `source` of neither."""
    said = _LEADING_TO.sub("", translation)
    if _MOVING.search(source):
        said = _TO_MOVE.sub("", said)
    elif not _TEXT.search(said):
        said = _TO_MOVE_SOMETHING.sub("", said)
    return bool(_COMMENT.search(said)) and not _OF_COMMENTS.search(source)
