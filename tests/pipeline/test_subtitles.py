"""`surtitle.pipeline.subtitles`: documents that every parser reads, whatever was said."""

from __future__ import annotations

import html
import io
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import get_args

import av
import pysubs2
import pytest
import webvtt
from hypothesis import example, given
from hypothesis import strategies as st
from said import HOSTILE, LANGUAGES, SPOKEN_AT, caption, captions_of, visible

from surtitle.pipeline.cues import Cue, cues
from surtitle.pipeline.events import Caption
from surtitle.pipeline.subtitles import Format, document, subtitles, to_srt, to_vtt

TIMED = st.sampled_from(["srt", "vtt", "ass"])


def test_subrip_counts_its_cues_from_one() -> None:
    assert to_srt([caption("Hola.", 1.2, 3.48), caption("Adiós.", 3661.0, 3662.5)]) == (
        "1\n00:00:01,200 --> 00:00:03,480\nHola.\n\n2\n01:01:01,000 --> 01:01:02,500\nAdiós.\n\n"
    )


def test_webvtt_has_its_header_from_the_start() -> None:
    assert to_vtt([]) == "WEBVTT\n\n"
    assert to_vtt([caption("Hola.", 0.0, 1.0)]) == "WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.000\nHola.\n\n"


def test_substation_alpha_has_a_line_for_each_cue_and_breaks_of_its_own() -> None:
    last = document("ass", [caption("abajo " * 8, 3661.0, 3665.0)]).splitlines()[-1]
    assert last == (
        r"Dialogue: 0,1:01:01.00,1:01:05.00,Default,,0,0,0,,abajo abajo abajo abajo\Nabajo abajo abajo abajo"
    )


def test_a_transcript_has_a_line_for_a_sentence_and_a_paragraph_after_a_pause() -> None:
    said = [("Hola a", 0.0, 1.0), ("todos.", 1.0, 1.0), ("Sí.", 2.5, 1.0), ("Ahora", 9.0, 1.0), ("bien", 14.0, 1.0)]
    assert document("txt", captions_of(said)) == "Hola a todos.\nSí.\n\nAhora\n\nbien\n"
    assert document("txt", captions_of([("你好", 0.0, 1.0), ("世界。", 1.0, 1.0)], "zh")) == "你好世界。\n"
    assert document("txt", captions_of([("« Oui. »", 0.0, 1.0), ("« Et ?", 1.0, 1.0)], "fr")) == "« Oui. »\n« Et ?\n"
    assert document("txt", captions_of([("ครับ", 0.0, 1.0), ("ครับ", 1.0, 1.0)], "th")) == "ครับ ครับ\n"


def test_a_json_line_says_what_was_said_when_and_in_which_language() -> None:
    line = document("jsonl", [caption("¿Qué?\n", 0.5, 1.25)])
    assert line == '{"cue":0,"lang":"es","start_ms":500,"end_ms":1250,"text":"¿Qué? "}\n'


@pytest.mark.parametrize("form", get_args(Format))
def test_drafts_are_passed_over(form: Format) -> None:
    assert document(form, [caption("Ho", 0.0, 1.0, final=False)]) == document(form, [])


def test_hostile_text_stays_one_cue_of_text() -> None:
    hostile = [caption(HOSTILE, 0.0, 5.0)]
    assert to_srt(hostile).splitlines()[2:] == [
        "1 00:00:00,\u2060000 --› 00:00:09,\u2060000",
        "‹script›x‹/script› (\\\u2060an8) A&B[31m --›",
        "",
    ]
    assert to_vtt(hostile).splitlines()[4:] == [
        "1 00:00:00,\u2060000 --&gt; 00:00:09,\u2060000",
        "&lt;script&gt;x&lt;/script&gt; (\\\u2060an8) A&amp;B[31m --&gt;",
        "",
    ]
    assert document("ass", hostile).splitlines()[-1].split(",,", 2)[2] == (
        "1 00:00:00,\u2060000 --> 00:00:09,\u2060000\\N<script>x</script> (\\\u2060an8) A&B[31m -->"
    )


def test_a_line_break_that_is_said_breaks_no_line_of_substation_alpha() -> None:
    (event,) = pysubs2.SSAFile.from_string(document("ass", [caption(r"C:\New \h{\b1}", 0.0, 1.0)]))
    assert event.plaintext == "C:\\\u2060New \\\u2060h(\\\u2060b1)"


def test_right_to_left_text_is_written_as_it_is_said() -> None:
    assert "\nمرحبا بالجميع.\n" in to_srt([caption("مرحبا بالجميع.", 0.0, 2.0, language="ar")])


@pytest.mark.slow
@given(TIMED, SPOKEN_AT, LANGUAGES)
@example(form="vtt", said=[("it was not before the end of the year that", 0.0, 1.0), ("2026", 2.0, 1.0)], language="en")
def test_every_parser_reads_every_cue_after_every_piece(
    form: Format, said: list[tuple[str, float, float]], language: str
) -> None:
    captions = captions_of(said, language)
    expected = list(cues(captions))
    written = list(growing(form, captions))
    for text in written:
        for parsed in parsers(form, text):
            assert len(parsed) <= len(expected)
            for (start, end, shown), cue in zip(parsed, expected, strict=False):
                assert (start, end) == (cue.start_ms, cue.end_ms)
                assert letters(shown) == letters(" ".join(cue.lines))
    assert all(len(parsed) == len(expected) for parsed in parsers(form, written[-1]))


@given(st.sampled_from(get_args(Format)), SPOKEN_AT, LANGUAGES)
def test_a_document_only_grows_and_is_the_same_as_if_made_at_once(
    form: Format, said: list[tuple[str, float, float]], language: str
) -> None:
    captions = captions_of(said, language)
    written = list(growing(form, captions))
    assert all(after.startswith(before) for before, after in pairwise(written))
    assert written[-1] == document(form, captions)
    written[-1].encode("utf-8")


@given(SPOKEN_AT)
def test_each_json_line_is_one_object(said: list[tuple[str, float, float]]) -> None:
    records = [json.loads(line) for line in document("jsonl", captions_of(said)).split("\n")[:-1]]
    assert [visible(record["text"]) for record in records] == [visible(text) for text, _, _ in said]


def growing(form: Format, captions: list[Caption]) -> Iterator[str]:
    """The document after each piece of it."""
    stream = subtitles(form)
    yield (text := stream.header)
    for one in captions:
        yield (text := text + stream.push(one))
        yield (text := text + stream.advance(one.end + 5))
    yield text + stream.flush()


Parsed = list[tuple[int, int, str]]
"""Of each cue: start and end in milliseconds, and its text."""


def parsers(form: Format, text: str) -> Iterator[Parsed]:
    """`text` as pysubs2, FFmpeg and, for its own format, webvtt-py read it."""
    unescape = html.unescape if form == "vtt" else str
    yield [(each.start, each.end, unescape(each.plaintext)) for each in pysubs2.SSAFile.from_string(text, form)]
    yield ffmpeg(form, text)
    if form == "vtt":
        yield [(ms(each.start), ms(each.end), html.unescape(each.text)) for each in webvtt.from_string(text)]


def ffmpeg(form: Format, text: str) -> Parsed:
    with av.open(io.BytesIO(text.encode()), format={"vtt": "webvtt"}.get(form, form)) as container:
        (stream,) = container.streams.subtitles
        per_tick = float(stream.time_base) * 1000
        return [
            (round(packet.pts * per_tick), round((packet.pts + packet.duration) * per_tick), shown_by_ffmpeg(packet))
            for packet in container.demux(stream)
            if packet.size
        ]


def shown_by_ffmpeg(packet: av.Packet) -> str:
    text = " ".join(rectangle.ass.decode().split(",", 8)[8] for rectangle in packet.decode())
    return text.replace(r"\N", " ")


def ms(clock: str) -> int:
    hours, minutes, seconds = clock.split(":")
    return round((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1000)


def letters(text: str) -> str:
    return "".join(char for char in text if char.isalnum())


def test_the_helper_compares_something() -> None:
    shown = Cue(0, 1_000, ("<i>Hola</i>",), "es")
    (parsed,) = ffmpeg("vtt", to_vtt([caption(shown.lines[0], 0.0, 1.0)]))
    assert letters(parsed[2]) == "iHolai"
