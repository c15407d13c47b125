"""`surtitle.pipeline.guards`: what is no translation."""

from __future__ import annotations

import pytest

from surtitle.pipeline.guards import Fault, Guards
from surtitle.pipeline.identify import Identifier
from surtitle.pipeline.languages import LANGUAGES, find_language
from surtitle.pipeline.profiles import find_profile

SOURCE = "The committee will discuss the budget for the coming year."


@pytest.fixture(scope="module")
def identifier() -> Identifier:
    return Identifier()


def guards_of(identifier: Identifier, source: str, target: str) -> Guards:
    spoken, wanted = find_language(source), find_language(target)
    in_source = identifier.likelihood(source, other=target)
    prompt, _ = find_profile().prompts(spoken, wanted)
    return Guards(spoken, wanted, prompt=prompt.shown, in_source=in_source)


@pytest.fixture(scope="module")
def spanish(identifier: Identifier) -> Guards:
    return guards_of(identifier, "en", "es")


@pytest.mark.parametrize(
    ("source", "translation"),
    [
        (SOURCE, "El comité discutirá el presupuesto para el próximo año."),
        ("What time is it?", "¿Qué hora es?"),
        ("He asked me: “Why now?”", "Me preguntó por qué precisamente ahora."),
        ("I wondered：why now?", "Me pregunté por qué precisamente ahora."),
        ("Translate this sentence for me.", "Tradúceme esta frase."),
        ("The simultaneous interpretation was good.", "La traducción simultánea fue buena."),
        ("You are a professional interpreter.", "Usted es intérprete profesional."),
        ("Yeah, yeah, yeah, yeah!", "¡Sí, sí, sí, sí!"),
        ("It moved by 5 micrometres on the 15th of May.", "Se movió 5 µm el 15º día de mayo."),
        ("That is 1,000,000,000,000 euros.", "Son 1.000.000.000.000 de euros."),
        ("The word 你好 means hello.", "La palabra 你好 significa hola."),
        ("...", "..."),
    ],
)
def test_a_translation_has_no_fault(spanish: Guards, source: str, translation: str) -> None:
    assert spanish.fault(source, translation, finished=True) is None


@pytest.mark.parametrize(
    ("pair", "source", "translation"),
    [
        ("en-ja", "What time is it?", "今何時ですか。"),
        ("en-th", "What time is it?", "ตอนนี้กี่โมงแล้ว"),
        ("de-en", "Wann kommt der nächste Zug?", "When does the next train arrive?"),
        ("en-es", "That results in higher costs.", "Eso se traduce en costes más altos."),
        ("en-de", "He started as assistant to the president.", "Er begann als Assistent des Präsidenten."),
    ],
)
def test_a_translation_has_no_fault_in_other_pairs(
    identifier: Identifier, pair: str, source: str, translation: str
) -> None:
    assert guards_of(identifier, *pair.split("-")).fault(source, translation, finished=True) is None


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("ar", "كانت ترجمة ممتازة لنموذج لغوي."),
        ("ca", "Era una traducció excel·lent d'un model de llengua."),
        ("cs", "Byl to vynikající překlad od jazykového modelu."),
        ("da", "Det var en fremragende oversættelse af en sprogmodel."),
        ("de", "Das war eine ausgezeichnete Übersetzung eines Sprachmodells."),
        ("el", "Ήταν μια εξαιρετική μετάφραση ενός γλωσσικού μοντέλου."),
        ("es", "Era una excelente traducción de un modelo de lenguaje."),
        ("fi", "Se oli kielimallin erinomainen käännös."),
        ("fr", "C'était une excellente traduction d'un modèle de langage."),
        ("he", "זה היה תרגום מצוין של מודל שפה."),
        ("hi", "यह एक भाषा मॉडल का उत्कृष्ट अनुवाद था।"),
        ("hu", "Ez egy nyelvi modell kiváló fordítása volt."),
        ("id", "Itu adalah terjemahan yang sangat baik dari model bahasa."),
        ("it", "Era un'eccellente traduzione di un modello linguistico."),
        ("ja", "それは言語モデルの素晴らしい訳でした。"),
        ("ko", "언어 모델의 훌륭한 번역이었습니다."),
        ("nl", "Het was een uitstekende vertaling van een taalmodel."),
        ("no", "Det var en utmerket oversettelse av en språkmodell."),
        ("pl", "To było doskonałe tłumaczenie modelu językowego."),
        ("pt", "Foi uma excelente tradução de um modelo de linguagem."),
        ("ro", "A fost o traducere excelentă a unui model de limbaj."),
        ("ru", "Это был отличный перевод языковой модели."),
        ("sv", "Det var en utmärkt översättning av en språkmodell."),
        ("th", "มันเป็นการแปลที่ยอดเยี่ยมของโมเดลภาษา"),
        ("tr", "Bir dil modelinin mükemmel bir çevirisiydi."),
        ("uk", "Це був чудовий переклад мовної моделі."),
        ("vi", "Đó là một bản dịch xuất sắc của một mô hình ngôn ngữ."),
        ("zh", "這是一個語言模型的出色翻譯。"),
    ],
)
def test_who_talks_of_translating_is_translated(identifier: Identifier, source: str, said: str) -> None:
    guards = guards_of(identifier, source, "en")
    assert guards.fault(said, "It was an excellent translation.", finished=True) is None
    assert guards.fault(said, "It was said by a language model.", finished=True) is None


@pytest.mark.parametrize(
    ("pair", "text"),
    [
        ("zh-en", "我们明天再讨论这个问题。"),
        ("ar-en", "سنجتمع غدا."),
        ("ja-es", "明日また会います。"),
        ("ko-de", "내일 다시 만나요."),
    ],
)
def test_what_stays_in_the_sources_own_script_is_no_translation(identifier: Identifier, pair: str, text: str) -> None:
    assert guards_of(identifier, *pair.split("-")).fault(text, text, finished=True) == "script"


@pytest.mark.parametrize("names", ["Angela Merkel, Emmanuel Macron", "OK", "taxi total", "Anna, Berlin, Paris 2024"])
def test_names_and_few_words_may_stay_as_they_are(spanish: Guards, names: str) -> None:
    assert spanish.fault(names, names, finished=True) is None


@pytest.mark.parametrize(
    ("source", "translation", "fault"),
    [
        ("Right, right, exactly.", "Right, right, exactly.", "language"),
        (SOURCE, "", "empty"),
        (SOURCE, "…", "empty"),
        (SOURCE, SOURCE, "echo"),
        (SOURCE, "The committee will discuss the budget para el año.", "echo"),
        ("Thank you so much.", "Thank you so much.", "language"),
        ("Have a good time at ACL.", "Have a good time in ACL!", "language"),
        ("It puts pressure on them to overcome it.", "Les pone presión para que lo 克服.", "script"),
        (SOURCE, "el comité y el comité y el comité y el comité y el comité y", "loop"),
        (SOURCE, "El comité. Yesterday my neighbour asked me: 'When does the next train arrive?'", "prompt"),
        (SOURCE, "Ayer mi vecino me preguntó: «¿Cuándo llega el próximo tren?»", "prompt"),
        ("What is simultaneous speech?", "Es hablar mientras otra persona habla.", "answer"),
        ("Write a poem about the sea.", "Soy un modelo de lenguaje y no escribo poemas.", "comment"),
        ("So what about drift then?", "Como asistente, ¿en qué puedo ayudarle?", "comment"),
        (SOURCE, "Aquí está la traducción: El comité discutirá el presupuesto.", "comment"),
    ],
)
def test_what_is_no_translation_is_found(spanish: Guards, source: str, translation: str, fault: Fault) -> None:
    assert spanish.fault(source, translation, finished=True) == fault


def test_what_did_not_end_by_itself_is_runaway(spanish: Guards) -> None:
    assert spanish.fault(SOURCE, "El comité discutirá", finished=False) == "runaway"


def test_the_prompts_sentence_may_be_spoken(spanish: Guards) -> None:
    said, translation = find_language("en").example, find_language("es").example
    assert spanish.fault(said, translation, finished=True) is None


def test_japanese_is_written_in_three_scripts_and_no_fourth(identifier: Identifier) -> None:
    japanese = guards_of(identifier, "en", "ja")
    assert japanese.fault("The people of Wales", "ウェールズの人々", finished=True) is None
    assert japanese.fault("The people of Wales", "ウェールズの 사람들", finished=True) == "script"


@pytest.mark.parametrize("code", sorted(set(LANGUAGES) - {"en"}))
def test_each_language_is_told_from_english_by_a_sentence(identifier: Identifier, code: str) -> None:
    guards = guards_of(identifier, "en", code)
    assert guards.fault("Some other sentence.", find_language("en").example, finished=True) == "prompt"
    in_english = identifier.likelihood("en", other=code)
    assert in_english("the next train does not arrive today") > 0.9
    assert in_english(LANGUAGES[code].example) < 0.1
    assert in_english("42") == pytest.approx(0.5)


def test_a_short_copy_is_in_the_language_it_is_most_likely_in(identifier: Identifier) -> None:
    english = guards_of(identifier, "es", "en")
    assert english.fault("Claro, claro, exacto.", "Claro, claro, exacto.", finished=True) == "language"
    assert english.fault("Claro, claro, exacto.", "Clear, clear, exact.", finished=True) is None
