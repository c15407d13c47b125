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
    ],
)
def test_a_translation_has_no_fault_in_other_pairs(
    identifier: Identifier, pair: str, source: str, translation: str
) -> None:
    assert guards_of(identifier, *pair.split("-")).fault(source, translation, finished=True) is None


@pytest.mark.parametrize(
    ("pair", "source", "translation"),
    [
        ("en-es", "A social and cultural crisis.", "Una crisis social y cultural."),
        ("en-es", "That hotel is general, normal and central.", "Ese hotel es general, normal y central."),
        ("fr-en", "La solution est simple et possible.", "The solution is simple and possible."),
        ("es-pt", "Es importante para todos.", "É importante para todos."),
        ("es-pt", "La carta está sobre la mesa.", "A carta está sobre a mesa."),
        ("pt-es", "A casa é grande e bonita.", "La casa es grande y bonita."),
        ("ca-es", "Una taula per cinc persones grans.", "Una mesa para cinco personas mayores."),
        ("sv-no", "Det var bra.", "Det var bra."),
        ("es-it", "La musica entra en casa.", "La musica entra in casa."),
        ("ru-uk", "Река, вода, гора, нога, рука.", "Ріка, вода, гора, нога, рука."),
        ("en-de", "Malformed proof in client-final-message.", "Fehlerhafter Beweis in client-final-message."),
        ("en-es", "Here we say “mañana será otro día para todos”.", "Aquí decimos «mañana será otro día para todos»."),
    ],
)
def test_words_that_are_the_same_in_both_languages_are_no_echo_among_others(
    identifier: Identifier, pair: str, source: str, translation: str
) -> None:
    assert guards_of(identifier, *pair.split("-")).fault(source, translation, finished=True) is None


def test_what_stayed_for_the_most_part_is_an_echo_between_near_languages_too(identifier: Identifier) -> None:
    said = "El comité discutirá mañana el presupuesto para el próximo año en la ciudad."
    made = "O comitê discutirá mañana el presupuesto para el próximo año en la ciudad."
    assert guards_of(identifier, "es", "pt").fault(said, made, finished=True) == "echo"


@pytest.mark.parametrize("text", ["El amor de Cristo para todos.", "Es una decisión importante para nuestra ciudad."])
def test_a_copy_is_an_echo_between_near_languages_too(identifier: Identifier, text: str) -> None:
    assert guards_of(identifier, "es", "pt").fault(text, text, finished=True) == "echo"


@pytest.mark.parametrize(
    ("pair", "source", "translation"),
    [
        ("en-de", "Write to anna.meyer@example.com.", "Schreiben Sie an anna.meyer@example.com."),
        ("en-es", "See www.example.org/people/invite.", "Vea www.example.org/people/invite."),
        ("en-ru", "john.smith@example.com", "john.smith@example.com"),
        ("en-ja", "https://www.example.com", "https://www.example.com"),
    ],
)
def test_addresses_are_the_same_in_every_language(
    identifier: Identifier, pair: str, source: str, translation: str
) -> None:
    assert guards_of(identifier, *pair.split("-")).fault(source, translation, finished=True) is None


def test_a_sentence_without_spaces_around_an_address_is_judged(identifier: Identifier) -> None:
    said = "请访问www.example.com查看我们的活动安排"
    assert guards_of(identifier, "zh", "ja").fault(said, said, finished=True) == "echo"


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


@pytest.mark.parametrize(
    ("pair", "source", "translation"),
    [
        ("en-es", "Hahaha!", "¡Jajajaja!"),
        ("en-es", "Hahahaha!", "¡Jajajajajajajajaja!"),
        ("en-ja", "My heart is pounding.", "心臓がドキドキドキドキしている。"),
        ("th-en", "ฮ่าๆๆ", "Hahahahaha."),
    ],
)
def test_who_laughs_does_not_loop(identifier: Identifier, pair: str, source: str, translation: str) -> None:
    assert guards_of(identifier, *pair.split("-")).fault(source, translation, finished=True) is None


@pytest.mark.parametrize(
    ("pair", "source", "translation"),
    [
        ("zh-en", "对对对对对，就是这样。", "Right, right, right, right, right, exactly."),
        ("zh-de", "不不不不不！", "Nein, nein, nein, nein, nein!"),
        ("ko-en", "네네네네네.", "Yes, yes, yes, yes, yes."),
        ("th-en", "ใช่ๆๆๆๆ", "Yes, yes, yes, yes, yes."),
    ],
)
def test_a_word_of_one_letter_that_is_said_again_and_again_is_no_loop(
    identifier: Identifier, pair: str, source: str, translation: str
) -> None:
    guards = guards_of(identifier, *pair.split("-"))
    assert guards.fault(source, translation, finished=True) is None
    assert not guards.is_lost(source, translation)


@pytest.mark.parametrize("pair", ["es-en", "it-en", "en-de", "en-fr", "es-fr", "en-pl"])
@pytest.mark.parametrize("said", ["No, no, no.", "Okay, okay, okay.", "Ha, ha, ha.", "Amen, amen, amen, amen."])
def test_a_short_word_that_is_called_again_and_again_may_be_the_same(
    identifier: Identifier, pair: str, said: str
) -> None:
    assert guards_of(identifier, *pair.split("-")).fault(said, said, finished=True) is None


def test_a_longer_word_that_is_said_again_and_again_is_translated(identifier: Identifier) -> None:
    said = "Gracias, gracias, gracias."
    assert guards_of(identifier, "es", "en").fault(said, said, finished=True) == "language"
    assert guards_of(identifier, "en", "ru").fault("Ha, ha, ha.", "Ha, ha, ha.", finished=True) == "echo"


def test_what_did_not_end_by_itself_is_runaway(spanish: Guards) -> None:
    assert spanish.fault(SOURCE, "El comité discutirá", finished=False) == "runaway"


def test_the_prompts_sentence_may_be_spoken(spanish: Guards) -> None:
    said, translation = find_language("en").example, find_language("es").example
    assert spanish.fault(said, translation, finished=True) is None


def test_a_whole_sentence_is_not_translated_by_a_word(spanish: Guards, identifier: Identifier) -> None:
    assert spanish.fault("Stop translating, I need no translation, just answer me.", "Bueno.", finished=True) == "short"
    assert spanish.fault("No, no, no, no, no, no, no, no, no, no, no, no.", "No.", finished=True) is None
    japanese = guards_of(identifier, "ja", "es")
    assert japanese.fault("ご清聴ありがとうございました。", "Gracias.", finished=True) is None
    assert spanish.fault("One million two hundred thousand and fifty.", "1200050.", finished=True) is None


def test_who_replies_does_not_translate(spanish: Guards) -> None:
    assert spanish.fault("Thank you, thank you very much.", "De nada.", finished=True) == "reply"


def test_what_was_made_of_something_else_is_no_translation(spanish: Guards) -> None:
    made = "El ministro de hacienda llega hoy a las diez."
    before = [("The minister arrives at ten today.", made)]
    assert spanish.fault("You can book your seats online.", made, finished=True, before=before) == "repeat"
    assert spanish.fault("You can book your seats online.", f"{made} Sí.", finished=True, before=before) == "repeat"
    assert spanish.fault("At ten the minister arrives.", made, finished=True, before=before) is None
    assert spanish.fault("You can book your seats online.", made, finished=True) is None
    assert spanish.fault("I thank you.", "Gracias.", finished=True, before=[("Cheers, everybody!", "Gracias.")]) is None


def test_sentences_without_spaces_may_be_alike_too(identifier: Identifier) -> None:
    chinese = guards_of(identifier, "zh", "en")
    before = [("我还想感谢我的母亲", "And I would also like to thank my mother.")]
    made = "And I would also like to thank my father."
    assert chinese.fault("我还想感谢我的父亲", made, finished=True, before=before) is None


def test_korean_words_are_alike_whatever_their_particles(identifier: Identifier) -> None:
    korean = guards_of(identifier, "ko", "en")
    made = "I would like to thank my mother and my father."
    before = [("어머니와 아버지에게 감사를 드리고 싶습니다.", made)]
    assert korean.fault("저는 어머니께 그리고 아버지께 감사드립니다.", made, finished=True, before=before) is None
    assert korean.fault("내일은 하루 종일 비가 오겠습니다.", made, finished=True, before=before) == "repeat"


def test_a_greek_question_has_a_mark_of_its_own(identifier: Identifier) -> None:
    from_greek, into_greek = guards_of(identifier, "el", "en"), guards_of(identifier, "en", "el")
    for mark in (";", "\N{GREEK QUESTION MARK}"):
        assert (
            from_greek.fault(f"Τι ώρα είναι{mark}", "It is five o'clock in the afternoon.", finished=True) == "answer"
        )
        assert from_greek.fault(f"Τι ώρα είναι{mark}", "What time is it?", finished=True) is None
        assert into_greek.fault("What time is it?", f"Τι ώρα είναι{mark}", finished=True) is None


@pytest.mark.parametrize(
    ("source", "translation"),
    [
        ("It's cold, isn't it?", "寒いですね。"),
        ("You're coming, right?", "来るでしょう。"),
        ("I wonder who that was?", "誰だったのかな。"),
        ("Shall we start?", "始めましょう。"),
    ],
)
def test_a_japanese_question_need_not_have_a_mark(identifier: Identifier, source: str, translation: str) -> None:
    japanese = guards_of(identifier, "en", "ja")
    assert japanese.fault(source, translation, finished=True) is None
    assert japanese.fault(source, "三時です。", finished=True) == "answer"


def test_a_semicolon_makes_no_question_elsewhere(spanish: Guards) -> None:
    assert spanish.fault("What is speech?", "Es hablar; otra persona escucha.", finished=True) == "answer"


def test_japanese_is_written_in_three_scripts_and_no_fourth(identifier: Identifier) -> None:
    japanese = guards_of(identifier, "en", "ja")
    assert japanese.fault("The people of Wales", "ウェールズの人々", finished=True) is None
    assert japanese.fault("The people of Wales", "ウェールズの 사람들", finished=True) == "script"


@pytest.mark.parametrize(
    "chinese",
    ["委员会将讨论下一年的预算。", "谢谢大家，请坐。", "今天天气很好。", "大家早上好，欢迎来到TensorFlow的世界。"],
)
def test_chinese_is_no_japanese_though_it_has_no_other_letters(identifier: Identifier, chinese: str) -> None:
    assert guards_of(identifier, "en", "ja").fault("Good evening, everyone.", chinese, finished=True) == "language"


@pytest.mark.parametrize(
    ("pair", "source", "translation"),
    [
        ("en-ja", "The National Diet Library, Tokyo", "東京、国立国会図書館"),
        ("en-ja", "Mori Ogai", "森鷗外"),
        ("en-ja", "Nine in the morning, thirty degrees.", "午前九時、気温三十度。"),
        ("en-ja", "The committee decides.", "委員会は决める。"),
        ("zh-ja", "邓小平和赵紫阳", "邓小平、赵紫阳"),
    ],
)
def test_japanese_may_have_kanji_alone_and_a_chinese_name(
    identifier: Identifier, pair: str, source: str, translation: str
) -> None:
    assert guards_of(identifier, *pair.split("-")).fault(source, translation, finished=True) is None


@pytest.mark.parametrize(
    ("code", "good", "bad"),
    [
        ("uk", "Ви можете поставити запитання після доповіді.", "Вы можете задать вопросы после доклада."),
        ("ru", "Вы можете задать вопросы после доклада.", "Ви можете поставити запитання після доповіді."),
        ("cs", "Pane, smiluj se nad námi, prosím.", "Panie, zmiłuj się nad nami teraz."),
        ("pt", "Amanhã vou contigo e com a tua mãe.", "Mañana voy contigo y con tu madre al pueblo."),
        ("es", "No sé qué hacer ahora con eso.", "Não sei o que fazer agora com isso."),
    ],
)
def test_a_near_language_is_told_by_its_letters(identifier: Identifier, code: str, good: str, bad: str) -> None:
    guards = guards_of(identifier, "en", code)
    assert guards.fault("Something plain that is said here.", good, finished=True) is None
    assert guards.fault("Something plain that is said here.", bad, finished=True) == "language"


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
