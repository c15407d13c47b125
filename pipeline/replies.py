"""Whether an LLM replies to what was said instead of translating it.

In: a source text, what was made of it, and their languages. Out: whether that begins as an assistant's reply does ("Of
course", "Here is a list", "You're welcome") with words that nobody said, or answers who asked without a question mark,
as a recogniser often writes it. A speaker may say all of these: then it is none. Languages that are not in the tables
are not judged. Knows no model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Opening:
    """One way to begin a reply, by language."""

    begins: dict[str, str]
    """How a reply begins."""
    said: dict[str, str]
    """What a speaker says whose translation may begin so."""


_OPENINGS = (
    _Opening(  # does as it is told
        begins={
            "de": r"natürlich|selbstverständlich",
            "en": r"of course|certainly|absolutely|i'd be happy",
            "es": r"por supuesto|desde luego|con (?:mucho )?gusto",
            "fr": r"bien sûr|bien entendu|certainement|avec plaisir",
            "it": r"certamente|volentieri|con piacere",
            "pt": r"com certeza|certamente|com prazer",
        },
        said={
            "de": r"natürlich|selbstverständlich|sicher|klar|gewiss|gern|freilich|bestimmt|unbedingt|absolut|schon"
            r"|jeden fall|genau|durchaus|alle fälle|total|doch|logisch|logo|richtig|jawohl",
            "en": r"course|sure|certain|absolut|natural|obvious|definite|clear|indeed|glad|happ|pleas|yes|exactly"
            r"|by all means"
            r"|total|without (?:a )?doubt|for real|right|why not|true",
            "es": r"supuesto|luego|claro|segur|ciert|natural|gust|absolut|obvi|definitiv|efectiv|sí\b|cómo no"
            r"|total|duda|exact|así es|eso es|encantad",
            "fr": r"sûr|certain|entendu|évid|définitiv|naturel|plaisir|absolu|clair|oui|effet|volontiers"
            r"|tout à fait|exact|doute|carrément|totale|ravi|pourquoi pas",
            "it": r"cert|sicur|natural|ovvi|definitiv|volentieri|piacere|assolut|chiar|sì\b|effett"
            r"|altro|esatt|proprio|davvero|dubbio|total|come no|eccome",
            "pt": r"certez|cert|claro|natural|[oó]bvi|definitiv|prazer|absolut|segur|sim\b|evident"
            r"|exat|dúvida|dúvid|total|pois|mesmo|isso",
        },
    ),
    _Opening(  # has heard what it is to do
        begins={
            "de": r"verstanden\b|alles klar",
            "en": r"sure\b|understood\b|got it\b|no problem",
            "es": r"entendido\b|comprendido\b|de acuerdo(?! con)",
            "fr": r"compris\b|entendu\b|d'accord",
            "it": r"capito\b|d'accordo(?! con)|va bene",
            "pt": r"entendi\b|entendido\b|de acordo(?! com)",
        },
        said={
            "de": r"versteh|verst[aä]nd|klar|gut|okay|ok\b|in ordnung|sicher|problem|einverstanden|ja\b|genau|bestimmt"
            r"|schön"
            r"|macht nichts|kapiert|perfekt|alles|keine sorge|passt",
            "en": r"sure|underst|okay|ok\b|right|yes|yeah|fine|good|well|agree|problem|according|certain|got|see\b"
            r"|under"
            r"|clear|all set|perfect|deal|worr|great|cool|matter",
            "es": r"entend|comprend|acuerdo|vale|bien|bueno|okay|ok\b|sí\b|segur|problema|claro|ciert|según"
            r"|pasa nada|tranquil|ya\b|tengo|perfect|hecho|preocup|exact",
            "fr": r"compr|entend|accord|bien|bon|okay|ok\b|oui|sûr|problème|certain|clair|vu\b|selon"
            r"|souci|grave|pig|reçu|marche|parfait|inquiét|tout|exact",
            "it": r"cap[ií]|intes|accordo|bene|buon|okay|ok\b|sì\b|sicur|problema|cert|chiar|secondo"
            r"|niente|tranquill|perfett|preoccup|fatto|esatt|ho\b",
            "pt": r"entend|compreend|acordo|bem|bom|okay|ok\b|sim\b|segur|problema|claro|cert|está"
            r"|mal\b|tranquil|perfeit|preocup|feito|exat|tenho|já\b",
        },
    ),
    _Opening(  # hands over what it was asked for
        begins={
            "de": r"hier (?:ist|sind) (?:ein|die|das|der|deine?|ihre?|dein)\b|hier (?:hast du|haben sie)\b",
            "en": r"here(?: is|'s| are)\b",
            "es": r"aquí (?:tienes|tiene|te|están? (?:la|el|los|las|tu|una?))\b",
            "fr": r"voici\b",
            "it": r"ecco\b(?! (?:perché|come|che))",
            "pt": r"aqui (?:está|estão|tem|vai)\b",
        },
        said={
            "de": r"hier|da\b|das (?:ist|sind|war)|dies|dort|siehe?\b|schau|folgend|jetzt|nun\b",
            "en": r"here|this|these|that|those|there|look|see\b|such|follow|now\b",
            "es": r"aquí|acá|est[aeo]s?\b|ah[íi]\b|es[aeo]s?\b|\bhe\b|mir[ae]|así|ten(?:ed|ga)?\b|siguiente|va\b|ahora",
            "fr": r"ici|voici|voilà|\bce(?:t|tte|s|la|ci|lles?|ux)?\b|c'|ça\b|là\b|ten(?:ez|s)\b|tiens|suivant"
            r"|maintenant",
            "it": r"\bqui\b|\bqua\b|ecco|quest|quest[aeio]|ciò|lì\b|là\b|tieni|seguent|adesso|ora\b",
            "pt": r"aqui|\bcá\b|est[ae]s?\b|iss?to|isso|aí\b|eis\b|lá\b|tom[ea]|seguinte|agora|ess[ae]s?\b",
        },
    ),
    _Opening(  # to whom it was asked of
        begins={
            "de": r"hier (?:hast du|haben sie)\b|hier ist (?:deine?|ihre?|eine liste|die liste)\b",
            "en": r"here(?: is|'s| are) (?:your|a list|the (?:list|text|translation|answer|summary))\b|here you\b",
            "es": r"aquí (?:tienes?|te)\b",
            "fr": r"voici (?:votre|ta|une liste|la liste|le texte)\b",
            "it": r"ecco (?:a te|il tuo|un elenco|l'elenco|una lista)\b",
            "pt": r"aqui (?:tens|tem)\b",
        },
        said={
            "de": r"hier|\bda (?:hast|haben)|bitte ?schön",
            "en": r"\bhere\b|there you|take this",
            "es": r"aqu[íi]|\bten\b|\btom[ae]",
            "fr": r"voici|voilà|\bten(?:ez|s)\b|\btiens",
            "it": r"ecco|\btieni|\btenga",
            "pt": r"aqui|\beis\b|\btom[ae]",
        },
    ),
    _Opening(  # takes thanks
        begins={
            "de": r"gern geschehen|keine ursache|nichts zu danken|bitte ?schön|bitte sehr",
            "en": r"you(?:'re| are) (?:very |most |so )?welcome|don't mention it|my pleasure",
            "es": r"de nada|no hay de qué|no tienes? que dar",
            "fr": r"de rien|je (?:vous|t')en prie|je t'en prie|il n'y a pas de quoi|pas de quoi",
            "it": r"prego\b|di niente|di nulla|non c'è di che|figurati|si figuri",
            "pt": r"de nada|não há de quê|por nada|disponha|imagina\b",
        },
        said={
            "de": r"bitte|gern|ursache|nicht|willkommen"
            r"|hier|da\b|danke nein",
            "en": r"welcome|mention|nothing|please|pleasure|none|figure|imagine|pray|beg"
            r"|here|there|ahead|after you|any time|anytime",
            "es": r"nada|bienvenid|favor|qué|gusto|ruego"
            r"|aquí|tom[ae]|ten\b|tenga|adelante",
            "fr": r"rien|prie|quoi|plaisir|bienvenu|plaît"
            r"|voilà|voici|tenez|tiens|allez",
            "it": r"prego|niente|nulla|di che|piacere|favore|benvenut|figur"
            r"|ecco|avanti|tenga|tieni",
            "pt": r"nada|quê|prazer|favor|bem-vind|dispon|imagin"
            r"|aqui|tom[ae]|eis|vontade",
        },
    ),
    _Opening(  # speaks of itself
        begins={
            "de": r"ich (?:werde|kann|bin)\b",
            "en": r"i(?:'ll| will| can| am|'m)\b|let me explain",
            "es": r"(?:te |le )?\w{3,}(?:aré|eré|iré)\b|voy a\b",
            "fr": r"je (?:vais|peux|suis)\b",
            "it": r"\w{3,}(?:erò|irò)\b|posso\b|sono un\b",
            "pt": r"(?:vou|posso)\b|\w{3,}(?:arei|erei|irei)\b",
        },
        said={
            "de": r"\b(?:ich|wir|man|m[ei]r|mich|mein\w*|uns\w*)\b",
            "en": r"\b(?:i|me|my|mine|myself|we|us|our|ours|one|im|ill)\b",
            "es": r"\b(?:yo|me|mi|mí|mis|nos|nuestr\w+|\w+(?:o|é|í|oy|emos|amos|imos))\b",
            "fr": r"\b(?:je|j|me|m|moi|mon|ma|mes|nous|notre|nos|on)\b",
            "it": r"\b(?:io|mi|m|me|mi[oae]\w*|noi|ci|nostr\w+|\w+(?:o|ò|iamo))\b",
            "pt": r"\b(?:eu|me|mim|meus?|minhas?|nós|nos|noss\w+|\w+(?:o|ei|i|ou|emos|amos|imos))\b",
        },
    ),
    _Opening(  # is sorry
        begins={
            "de": r"(?:es )?tut mir leid|entschuldig|leider kann ich",
            "en": r"(?:i'm |i am )?(?:so |very )?sorry|i apologi[sz]e",
            "es": r"lo siento|disculp[ae]|lamento\b|perdón\b",
            "fr": r"(?:je suis )?désolée?\b|je m'excuse|veuillez m'excuser",
            "it": r"mi dispiace|scus[ai]|spiacente",
            "pt": r"desculp[ae]|sinto muito|lamento\b|perdão\b",
        },
        said={
            "de": r"leid|schuld|verzeih|bedau|sorry|pardon|leider|schade|schlimm"
            r"|bitte",
            "en": r"sorry|apolog|regret|pity|fortun|afraid|excuse|pardon|forgiv|shame|sad"
            r"|what\?|beg your|alas|condol",
            "es": r"siento|sient|disculp|lament|perd[oó]n|pena|lástima|triste",
            "fr": r"désol|excus|pardon|regret|navr|dommage|triste|hélas",
            "it": r"dispiac|scus|spiac|perdon|purtroppo|peccato|triste",
            "pt": r"desculp|sinto|lament|perd|infeliz|pena|triste",
        },
    ),
)


def _compiled(patterns: dict[str, str]) -> dict[str, re.Pattern[str]]:
    return {language: re.compile(pattern, re.IGNORECASE) for language, pattern in patterns.items()}


_JUDGED = tuple((re.compile("|".join(each.begins.values()), re.IGNORECASE), _compiled(each.said)) for each in _OPENINGS)
_REFUSAL = re.compile(
    r"(?:can't|cannot|can not|unable to|not able to) (?:help|assist)|no puedo ayudar|nicht (?:weiter)?helfen"
    r"|peux pas (?:vous |t')aider|(?:non posso|no puc) ai?[ju]\w+|não posso ajud",
    re.IGNORECASE,
)
_OF_HELP = re.compile(r"help|assist|ayud|hilf|helf|holf|hülf|aide|aiut|ajud|servi|serve", re.IGNORECASE)
_HELPS = ("de", "en", "es", "fr", "it", "pt", "ca")
"""Languages in which help has such a word."""
_FIRST = re.compile(r"\w")
_INTERJECTION = re.compile(
    r"(?:sure|ok(?:ay)?|yes|well|of course|claro|sí|bien|vale|por supuesto|ja|klar|gut|natürlich|oui|bon|bien sûr|certo"
    r"|va bene|sim)[,.!:;]+\W*",
    re.IGNORECASE,
)
"""What may come before all that: "Sure, here is"."""
_ASKS = {
    language: re.compile(rf"\W*(?:\w+\W+){{,3}}(?:{words})\b", re.IGNORECASE)
    for language, words in {
        "de": r"warum|wann|welche[mnrs]?|wieso|weshalb|wer|wie ?viele?",
        "es": r"qué|quién(?:es)?|cuál(?:es)?|cuánt[oa]s?|cómo|dónde|cuándo",
        "fr": r"quel(?:le)?s?|combien|comment|pourquoi|qui (?:peut|sait)",
    }.items()
}
"""Who asks, among the first four words; in other languages these words do too much else."""
_ASKED = _compiled(
    {
        "de": r"\?|\b(?:wa|we[rmn]\b|wessen|wie|wo|welch|da|denn|die\b|der\b|ob\b|als\b|deshalb|deswegen)",
        "en": r"\?|\b(?:wh|how|because|as|if\b|that|reason|time|way)",
        "es": r"\?|\b(?:qu|cu[aá]|c[oó]mo|a?d[oó]nde|lo\b|si\b|por)",
        "fr": r"\?|\b(?:qu|comb|comment|pourquoi|où|dont|lors|comme|si\b|car\b|ce\b)",
        "it": r"\?|\b(?:ch|come|dove|qua|perch|poich|cos|se\b|cui)",
        "pt": r"\?|\b(?:qu|como|a?onde|por|se\b)",
    }
)
"""What a translation of that has, if anything of it is left."""


def is_reply(source: str, translation: str, *, spoken: str) -> bool:
    """Whether `translation` begins as a reply to `source`, in the language `spoken`; in whichever language."""
    first = _FIRST.search(translation)
    if first is None:
        return False
    begun, said = _plain(translation[first.start() :]), _plain(source)
    if _REFUSAL.search(begun) and spoken in _HELPS and not _OF_HELP.search(said):
        return True
    interjection = _INTERJECTION.match(begun)
    places = (0, interjection.end()) if interjection else (0,)
    return any(
        any(begins.match(begun, place) for place in places) and spoken in words and not words[spoken].search(said)
        for begins, words in _JUDGED
    )


def is_answered(source: str, translation: str, *, spoken: str, wanted: str) -> bool:
    """Whether `source`, in the language `spoken`, begins as a question does, and `translation`, in the language
    `wanted`, asks nothing."""
    if spoken not in _ASKS or wanted not in _ASKED:
        return False
    return bool(_ASKS[spoken].match(_plain(source))) and not _ASKED[wanted].search(_plain(translation))


def _plain(text: str) -> str:
    return text.replace("’", "'")
