"""The numbers that PROTOCOL.md, README.md and ARCHITECTURE.md promise are those of the code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

import surtitle.pipeline.microphone
import surtitle.pipeline.modelcommands
import surtitle.pipeline.runner  # noqa: F401 - and with it all modules that are asked below
from surtitle import pipeline as code
from surtitle.clients import viewer
from surtitle.pipeline.cli import build_parser
from surtitle.pipeline.generate import ANSWER
from surtitle.sinks import cache, shadow

ROOT = Path(__file__).parent.parent
WORDS = {word: count for count, word in enumerate(["one", "two", "three", "four", "five", "six", "seven"], 1)}
WORDS |= {"twenty": 20, "twice": 2, "third": 3, "a second": 1, "a minute": 60, "half": 0.5, "quarter": 0.25}
WORDS |= {
    "three quarters": 0.75,
    "one and a half": 1.5,
    "five sixths": 0.84,
}  # times of subtitles are multiples of 10 ms
NUMBER = f"([\\d.,]*\\d|{'|'.join(sorted(WORDS, key=len, reverse=True))})"
KIB, MIB, GB = 1024, 1024**2, 10**9

RING, HISTORY = (inspect.signature(code.hub.Hub).parameters[name].default for name in ("ring", "history"))
PATIENCE, WEB, LIMITS = code.connection.PATIENCE, code.web.HTTP_PATIENCE, code.limits
SHARED = code.assembly.share_cores
HEARING, GATE, SPACED = code.recognizer.RecognizerSettings(), code.gate.GateSettings(), code.segmenter.SPACED
START: dict[str, Any] = msgspec.json.schema(code.messages.PublishStart)["$defs"]["PublishStart"]["properties"]
HELLO: dict[str, Any] = msgspec.json.schema(code.messages.Hello)["$defs"]["Hello"]["properties"]
LATIN, JAPANESE, KOREAN, CHINESE = (code.wrap.reading(language) for language in ("es", "ja", "ko", "zh"))
LINES = (code.wrap.LINES, LATIN.line, JAPANESE.line / 2, KOREAN.line / 2)
SPEEDS = (LATIN.speed, JAPANESE.speed / 2, KOREAN.speed / 2, CHINESE.speed / 2)
BUDGETS = (code.remote.LIVE.patience, code.remote.LIVE.hurry, code.remote.REPLAY.patience / 60)
LOOKS = (code.microphone.AGAIN_S, code.microphone.SELDOM_S)
LARGEST = (code.server.VIEWER_MAX_BYTES / KIB, code.server.PUBLISHER_MAX_BYTES / MIB)

# What a document says, with # for each number, and what the code has there.
PROTOCOL = {
    "://HOST:#": code.flags.PORT,
    "`, within # s": PATIENCE.hello,
    "If nothing at all comes for # s, reconnect": viewer.SILENCE_SECONDS,
    "A viewer that takes nothing for # s is cut off": PATIENCE.stall,
    "codes of the languages wanted (`es`), at most #; none means all": HELLO["langs"]["maxItems"],
    "optional: at most # characters": HELLO["token"]["anyOf"][0]["maxLength"],
    "At most # messages a second are taken, and # at once": (LIMITS.MESSAGES_PER_SECOND, LIMITS.MESSAGES_AT_ONCE),
    "the last # finals of each language": HISTORY,
    "| `sample_rate` | # |": code.events.SAMPLE_RATE,
    "when the state changes, and every # s while audio comes": code.condition.EVERY,
    "captions are more than # s late": code.condition.LATE,
    "audio was skipped in the last # s (again within # s": (code.condition.SKIPPED, code.condition.SKIPPED),
    "that is told once in # s": code.microphone.UNKNOWN_S,
    "sent when nothing else was for # s": PATIENCE.beat,
    "A publisher that sends nothing for # s": PATIENCE.silence,
    "nor sends anything for # s more is gone": PATIENCE.answer,
    "that are wanted, # to #": (START["to"]["minItems"], START["to"]["maxItems"]),
    "hertz of the PCM, # to #; # if absent": [START["sample_rate"][each] for each in ("minimum", "maximum", "default")],
    "no more than there was time for, and # s": LIMITS.AUDIO_AT_ONCE,
    "holds whole samples, at most # MiB": LARGEST[1],
    "taken at # the pace of speech, and # s of it at once": (LIMITS.AUDIO_PACE, LIMITS.AUDIO_AT_ONCE),
    "a message counts as # ms at least": 1000 * LIMITS.LEAST_SECONDS,
    "Where none comes for # s, as of a speaker who is muted": code.arrivals.STALL,
    "the newest # messages of the room": RING,
    "takes more than # s until its head is there": WEB.head,
    "slower than # KB/s after # s, or stands still for # s": (WEB.body_rate / KIB, WEB.body, WEB.body),
    "(more than # KiB of head)": code.wire.HEAD_BYTES / KIB,
    "Connections are kept for # s between requests": WEB.idle,
    "multipart/form-data of at most # MiB": code.transcriptions.UPLOAD_BYTES / MIB,
    "16-bit mono PCM at # kHz": code.realtime.RATE / 1000,
    "too large: # KiB for viewers, # MiB for publishers": LARGEST,
    "connection is closed with #": code.guests.COMPLETE,
    "| # | | the server is stopping": code.fanout.GOING_AWAY,
    "| # | | the server failed": code.server.INTERNAL_ERROR,
}
README = {
    "each model's languages (of more than #, how many)": code.modelcommands.MANY,
    "the newest # captions and all that follow": HISTORY,
    "# lines at most, of # characters (Japanese # wide ones, Korean and Chinese #)": LINES,
    "for # of a second to # seconds": (code.cues.MIN_MS / 1000, code.cues.MAX_MS / 1000),
    "(# characters a second; Japanese #, Korean #, Chinese #)": SPEEDS,
    "or # s more audio has passed. It may stay up to # s into": (code.cues.HOLD, code.cues.LATE_MS / 1000),
    "beyond # s, or # captions, the oldest are dropped": (code.posting.FRESH, code.posting.QUEUE),
    "Viewers that send more than # messages a second": LIMITS.MESSAGES_PER_SECOND,
    "send audio at over # real time": LIMITS.AUDIO_PACE,
    "expects the first of them, at most # characters in": code.assembly.HOT_CHARACTERS,
    "client_max_body_size #m;": code.transcriptions.UPLOAD_BYTES / MIB,
    "nothing is heard from it for # s (less than -# dBFS": (code.soundcheck.WITHIN, -code.soundcheck.NOTHING),
    "emptied after # s without another": code.textnow.HOLD,
    "in pauses (at most once #)": code.statefile.EVERY,
    "a # of it goes at once": 1 - code.dialogue._KEPT,
    "slow (# seconds a segment, # for words that are late already, # minutes in": BUDGETS,
    "without waiting, after # failures in a row": code.breaker.FAILURES,
    "is retried after # to # s": (code.breaker.FIRST_PAUSE, code.breaker.LONGEST_PAUSE),
    "in the background, with # minutes to reply": code.remote.LOADING / 60,
    "is long. Past # s the oldest is given up until # s": (code.backlog.BACKLOG, code.backlog.BACKLOG / 2),
    "Nobody waits for text, so # beams are searched": code.flags.TEXT_BEAMS,
    "plus a few for publishers (default #)": code.server.MAX_VIEWERS,
    "counting recordings sent over HTTP (default #)": build_parser().parse_args(["serve"]).max_sessions,
    "Context the translator keeps (default #;": code.engine.WINDOW,
    "or of each answer (default #)": ANSWER,
    "Cores for the recogniser (default: #, at most #)": (SHARED(4).asr / 4, SHARED(999).asr),
    "(default: all, at most #)": SHARED(999).llm,
}
ARCHITECTURE = {
    "| a hub's ring | # messages |": RING,
    "| the lines of subtitles, once found | of # captions |": code.cues.REMEMBERED,
    "and rooms with viewers, and # others at most": 2 * code.rooms.SPARE,
    "nicer by #), since everything": code.assembly.GIVES_WAY,
    "window | trimmed at # seconds, and cut at # if nothing": (HEARING.window, HEARING.longest),
    "# pairs a language": code.memory.CAPACITY,
    "the least recently heard of # going first": code.memory.CAPACITY,
    "at most # s; beyond that the oldest": code.backlog.BACKLOG,
    "is skipped until # s wait": code.backlog.BACKLOG / 2,
    "those of # s; beyond that": code.agenda.PATIENCE,
    "are shown untranslated until # s": code.agenda.PATIENCE / 2,
    "delays are counts per # ms; memory": 1000 * code.stats._BIN,
    "there are at most # of them, and each is forgotten": code.rooms.SPARE,
    "kept for those who come late, the newest # of them": code.rooms.SPARE,
    "viewer after viewer, # at a time": code.fanout.SLICE,
    "A socket that has more than # KB unsent": code.connection.WRITE_LIMIT / KIB,
    "the session appends to a queue of #.": code.posting.QUEUE,
    "as long as the words are not # seconds old": code.session.RETRY_WITHIN,
    "at most # of audio (`TURN`)": code.session.TURN,
    "at the # segment in a row the session ends": code.interpreter.FAILURES,
    "the contexts of the # that were spoken last": code.interpreter.SPOKEN,
    "at most # full, moves the rest down": cache.LOW_WATER,
    "(`sinks/shadow.py`), # tokens a forward": shadow.SLICE,
    "room for # conversations, or for as many as leave # GB": (code.engine.GPU_ROWS, code.engine.GPU_SPARE / GB),
    "at most # seconds back; # committed words stay": (HEARING.window, HEARING.kept),
    "a look every # s of new audio": HEARING.step,
    "where looks come in less than #": HEARING.late,
    "when # waits, some is skipped": code.backlog.BACKLOG,
    "the audio and # seconds of silence, not # s": (code.whisper.PADDING, code.whisper._WHOLE),
    "ends # s before the audio does": code.alignment.MARGIN,
    "that another follows, or none for # seconds": code.agreement.SETTLE,
    "where a word is below #, the decoder looks for # times": (code.whisper._STRAY, code.whisper._PATIENCE),
    "# beginnings are kept; below a mean probability of #": (code.whisper.BEAMS, code.whisper._SURE),
    "a guess below a mean probability of # is none": code.inventions._DOUBT,
    "up to # seconds below # wait for the next look": (HEARING.short, HEARING.unsure),
    "whose first # words are below #": (code.recognizer._FIRST, HEARING.soft),
    "where # of speech has no words": HEARING.unheard,
    "the gate opens up to # back": GATE.lead,
    "a likely one (#) is believed at once": code.spoken._LIKELY,
    "A lost microphone is looked for every # s, later every # s, without end": LOOKS,
    "is silence for # seconds or a little more": code.listener.HOLE,
    "from # words on, before a conjunction or a relative": SPACED.phrase_words,
    "from # on where the speaker halts for # a second": (SPACED.clause_words, SPACED.halt),
    "over a pause, up to # s, and over the length, up to # words": (GATE.long_silence, SPACED.late_words),
    "whenever the open text has grown by # characters": code.ahead.STEP,
}
PROMISES = {"PROTOCOL.md": PROTOCOL, "README.md": README, "ARCHITECTURE.md": ARCHITECTURE}


def told(document: str, sentence: str) -> list[tuple[float, ...]]:
    """The numbers of `sentence`, for each place where `document` has it."""
    words = re.escape(sentence).replace(r"\#", NUMBER).replace(r"\ ", r"\s+")
    found = re.finditer(words, (ROOT / document).read_text(encoding="utf-8"))
    return [tuple(float(WORDS.get(each) or each.replace(",", "")) for each in one.groups()) for one in found]


@pytest.mark.parametrize(("document", "sentence"), [(name, each) for name, all_ in PROMISES.items() for each in all_])
def test_a_number_that_is_promised_is_that_of_the_code(document: str, sentence: str) -> None:
    held: Any = PROMISES[document][sentence]
    held = tuple(held) if isinstance(held, list | tuple) else (held,)
    promised = told(document, sentence)
    assert promised, f"{document} no longer says {sentence!r}: what it says now belongs into this test"
    for numbers in promised:
        assert numbers == pytest.approx(held, rel=1e-9), f"{document}: {sentence!r}: {numbers}, the code has {held}"


def test_the_pages_hold_and_wait_as_long_as_is_promised() -> None:
    (hold,) = told("clients/overlay.js", '"hold") ?? #)')
    (after,) = told("clients/overlay.js", "(over ? # : Infinity)")
    promised = "the screen is cleared (default #); 0: # s after the session's end"
    assert told("README.md", promised) == [(*hold, after[0] / 1000)]
    assert told("clients/connection.js", "if (silence > #) lost") == [(1000 * viewer.SILENCE_SECONDS,)]
