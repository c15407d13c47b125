"""Where a text has a name that it writes in a script of its own.

In: names in letters, and a Chinese (simplified) or Japanese text. Out: of each name the stretch of the text that sounds
like it (`phonetics.py`). A stretch is one name's only, that of the one most like it. Knows no memory and no model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from surtitle.pipeline.languages import Language
from surtitle.pipeline.phonetics import Heard, consonants, hear, hear_whole, sounds

_KATAKANA = re.compile(r"[ァ-ヺー]{2,}")
"""Japanese writes a name as one such word."""
_WRITE_NAMES = re.compile(
    "[阿埃艾爱安昂奥澳巴白百拜班邦包保鲍北贝本比彼别宾滨波玻伯勃博布蔡采策查茨慈次达戴丹道得德登邓狄迪底地蒂第丁东都杜敦顿多朵厄恩"
    "儿尔耳凡范梵方法菲费芬丰冯佛夫弗福甫盖甘冈高戈哥格葛根贡古瓜圭哈海汉杭豪赫黑亨洪侯胡华怀惠霍基吉季加伽嘉贾简江杰捷金津京久居喀"
    "卡开凯坎康考柯科可克肯孔寇库夸匡奎昆拉腊莱来赖兰朗劳乐勒雷黎礼里理李利莉丽力连廉良列烈林琳灵隆龙娄卢鲁露伦罗萝洛吕律略马玛迈"
    "麦曼芒毛茅梅美门蒙孟弥米密蜜敏明缪摩莫墨默姆木牧穆拿那纳娜乃奈南内嫩尼娘涅宁妮纽农努诺女欧帕派潘庞佩彭蓬皮毗匹平泼珀朴普奇齐"
    "契恰千强乔切钦琴琼丘屈泉让热仁荣茹瑞若撒萨塞赛桑瑟森莎沙山珊尚绍舍申圣施诗什石史士寿舒朔斯丝思松苏孙索塔泰坦汤唐陶特腾滕提惕田"
    "廷亭通透图土托脱瓦娃外万汪旺威韦维薇卫魏温文翁沃窝乌吾武西希悉锡席喜夏显香肖逍歇谢辛欣兴休修秀许旭雪逊雅亚娅延扬杨尧耶叶伊依宜"
    "英尤约云宰赞泽扎詹章张兆哲珍真郑芝知治仲朱卓兹子宗祖佐牙蕾俄]{2,}"
)
"""Chinese writes names with few of its characters; of those, some that mostly mean something else are not here."""
_GOES_ON_BELOW = 0.8
"""A stretch less alike, which goes on a little in these characters, is taken to be the name as a whole."""
_GOES_ON = 2
_AS_A_WHOLE = 0.55

_SURE = {2: 0.95, 3: 0.8, 4: 0.7}
"""How alike a stretch has to be for a name of so many consonants that no other sentence has to say so."""
_SOUNDS = 5
"""How many sounds a name of two consonants has to have for that."""
_ALIKE, _ALIKE_IF_SHORT = 0.6, 0.95
"""And to be one at all: a name of two consonants is short."""
_FEWEST, _SHORTEST = 2, 2
"""Consonants of a name, and characters of a stretch."""
_MARGIN = 0.1
"""By how much a stretch is more like a name than the next, if it is the name's."""
_NEVER_TRANSCRIBED = frozenset(
    """Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July August
    September October November December""".split()  # noqa: SIM905, nineteen quotes tell nothing
)
"""What English writes with a capital all the same."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of a text that sounds like a name."""

    text: str
    start: int
    """Characters of the text before it."""
    likeness: float
    """1.0 where all sounds are the same."""
    sure: bool
    """Whether that is enough for the length of the name, in sounds."""

    @property
    def end(self) -> int:
        """Characters of the text up to its end."""
        return self.start + len(self.text)

    def meets(self, other: Stretch) -> bool:
        """Whether a character of the text is in both."""
        return self.start < other.end and other.start < self.end


def transcribed(names: Sequence[str], text: str, language: Language) -> dict[str, Stretch]:
    """Of those of `names` that `text` writes in the script of its `language`: where.

    No two have the same stretch, and a name that may stand in two places stands in none. A stretch that may be another
    name, which is nowhere else, is not sure.
    """
    wanted = {name: _stretches(name, text, language) for name in names}
    found = [(each, name) for name, stretches in wanted.items() for each in stretches]
    taken: dict[str, Stretch] = {}
    for each, name in sorted(found, key=lambda pair: -pair[0].likeness):
        if name not in taken and not any(each.meets(other) for other in taken.values()):
            taken[name] = each
    lost = [each for each, name in found if name not in taken]
    told_apart: dict[str, Stretch] = {}
    for name, mine in taken.items():
        free = [each for each in wanted[name] if not any(each.meets(other) for other in taken.values())]
        if all(each.text == mine.text or each.likeness <= mine.likeness - _MARGIN for each in free):
            told_apart[name] = replace(mine, sure=mine.sure and not any(mine.meets(each) for each in lost))
    return told_apart


def _stretches(name: str, text: str, language: Language) -> list[Stretch]:
    """Of each run of `text` that may have a name the stretch most like `name`, if it is like it."""
    pattern = {"ja": _KATAKANA, "zh": _WRITE_NAMES}.get(language.code)
    count = consonants(name)
    is_code = name.isupper() or any(map(str.isdigit, name))
    if pattern is None or count < _FEWEST or is_code or name in _NEVER_TRANSCRIBED:
        return []
    is_short = count == min(_SURE)
    enough = math.inf if is_short and len(sounds(name)) < _SOUNDS else _SURE[min(count, max(_SURE))]
    found = []
    for run in pattern.finditer(text):
        likeness, start, end = _heard(name, run.group(), language)
        if likeness >= (_ALIKE_IF_SHORT if is_short else _ALIKE) and end - start >= _SHORTEST:
            found.append(Stretch(run.group()[start:end], run.start() + start, likeness, likeness >= enough))
    return found


def _heard(name: str, run: str, language: Language) -> Heard:
    if language.code == "ja":
        return hear_whole(name, run)
    found = hear(name, run)
    goes_on = found.likeness < _GOES_ON_BELOW and len(run) - (found.end - found.start) <= _GOES_ON
    if goes_on and hear_whole(name, run).likeness >= _AS_A_WHOLE:
        return Heard(found.likeness, 0, len(run))
    return found
