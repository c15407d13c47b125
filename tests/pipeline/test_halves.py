"""`surtitle.pipeline.halves`: words that a model begins in one script and ends in another."""

from __future__ import annotations

import pytest

from surtitle.pipeline.halves import is_within, made_whole


@pytest.mark.parametrize(
    ("said", "translation", "shown"),
    [
        # as the 1.5B writes them
        (
            "the University of Bologna.",
            "今日のゲストは、バologna大学の医師です。",
            "今日のゲストは、Bologna大学の医師です。",
        ),
        ("Maria Caspaldi is here.", "マリア・キャスパaldiです。", "マリア・Caspaldiです。"),
        ("Fenwicka said so.", "フェンwickアはそう言いました。", "Fenwickaはそう言いました。"),
        ("filled with condominiums", "コンdominiumsで満たす", "condominiumsで満たす"),
        ("Brandvold met Drummond.", "ブランドvoldはドラムondに会いました。", "BrandvoldはDrummondに会いました。"),
    ],
)
def test_a_word_in_two_scripts_is_shown_as_it_was_said(said: str, translation: str, shown: str) -> None:
    assert made_whole(translation, said) == shown


@pytest.mark.parametrize(
    ("said", "translation"),
    [
        ("an iPhone case", "iPhoneケース"),
        ("Our website is down.", "webサイトが落ちています。"),
        ("Website", "webサイト"),
        ("T-shirts", "Tシャツ"),
        ("the GPS data", "GPSデータ"),
        ("Renamed files", "ファイルrename"),
        ("Kubernetes clusters", "Kubernetesクラスター"),
        ("Bologna", "ボローニャ大学"),
        ("Bologna", "Bologna大学"),
        ("Bologna", "Bolognaでは"),
    ],
)
def test_what_is_meant_so_stays(said: str, translation: str) -> None:
    assert made_whole(translation, said) == translation


@pytest.mark.parametrize(
    ("before", "after", "within"),
    [
        ("キャスパ", "aldiです", True),
        ("キャ", "スパ", True),
        ("フェンwick", "ア", True),
        ("は", "キャ", False),
        ("ア", "は", False),
        ("Aldi", " b", False),
    ],
)
def test_a_word_may_go_on_in_the_other_script(before: str, after: str, within: bool) -> None:
    assert is_within(before, after) is within
