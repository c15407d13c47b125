"""`surtitle.pipeline.segmenter`: where segments end."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.events import Segment, Word
from surtitle.pipeline.segmenter import Segmenter, SegmentSettings
from surtitle.pipeline.text import is_punctuation, is_spaced

TOKENS = st.sampled_from(["yes", "so", "Mr.", "end.", "what?", "and,", ".", ",", "12.", "J.", "no.", "Then", "well..."])


def word(text: str, start: float, length: float = 0.8) -> Word:
    return Word(text, float(start), start + length, 0.9)


def segments_of(text: str, settings: SegmentSettings | None = None, *, language: str = "en") -> list[str]:
    """Texts of all segments of `text`, spoken at 150 words a minute or 10 letters a second, the last flushed."""
    segmenter = Segmenter(language, settings)
    tokens, step = (text.split(), 0.4) if is_spaced(language) else (list(text), 0.1)
    found = [each for index, token in enumerate(tokens) for each in segmenter.push(word(token, index * step, step))]
    return [segment.text for segment in found + segmenter.flush()]


def letters(text: str) -> str:
    return "".join(mark for mark in text if mark.isalnum())


def test_a_full_stop_that_comes_after_its_segment_ended_is_left_out() -> None:
    assert segments_of(
        "one two three four . Next one comes.", SegmentSettings(clause_words=9, longest_words=4, longest_time=3)
    ) == [
        "one two three four",
        "Next one comes.",
    ]


@given(st.lists(st.one_of(TOKENS, st.none()), max_size=60))
def test_segments_are_together_exactly_the_words_in_order(tokens: list[str | None]) -> None:
    segmenter = Segmenter("en")
    found: list[Segment] = []
    for index, token in enumerate(tokens):  # None is a pause
        found += segmenter.pause() if token is None else segmenter.push(word(token, index))
    found += segmenter.flush()
    said = [token for token in tokens if token is not None and not is_punctuation(token)]
    assert "".join(letters(segment.text) for segment in found) == "".join(map(letters, said))
    assert [segment.id for segment in found] == list(range(len(found)))
    assert all(a.start < a.end <= b.start for a, b in pairwise(found))
    assert segmenter.flush() == []
    assert segmenter.opening() is None


@given(st.lists(TOKENS, max_size=20), st.lists(TOKENS, max_size=20))
def test_the_next_segment_goes_on_as_was_told_if_the_guess_is_right(tokens: list[str], guessed: list[str]) -> None:
    segmenter = Segmenter("en")
    for index, token in enumerate(tokens):
        segmenter.push(word(token, index))
    guess = [word(token, len(tokens) + index) for index, token in enumerate(guessed)]
    begun, opening = segmenter.opening(), segmenter.opening(guess)
    assert segmenter.opening() == begun
    went_on = [*(segment for each in guess for segment in segmenter.push(each)), *segmenter.flush()]
    assert (opening.segment if opening else None) == next(iter(went_on), None)
    if begun and opening:
        assert opening.segment.text.startswith(begun.segment.text)
        assert begun.committed == opening.committed == len(begun.segment.text)
    elif opening:
        assert opening.committed == 0


def test_an_opening_tells_whether_the_segment_would_end_there() -> None:
    segmenter = Segmenter("en")
    assert segmenter.opening() is None
    told = [segmenter.opening([word(text, index) for index, text in enumerate(said.split())]) for said in (
        "We will", "We will come.", "We will come. Then",
    )]  # fmt: skip
    assert [(each.segment.text, each.is_whole) for each in told if each] == [
        ("We will", False),
        ("We will come.", True),
        ("We will come.", True),
    ]


@given(st.lists(TOKENS, max_size=80))
def test_no_segment_has_more_words_than_the_longest(tokens: list[str]) -> None:
    longest = SegmentSettings().longest_words + SegmentSettings().late_words
    assert all(
        sum(any(c.isalnum() for c in token) for token in s.split()) <= longest for s in segments_of(" ".join(tokens))
    )


def test_a_sentence_is_a_segment_with_the_times_of_its_words() -> None:
    segmenter = Segmenter("en")
    assert segmenter.push(word("That", 3)) + segmenter.push(word("is", 4)) == []
    opening = segmenter.opening()
    assert opening is not None
    assert opening.segment.text == "That is"
    assert segmenter.push(word("it.", 5)) == [
        Segment(0, "That is it.", 3.0, 5.8, "en", (word("That", 3), word("is", 4), word("it.", 5)))
    ]


def test_a_very_short_sentence_joins_the_next() -> None:
    assert segments_of("Yes. We will come. Bye.") == ["Yes. We will come.", "Bye."]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("We met Mr. Smith and J. Doe.", "en"),
        ("It costs about 12. million now.", "en"),
        ("Made in the U.S. by us.", "en"),
        ("All of the U.S. economy grew by 3.5 percent.", "en"),
        ("Please look at room No. 5 again.", "en"),
        ("See fruits, e.g. apples or pears.", "en"),
        ("Wir sehen uns am 3. Mai in Köln.", "de"),
        ("Das sind rund 20 Mio. Euro mehr.", "de"),
        ("Ayer vimos en EE. UU. muchas casas.", "es"),
        ("Yo le pregunté ¿cuándo llega el tren?", "es"),
        ("I was so... tired of it.", "en"),
        ("König Ludwig XIV. war sehr reich.", "de"),
        ("Lubię jeść owoce, np. jabłka i gruszki.", "pl"),
        ("Der er mange f.eks. i Norge.", "da"),
    ],
)
def test_abbreviations_numbers_and_hesitations_end_no_segment(text: str, language: str) -> None:
    assert segments_of(text, language=language) == [text]


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("And I said no. Then he left.", ["And I said no.", "Then he left."]),
        ("It was on May 12. He left then.", ["It was on May 12.", "He left then."]),
        ("I do not know... Perhaps we will.", ["I do not know...", "Perhaps we will."]),
        ("He said: “It is over.” We all left.", ["He said: “It is over.”", "We all left."]),
        ("Inflation was 2.5%. Rents rose too.", ["Inflation was 2.5%.", "Rents rose too."]),
        ("We all use Node.js. It is fast.", ["We all use Node.js.", "It is fast."]),
    ],
)
def test_what_may_have_ended_a_sentence_did_if_the_next_word_begins_one(text: str, segments: list[str]) -> None:
    assert segments_of(text) == segments


def test_a_long_segment_does_not_end_within_a_number_or_behind_an_abbreviation() -> None:
    settings = SegmentSettings(longest_words=4)
    assert segments_of("we paid almost 12 million for it", settings) == ["we paid almost 12 million", "for it"]
    assert segments_of("and there we met Dr. Smith last year", SegmentSettings(longest_words=5)) == [
        "and there we met Dr. Smith",
        "last year",
    ]
    assert segments_of("1 2 3 4 5 6 7 8", settings) == ["1 2 3 4 5 6", "7 8"]  # but for two words, not for ever


def test_a_pause_does_not_cut_a_number() -> None:
    segmenter = Segmenter("en", SegmentSettings(clause_words=3))
    for index, token in enumerate(["it", "costs", "about", "1,"]):
        segmenter.push(word(token, index))
    assert segmenter.pause() == []
    assert [segment.text for segment in segmenter.flush()] == ["it costs about 1,"]


def test_a_slow_speaker_is_not_waited_for() -> None:
    segmenter = Segmenter("en")
    found = [each for index in range(12) for each in segmenter.push(word("slow", index * 1.5))]
    assert [len(segment.words) for segment in found] == [6, 6]


def test_a_slow_speaker_of_japanese_is_not_waited_for_until_a_phrase_ends() -> None:
    segmenter = Segmenter("ja")
    found = [each for index in range(60) for each in segmenter.push(word("あ", index * 0.5, 0.5))]
    assert [segment.end - segment.start for segment in found] == [12.0, 12.0]


@pytest.mark.parametrize(
    ("language", "text", "segments"),
    [
        (
            "zh",
            "昨天我的邻居问我，下一班火车什么时候到？我不知道。",
            ["昨天我的邻居问我，下一班火车什么时候到？", "我不知道。"],
        ),
        (
            "ja",
            "昨日、隣の人に次の電車はいつ来ますかと聞かれました。",
            ["昨日、隣の人に次の電車はいつ来ますかと聞かれました。"],
        ),
    ],
)
def test_sentences_of_languages_without_spaces_are_as_long_as_others(
    language: str, text: str, segments: list[str]
) -> None:
    assert segments_of(text, SegmentSettings(clause_words=8, longest_words=13), language=language) == segments


def test_a_text_without_spaces_or_marks_ends_at_the_longest_too() -> None:
    lengths = [len(letters(text)) for text in segments_of("ง" * 200, language="th")]
    assert set(lengths[:-1]) == {80}
    assert {len(text) for text in segments_of("火车" * 24, language="zh")} == {24}


def test_thai_and_chinese_without_marks_end_between_words() -> None:
    first = "วันนี้ผมจะมาพูดเกี่ยวกับการแปลภาษาด้วยคอมพิวเตอร์ซึ่งเป็นเรื่องที่น่าสนใจมากเพราะว่า"
    rest = "ในปัจจุบันนี้เทคโนโลยีได้พัฒนาไป"
    assert segments_of(first + rest, language="th") == [first, rest]
    first, rest = "昨天我的邻居问我下一班火车什么时候到我告诉他火车", "还有十分钟就到了"
    assert segments_of(first + rest, language="zh") == [first, rest]


def test_japanese_without_marks_ends_between_phrases() -> None:
    first = "聞き手は前の文から誰の話なのかを理解しなければならず人間にとっては簡単なことでも"
    rest = "コンピューターにとってはとても難しいのです"
    assert segments_of(first + rest, language="ja") == [first, rest]


def test_a_full_stop_that_comes_alone_ends_its_sentence() -> None:
    assert segments_of("That is it . More") == ["That is it.", "More"]
    assert segments_of("I met Mr . Smith") == ["I met Mr. Smith"]


def test_a_long_segment_ends_at_a_clause() -> None:
    assert segments_of("a b, c d e f g h, i j", SegmentSettings(clause_words=8)) == ["a b, c d e f g h,", "i j"]


@pytest.mark.parametrize(
    ("text", "language", "segments"),
    [
        (
            "we found that there are three main ingredients that are needed for it",
            "en",
            ["we found that there are three main ingredients", "that are needed for it"],
        ),
        (
            "heute zeige ich euch die neuen Modelle und was sie können",
            "de",
            ["heute zeige ich euch die neuen Modelle", "und was sie können"],
        ),
        (
            "je pense que nous avons besoin d'un modèle qu'il faut entraîner",
            "fr",
            ["je pense que nous avons besoin d'un modèle", "qu'il faut entraîner"],
        ),
        ("we had a long way in which it was dark", "en", ["we had a long way in which it was dark"]),
    ],
)
def test_a_long_segment_without_marks_ends_between_phrases(text: str, language: str, segments: list[str]) -> None:
    assert segments_of(text, language=language) == segments


def test_a_long_segment_ends_where_the_speaker_halts_but_not_within_a_phrase() -> None:
    def spoken(text: str, halted: int) -> list[str]:
        segmenter, end, found = Segmenter("en"), 0.0, list[Segment]()
        for index, token in enumerate(text.split()):
            start, end = end, end + (1.3 if index == halted else 0.3)  # the silence belongs to the word behind it
            found += segmenter.push(Word(token, start, end, 0.9))
        return [each.text for each in found + segmenter.flush()]

    said = "take those two heavy boxes along into the shop now"
    assert spoken(said, 6) == ["take those two heavy boxes along", "into the shop now"]
    assert spoken(said, 8) == [said]  # behind "the"
    assert spoken(said, 2) == [said]  # of too few words


@pytest.mark.parametrize("rest", [".", "?", "-attention"])
def test_what_belongs_to_the_word_before_is_no_halt(rest: str) -> None:
    segmenter = Segmenter("en")
    found = [
        each
        for index, token in enumerate(["take", "those", "two", "boxes", "along", "self"])
        for each in segmenter.push(word(token, index * 0.3, 0.3))
    ]
    found += [*segmenter.push(Word(rest, 1.8, 3.0, 0.9)), *segmenter.flush()]
    assert [each.text for each in found] == [f"take those two boxes along self{rest}"]


def test_a_number_is_no_halt_though_it_takes_long_to_say() -> None:
    segmenter = Segmenter("en")
    for index, token in enumerate(["back", "then", "there", "lived", "here", "roughly"]):
        segmenter.push(word(token, index * 0.3, 0.3))
    assert segmenter.push(Word("350,000", 1.8, 3.2, 0.9)) == []


def test_a_segment_without_marks_ends_at_the_longest() -> None:
    settings = SegmentSettings(longest_words=18)
    assert [len(text.split()) for text in segments_of("word " * 40, settings)] == [18, 18, 4]


def test_a_pause_ends_many_words_and_keeps_few() -> None:
    segmenter = Segmenter("en", SegmentSettings(clause_words=3))
    segmenter.push(word("one", 0))
    segmenter.push(word("two", 1))
    assert segmenter.pause() == []
    segmenter.push(word("three", 2))
    assert [segment.text for segment in segmenter.pause()] == ["one two three"]


def test_no_segment_is_in_two_languages() -> None:
    segmenter = Segmenter("en")
    assert segmenter.push(Word("yes", 0.0, 0.5, 0.9)) == []
    (segment,) = segmenter.speak("ja")
    assert (segment.text, segment.language) == ("yes", "en")
    for text in ("今", "日", "は"):
        segmenter.push(Word(text, 1.0, 1.5, 0.9))
    (segment,) = segmenter.flush()
    assert (segment.text, segment.language) == ("今日は", "ja")


def test_no_segment_ends_with_what_opens_a_quote() -> None:
    said = "un deux trois quatre cinq six sept huit neuf dix « Et puis"
    assert segments_of(said, language="fr") == ["un deux trois quatre cinq six sept huit neuf dix « Et", "puis"]


@pytest.mark.parametrize(("language", "ended"), [("nl", 1), ("en", 0)])
def test_what_english_contracts_may_begin_a_segment_in_dutch(language: str, ended: int) -> None:
    segmenter = Segmenter(language)
    for index, text in enumerate(["een", "twee", "drie", "vier", "vijf", "zes"]):
        assert not segmenter.push(word(text, index * 0.4, 0.4))
    assert len(segmenter.push(word("'s", 2.4, 1.2))) == ended


def test_words_of_other_letters_are_not_longer_than_their_translations() -> None:
    said = [*"我们用", "transformer", *"和", "attention", "mechanism", *"做自然语言处理"]
    segmenter = Segmenter("zh")
    assert not [each for index, text in enumerate(said) for each in segmenter.push(word(text, index * 0.3, 0.3))]
    assert [each.text for each in segmenter.flush()] == ["我们用transformer和attention mechanism做自然语言处理"]
