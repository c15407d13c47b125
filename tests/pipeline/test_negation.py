"""`surtitle.pipeline.negation`: a "not" that was said is in the translation, or it is missed."""

from __future__ import annotations

import pytest

from surtitle.pipeline.negation import is_denial_lost

SAID = {
    "de": "Das ist nicht fertig.",
    "en": "That isn’t finished.",
    "es": "Eso no está terminado.",
    "fr": "Ce n’est pas fini.",
    "it": "Questo non è finito.",
    "pt": "Isso não está pronto.",
}
MADE = SAID | {"ja": "これは終わっていません。", "zh": "这还没有完成。"}
LOST = {
    "de": "Das ist fertig.",
    "en": "That is finished.",
    "es": "Eso está terminado.",
    "fr": "C’est fini.",
    "it": "Questo è finito.",
    "ja": "これは終わりました。",
    "pt": "Isso está pronto.",
    "zh": "这已经完成了。",
}


@pytest.mark.parametrize("spoken", SAID)
@pytest.mark.parametrize("wanted", MADE)
def test_a_not_that_was_said_is_missed_where_nothing_is_denied(spoken: str, wanted: str) -> None:
    assert is_denial_lost(SAID[spoken], LOST[wanted], spoken=spoken, wanted=wanted)
    assert not is_denial_lost(SAID[spoken], MADE[wanted], spoken=spoken, wanted=wanted)
    assert not is_denial_lost(LOST[spoken], LOST[wanted], spoken=spoken, wanted=wanted)


@pytest.mark.parametrize(
    ("pair", "source", "translation"),
    [
        ("en-es", "It's not only the trains that are late.", "Los trenes llegan tarde, y otras cosas también."),
        ("en-de", "It's late, isn't it?", "Es ist spät, oder?"),
        ("es-en", "Es tarde, ¿no?", "It's late, right?"),
        ("de-en", "Nicht nur die Züge haben Verspätung.", "The trains are late, and so is the rest."),
        ("pt-en", "É tarde, não é?", "It's late, right?"),
        ("fr-en", "C'est tard, n'est-ce pas ?", "It's late, right?"),
        ("fr-de", "Il n'y a que trois trains.", "Es gibt drei Züge."),
        ("en-es", "Nobody said a word; I never did.", "Nadie dijo una palabra."),
        ("en-de", "They are not happy.", "Sie sind unzufrieden."),
        ("ru-en", "Это не готово.", "That is finished."),
        ("en-ru", "That is not finished.", "Это готово."),
    ],
)
def test_what_only_looks_like_a_denial_is_none_and_one_may_be_said_in_other_words(
    pair: str, source: str, translation: str
) -> None:
    spoken, wanted = pair.split("-")
    assert not is_denial_lost(source, translation, spoken=spoken, wanted=wanted)


@pytest.mark.parametrize(
    ("pair", "source", "translation"),
    [
        ("en-es", "Ask not what your country can do for you,", "Preguntad qué puede hacer vuestro país por vosotros,"),
        ("en-de", "They did not even call.", "Sie haben sogar angerufen."),
        ("fr-en", "Je ne pense pas que ce soit vrai.", "I think that it is true."),
        ("fr-en", "C'est pas fini.", "It's finished."),
        ("de-en", "Das ist nicht wahr.", "That is true."),
        ("en-zh", "That is not especially good.", "不过这特别好。"),
        ("en-ja", "That is not finished yet.", "それは必ず終わりました。"),
        ("en-es", "That is not finished, however.", "Sin embargo, eso está terminado."),
        ("es-en", "No entiendo esta universidad.", "I understand this university a little."),
    ],
)
def test_a_denial_is_missed_where_only_what_looks_like_one_is_written(pair: str, source: str, translation: str) -> None:
    spoken, wanted = pair.split("-")
    assert is_denial_lost(source, translation, spoken=spoken, wanted=wanted)
