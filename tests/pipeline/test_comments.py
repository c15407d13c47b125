"""`surtitle.pipeline.comments`: who talks about translating instead of doing it, and who does it of such talk."""

from __future__ import annotations

import pytest

from surtitle.pipeline.comments import is_comment
from surtitle.pipeline.guards import Guards
from surtitle.pipeline.identify import Identifier
from surtitle.pipeline.languages import LANGUAGES, find_language
from surtitle.pipeline.profiles import find_profile


@pytest.mark.parametrize(
    ("source", "translation"),
    [
        ("The train is late.", "Oto tłumaczenie: pociąg się spóźnia."),
        ("The train is late.", "Перевод: поезд опаздывает."),
        ("The train is late.", "Переведите предложение: поезд опаздывает."),
        ("The train is late.", "Я переведу это на русский."),
        ("Dịch vụ này rất tốt.", "I can translate that for you."),
        ("Write a poem about the sea.", "Soy un modelo de lenguaje y no escribo poemas."),
        ("A smaller step for Tolkien.", "Soy un modelo de lenguaje y no escribo poemas."),
        ("So what about drift then?", "Como asistente, ¿en qué puedo ayudarle?"),
        ("That was an enrollment like no other.", "Soy un modelo de lenguaje y no lo sé."),
        ("What is the weather like?", "Das kann ich als KI nicht wissen."),
        ("Are you an AI, or do you only sound so?", "Lo siento, como IA no tengo opiniones."),
    ],
)
def test_who_talks_of_translating_or_of_being_a_model_comments(source: str, translation: str) -> None:
    assert is_comment(source, translation)


@pytest.mark.parametrize(
    ("source", "translation"),
    [
        ("That results in higher costs.", "Eso se traduce en costes más altos."),
        ("He started as assistant to the president.", "Er begann als Assistent des Präsidenten."),
        ("I made a bank transfer yesterday.", "Вчера я сделал банковский перевод."),
        ("They moved him to another hospital.", "Его перевели в другую больницу."),
        ("They want to shift responsibility.", "Вони хочуть перекладати відповідальність."),
        ("Die Überweisung dauert zwei Tage.", "Перевод занимает два дня."),
        ("He will be brought to justice.", "Il sera traduit en justice."),
        ("He was brought before the court.", "Il a été traduit devant le tribunal."),
        ("The clocks go forward tonight.", "Сегодня ночью переводят часы."),
        ("Send me the money by card.", "Переведи мне деньги на карту."),
        ("She was taken to intensive care.", "Её переводят в реанимацию."),
        ("Die Uhren werden vorgestellt.", "Годинники переводять на годину вперед."),
        ("Convert metres to feet.", "Переведите метры в футы."),
        ("Let me explain how this works.", "Pozwól, że wytłumaczę, jak to działa."),
        ("He tried to explain himself.", "Próbował się tłumaczyć."),
        ("The ball hit the crossbar.", "Мяч попал в перекладину."),
        ("That resulted in higher prices.", "Cela s'est traduit par une hausse des prix."),
        ("This will result in job losses.", "Esto se traducirá en pérdidas de empleo."),
        ("That has resulted in losses.", "Eso se ha traducido finalmente en pérdidas."),
        ("It resulted in losses.", "Traduziu-se em perdas."),
        ("Das bedeutet niedrigere Kosten.", "That translates into lower costs."),
        ("The subtitles are late.", "الترجمة متأخرة."),
        ("The gear ratio is three to one.", "Das Übersetzungsverhältnis ist drei zu eins."),
    ],
)
def test_words_for_moving_leading_to_explaining_and_gears_are_no_comment(source: str, translation: str) -> None:
    assert not is_comment(source, translation)


@pytest.mark.parametrize(
    ("source", "translation"),
    [
        ("It is so much more than AI.", "Es ist so viel mehr als KI."),
        ("A system like this is known as AI.", "Ein solches System ist als KI bekannt."),
        ("As AI researchers we know that.", "Als KI-Forscher wissen wir das."),
        ("Tools such as AI help us.", "Herramientas como IA nos ayudan."),
        ("Das ist auch als eine KI bekannt.", "It is also known as an AI."),
        ("We compare it with other MT systems.", "Wir vergleichen es mit anderen Übersetzungssystemen."),
        ("LLMs are trained on text.", "Große Sprachmodelle werden mit Text trainiert."),
        ("LLMはテキストで学習します。", "A language model learns from text."),
    ],
)
def test_who_speaks_of_machines_that_translate_or_think_need_not_be_one(source: str, translation: str) -> None:
    assert not is_comment(source, translation)


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
    "vi": (
        ["Bản dịch rất tốt.", "Cô ấy dịch sang tiếng Anh.", "Tôi sẽ dịch những gì ông ấy nói."],
        ["Một mô hình ngôn ngữ đã nói."],
    ),
    "zh": (["翻译很好。", "她譯了這本書。"], ["语言模型说的。"]),
}


def test_all_languages_that_are_named_talk_of_translating() -> None:
    assert {*TALK, "en"} == set(LANGUAGES)


@pytest.mark.parametrize("source", TALK)
def test_who_talks_of_translating_or_of_models_is_translated(identifier: Identifier, source: str) -> None:
    # nor does any other guard find fault with so few words, whatever they are written in
    guards = Guards(find_profile().prompts(find_language(source), find_language("en")), identifier)
    of_translating, of_models = TALK[source]
    for said in of_translating:
        assert guards.fault(said, "It was a good translation.", finished=True) is None, said
    for said in of_models:
        assert guards.fault(said, "It was said by a language model.", finished=True) is None, said


@pytest.mark.parametrize(
    "said",
    [
        "申し訳ありません。",
        "それは言い訳です。",
        "Đại dịch đã qua.",
        "มันเปลี่ยนแปลงไป",
        "Hän kääntyi pois.",
        "Hay que comprender.",
        "Asistió a la reunión.",
        "La conversion est faite.",
        "To byl přelom.",
        "זה היה תרגיל.",
    ],
)
def test_words_that_look_like_it_are_no_talk_of_translating(said: str) -> None:
    assert is_comment(said, "As an AI language model, I cannot translate that.")
