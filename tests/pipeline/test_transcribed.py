"""`surtitle.pipeline.transcribed`: where a text has a name that it writes in a script of its own."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.languages import LANGUAGES, find_language
from surtitle.pipeline.transcribed import transcribed


def heard(names: list[str], text: str, code: str) -> dict[str, str]:
    return {name: each.text for name, each in transcribed(names, text, find_language(code)).items()}


@pytest.mark.parametrize(
    ("code", "name", "text", "expected"),
    [
        ("zh", "Marenko", "博物馆的新馆长叫马伦科。", "马伦科"),
        ("zh", "Kestrill", "去年克斯特林雇佣了40名工程师。", "克斯特林"),
        ("zh", "Bellamor", "她工作在贝尔马罗的医院。", "贝尔马罗"),
        ("zh", "Tavrinko", "一位年轻的画家，塔维克罗。", "塔维克罗"),  # not all of it is alike
        ("zh", "Barcelona", "他住在巴塞罗那市", "巴塞罗那"),
        ("zh", "Spain", "他去了西班牙", "西班牙"),
        ("zh", "Arizona", "亚利桑那州", "亚利桑那"),
        ("zh", "Yevassa", "故事中的公主叫伊娃萨。", "伊娃萨"),
        ("zh", "Cologne", "我们去了北京", None),
        ("zh", "Saturday", "斯图里奇星期六来", None),
        ("zh", "Kim", "金在这里", None),  # one character may be any word
        ("ja", "Sarovane", "サロヴァネの川は古い城に流れています。", "サロヴァネ"),
        ("ja", "Chelsea", "それはチェルシーです", "チェルシー"),
        ("ja", "Kim", "キムがゲームに勝った", "キム"),
        ("ja", "Tom", "トムのタイムは", None),  # both sound like it
        ("ja", "5G", "5Gカーを売る", None),
        ("ja", "Marenko", "彼は新しいディレクターです", None),
        ("ko", "Marenko", "모두가 마렌코는 어떻게 생각하는지", None),  # nobody has measured it
        ("es", "Marenko", "Se fue Marenco", None),  # has capitals
    ],
)
def test_a_name_stands_where_the_text_sounds_like_it(code: str, name: str, text: str, expected: str | None) -> None:
    assert heard([name], text, code).get(name) == expected


def test_a_stretch_is_the_name_s_that_is_most_like_it() -> None:
    text = "斯图里奇告诉斯特林"
    assert heard(["Sterling", "Sturridge"], text, "zh") == {"Sterling": "斯特林", "Sturridge": "斯图里奇"}
    assert heard(["Sterling", "Starling"], "斯特林说", "zh") == {"Sterling": "斯特林"}


def test_what_another_name_may_be_meant_by_is_not_sure() -> None:
    found = transcribed(["Porter", "Portland"], "然后他离开波特兰", find_language("zh"))
    assert not any(each.sure for each in found.values())


@pytest.mark.parametrize(
    ("name", "text", "sure"),
    [
        ("Marenko", "马伦科", True),
        ("Yevassa", "伊娃萨", True),
        ("Grubenthal", "格鲁特海尔", False),
        ("Kelly", "库里", False),
    ],
)
def test_few_sounds_and_much_that_differs_are_not_sure(name: str, text: str, sure: bool) -> None:
    assert transcribed([name], text, find_language("zh"))[name].sure == sure


@given(st.lists(st.text(max_size=12), max_size=4), st.text(), st.sampled_from(sorted(LANGUAGES)))
def test_stretches_are_of_the_text_and_apart(names: list[str], text: str, code: str) -> None:
    found = sorted(transcribed(names, text, find_language(code)).values(), key=lambda each: each.start)
    assert all(text[each.start :].startswith(each.text) and each.likeness <= 1.0 for each in found)
    assert all(one.start + len(one.text) <= other.start for one, other in pairwise(found))
