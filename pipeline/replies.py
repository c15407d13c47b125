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
    _Opening(  # is sorry
        begins={
            "de": r"(?:es )?tut mir leid|entschuldig|leider kann ich",
            "en": r"(?:i'm |i am )?(?:so |very |really )?(?:sorry|afraid)\b|i apologi[sz]e",
            "es": r"lo siento|disculp[ae]|lamento\b|perdón\b",
            "fr": r"(?:je suis )?(?:vraiment )?désolée?\b|je m'excuse|veuillez m'excuser",
            "it": r"mi dispiace|scus[ai]|spiacente",
            "pt": r"desculp[ae]|sinto muito|lamento\b|perdão\b",
        },
        said={
            "de": r"leid|schuld|verzeih|bedau|sorry|pardon|leider|schade|schlimm|bitte|spür|fühl|fürcht|angst",
            "en": r"sorry|apolog|regret|pity|fortun|afraid|excuse|pardon|forgiv|shame|sad|what\?|beg your|alas|condol"
            r"|feel|felt|fear|hurt|my bad|oops|sympath",
            "es": r"siento|sient|disculp|lament|perd[oó]n|pena|lástima|triste|desgracia|fortun|tem[eo]|miedo|p[ée]same",
            "fr": r"désol|excus|pardon|regret|navr|dommage|triste|hélas|malheur|\bsens\b|crain|peur|condol",
            "it": r"dispiac|scus|spiac|perdon|purtroppo|peccato|triste|sfortun|sento|tem[eo]|paura|condogl",
            "pt": r"desculp|sinto|lament|perd|infeliz|pena|triste|tem[eo]|medo|pêsames",
        },
    ),
    _Opening(  # does as it is told
        begins={
            "de": r"natürlich\b|selbstverständlich",
            "en": r"of course\b|certainly\b|absolutely\b|i'd be happy",
            "es": r"por supuesto\b|desde luego\b|con (?:mucho )?gusto",
            "fr": r"bien sûr\b|bien entendu\b|certainement\b|avec plaisir",
            "it": r"certamente\b|volentieri\b|con piacere",
            "pt": r"com certeza\b|certamente\b|com prazer",
        },
        said={
            "de": r"natürlich|selbstverständlich|sicher|klar|gewiss|gern|freilich|bestimmt|unbedingt|absolut|schon"
            r"|jeden\b|^\W*eben\W*$|sowieso|aber hallo|genau|durchaus|alle fälle|total|doch|logisch|logo"
            r"|richtig|jawohl|zwar|allerdings|vergnügen"
            r"|freude|ja\b|zweifel|definitiv",
            "en": r"course|sure|certain|absolut|natural|obvious|definite|clear|indeed|glad|happ|pleas|yes|exactly|love"
            r"|by all means|total|doubt|for real|right|why not|true|saying|needless|granted|\bbet\b"
            r"|no question|think so",
            "es": r"supuesto|luego|claro|segur|ciert|natural|gust|absolut|obvi|definitiv|efectiv|sí\b|cómo no|total"
            r"|duda|exact|así es|eso es|encantad|evident|l[oó]gic|vale\b|falta(?:ba|ría)|ya lo creo|dale\b|venga\b",
            "fr": r"sûr|cert|entendu|évid|définitiv|naturel|plaisir|absolu|clair|oui|effet|volontiers|tout à fait"
            r"|exact|doute|carrément|totale|ravi|pourquoi pas|forcé|logiq|et comment|grave|pense bien",
            "it": r"cert|sicur|natural|ovvi|definitiv|volentieri|piacere|assolut|chiar|sì\b|effett|altro|esatt"
            r"|proprio|davvero|dubbio|total|come no|eccome|evident|l[oó]gic|indubb|mancher|figur",
            "pt": r"certez|cert|claro|natural|[oó]bvi|definitiv|prazer|absolut|segur|sim\b|evident|exat|dúvid|total"
            r"|pois|mesmo|isso|l[oó]gic|todo o gosto|ora essa",
        },
    ),
    _Opening(  # has heard what it is to do
        begins={
            "de": r"verstanden\b",
            "en": r"understood\b|got it\b",
            "es": r"entendido\b|comprendido\b",
            "fr": r"compris\b(?! (?:par|comme|dans|entre))",
            "it": r"capito\b",
            "pt": r"entendi\b|entendido\b",
        },
        said={
            "de": r"versteh|verst[aä]nd|klar|gut|okay|ok\b|in ordnung|einverstanden|ja\b|genau|kapiert|alles|hab"
            r"|jawohl|notiert",
            "en": r"underst|okay|ok\b|right|yes|yeah|fine|good|well|agree|got|get\b|see\b|clear|includ|roger|copy"
            r"|noted|makes sense|aye\b",
            "es": r"ent[ei]e?nd|comprend|acuerdo|vale|bien|bueno|okay|ok\b|sí\b|claro|ya\b|tengo|perfect|hecho"
            r"|recibid|enterad|anotad",
            "fr": r"compr|entend|accord|bien|bon|okay|ok\b|oui|clair|vu\b|pig|reçu|parfait|\bnot[eé]",
            "it": r"cap[ií]|intes|accordo|bene|buon|okay|ok\b|sì\b|chiar|compre|perfett|fatto|ricev",
            "pt": r"entend|compreend|acordo|bem|bom|okay|ok\b|sim\b|claro|certo|perfeit|feito|percebi|já\b"
            r"|recebid|anotad",
        },
    ),
    _Opening(  # hands over what it was asked for
        begins={
            "de": r"hier (?:hast du|haben sie)\b|hier (?:ist|sind) (?:deine?|ihre?|eine liste|die liste|der text)\b",
            "en": r"here(?: is|'s| are) (?:your|a list|the (?:list|text|translation|answer|summary))\b|here you\b",
            "es": r"aquí (?:tienes?|te)\b|aquí está (?:la (?:lista|traducción|respuesta)|tu|el texto)\b",
            "fr": r"voici (?:votre|ta|une liste|la liste|le texte|la traduction|la réponse)\b",
            "it": r"ecco (?:a te|il tuo|un elenco|l'elenco|una lista|il testo|la traduzione|la risposta)\b",
            "pt": r"aqui (?:tens|tem|está (?:a (?:lista|tradução|resposta)|o texto))\b",
        },
        said={
            "de": r"hier|\bda (?:hast|haben|ist|sind|s(?:ie|e)h|kann|könn)|bitte ?s(?:chön|ehr)"
            r"|^\W*bitte\W*$|\bdas (?:ist|sind)|\bdies",
            "en": r"\bhere\b|there (?:you|is|are)|\bth(?:is|at) is|\bth[eo]se are|take this|ago\b",
            "es": r"aqu[íi]|\bac[áa]\b|\bten(?:gan?)?\b|\btom[ae]|\best[aeo]s? (?:es|son)|ah[íi]\b",
            "fr": r"ici|voilà|(?<!-)\blà\b|\bten(?:ez|s)\b|\btiens|c'est|\bce sont",
            "it": r"ecco|^\W*prego|\btieni|\btenga|\bquest\w+ (?:è|sono)|\bqui\b",
            "pt": r"aqui|\bcá\b|\beis\b|\btom[ae]|\best[ae]s? (?:é|são)",
        },
    ),
    _Opening(  # takes thanks
        begins={
            "de": r"gern geschehen|keine ursache|nichts zu danken|bitte sehr",
            "en": r"you(?:'re| are) (?:very |most |so )?welcome(?! to)|don't mention it|my pleasure",
            "es": r"de nada\b(?! \w)|no hay de qué\b(?! \w)|no tienes? que dar(?:me)? las gracias",
            "fr": r"de rien\b(?! \w)|je (?:vous|t')en prie|(?:il n'y a )?pas de quoi\b(?! \w)",
            "it": r"prego\b(?! \w)|di niente\b(?! \w)|di nulla\b(?! \w)|non c'è di che\b(?! \w)|si figuri",
            "pt": r"de nada\b(?! \w)|não há de quê\b(?! \w)|por nada\b(?! \w)|disponha",
        },
        said={
            "de": r"bitte|gern|ursache|nicht|willkommen|hier|da\b|danke nein|kein",
            "en": r"welcome|mention|nothing|please|pleasure|none|figure|imagine|pray|beg|here|there|ahead|after you"
            r"|any ?time|worr|problem|not at all|trouble|bother|(?:glad|happy) to help",
            "es": r"nada|bienvenid|favor|qué|gusto|ruego|aquí|tom[ae]|ten\b|tenga|adelante|a la orden|servir"
            r"|^\W*(?:a usted|a ti|para eso)",
            "fr": r"rien|prie|quoi|plaisir|bienvenu|plaît|voilà|voici|tenez|tiens|allez|service|souci|problème",
            "it": r"prego|niente|nulla|di che|piacere|favore|benvenut|figur|immagin|mancher|ti pare|ecco|avanti|tenga"
            r"|tieni|volentieri",
            "pt": r"nada|quê|prazer|favor|bem-vind|dispon|imagin|aqui|tom[ae]|eis|vontade|às ordens|obrigad[oa] eu",
        },
    ),
    _Opening(  # asks for what it is to work on
        begins={
            "de": r"bitte (?:geben sie|gib|nennen sie|nenne?) (?:mir )?(?:den|die|das|einen|eine) (?:text|satz|inhalt)",
            "en": r"please (?:provide|specify|share|enter)\b",
            "es": r"por favor,? (?:proporcion|especifi[cq]|ingres|indi[cq]|facilit)",
            "fr": r"(?:veuillez|merci de) (?:me |nous )?(?:fournir|préciser|indiquer|saisir)\b",
            "it": r"(?:per favore|per cortesia),? (?:forni|specific|inseri|indic)",
            "pt": r"por favor,? (?:forne|especifi|insir|indi[cq]|informe)",
        },
        said={
            "de": r"geb|gib|gab|stell|liefer|bereit|nenn|teil|schick|reich|trag|bring|biet|sorg|zeig|sag|mitteil"
            r"|tret|tritt|herein|tipp",
            "en": r"provid|giv|gave|suppl|shar|enter|specif|\bstat(?:e|ing)\b|indicat|\bhand\b|send|submit|tell|fill"
            r"|offer|suggest|\btype|show|detail|\blet\b|deliver|contribut|point (?:to|out)|\bsay|\bname|put in|input"
            r"|insert|\b(?:go|come|step|log|sign) in|\bgo ahead",
            "es": r"proporcion|\b(?:da|dé|dar\w*|d[aeéií](?:me|nos|le|les)|den|dan|doy)\b|ofr|facilit|especific"
            r"|indi[cq]|ingres|introdu|env[ií]|suministr|compart|mand|pon|dec|dig|apor|rellen|señal|m[uo]e?str|entr|traig|trae"
            r"|pase|tecl|escrib",
            "fr": r"fourn|donn|indiqu|précis|saisi|entr|rempl|envoy|partag|appor|dites|\bdis|communiqu|présent|laiss"
            r"|spécif|montr|\bmett|\btap|compos|écri",
            "it": r"forn|\bd(?:ai|à|ia|iano|are|ate|ammi|ateci|atemi|icci|immi)\b|indic|specific|inser|invi|condivid"
            r"|comunic|port|dica|mostr|mett|entr|accomod|digit|scriv",
            "pt": r"forn|\b(?:dar|deem|dão|dou|d[áê]\w*)|indi[cq]|especific|ins[ie]r|envi|compartilh|partilh|inform"
            r"|mostr|entr|traz|po[nr]|digit|escrev",
        },
    ),
    _Opening(  # says what it will do
        begins={
            "de": r"ich werde\b",
            "en": r"i(?:'ll| will)\b(?! see you)|let me explain",
            "fr": r"je vais\b(?!(?: très)? bien\b(?! sûr))",
        },
        said={
            "de": r"\b(?:ich|wir|man|m[ei]r|mich|mein\w*|uns\w*|wird (?:gemacht|erledigt)|mal (?:schauen|sehen))\b"
            r"|^\W*(?:bin|komme|gehe|rufe)\b",
            "en": r"\b(?:i|me|my|mine|myself|we|us|our|ours|one|im|ill|gonna|gotta|going|will do|right back)\b",
            "es": r"\b(?:yo|me|mi|mí|mis|nos|nuestr\w+|(?:d[eé]j|perm[ií]t)\w*me|\w+(?:o|é|í|oy|emos|amos|imos))\b",
            "fr": r"\b(?:je|j|me|m|moi|mon|ma|mes|nous|notre|nos|on)\b",
            "it": r"\b(?:io|mi|m|me|mi[oae]\w*|noi|ci|nostr\w+|(?:lasci|fat|permett)\w*mi|\w+(?:o|ò|iamo))\b",
            "pt": r"\b(?:eu|me|mim|meus?|minhas?|nós|nos|noss\w+|\w+(?:o|ei|i|ou|emos|amos|imos))\b",
        },
    ),
)


def _compiled(patterns: dict[str, str]) -> dict[str, re.Pattern[str]]:
    return {language: re.compile(pattern, re.IGNORECASE) for language, pattern in patterns.items()}


_JUDGED = tuple((_compiled(each.begins), _compiled(each.said)) for each in _OPENINGS)
_REFUSAL = re.compile(
    r"(?:can't|cannot|can not|unable to|not able to) (?:help|assist)\b(?! but| it\b| \w+(?:ing|self|selves)\b)"
    r"|no puedo ayudar|nicht (?:weiter)?helfen"
    r"|peux pas (?:vous |t')aider|non posso aiut|no puc ajud|não posso ajud",
    re.IGNORECASE,
)
_OF_HELP = re.compile(
    r"help|assist|ayud|hilf|helf|holf|hülf|aide|aiut|ajud|servi|serve"
    r"|\b(?:nothing|no use|nichts|nada|rien|niente|nulla)\b",  # that can be done for you
    re.IGNORECASE,
)
_ASKED_BACK = re.compile(r"\W*\w+(?:\W+\w+)?\W*\?\W*")
"""Who did not understand asks so ("Sorry?", for "Wie bitte?"), and no assistant."""
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
    language: re.compile(
        r"(?!.*!)\W*(?!no\b|cómo no\b|c'est\b|dann und|(?-i:[^,]*\b[A-ZÄÖÜ]\w*, (?:\w+ )?welch))"
        rf"(?!(?:{words})\b.*\.\W*\Z)(?:\w+\W+){{,3}}(?<!importe )(?:{words})\b",
        re.IGNORECASE,
    )
    for language, words in {
        "de": r"warum|wann|welche[mnrs]?(?= (?!(?:am|auf|aus|bei|da|davon|für|hier|im|in|mit|von|zu)\b)\w)"
        r"|wieso|weshalb|wer war|wer ist|wie ?viele?(?! andere)",
        "es": r"(?<!por )qué (?!bien|va\b|pena|lástima|buen|gusto|ric[oa]|lind|bonit|rar[oa]|suerte|alegr|honor|placer)"
        r"|quién(?:es)?|cuál(?:es)?|cuánt[oa]s?(?! (?:me alegr|lo s))|cómo|dónde|cuándo",
        "fr": r"quel(?:le)?s? (?:est|sont)|combien|comment|pourquoi|qui (?:peut|sait)",
    }.items()
}
"""Who asks, among the first four words, and tells nothing of a noun ("Das Haus, welches", "Ich habe welche."); in other
languages these words do too much else. What begins with such a word and ends with a full stop exclaims ("Qué calor
hace.")."""
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


def is_reply(source: str, translation: str, *, spoken: str, wanted: str) -> bool:
    """Whether `translation`, in the language `wanted` or in English, begins as a reply to `source`, in the language
    `spoken`, or refuses. Of the first beginning that fits it is asked whether somebody said it."""
    first = _FIRST.search(translation)
    if first is None or _ASKED_BACK.fullmatch(translation):
        return False
    begun, said = _plain(translation[first.start() :]), _plain(source)
    if _REFUSAL.search(begun) and spoken in _HELPS and not _OF_HELP.search(said):
        return True
    interjection = _INTERJECTION.match(begun)
    places = (0, interjection.end()) if interjection else (0,)
    for begins, words in _JUDGED:
        ways = [begins[language] for language in {wanted, "en"} & begins.keys()]
        if any(way.match(begun, place) for way in ways for place in places):
            return spoken in words and not words[spoken].search(said)
    return False


def is_answered(source: str, translation: str, *, spoken: str, wanted: str) -> bool:
    """Whether `source`, in the language `spoken`, begins as a question does, and `translation`, in the language
    `wanted`, asks nothing."""
    if spoken not in _ASKS or wanted not in _ASKED:
        return False
    return bool(_ASKS[spoken].match(_plain(source))) and not _ASKED[wanted].search(_plain(translation))


def _plain(text: str) -> str:
    return text.replace("’", "'")
