"""`surtitle.pipeline.numerals`: a number that was copied is the same number in the language of the translation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.languages import LANGUAGES
from surtitle.pipeline.numerals import numbers_as

NB = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("source", "target", "said", "translation", "shown"),
    [
        # as the 1.5B copies them
        ("de", "en", "Es kostete 3.499 Euro.", "It cost 3.499 Euro.", "It cost 3,499 Euro."),
        ("es", "en", "Había 16,4 millones.", "There were 16,4 million.", "There were 16.4 million."),
        ("en", "de", "It cost 3,499 euros.", "Es kostete 3,499 Euro.", "Es kostete 3.499 Euro."),
        ("en", "es", "It cost 3,499 euros.", "Costó 3,499 euros.", "Costó 3499 euros."),
        ("en", "es", "12,500 people", "12,500 personas", f"12{NB}500 personas"),
        ("en", "fr", "It cost 1,234,567.50 dollars", "Cela a coûté 1,234,567.50", f"Cela a coûté 1{NB}234{NB}567,50"),
        ("de", "fr", "3.499 Euro", "3.499 euros", f"3{NB}499 euros"),
        ("de", "it", "3.499,50 Euro", "3.499,50 euro", "3.499,50 euro"),
        ("de", "ja", "Das sind 0,125 Liter", "0,125リットルです", "0.125リットルです"),
        # and as it writes them: a space where in speech there would be a halt
        ("en", "de", "Over 10,000 people", "Über 10. 000 Menschen", "Über 10.000 Menschen"),
        ("es", "en", "una magnitud de 7,5.", "a magnitude of 7. 5.", "a magnitude of 7.5."),
        ("fr", "en", "16,4 millions", "16, 4 million", "16.4 million"),
        ("en", "de", "a magnitude of 7.5", "eine Magnitude von 7, 5", "eine Magnitude von 7,5"),
        ("en", "ar", "at 2:30 or 10,000", "2: 30 10, 000", "2:30 10,000"),
        ("en", "es", "It cost 3,499 euros.", "Costó 3.499 euros.", "Costó 3499 euros."),
        ("en", "ja", "1,250 people", "約1,250人", "約1,250人"),
        ("de", "zh", "1.250 Leute", "约1.250人", "约1,250人"),
        # where a space stands between the thousands, in what was said or in what is written
        ("fr", "en", "1 847,60 euros", "1,847,60 euros", "1,847.60 euros"),
        ("fr", "en", "1 847,60 euros", "1 847,60 euros", "1,847.60 euros"),
        ("fr", "en", f"1{NB}847,60 euros", "1.847,60 euros", "1,847.60 euros"),
        ("ru", "en", "1 847,60 евро", "1847,60 euros", "1,847.60 euros"),
        ("pl", "de", "1 250 000 ludzi", "1,250,000 Menschen", "1.250.000 Menschen"),
        ("fr", "en", "20 000 personnes", "20.000 people", "20,000 people"),
        ("en", "fr", "It cost 1,847.60 euros", "Cela a coûté 1 847.60 euros", f"Cela a coûté 1{NB}847,60 euros"),
        ("de", "fr", "1.250.000,50 Euro", "1 250 000,50 euros", f"1{NB}250{NB}000,50 euros"),
    ],
)
def test_a_number_that_was_copied_is_read_as_the_same(
    source: str, target: str, said: str, translation: str, shown: str
) -> None:
    assert numbers_as(translation, said, source, target) == shown


@pytest.mark.parametrize(
    ("source", "target", "said", "translation"),
    [
        ("en", "de", "Python 3.11 and Figure 2.1", "Python 3.11 und Abbildung 2.1"),
        ("en", "de", "It cost 3,499 euros.", "Es kostete 3.499 Euro."),  # the model did it itself
        ("de", "en", "Es kostete 3.499 Euro.", "It cost 3,499 euros."),
        ("de", "en", "die Adresse 192.168.1.20", "the address 192.168.1.20"),
        ("de", "en", "am 3.10.2024 um 14.30 Uhr", "on 3.10.2024 at 14.30"),
        ("de", "en", "rufen Sie 030.123.456 an", "call 030.123.456"),
        ("es", "en", "costó 3,499 pesos", "it cost 3,499 pesos"),  # as in Mexico, or not even four
        ("en", "de", "1,2,3", "1,2,3"),
        ("de", "en", "Johannes 3,16", "John 3:16"),
        ("en", "de", "In 1989, 4 men came.", "1989, 4 Männer kamen."),
        ("en", "fr", "It cost 3,499 euros.", "Cela a coûté 3 499 euros."),
        ("en", "de", "in 2020,300 people", "in 2020,300 Leute"),
        ("fr", "en", "20 000 personnes", "20 000 people"),
        ("pl", "en", "Mój numer to 612 345 678.", "My number is 612 345 678."),
        ("fr", "en", "le 01 72 34 56 78", "01 72 34 56 78"),
        ("fr", "en", "en 2020 300 personnes", "in 2020, 300 people"),
        ("en", "de", "1,2,3", "1 2 3"),
        ("ar", "en", "3.499", "3.499"),
        ("de", "ar", "3.499", "3.499"),
    ],
)
def test_what_is_no_large_number_or_may_be_another_stays(source: str, target: str, said: str, translation: str) -> None:
    assert numbers_as(translation, said, source, target) == translation


PARTS = st.sampled_from(
    [
        "3.499",
        "3,499",
        "16,4",
        "1.250.000",
        "0,125",
        "euros",
        "3.11",
        "12,500.75",
        "(7,5)",
        "und",
        "1 847,60",
        "1,847,60",
    ]
)


@given(
    st.lists(PARTS, max_size=8),
    st.lists(PARTS, max_size=8),
    st.sampled_from([*LANGUAGES]),
    st.sampled_from([*LANGUAGES]),
)
def test_whole_words_of_a_translation_are_how_the_rest_of_it_begins(
    said: list[str], words: list[str], source: str, target: str
) -> None:
    whole = numbers_as(" ".join(words), " ".join(said), source, target)
    for count in range(len(words)):
        assert whole.startswith(numbers_as(" ".join(words[:count]), " ".join(said), source, target))
