"""`surtitle.pipeline.glossary`: terms found, and mistakes told."""

from __future__ import annotations

import unicodedata
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.glossary import Glossary, Rendering, missed, parse, put_in, terms_of

TOML = """
# what our talks are about
[[term]]
en = "attention sink"
es = "sumidero de atención"
de = "Attention-Sink"

[[term]]
en = "sink"
es = "fregadero"

[[term]]
keep = "Kessler"

[[term]]
en = "cache"
ja = "キャッシュ"
"""
CSV = """en,es,de,keep,ja
attention sink,sumidero de atención,Attention-Sink,,
sink,fregadero,,,

,,,Kessler,
cache,,,,キャッシュ
"""
SINK = Rendering("attention sink", "sumidero de atención")


@pytest.fixture(params=[".toml", ".csv"])
def glossary(request: pytest.FixtureRequest) -> Glossary:
    return parse(TOML if request.param == ".toml" else CSV, request.param)


def test_both_forms_say_the_same() -> None:
    assert parse(TOML, ".toml") == parse(CSV, ".CSV")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("An attention sink is pinned.", [SINK]),
        ("Attention  Sinks are pinned.", [SINK]),
        ("The attention sinking in.", []),
        ("Wash it in the sink, Kessler.", [Rendering("sink", "fregadero"), Rendering("Kessler", "Kessler")]),
        ("Kesslers sink, Kessler's sink.", [Rendering("Kessler", "Kessler"), Rendering("sink", "fregadero")]),
        ("Nothing of that.", []),
        ("The cache is full.", []),
        ("", []),
    ],
)
def test_terms_are_found_as_whole_words_with_endings_the_longest_first(
    text: str, found: list[Rendering], glossary: Glossary
) -> None:
    assert list(glossary.renderings(text, "en", "es")) == found


def test_a_longer_term_is_meant_where_it_has_no_translation_too() -> None:
    glossary = Glossary(({"en": "attention sink", "de": "Attention-Sink"}, {"en": "sink", "es": "fregadero"}))
    assert glossary.renderings("An attention sink.", "en", "es") == ()
    assert glossary.renderings("An attention sink is no sink.", "en", "es") == (Rendering("sink", "fregadero"),)


def test_a_term_that_has_a_row_for_each_language_is_found_in_each() -> None:
    glossary = Glossary(({"en": "sink", "de": "Spüle"}, {"en": "sink", "es": "fregadero"}))
    for language, wanted in (("de", "Spüle"), ("es", "fregadero")):
        assert glossary.renderings("The sink.", "en", language) == (Rendering("sink", wanted),)


def test_terms_are_found_in_either_direction_and_without_spaces(glossary: Glossary) -> None:
    assert glossary.renderings("El sumidero de atención.", "es", "de") == (
        Rendering("sumidero de atención", "Attention-Sink"),
    )
    assert glossary.renderings("このキャッシュは", "ja", "en") == (Rendering("キャッシュ", "cache"),)


@pytest.mark.parametrize(
    ("translation", "is_missed"),
    [
        ("Un sumidero de atención está fijado.", False),
        ("Los sumideros de atención están fijados.", False),
        ("Sumidero de atenciones", False),
        ("Un lavabo de atención está fijado.", True),
        ("El sumidero está fijado.", True),
        ("", True),
    ],
)
def test_a_translation_has_a_term_whatever_its_endings(translation: str, is_missed: bool) -> None:
    assert missed([SINK], translation, "es") == ((SINK,) if is_missed else ())


@pytest.mark.parametrize(
    ("said", "text", "is_said"),
    [
        ("UN", "The unit was closed.", False),
        ("UN", "The UN was closed.", True),
        ("US", "Tell us more.", False),
        ("AI", "The air is clear.", False),
        ("AI", "AI is everywhere.", True),
        ("red", "Reduce it.", False),
        ("sink", "Sinks are full.", True),
    ],
)
def test_a_short_term_is_not_found_in_another_word(said: str, text: str, is_said: bool) -> None:
    glossary = Glossary(({"en": said, "es": "otro"},))
    assert bool(glossary.renderings(text, "en", "es")) == is_said


@pytest.mark.parametrize(
    ("language", "text", "is_said"),
    [
        ("ja", "OpenAIが発表しました。", False),
        ("ja", "AI2027を読みました。", False),
        ("ja", "これはAIです。", True),
        ("zh", "我们用AI翻译。", True),
        ("th", "เราใช้AIแปลภาษา", True),
        ("zh", "USAID的报告。", False),
    ],
)
def test_a_latin_term_is_not_found_in_another_word_where_there_are_no_spaces(
    language: str, text: str, is_said: bool
) -> None:
    glossary = Glossary(({language: "AI", "es": "IA"},))
    assert bool(glossary.renderings(text, language, "es")) == is_said
    assert bool(missed([Rendering("IA", "AI")], text, language)) != is_said


def test_a_longer_latin_term_may_have_an_ending_where_there_are_no_spaces() -> None:
    glossary = Glossary(({"ja": "Transformer", "es": "transformador"},))
    (found,) = glossary.renderings("Transformersは速い。", "ja", "es")
    assert put_in([found], "Transformersは速い。", "ja") == "transformadorは速い。"


@pytest.mark.parametrize(
    ("language", "term", "text"),
    [
        ("ko", "커널", "커널은 빠릅니다."),
        ("ko", "어텐션 싱크", "어텐션 싱크를 씁니다."),
        ("he", "רשת", "הרשת גדולה."),
        ("he", "רשת", "ובהרשת."),
        ("ar", "شبكة", "الشبكة كبيرة."),
        ("ar", "شبكة", "في وبالشبكة."),
        ("ko", "차", "차까지 마셨다."),
        ("ko", "서울", "서울에서는 비가 온다."),
        ("hu", "templom", "A templomban vagyunk."),
        ("fi", "radio", "Kuulin sen radiosta."),
        ("tr", "kilise", "Kiliseden geliyoruz."),
    ],
)
def test_a_term_is_found_behind_an_article_and_before_a_particle(language: str, term: str, text: str) -> None:
    glossary = Glossary(({language: term, "en": "THING"},))
    assert [each.said for each in glossary.renderings(text, language, "en")] == [term]
    back = Glossary(({"en": "thing", language: term},)).renderings("A thing.", "en", language)
    assert missed(back, text, language) == ()


@pytest.mark.parametrize(
    ("term", "text"), [("사과", "늦어서 사과드립니다."), ("차", "차이가 큽니다."), ("망", "망설이지 마세요.")]
)
def test_a_short_term_is_not_found_at_the_beginning_of_another_word(term: str, text: str) -> None:
    assert Glossary(({"ko": term, "en": "thing"},)).renderings(text, "ko", "en") == ()


@pytest.mark.parametrize(
    ("language", "term", "text"),
    [
        ("hi", "जल", "बिजली चली गई।"),
        ("hi", "कम", "यह कमाल है।"),
        ("hi", "जल", "आँख में काजल"),
        ("th", "สี", "มีสี่คน"),
        ("th", "กา", "บนเกาะ"),
        ("th", "นาม", "น้ำหนามาก"),
    ],
)
def test_a_term_ends_with_no_vowel_or_tone_of_another_word_left_over(language: str, term: str, text: str) -> None:
    assert Glossary(({language: term, "en": "thing"},)).renderings(text, language, "en") == ()


@pytest.mark.parametrize(
    ("language", "term", "text"),
    [
        ("hi", "जल", "जल ही जीवन है।"),
        ("hi", "देश", "कई देशों में।"),
        ("hi", "किताब", "दो किताबें हैं।"),
        ("th", "สี", "สีแดง"),
        ("th", "เด็ก", "เด็กๆมา"),
    ],
)
def test_a_term_is_found_with_the_vowels_of_its_own_ending(language: str, term: str, text: str) -> None:
    assert Glossary(({language: term, "en": "thing"},)).renderings(text, language, "en") != ()
    assert missed([Rendering("thing", term)], text, language) == ()


@pytest.mark.parametrize(("language", "wanted", "translation"), [("hi", "जल", "बिजली चली गई।"), ("th", "สี", "มีสี่คน")])
def test_a_translation_has_no_term_that_is_a_part_of_a_syllable(language: str, wanted: str, translation: str) -> None:
    thing = Rendering("thing", wanted)
    assert missed([thing], translation, language) == (thing,)


@pytest.mark.parametrize(
    ("language", "written", "text"),
    [
        ("en", "Luke’s Gospel", "We read Luke's gospel."),
        ("en", "Luke's Gospel", "We read Luke’s gospel."),
        ("fr", "corps de l’Église", "Il parle du corps de l'Église."),
        ("ru", "Королёв", "Это сказал Королев."),
        ("ru", "Ёлка", "Елка стоит."),
        ("vi", unicodedata.normalize("NFD", "Phục Sinh"), "Đây là lễ Phục Sinh."),
        ("ar", "الحَمْدُ لِلّٰه", "قال الحمد لله ثم سكت."),
        ("he", "בְּרֵאשִׁית", "קראנו בראשית היום."),
    ],
)
def test_a_term_is_one_however_its_letters_are_written(language: str, written: str, text: str) -> None:
    found = parse(f'[[term]]\n{language} = "{written}"\nde = "X"\n', ".toml")
    assert [each.wanted for each in found.renderings(text, language, "de")] == ["X"]
    (back,) = found.renderings("X", "de", language)
    assert not missed([back], text, language)


@pytest.mark.parametrize("wanted", ["People's Republic", "Alzheimer's disease", "Parents' evening"])
def test_a_term_with_an_apostrophe_is_had_as_it_is_written(wanted: str) -> None:
    assert not missed([Rendering("x", wanted)], f"This is the {wanted}.", "en")


@pytest.mark.slow
def test_thousands_of_terms_are_compiled_once() -> None:
    glossary = Glossary(tuple({"en": f"term {number}", "es": f"palabra {number}"} for number in range(2000)))
    took = []
    for _ in range(2):
        began = process_time()
        assert len(glossary.renderings("term 7 and term 1999", "en", "es")) == 2
        took.append(process_time() - began)
    assert took[1] < took[0] / 4


def test_a_short_word_in_capitals_is_not_had_by_small_letters() -> None:
    assert missed([Rendering("EU", "EU")], "5 euroa", "fi") != ()
    assert missed([Rendering("EU", "EU")], "EUssa", "fi") == ()


@pytest.mark.parametrize(
    ("language", "wanted", "translation"),
    [("ko", "차", "차까지도 마셨다."), ("hu", "Pál", "Pálnak adta."), ("tr", "Ali", "Ali'den, Aliden.")],
)
def test_a_short_word_is_had_with_the_endings_of_its_language(language: str, wanted: str, translation: str) -> None:
    assert missed([Rendering("thing", wanted)], translation, language) == ()


def test_a_text_is_looked_through_once_until_the_glossary_changes() -> None:
    asked: list[str] = []

    class Counted(Glossary):
        def renderings(self, text: str, source: str, target: str) -> tuple[Rendering, ...]:
            asked.append(text)
            return super().renderings(text, source, target)

    now = Counted(({"en": "train", "es": "tren"},))
    terms = terms_of(lambda: now, "en", "es")
    assert [terms(text) for text in ("The train.", "No.", "The train.")] == [
        (Rendering("train", "tren"),),
        (),
        (Rendering("train", "tren"),),
    ]
    assert asked == ["The train.", "No."]
    now = Counted(({"en": "train", "es": "ferrocarril"},))
    assert terms("The train.") == (Rendering("train", "ferrocarril"),)


def test_a_short_word_of_a_translation_is_not_had_by_a_longer_one() -> None:
    net = Rendering("net", "red")
    assert missed([net], "Se reduce el ruido.", "es") == (net,)
    assert missed([net], "Las redes son lentas.", "es") == ()


def test_a_term_in_another_is_put_in_once() -> None:
    sinks = [Rendering("sink", "Becken"), Rendering("attention sink", "Attention-Sink")]
    assert put_in(sinks, "A sink and an attention sink.", "en") == "A Becken and an Attention-Sink."


def test_wanted_words_are_put_where_the_terms_were_said() -> None:
    found = put_in([SINK, Rendering("Kessler", r"\1 K")], "Attention sinks stay, and Kessler's attention sink.", "en")
    assert found == r"sumidero de atención stay, and \1 K's sumidero de atención."


def test_without_spaces_the_very_letters_must_be_there() -> None:
    rendering = Rendering("cache", "キャッシュ")
    assert missed([rendering], "このキャッシュは満杯です", "ja") == ()
    assert missed([rendering], "このキャッシは満杯です", "ja") == (rendering,)


@given(st.text(max_size=40), st.sampled_from(["en", "es", "ja"]), st.sampled_from(["en", "es", "ja"]))
def test_a_term_that_is_found_is_had_by_its_own_wording(text: str, source: str, target: str) -> None:
    glossary = parse(TOML, ".toml")
    for rendering in glossary.renderings(f"{text} attention sink Kessler cache {text}", source, target):
        assert missed([rendering], rendering.wanted, target) == ()


def test_a_recogniser_expects_whole_terms_up_to_a_length(glossary: Glossary) -> None:
    assert glossary.hot_words("en", 100) == "attention sink, sink, Kessler, cache."
    assert glossary.hot_words("en", 22) == "attention sink, sink."
    assert glossary.hot_words("fr", 100) == "Kessler."
    assert Glossary().hot_words("en", 100) == ""


@pytest.mark.parametrize(
    ("suffix", "text", "said"),
    [
        (".toml", '[[term]]\nen = "a"\nes = "b"\n\n[[term]]\nen = "c"\nxx = "d"\n', "line 5: unknown language 'xx'"),
        (".toml", '[[term]]\nen = "a"\n', "line 1: saw en, expected a term in two languages"),
        (".toml", "[[term]]\n", "line 1: saw nothing, expected a term in two"),
        (".toml", '[[term]]\nen = "a"\nes = 3\n', "line 1: saw es = 3, expected"),
        (".toml", '[[term]\nen = "a"\n', "line 1.*expected a"),
        (".toml", '[terms]\nen = "a"\n', "saw 'terms', expected nothing but"),
        (".toml", 'term = "a"\n', "expected nothing but"),
        (".toml", "term = [1]\n", "line 1: saw 1, expected a"),
        (".toml", "term = " + "[" * 5000, "expected a"),
        (".toml", "term = " + "1" * 5000, "expected a"),
        (".csv", "en,es\na,b\nc\n", "line 3: saw fewer cells than in the first line"),
        (".csv", "en,es\na,b,c\n", "line 2: saw more cells than in the first line"),
        (".csv", "en,xx\na,b\n", "line 1: unknown language 'xx', expected a heading such as en,es,keep"),
        (".csv", '"en,es\n' + "c,d\n" * 40_000, "line 1: field larger than field limit.*quotes to be closed"),
        (".csv", "en;es\na;b\n", "line 1: unknown language 'en;es'.*commas between"),
        (".csv", "attention sink,sumidero\n", "line 1: unknown language 'attention sink'"),
        (".csv", 'en,es\n"a,b\n' + "c,d\n" * 40_000, "line 2: field larger than field limit.*quotes to be closed"),
        (".csv", 'en,es\na,b\nc,"d\ne,f\ng,h\n', "line 3: unexpected end of data.*quotes to be closed"),
        (".csv", 'en,es\na,"b\nc,"d"\n', "line 2: .* expected after.*quotes to be closed"),
        (".csv", "en,es, es\na,b,c\n", "line 1: saw es 2 times, expected a column for each language"),
        (".csv", "en,es\na,b\nc,\n", "line 3: saw en, expected a term in two languages"),
    ],
)
def test_a_mistake_is_told_with_its_line(suffix: str, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse(text, suffix)
