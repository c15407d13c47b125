"""`surtitle.pipeline.assembly`: how cores are shared, and what the recogniser's parts hear together."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import cast

import numpy as np
import pytest
import sounds
from chat_server import ChatServer
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline import assembly
from surtitle.pipeline.address import Address
from surtitle.pipeline.assembly import (
    GIVES_WAY,
    Cores,
    Ears,
    Hearing,
    ModelNames,
    Models,
    available_cores,
    quota_cores,
    share_cores,
)
from surtitle.pipeline.endpoint import Endpoint
from surtitle.pipeline.engine import Engine
from surtitle.pipeline.events import SAMPLE_RATE, Caption, Event, Samples, SessionStart, Translated, Word
from surtitle.pipeline.files import decode
from surtitle.pipeline.gate import Closed, Quiet
from surtitle.pipeline.glossary import Glossary
from surtitle.pipeline.identify import Identifier
from surtitle.pipeline.pacing import VirtualClock, paced
from surtitle.pipeline.recognizer import Heard, Recognizer
from surtitle.pipeline.remote import REPLAY, Budget, Remote
from surtitle.pipeline.session import Session
from surtitle.pipeline.store import open_store
from surtitle.pipeline.text import bare, joined
from surtitle.pipeline.whisper import Whisper


@pytest.mark.parametrize(
    ("available", "expected"),
    [(1, Cores(1, 1)), (2, Cores(1, 2)), (3, Cores(1, 3)), (4, Cores(2, 4)), (9, Cores(4, 8)), (64, Cores(4, 8))],
)
def test_the_recogniser_gets_half_of_the_cores_and_the_translator_may_use_all(available: int, expected: Cores) -> None:
    assert share_cores(available) == expected


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 64))
def test_what_is_given_is_kept(available: int, asr: int, llm: int) -> None:
    assert share_cores(available, asr, llm) == Cores(asr, llm)
    assert share_cores(available, asr=asr) == Cores(asr, share_cores(available).llm)
    assert share_cores(available, llm=llm) == Cores(share_cores(available).asr, llm)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process's threads are as nice as each other")
def test_the_translators_threads_and_what_they_start_give_way_to_the_recognisers() -> None:
    niceness: dict[str, int] = {}

    def note(thread: str) -> None:
        niceness[thread] = os.nice(0)

    def engine() -> Engine:
        note("llm")
        started = threading.Thread(target=note, args=("llm's",))
        started.start()
        started.join()
        return cast(Engine, None)

    def ears() -> Hearing:
        note("asr")
        return cast(Hearing, None)

    with Models(ModelNames("ears", "translator"), ears=ears, engine=engine):
        pass
    mine = os.nice(0)
    expected = min(19, mine + GIVES_WAY)
    assert niceness == {"asr": mine, "llm": expected, "llm's": expected}


def test_this_process_may_use_a_core() -> None:
    assert available_cores() >= 1


@pytest.mark.parametrize(
    ("limit", "quota", "period", "cores"),
    [
        ("max 100000\n", "", "", None),
        ("200000 100000\n", "", "", 2),
        ("150000 100000\n", "", "", 2),
        ("5000 100000\n", "", "", 1),
        ("", "-1\n", "100000\n", None),
        ("", "350000\n", "100000\n", 4),
        ("", "50000\n", "100000\n", 1),
        ("", "", "", None),
        ("", "50000\n", "", None),
        ("what is this", "50000", "100000", None),
        ("0 0", "", "", None),
    ],
)
def test_a_containers_share_of_the_processors_is_cores_rounded_up(
    limit: str, quota: str, period: str, cores: int | None
) -> None:
    assert quota_cores(limit, quota, period) == cores


def test_a_container_takes_no_more_cores_than_its_share_and_no_more_than_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tuple(tmp_path / name for name in ("cpu.max", "quota", "period"))
    monkeypatch.setattr(assembly, "QUOTA", files)
    all_of_them = available_cores()
    files[0].write_text("90000 100000\n")
    assert available_cores() == 1
    files[0].write_text("900000000 100000\n")
    assert available_cores() == all_of_them


SENTENCE = ("Good", "morning", "to", "you.")


class ScriptedEars:
    """A sentence every second, by the number of samples alone."""

    pending = ()

    def __init__(self) -> None:
        self._samples = 0

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
        before = self._samples // SAMPLE_RATE
        self._samples += len(samples)
        return [word for second in range(before, self._samples // SAMPLE_RATE) for word in self._sentence(second)]

    def pause(self) -> list[Heard]:
        return []

    def skip(self, samples: int) -> list[Heard]:
        return []

    def flush(self) -> list[Heard]:
        return [Quiet(self._samples / SAMPLE_RATE)]

    def _sentence(self, second: int) -> list[Heard]:
        words = [Word(text, second + 0.2 * at, second + 0.2 * at + 0.2, 0.9) for at, text in enumerate(SENTENCE)]
        return [*words, Closed(second + 0.9)]


@pytest.mark.slow
async def test_a_session_goes_on_while_its_endpoint_fails_and_translates_again_after() -> None:
    chat = ChatServer(lambda messages: "Buenos días.")
    told: list[str] = []
    events: list[Event] = []
    now = 0.0

    def publish(event: Event) -> None:
        nonlocal now
        events.append(event)
        match sum(isinstance(each, Caption) and each.role == "target" for each in events):
            case 3:
                chat.mode = "500"
            case 9:
                chat.mode, now = "well", 60.0

    def remote() -> Remote:
        endpoint = Endpoint(Address(chat.url, "m"))
        return Remote(endpoint, "m", Identifier(), tell=told.append, clock=lambda: now)

    def ears() -> Hearing:
        return lambda languages, glossary=Glossary: ScriptedEars()

    with chat.listening(), Models(ModelNames("ears", "m"), ears=ears, engine=remote) as models:
        clock = VirtualClock()
        interpreter = await asyncio.to_thread(models.interpreter, ("en",), ("es",), budget=REPLAY, tell=told.append)
        start = SessionStart("s", ("en",), ("es",), {}, "virtual")
        session = Session(
            start, models.recognizer(("en",)), interpreter, clock=clock, workers=models.workers, publish=publish
        )
        silence = np.zeros(SAMPLE_RATE, np.float32)
        end = await session.run(paced([silence] * 12, clock))
    captions = [event for event in events if isinstance(event, Caption) and event.final]
    said = [caption for caption in captions if caption.role == "source"]
    translated = [caption.untranslated for caption in captions if caption.role == "target"]
    assert [caption.text for caption in said] == ["Good morning to you."] * 12
    assert translated == [False] * 3 + [True] * 6 + [False] * 3
    assert len(told) == 2
    counts = [end.stats[name] for name in ("untranslated", "endpoint_failures", "endpoint_outages")]
    assert counts == [6, 2, 1]
    assert "cache_tokens" not in end.stats


@pytest.mark.slow
def test_the_end_waits_for_who_still_waits_for_an_answer() -> None:
    chat = ChatServer(lambda messages: "Buenos días.")
    chat.mode = "stalls"

    def remote() -> Remote:
        return Remote(Endpoint(Address(chat.url, "m")), "m", Identifier(), tell=lambda told: None)

    def ears() -> Hearing:
        return lambda languages, glossary=Glossary: ScriptedEars()

    with chat.listening():
        with Models(ModelNames("ears", "m"), ears=ears, engine=remote) as models:
            interpreter = models.interpreter(("en",), ("es",), budget=Budget(0.5, 0.5), tell=lambda message: None)
            work = partial(interpreter.translate, "Hello.", "en", in_time=lambda: True, wrote=lambda *each: None)
            left = models.workers.llm.submit(lambda: list(work()))
            while not chat.asked:
                sleep(0.01)
        assert left.result(timeout=0) == [("es", Translated("Hello.", untranslated=True))]


def test_who_interrupts_it_waits_for_no_answer(identifier: Identifier) -> None:
    chat, left = ChatServer(lambda messages: "Buenos días."), list[Future[object]]()
    chat.mode = "stalls"

    def remote() -> Remote:
        return Remote(Endpoint(Address(chat.url, "m")), "m", identifier, tell=lambda told: None)

    def ears() -> Hearing:
        return lambda languages, glossary=Glossary: ScriptedEars()

    def interrupted() -> None:
        with Models(ModelNames("ears", "m"), ears=ears, engine=remote) as models:
            interpreter = models.interpreter(("en",), ("es",), budget=REPLAY, tell=lambda message: None)
            work = partial(interpreter.translate, "Hello.", "en", in_time=lambda: True, wrote=lambda *each: None)
            left.append(models.workers.llm.submit(lambda: list(work())))
            while not chat.asked:
                sleep(0.01)
            raise KeyboardInterrupt

    with chat.listening():
        began = monotonic()
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert monotonic() - began < 10
    assert isinstance(left[0].exception(timeout=0), asyncio.CancelledError)


@pytest.mark.weights
@pytest.mark.parametrize(
    ("peak", "said"), [(1.0, "not what your country"), (0.001, "what your country can do for you")]
)
def test_words_between_two_pauses_and_very_quiet_ones_are_heard(peak: float, said: str) -> None:
    store = open_store(os.environ)
    speech = np.concatenate(list(decode(store.path("jfk") / "jfk.wav")))
    ears = Ears(store.path("whisper-base"), threads=1).recognizer(["en"])
    heard = ears.push(speech * np.float32(peak / np.abs(speech).max())) + ears.flush()
    words = (item.text.strip(",.?!").lower() for item in heard if isinstance(item, Word))
    assert said in " ".join(words)


@pytest.mark.weights
@pytest.mark.parametrize(
    ("sound", "seed"),  # of music, "Thank you very much." with those two
    [*((sound, 1) for sound in sounds.SOUNDS), ("music", 0), ("music", 4)],
)
def test_a_recogniser_that_is_made_to_listen_to_no_speech_says_nothing(sound: str, seed: int) -> None:
    whisper = Whisper(open_store(os.environ).path("whisper-base"), threads=1)
    ears = Recognizer(whisper.transcribe, lambda frame: [1.0], languages=["en"])  # a gate that is always open
    heard = ears.push(sounds.SOUNDS[sound](6.0, np.random.default_rng(seed))) + ears.flush()
    text = joined((item.text for item in heard if isinstance(item, Word)), "en")  # a mark alone is of the word before
    said = {bare(word) for word in text.split()}
    assert said <= ({"beep"} if sound == "dial tone" else set())  # which is what it does
    assert ears.updates >= 5
