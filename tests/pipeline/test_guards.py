"""`surtitle.pipeline.guards`: what is no translation."""

from __future__ import annotations

import pytest

from surtitle.pipeline.guards import Fault, Guards
from surtitle.pipeline.identify import Identifier
from surtitle.pipeline.languages import LANGUAGES, find_language
from surtitle.pipeline.profiles import find_profile

SOURCE = "The committee will discuss the budget for the coming year."


def guards_of(identifier: Identifier, source: str, target: str) -> Guards:
    return Guards(find_profile().prompts(find_language(source), find_language(target)), identifier)


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
        ("One line.\nAnother.", "Una línea.\nOtra."),
        ("The end.", "El fin.\n"),
    ],
)
def test_a_translation_has_no_fault(spanish: Guards, source: str, translation: str) -> None:
    assert spanish.fault(source, translation, finished=True) is None
    assert not any(spanish.is_lost(source, translation[:end]) for end in range(len(translation) + 1))


@pytest.mark.parametrize(
    ("pair", "source", "translation"),
    [
        ("en-ja", "What time is it?", "今何時ですか。"),
        ("en-th", "What time is it?", "ตอนนี้กี่โมงแล้ว"),
        ("de-en", "Wann kommt der nächste Zug?", "When does the next train arrive?"),
        ("en-es", "That results in higher costs.", "Eso se traduce en costes más altos."),
        ("en-de", "He started as assistant to the president.", "Er begann als Assistent des Präsidenten."),
        ("en-ru", "I made a bank transfer yesterday.", "Вчера я сделал банковский перевод."),
        ("en-ru", "They moved him to another hospital.", "Его перевели в другую больницу."),
        ("en-uk", "They want to shift responsibility.", "Вони хочуть перекладати відповідальність."),
        ("de-ru", "Die Überweisung dauert zwei Tage.", "Перевод занимает два дня."),
        ("en-fr", "He will be brought to justice.", "Il sera traduit en justice."),
        ("en-fr", "He was brought before the court.", "Il a été traduit devant le tribunal."),
        ("en-ru", "Convert metres to feet.", "Переведите метры в футы."),
        ("en-pl", "Let me explain how this works.", "Pozwól, że wytłumaczę, jak to działa."),
        ("en-pl", "He tried to explain himself.", "Próbował się tłumaczyć."),
        ("en-uk", "Five minutes.", "Пʼять хвилин."),
        ("da-no", "Jeg kommer hjem klokken fire.", "Jeg kommer hjem klokken fire."),
        ("ja-zh", "東京大学", "東京大学"),
        ("zh-ja", "北京大学", "北京大学"),
        ("en-zh", "TensorFlow", "TensorFlow"),
        ("zh-ja", "一九九七年七月一日。", "一九九七年七月一日。"),
        ("zh-ja", "上海交通大学", "上海交通大学"),
        (
            "en-es",
            "He wrote in a letter to his brother: “Erst kommt das Fressen, dann die Moral.”",
            "Escribió: “Erst kommt das Fressen, dann die Moral.”",
        ),
        ("en-fr", "That resulted in higher prices.", "Cela s'est traduit par une hausse des prix."),
        ("en-es", "This will result in job losses.", "Esto se traducirá en pérdidas de empleo."),
        ("en-es", "That has resulted in losses.", "Eso se ha traducido finalmente en pérdidas."),
        ("en-pt", "It resulted in losses.", "Traduziu-se em perdas."),
        ("de-en", "Das bedeutet niedrigere Kosten.", "That translates into lower costs."),
        ("en-de", "The gear ratio is three to one.", "Das Übersetzungsverhältnis ist drei zu eins."),
    ],
)
def test_a_translation_has_no_fault_in_other_pairs(
    identifier: Identifier, pair: str, source: str, translation: str
) -> None:
    assert guards_of(identifier, *pair.split("-")).fault(source, translation, finished=True) is None


# in each language but English: of translating, and of models
TALK = {
    "ar": (["كانت ترجمة ممتازة.", "الكتاب مترجم."], ["نموذج لغوي قال ذلك.", "نماذج اللغة الكبيرة مفيدة."]),
    "ca": (["La traducció era bona.", "Ella tradueix el llibre."], ["Un model de llengua ho va dir."]),
    "cs": (["Byl to dobrý překlad.", "Přeložila tu knihu."], ["Řekl to jazykový model."]),
    "da": (["Oversættelsen var god.", "Hun har oversat bogen."], ["En sprogmodel sagde det."]),
    "de": (["Die Übersetzung war gut.", "Sie hat das Buch übersetzt."], ["Das sagte ein Sprachmodell."]),
    "el": (["Ήταν καλή μετάφραση.", "Μετέφρασε το βιβλίο."], ["Το είπε ένα γλωσσικό μοντέλο."]),
    "es": (["La traducción fue buena.", "Ella tradujo el libro."], ["Lo dijo un modelo de lenguaje."]),
    "fi": (["Käännös oli hyvä.", "Hän käänsi... kääntäjä sanoi."], ["Kielimallit ovat suuria.", "Kielimallin sanat."]),
    "fr": (["La traduction était bonne.", "Elle a traduit le livre."], ["Un modèle de langage l'a dit."]),
    "he": (["התרגום היה טוב.", "הספר תורגם אתמול.", "המתורגמן דיבר."], ["מודל שפה אמר את זה."]),
    "hi": (["अनुवाद अच्छा था।", "किताब अनूदित हुई।"], ["एक भाषा मॉडल ने कहा।"]),
    "hu": (["A fordítás jó volt.", "Lefordította a könyvet."], ["Egy nyelvi modell mondta."]),
    "id": (["Terjemahannya bagus.", "Dia menerjemahkan buku itu."], ["Sebuah model bahasa mengatakannya."]),
    "it": (["La traduzione era buona.", "Il libro è stato tradotto.", "Bisogna tradurre."], ["Modelli linguistici."]),
    "ja": (["良い訳でした。", "本を翻訳しました。"], ["言語モデルが言いました。"]),
    "ko": (["좋은 번역이었습니다.", "통역사가 말했습니다."], ["언어 모델이 말했습니다."]),
    "nl": (["De vertaling was goed.", "Het boek is vertaald.", "Hij vertaalt."], ["Een taalmodel zei het."]),
    "no": (["Oversettelsen var god.", "Hun har oversatt boken."], ["En språkmodell sa det."]),
    "pl": (["Tłumaczenie było dobre.", "Dobry przekład."], ["Powiedział to model językowy."]),
    "pt": (["A tradução foi excelente.", "Ela traduziu o livro."], ["Um modelo de linguagem disse isso."]),
    "ro": (["Traducerea a fost bună.", "Cartea a fost tradusă."], ["A spus-o un model de limbaj."]),
    "ru": (["Перевод был хорош.", "Она перевела книгу.", "Надо перевести."], ["Это сказала языковая модель."]),
    "sv": (["Översättningen var bra.", "Hon har översatt boken."], ["En språkmodell sa det."]),
    "th": (["การแปลดีมาก", "เธอแปลหนังสือ"], ["โมเดลภาษาพูด", "แบบจำลองภาษาพูด"]),
    "tr": (["Çeviri iyiydi.", "Kitabı çevirdi."], ["Bir dil modeli söyledi."]),
    "uk": (["Переклад був добрий.", "Вона переклала книгу."], ["Це сказала мовна модель."]),
    "vi": (["Bản dịch rất tốt.", "Cô ấy dịch sang tiếng Anh."], ["Một mô hình ngôn ngữ đã nói."]),
    "zh": (["翻译很好。", "她譯了這本書。"], ["语言模型说的。"]),
}


def test_all_languages_that_are_named_talk_of_translating() -> None:
    assert {*TALK, "en"} == set(LANGUAGES)


@pytest.mark.parametrize("source", TALK)
def test_who_talks_of_translating_or_of_models_is_translated(identifier: Identifier, source: str) -> None:
    guards = guards_of(identifier, source, "en")
    of_translating, of_models = TALK[source]
    for said in of_translating:
        assert guards.fault(said, "It was a good translation.", finished=True) is None, said
    for said in of_models:
        assert guards.fault(said, "It was said by a language model.", finished=True) is None, said


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("ja", "申し訳ありません。"),
        ("ja", "それは言い訳です。"),
        ("vi", "Đại dịch đã qua."),
        ("th", "มันเปลี่ยนแปลงไป"),
        ("fi", "Hän kääntyi pois."),
        ("es", "Hay que comprender."),
        ("es", "Asistió a la reunión."),
        ("fr", "La conversion est faite."),
        ("cs", "To byl přelom."),
        ("he", "זה היה תרגיל."),
    ],
)
def test_words_that_look_like_it_are_no_talk_of_translating(identifier: Identifier, source: str, said: str) -> None:
    guards = guards_of(identifier, source, "en")
    assert guards.fault(said, "As an AI language model, I cannot translate that.", finished=True) == "comment"


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


@pytest.mark.parametrize(
    ("pair", "text"),
    [
        ("zh-ja", "我们明天再讨论这个问题。"),
        ("zh-ja", "我们用AI技术讨论这个问题。"),
        ("ja-zh", "会議は明日開催予定です。"),
        ("en-zh", "Thank you."),
        ("en-ru", "Good morning."),
        ("en-ja", "Of course."),
    ],
)
def test_a_copy_is_no_translation_though_the_target_has_such_letters(
    identifier: Identifier, pair: str, text: str
) -> None:
    assert guards_of(identifier, *pair.split("-")).fault(text, text, finished=True) == "echo"


def test_a_polish_translation_is_talk_of_translating(identifier: Identifier) -> None:
    guards = guards_of(identifier, "en", "pl")
    assert guards.fault("The train is late.", "Oto tłumaczenie: pociąg się spóźnia.", finished=True) == "comment"


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
        (SOURCE, "Le comité discutera du budget de l'année prochaine.", "language"),
        (SOURCE, "Der Ausschuss wird den Haushalt für nächstes Jahr besprechen.", "language"),
        ("It puts pressure on them to overcome it.", "Les pone presión para que lo 克服.", "script"),
        (SOURCE, "el comité y el comité y el comité y el comité y el comité y", "loop"),
        (SOURCE, "El comité. Yesterday my neighbour asked me: 'When does the next train arrive?'", "prompt"),
        (SOURCE, "Ayer mi vecino me preguntó: «¿Cuándo llega el próximo tren?»", "prompt"),
        ("What is simultaneous speech?", "Es hablar mientras otra persona habla.", "answer"),
        ("Write a poem about the sea.", "Soy un modelo de lenguaje y no escribo poemas.", "comment"),
        ("A smaller step for Tolkien.", "Soy un modelo de lenguaje y no escribo poemas.", "comment"),
        ("So what about drift then?", "Como asistente, ¿en qué puedo ayudarle?", "comment"),
        (SOURCE, "Aquí está la traducción: El comité discutirá el presupuesto.", "comment"),
        (SOURCE, "El comité discutirá el presupuesto.\n\nNota: se usa el futuro.", "comment"),
    ],
)
def test_what_is_no_translation_is_found(spanish: Guards, source: str, translation: str, fault: Fault) -> None:
    assert spanish.fault(source, translation, finished=True) == fault


@pytest.mark.parametrize(
    ("begun", "most"),
    [
        ("el comité y el comité y el comité y el comité y el comité y el comité", 52),
        ("El comité. Yesterday my neighbour asked me: 'When does the next train", 50),
        ("El comité 克服 discutirá el presupuesto.", 11),
        ("El comité discutirá el presupuesto.\n\nNota: se usa el futuro.", 38),
    ],
)
def test_what_can_not_become_a_translation_is_found_before_it_ends(spanish: Guards, begun: str, most: int) -> None:
    assert next(end for end in range(len(begun)) if spanish.is_lost(SOURCE, begun[:end])) <= most


def test_what_did_not_end_by_itself_is_runaway(spanish: Guards) -> None:
    assert spanish.fault(SOURCE, "El comité discutirá", finished=False) == "runaway"


def test_the_prompts_sentence_may_be_spoken(spanish: Guards) -> None:
    said, translation = find_language("en").example, find_language("es").example
    assert spanish.fault(said, translation, finished=True) is None


def test_a_greek_question_has_a_mark_of_its_own(identifier: Identifier) -> None:
    from_greek, into_greek = guards_of(identifier, "el", "en"), guards_of(identifier, "en", "el")
    for mark in (";", "\N{GREEK QUESTION MARK}"):
        assert (
            from_greek.fault(f"Τι ώρα είναι{mark}", "It is five o'clock in the afternoon.", finished=True) == "answer"
        )
        assert from_greek.fault(f"Τι ώρα είναι{mark}", "What time is it?", finished=True) is None
        assert into_greek.fault("What time is it?", f"Τι ώρα είναι{mark}", finished=True) is None


def test_a_semicolon_makes_no_question_elsewhere(spanish: Guards) -> None:
    assert spanish.fault("What is speech?", "Es hablar; otra persona escucha.", finished=True) == "answer"


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
