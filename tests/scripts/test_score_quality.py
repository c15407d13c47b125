from __future__ import annotations

import pytest
import score_comet
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF
from score_quality import Errors, bleu_of, bleu_tokenizer, chrf_of, errors, quality, wer_signature


def test_the_reference_itself_is_perfect_in_every_language() -> None:
    for language, text in {"de": "Das Haus ist sehr alt.", "zh": "我们一起去公园散步吧。"}.items():
        found = quality([text], [text], language)
        assert (found.bleu, found.chrf) == pytest.approx((100, 100))


def test_signatures_say_how_it_was_measured() -> None:
    found = quality(["ein Haus"], ["das Haus"], "de")
    assert "tok:13a" in found.bleu_signature
    assert "nc:6|nw:0" in found.chrf_signature
    assert bleu_tokenizer("zh-TW") == "zh"


def test_case_points_and_spelled_numbers_are_no_errors_in_english() -> None:
    assert errors("it's twenty five, Mr Smith", "It is 25 mister smith.", "en").rate == 0


def test_umlauts_count_in_german() -> None:
    assert errors("Die Bucher", "die Bücher", "de") == Errors(wrong=1, units=2)


def test_vowels_and_tones_that_are_marks_count_and_do_not_cut_words() -> None:
    assert errors("की दिन", "का दिन।", "hi") == Errors(wrong=1, units=2)
    assert errors("खाना", "खाना", "hi") == Errors(wrong=0, units=1)
    assert errors("ม่า", "ม้า", "th") == Errors(wrong=1, units=2)
    assert wer_signature("hi") == "unit:word|norm:whisper-basic|marks:yes"


def test_marks_of_other_scripts_are_normalised_as_whispers_authors_do() -> None:
    assert errors("дорого", "до\u0301рого", "ru") == Errors(wrong=2, units=2)
    assert wer_signature("ru") == "unit:word|norm:whisper-basic|marks:no"


def test_languages_without_spaces_are_counted_by_letters() -> None:
    assert errors("今天好", "今天很好", "zh") == Errors(wrong=1, units=4)


def test_words_for_silence_are_errors_without_a_rate() -> None:
    found = errors("thank you", "", "en")
    assert (found.wrong, found.rate) == (2, None)
    assert errors("", "", "en") == Errors(0, 0)


@given(st.lists(st.sampled_from(["rot", "haus", "geht", "wir"]), min_size=1, max_size=8), st.integers(0, 7))
def test_each_word_left_out_is_one_error(words: list[str], place: int) -> None:
    said = [word for index, word in enumerate(words) if index != place]
    assert errors(" ".join(said), " ".join(words), "de") == Errors(len(words) - len(said), len(words))


@pytest.mark.parametrize(
    ("package", "weights", "why"),
    [
        (None, "model.ckpt", "the package unbabel-comet is not installed"),
        (object(), None, "the weights of Unbabel/wmt22-comet-da are not on this machine"),
        (object(), "model.ckpt", None),
    ],
)
def test_comet_says_why_it_is_absent(
    monkeypatch: pytest.MonkeyPatch, package: object, weights: str | None, why: str | None
) -> None:
    monkeypatch.setattr(score_comet, "find_spec", lambda _: package)
    monkeypatch.setattr(score_comet, "try_to_load_from_cache", lambda *_: weights)
    assert score_comet.missing() == why


def test_scores_are_sacrebleus_own_and_follow_from_any_choice_of_segments() -> None:
    said, references = ["Das Haus ist alt.", "Wir gehen heim"], ["Das Haus ist sehr alt.", "Wir gehen nach Hause."]
    found = quality(said, references, "de")
    assert found.bleu == pytest.approx(BLEU(tokenize="13a").corpus_score(said, [references]).score)
    assert found.chrf == pytest.approx(CHRF().corpus_score(said, [references]).score)
    first = quality(said[:1], references[:1], "de")
    assert bleu_of(found.bleu_counts[0]) == pytest.approx(first.bleu)
    assert chrf_of(found.chrf_counts[0]) == pytest.approx(first.chrf)


@given(
    st.lists(st.sampled_from(["one", "two", "three", "four"]), max_size=90),
    st.lists(st.sampled_from(["one", "two", "five"]), max_size=90),
)
def test_errors_are_counted_again_by_stretches_of_what_was_said(said: list[str], heard: list[str]) -> None:
    found = errors(" ".join(heard), " ".join(said), "fr")
    assert sum(units for _, units in found.counts) == found.units
    if said:
        assert sum(wrong for wrong, _ in found.counts) == found.wrong
