"""`surtitle.pipeline.textnow`: a file that has the newest caption and nothing else."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from pathlib import Path

import pytest
from said import HOSTILE, caption
from scripted import eventually

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.protocol import clean_text
from surtitle.pipeline.textnow import TextNow


async def test_each_language_has_its_newest_final_in_a_file_of_its_own(tmp_path: Path) -> None:
    first, second = tmp_path / "now.txt", tmp_path / "now.de.txt"
    with closing(TextNow(first, ("es", "de"))) as now:
        for language, text in (("es", "hola"), ("de", "hallo"), ("es", "¿qué tal?")):
            now.publish(caption(text, 0, 1, language=language))
        now.publish(caption("¿qué tal es", 1, 2, final=False))
        now.publish(caption("hello", 1, 2, language="en", role="source"))
        assert first.read_text("utf-8") == "¿qué tal?"
        assert second.read_text("utf-8") == "hallo"
        now.publish(caption("salut", 2, 3, language="fr"))  # which came to be wanted later
        assert (tmp_path / "now.fr.txt").read_text("utf-8") == "salut"


async def test_what_an_earlier_run_left_is_gone_before_anything_is_said_and_at_the_end_nothing_stays(
    tmp_path: Path,
) -> None:
    path = tmp_path / "now.txt"
    path.write_text("yesterday")
    now = TextNow(path, ("es",))
    assert path.read_text() == ""
    now.publish(caption("hola", 0, 1))
    now.close()
    assert os.listdir(tmp_path) == ["now.txt"]
    assert path.read_text() == ""


async def test_a_caption_that_nothing_follows_goes_away(tmp_path: Path) -> None:
    path = tmp_path / "now.txt"
    with closing(TextNow(path, ("es",), hold=0.01)) as now:
        now.publish(caption("hola", 0, 1))
        assert path.read_text() == "hola"
        await eventually(lambda: path.read_text() == "")


async def test_a_caption_stays_as_long_as_the_one_before_it_would_have(tmp_path: Path) -> None:
    path = tmp_path / "now.txt"
    with closing(TextNow(path, ("es",), hold=0.05)) as now:
        now.publish(caption("hola", 0, 1))
        now._hold = 1000.0
        now.publish(caption("¿qué tal?", 1, 2))
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(0.06, over.set)  # when the first one's time is up
        await over.wait()
        assert path.read_text("utf-8") == "¿qué tal?"


async def test_a_reader_has_the_whole_file_that_it_opened(tmp_path: Path) -> None:
    path = tmp_path / "now.txt"
    with closing(TextNow(path, ("es",))) as now:
        now.publish(caption("hola", 0, 1))
        with path.open() as opened:
            now.publish(caption("adiós", 1, 2))
            assert opened.read() == "hola"


async def test_text_is_one_line_whatever_was_said(tmp_path: Path) -> None:
    path = tmp_path / "now.txt"
    with closing(TextNow(path, ("es",))) as now:
        now.publish(caption(HOSTILE, 0, 1))
        assert path.read_text("utf-8").splitlines() == [clean_text(HOSTILE)]


async def test_a_link_still_leads_to_the_file(tmp_path: Path) -> None:
    link, path = tmp_path / "link.txt", tmp_path / "now.txt"
    link.symlink_to(path)
    with closing(TextNow(link, ("es",))) as now:
        now.publish(caption("hola", 0, 1))
        assert link.is_symlink()
        assert path.read_text() == "hola"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, make: object) -> None:
    path = tmp_path / "now.txt"
    assert callable(make)
    make(path)
    with pytest.raises(UserError, match=r"now\.txt: is not a file that can be replaced; choose another"):
        TextNow(path, ("es",))


def test_a_folder_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be written \(No such file or directory\); choose another file"):
        TextNow(tmp_path / "nowhere" / "now.txt", ("es",))


def test_a_place_that_can_not_even_be_looked_at_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be written \(File name too long\); choose another file"):
        TextNow(tmp_path / ("a" * 300), ("es",))
