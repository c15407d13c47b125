"""Whether a translation lost the "not" of what was said, and so says the opposite of it.

In: a source text, what was made of it, and their languages. Out: whether something was denied, and nothing is in the
translation. What only looks like a denial ("not only", "isn't it?", 不过) is none. Professionals keep one nearly
always, but not always, so it is a reason to ask again and not to refuse. Languages that are not in the tables are not
judged. Knows no model.
"""

from __future__ import annotations

import re

_SAID = {
    "de": r"\bnicht\b(?! (?:(?:nur|zuletzt|bloß|mehr als|umsonst)\b|wahr\s*\?))|\bkein(?:e[mnrs]?|erlei|s)?\b"
    r"|\b(?:nie|niemals|niemand\w*|nirgend\w*|nichts(?! (?:als|anderes)\b))\b",
    "en": r"(?:(?<!\bor )\bnot\b"
    r"(?! (?:only|just|merely|simply|least|to mention|until|long ago|un(?:usual|common)\w*)\b)"
    r"|\b(?:never(?! mind)|cannot|nobody|no one|no longer|nothing(?! (?:but|more|less)\b))\b|n['’]t\b)(?!,? \w+\?)",
    "es": r"(?:\bno\b(?! (?:(?:solo|sólo|solamente|obstante|más (?:de|que))\b|es (?:así|cierto|verdad)\?))"
    r"|\b(?:nunca|jamás|nadie|ning[uú]n\w*|tampoco)\b)(?!\?)",
    "fr": r"\b(?:ne\b|n['’](?!est-ce pas\b)\w+)[^.!?]{1,40}?\b(?:pas(?! (?:seulement|mal|moins)\b)|jamais|rien|aucune?"
    r"|plus(?! qu)|personne|guère)\b|\b(?:personne|rien|aucune?(?: \w+)?|nul) n(?:e\b|['’])"
    r"|\b(?:[cj]['’]\w+|(?:je|tu|il|elle|on|ça|y) \w+) pas\b(?! (?:seulement|mal|à pas)\b)",
    "it": r"(?<!finch[éè] )(?<!meno che )\bnon\b(?! (?:(?:solo|soltanto|appena|altro)\b|è vero\?))|\bnessun[ao]?\b",
    "pt": r"(?:\bnão\b(?! (?:(?:só|apenas|somente|obstante)\b|(?:é(?: verdade)?|foi|achas?)\?))"
    r"|\b(?:nunca|jamais|ninguém|nenhum\w*|tampouco)\b)(?!\?)",
}
"""How something is denied."""
_SEEMS = {
    "de": r"\bun(?:i[ofkv]|gar|gef[äa]hr|bedingt|glaublich|mittelbar|f[äa]ll|endlich|z[äa]hlig|geheuer|heimlich|gemein"
    r"|verz[üu]glich|wetter)\w*|\berst (?:ein)?mal\b|\bohne zweifel\b",
    "en": r"\ba (?:few|little)\b|\b(?:next|last|past|first) few\b|\bun(?:der|i[foqtv])\w*|\bno doubt\b",
    "es": r"\bsin (?:embargo|duda)\b|¿no\?|\bno (?:solo|sólo|solamente|obstante)\b|\bnada más\b",
    "fr": r"\bun peu\b|\bà peu près\b|\bpeu à peu\b|\b(?:une|la|cette|chaque|par) personne\b|\bsans (?:doute|cesse)\b"
    r"|\bn['’](?:importe|est-ce pas)\b|\b(?:un|premier|grand|petit) pas\b|\bpas mal\b|\bnon seulement\b",
    "it": r"\bsenza dubbio\b|\bno\?|\bnon (?:solo|soltanto|appena)\b|\b(?:come|più che|se) mai\b",
    "ja": "な(?:ければ|くては|いと)(?:な[らり]|いけ)(?:な[いか]|ません)|かもしれ(?:ない|ません)|違い(?:ない|ありません)"
    "|すみません|少なくとも|間もなく|まもなく|なかなか|必ず|まず|はず|ずっと|ずつ|いずれ|わずか|しまい|非常|是非|未来"
    "|不動産|不思議|無(?:料|線|事|数|限)",
    "pt": r"\bsem dúvida\b|\bnão(?: é)?\?|\bnão (?:só|apenas|obstante)\b|\bde nada\b",
    "zh": "不(?:[过過但仅僅只光断斷久少错錯论論管妨])|不同(?!意)|差不多|[对對了]不起|(.)[不没沒]\\1|没错|沒錯"
    "|[无無][论論线線限数數]|未[来來]|[特区區分级級性個个类類识識告差][别別]|[别別][人的墅]|[是能可]否|非[常洲]|除非|莫斯科",
}
"""What denies nothing, though it looks so."""
_MADE = {
    "de": r"\b(?:nicht\w*|kein\w*|nie|niemals|niemand\w*|ohne|weder|nirgend\w*|nein|kaum|erst|statt|anstatt|fehl\w+"
    r"|vergeblich|un(?!d\b|s\b|ser|ter|ten)\w{4,})\b",
    "en": r"\b(?:no|not|none|nor|nothing|nobody|nowhere|never|neither|cannot|without|hardly|barely|rarely|seldom|few"
    r"|unless|instead|rather than|fail\w*|lack\w*|refus\w+|impossib\w+|un\w{4,}"
    r"|in(?:capab|sufficien|correct|complet|valid)\w*|dis(?:agree|like|satisf)\w*)\b|n['’]t\b",
    "es": r"\b(?:no|nunca|jamás|ni|sin|nada|nadie|ning[uú]n\w*|tampoco|apenas|imposib\w+|falta\w*|carec\w+|dej\w+ de"
    r"|en (?:vez|lugar) de|in(?:feli[cz]|capa[cz]|útil|correct|suficien)\w*|des(?:content|conoc)\w*)\b",
    "fr": r"\b(?:ne|pas|non|jamais|sans|ni|rien|aucun\w*|personne|guère|peu|impossib\w+|au lieu|mécontent\w*|manqu\w+"
    r"|in(?:capab|util|suffis|correct|satisf)\w*)\b|\bn['’]",
    "it": r"\b(?:non|no|né|nè|mai|senza|nessun\w*|niente|nulla|neanche|neppure|nemmeno|impossib\w+|invece|manc\w+"
    r"|in(?:felic|capac|util)\w*|s(?:content|conosciut)\w*)\b",
    "ja": "な[いくけし]|なかっ|ません|ず(?:に|、|。|$)|[かがさたなまらわ]ぬ|無|不|未|非|違|いいえ|だめ|ダメ|駄目",
    "pt": r"\b(?:não|nunca|jamais|nem|sem|nada|ningu[eé]m|nenhum\w*|tampouco|imposs[ií]\w+|falta\w*|deix\w+ de|em vez"
    r"|in(?:feli[zc]|capa[zc]|útil)\w*|descon\w+)\b",
    "zh": "[不没沒无無未非别別否莫勿缺]|[难難]以",
}
"""What a translation of a denial has, in one way or another."""


def _compiled(patterns: dict[str, str]) -> dict[str, re.Pattern[str]]:
    return {code: re.compile(pattern, re.IGNORECASE) for code, pattern in patterns.items()}


_DENIED, _SEEMING, _DENYING = map(_compiled, (_SAID, _SEEMS, _MADE))


def is_denial_lost(source: str, translation: str, *, spoken: str, wanted: str) -> bool:
    """Whether `source` in the language `spoken` denies something, and `translation` into `wanted` nothing."""
    if spoken not in _DENIED or wanted not in _DENYING or not _DENIED[spoken].search(source):
        return False
    return not _DENYING[wanted].search(_SEEMING[wanted].sub(" ", translation))
