"""Captions as subtitles: SubRip, WebVTT, SubStation Alpha, a plain transcript, and JSON lines. No I/O.

In: the final captions of one language, in order. Out: text to append to a file, which a parser of its format can read
whole after each piece; or a whole document at once. What a speaker or a model says is untrusted: it may neither end
its cue nor be taken for markup. When cues are shown and how they are cut is in `cues.py`. Knows no file or socket.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Literal, Protocol

from surtitle.pipeline.cues import Cue, Cues
from surtitle.pipeline.events import Caption
from surtitle.pipeline.protocol import clean_text
from surtitle.pipeline.sentences import ends_sentence
from surtitle.pipeline.text import is_punctuation, space_between

Format = Literal["srt", "vtt", "ass", "txt", "jsonl"]
"""SubRip, WebVTT (W3C), Advanced SubStation Alpha v4.00+, text, and a JSON object a line."""
PARAGRAPH = 2.0
"""Seconds of silence after which a transcript has a new paragraph."""


class Subtitles(Protocol):
    """One language's captions in one format: each method returns what is to be appended, often nothing."""

    @property
    def header(self) -> str:
        """What stands before everything else."""

    def push(self, caption: Caption) -> str:
        """Take the next final caption."""

    def advance(self, audio: float) -> str:
        """The audio has come to `audio` seconds."""

    def flush(self) -> str:
        """No caption follows soon."""


def subtitles(form: Format) -> Subtitles:
    """A new document in `form`."""
    match form:
        case "srt":
            return _Cued("", _srt)
        case "vtt":
            return _Cued("WEBVTT\n\n", _vtt)
        case "ass":
            return _Cued(_ASS_HEADER, _ass)
        case "txt":
            return _Transcript()
        case "jsonl":
            return _Lines()


def document(form: Format, captions: Iterable[Caption]) -> str:
    """All of a document: the final captions among `captions`, which are of one language and in order."""
    stream = subtitles(form)
    return stream.header + "".join(stream.push(caption) for caption in captions if caption.final) + stream.flush()


def to_srt(captions: Iterable[Caption]) -> str:
    """SubRip, as `document` makes it."""
    return document("srt", captions)


def to_vtt(captions: Iterable[Caption]) -> str:
    """WebVTT, as `document` makes it."""
    return document("vtt", captions)


class _Cued:
    """A format with times."""

    def __init__(self, header: str, written: Callable[[Cue, int], str]) -> None:
        """`written` is how a cue, and its number from 1, stands in the file."""
        self.header = header
        self._written = written
        self._cues = Cues()
        self._count = 0

    def push(self, caption: Caption) -> str:
        return self._write(self._cues.push(caption))

    def advance(self, audio: float) -> str:
        return self._write(self._cues.advance(audio))

    def flush(self) -> str:
        return self._write(self._cues.flush())

    def _write(self, cues: list[Cue]) -> str:
        first, self._count = self._count + 1, self._count + len(cues)
        return "".join(self._written(cue, number) for number, cue in enumerate(cues, first))


class _Transcript:
    """What was said, to be read: a line for each sentence, a paragraph after each pause."""

    header = ""

    def __init__(self) -> None:
        self._end = 0.0
        self._sentence_open = False

    def push(self, caption: Caption) -> str:
        text = _one_line(caption.text)
        if not text:
            return ""
        before = ""
        if caption.start - self._end >= PARAGRAPH and self._end:
            before = "\n\n" if self._sentence_open else "\n"
        elif self._sentence_open:
            before = space_between(caption.language)
        self._end = caption.end
        *_, word, last = ("", *text.split())
        # French sets a space before what closes a quote
        self._sentence_open = not ends_sentence(word + last if is_punctuation(last) else last, caption.language)
        return before + text + ("" if self._sentence_open else "\n")

    def advance(self, audio: float) -> str:
        return ""

    def flush(self) -> str:
        open_, self._sentence_open = self._sentence_open, False
        return "\n" if open_ else ""


class _Lines:
    """A JSON object for each caption."""

    header = ""

    def push(self, caption: Caption) -> str:
        record: dict[str, object] = {
            "cue": caption.cue,
            "lang": caption.language,
            "start_ms": round(caption.start * 1000),
            "end_ms": round(caption.end * 1000),
            "text": clean_text(caption.text),
        }
        if caption.untranslated:
            record["untranslated"] = True
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"

    def advance(self, audio: float) -> str:
        return ""

    def flush(self) -> str:
        return ""


# --- how a cue is written ---

_JOINER = "\u2060"
"""Can't be seen, and keeps apart what would be read together."""
_READ_TOGETHER = re.compile(r"\\|:\d+[.,](?=\d)")


def _srt(cue: Cue, number: int) -> str:
    """SubRip has markup but no escapes: the characters of its markup become look-alikes."""
    lines = "\n".join(tagless(_uncounted(_tame(line))) for line in cue.lines)
    return f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{lines}\n\n"


def tagless(line: str) -> str:
    """`line` with look-alikes for what begins and ends a tag."""
    return line.translate({ord("<"): "‹", ord(">"): "›"})


def _vtt(cue: Cue, number: int) -> str:
    """WebVTT has escapes; `>` too, since `-->` may not stand in a cue."""
    escapes = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
    lines = "\n".join(_uncounted(_tame(line)).translate(escapes) for line in cue.lines)
    return f"{number}\n{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{lines}\n\n"


_ASS_HEADER = """[Script Info]
ScriptType: v4.00+
WrapStyle: 0
ScaledBorderAndShadow: yes
PlayResX: 1920
PlayResY: 1080

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,60,&H00FFFFFF,&H000000FF,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,3,1,2,60,60,60,-1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
# Encoding -1: the player finds out which way each line runs (libass), for Arabic and Hebrew.


def _ass(cue: Cue, number: int) -> str:
    lines = r"\N".join(map(_tame, cue.lines))
    return f"Dialogue: 0,{_ass_clock(cue.start_ms)},{_ass_clock(cue.end_ms)},Default,,0,0,0,,{lines}\n"


def _tame(line: str) -> str:
    """Readers of all three formats take braces for styles, a backslash for a line break, and times for a new cue."""
    braceless = line.translate({ord("{"): "(", ord("}"): ")"})
    return _READ_TOGETHER.sub(rf"\g<0>{_JOINER}", braceless)


def _uncounted(line: str) -> str:
    """Some readers take a last line that is a number for that of the next cue."""
    return f"{line}{_JOINER}" if line.isdecimal() else line


def _one_line(text: str) -> str:
    return " ".join(clean_text(text).split())


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"


def _ass_clock(ms: int) -> str:
    """Hundredths, and hours as short as they are."""
    return _clock(ms, ".")[:-1].removeprefix("0")
