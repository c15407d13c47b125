"""`surtitle.pipeline.remote`: captions from a model behind a real server that may be down, slow or talk nonsense."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cache
from time import monotonic, sleep
from typing import Any

import pytest
from chat_server import LOADING, ChatServer, Mode

from surtitle.pipeline.address import Address
from surtitle.pipeline.endpoint import Endpoint
from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Translated
from surtitle.pipeline.identify import Identifier
from surtitle.pipeline.languages import find_language
from surtitle.pipeline.remote import LIVE, TEXT, Budget, Remote
from surtitle.pipeline.remotetranslator import RemoteTranslator
from surtitle.pipeline.store import open_store
from surtitle.pipeline.translator import Translator
from surtitle.sinks.lockstep import alone
from surtitle.sinks.stream import TokenStream

ENGLISH = find_language("en")
SPOKEN = {"One.": {"es": "Uno.", "de": "Eins."}, "Two.": {"es": "Dos.", "de": "Zwei."}}


def interpret(messages: list[dict[str, Any]]) -> str:
    """What a good model would say."""
    if len(messages) == 1:
        return "Hi."
    target = "es" if "to Spanish" in messages[0]["content"] else "de"
    return SPOKEN[messages[-1]["content"]][target]


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    server = ChatServer(interpret)
    with server.listening():
        pass  # a port is its own from here on
    yield server
    server.over.set()


@cache
def identifier() -> Identifier:
    return Identifier()


class Booth:
    """A translator by `chat`, what it told, and a clock that stands still until it is set."""

    def __init__(self, chat: ChatServer, *targets: str, budget: Budget = LIVE) -> None:
        self.told: list[str] = []
        self.now = 0.0
        self.remote = Remote(
            Endpoint(Address(chat.url, "m")),
            "m",
            identifier(),
            tell=self.told.append,
            soon=budget.patience,
            clock=lambda: self.now,
        )
        self.languages = [find_language(target) for target in targets or ("es",)]
        self.budget = budget
        self.translator = self.another_room()

    def another_room(self) -> RemoteTranslator:
        return RemoteTranslator(self.remote, ENGLISH, self.languages, window=1000, budget=self.budget)

    def say(self, text: str, in_time: Callable[[], bool] = lambda: True) -> dict[str, Translated]:
        return dict(self.translator.translate(text, in_time=in_time))

    def close(self) -> None:
        self.remote.close()


UNO, DOS = {"es": Translated("Uno.")}, {"es": Translated("Dos.")}
MARKED = {"es": Translated("One.", untranslated=True)}


def test_languages_are_asked_side_by_side_and_each_has_its_own_turns(chat: ChatServer) -> None:
    chat.meet = threading.Barrier(2)
    with chat.listening(), closing(Booth(chat, "es", "de")) as booth:
        assert booth.say("One.") == {"es": Translated("Uno."), "de": Translated("Eins.")}
        assert booth.say("Two.") == {"es": Translated("Dos."), "de": Translated("Zwei.")}
    said = {body["messages"][-2]["content"] for body in chat.asked[2:]}
    assert said == {"Uno.", "Eins."}
    assert chat.connections == 2


def test_a_language_that_stays_keeps_its_turns_and_what_is_gone_is_counted(chat: ChatServer) -> None:
    with chat.listening(), closing(Booth(chat, "es", "de")) as booth:
        booth.say("One.")
        before = booth.translator.figures()
        booth.translator.retarget(["de", "fr"])
        assert booth.say("Two.").keys() == {"de", "fr"}
        assert booth.translator.figures().keys() == before.keys()
    histories = {len(body["messages"]) for body in chat.asked[2:]}
    assert len(histories) == 2  # German has a turn more behind it than French


def test_pieces_are_counted_by_language_as_they_come(chat: ChatServer) -> None:
    counted: list[tuple[str, int]] = []
    with chat.listening(), closing(Booth(chat)) as booth:
        dict(booth.translator.translate("One.", wrote=lambda language, count: counted.append((language, count))))
    assert counted == [("es", 1)]


def test_marks_alone_are_the_same_in_every_language_and_nobody_is_asked(chat: ChatServer) -> None:
    with closing(Booth(chat, "es", "de")) as booth:
        assert booth.say("* * *") == {"es": Translated("* * *"), "de": Translated("* * *")}
    assert chat.asked == []


def test_nothing_is_drafted(chat: ChatServer) -> None:
    with closing(Booth(chat)) as booth:
        assert list(booth.translator.draft("One", lambda: False)) == []


def test_while_nobody_is_there_captions_are_marked_at_once_and_it_is_told_once(chat: ChatServer) -> None:
    with closing(Booth(chat)) as booth:
        began = monotonic()
        assert [booth.say("One.") for _ in range(20)] == [MARKED] * 20
        assert monotonic() - began < 5
        (told,) = booth.told
        assert "the translation server gives no translation: " in told
        assert "captions show the original, marked as untranslated" in told
        figures = booth.translator.figures()
        assert (figures["untranslated"], figures["endpoint_failures"], figures["endpoint_outages"]) == (20, 2, 1)


def test_translation_resumes_by_itself_with_the_context_of_before(chat: ChatServer) -> None:
    with closing(Booth(chat)) as booth:
        with chat.listening():
            assert booth.say("One.") == UNO
        assert not booth.told
        assert [booth.say("One."), booth.say("One.")] == [MARKED, MARKED]
        with chat.listening():
            assert booth.say("One.") == MARKED  # left alone for five seconds
            booth.now = 5.0
            assert booth.say("Two.") == DOS
        (_, asked) = (body for body in chat.asked if body["max_tokens"] > 1)  # not only to wake it
        assert [message["content"] for message in asked["messages"]][-3:] == ["One.", "Uno.", "Two."]
        _, again = booth.told
        assert again == "the translation server answers again, after 5 s"


@pytest.mark.parametrize(
    "mode", ["500", "404", "page", "json", "no json", "schema", "deep", "nothing", "breaks off", "endless"]
)
def test_after_nonsense_captions_are_marked_and_translation_resumes(chat: ChatServer, mode: Mode) -> None:
    with chat.listening(), closing(Booth(chat)) as booth:
        chat.mode = mode
        assert [booth.say("One.") for _ in range(3)] == [MARKED] * 3
        assert len(booth.told) == 1
        chat.mode = "well"
        booth.now = 6.0
        assert booth.say("Two.") == DOS
        assert len(booth.told) == 2


def test_a_server_whose_context_is_shorter_than_the_window_translates_on(chat: ChatServer) -> None:
    with chat.listening(), closing(Booth(chat)) as booth:
        booth.say("One.")
        chat.longest = sum(len(message["content"]) for message in chat.asked[-1]["messages"]) + 40
        assert [booth.say("Two.") for _ in range(20)] == [DOS] * 20
        assert booth.told == []
        assert len(chat.asked[-1]["messages"]) > 5
        chat.longest = 10
        assert [booth.say("One.") for _ in range(2)] == [MARKED] * 2
        assert "HTTP 400" in booth.told[0]


def test_a_slow_answer_is_waited_for_no_longer_than_is_bearable(
    chat: ChatServer,
) -> None:
    with chat.listening(), closing(Booth(chat, "es", "de", budget=Budget(0.3, 0.1))) as booth:
        chat.mode = "stalls"
        began = monotonic()
        assert all(found.untranslated for found in booth.say("One.").values())
        assert 0.3 <= monotonic() - began < 2
        began = monotonic()
        booth.say("One.", in_time=lambda: False)
        assert monotonic() - began < 2
        (told,) = booth.told
        assert "it took more than 0.1 s" in told
        booth.say("Two.")
        assert "Two." not in [asked["messages"][-1]["content"] for asked in chat.asked]  # it is left alone for now
        chat.mode, booth.now = "well", 5.0
        assert booth.say("Two.")["de"] == Translated("Zwei.")


def test_sessions_are_asked_for_side_by_side(chat: ChatServer) -> None:
    chat.meet = threading.Barrier(3)
    with chat.listening(), closing(Booth(chat)) as booth, ThreadPoolExecutor(3) as threads:
        rooms = [booth.another_room() for _ in range(3)]
        found = threads.map(lambda room: dict(room.translate("One.")), rooms)
        assert list(found) == [UNO] * 3


def test_one_session_finds_out_for_all_whether_the_server_answers_again(chat: ChatServer) -> None:
    with closing(Booth(chat, budget=Budget(0.3, 0.1))) as booth, ThreadPoolExecutor(3) as threads:
        assert [booth.say("One."), booth.say("One.")] == [MARKED, MARKED]
        with chat.listening():
            chat.mode, booth.now = "stalls", 5.0
            rooms = [booth.another_room() for _ in range(3)]
            assert list(threads.map(lambda room: dict(room.translate("One.")), rooms)) == [MARKED] * 3
            assert sum(room.figures()["endpoint_failures"] for room in rooms) == 1


@pytest.mark.slow
def test_a_server_that_loads_its_model_when_it_is_asked_is_given_the_time(chat: ChatServer) -> None:
    chat.mode = "loads"
    with chat.listening(), closing(Booth(chat, budget=Budget(LOADING / 4, LOADING / 4))) as booth:
        began, found = monotonic(), MARKED
        while found == MARKED and monotonic() < began + 10:
            found = booth.say("One.")
            sleep(0.01)
        assert found == UNO
        assert len(booth.told) == 2


def test_a_server_is_woken_before_anybody_speaks(chat: ChatServer) -> None:
    chat.mode = "loads"
    with chat.listening(), closing(Booth(chat)) as booth:
        booth.remote.wake()
        began = monotonic()
        while chat.mode == "loads" and monotonic() < began + 10:
            sleep(0.01)
        assert booth.say("One.") == UNO
    (word, _) = chat.asked
    assert word["max_tokens"] == 1


def test_a_server_is_woken_as_it_is_asked_for_translations_or_its_model_would_think(chat: ChatServer) -> None:
    remote = Remote(Endpoint(Address(chat.url, "qwen3:8b")), "qwen3:8b", identifier(), tell=lambda told: None)
    with chat.listening(), closing(remote):
        remote.wake()
        began = monotonic()
        while not chat.asked and monotonic() < began + 10:
            sleep(0.01)
    assert chat.asked[0]["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize("budget", [LIVE, TEXT])
def test_a_model_that_thinks_aloud_is_told_not_to_and_asked_again(chat: ChatServer, budget: Budget) -> None:
    chat.mode = "thinks"
    with chat.listening(), closing(Booth(chat, budget=budget)) as booth:
        assert [booth.say("One."), booth.say("Two.")] == [UNO, DOS]
        assert not booth.told
    assert [asked.get("reasoning_effort") for asked in chat.asked] == [None, "none", "none"]


@pytest.mark.parametrize("refuses", [False, True])
def test_a_model_that_thinks_aloud_whatever_it_is_told_is_reported_and_asked_no_more_than_that(
    chat: ChatServer, refuses: bool
) -> None:
    def think(messages: list[dict[str, Any]]) -> str:
        chat.longest = 1 if refuses else chat.longest
        return "<think>Hm"

    chat.reply, chat.finish = think, "length"
    match = "no translation: it thinks aloud, and says nothing within max_tokens"
    with (
        chat.listening(),
        closing(Booth(chat, budget=TEXT)) as booth,
        pytest.raises(UserError, match=match),
    ):
        booth.say("One.")
    assert [asked.get("reasoning_effort") for asked in chat.asked] == [None, "none"]


def test_a_server_that_is_still_loading_is_left_at_the_end(chat: ChatServer) -> None:
    chat.mode = "stalls"
    with chat.listening():
        began = monotonic()
        with closing(Booth(chat)) as booth:
            booth.remote.wake()
        assert monotonic() - began < 2


def test_one_language_that_fails_does_not_stop_the_other(chat: ChatServer) -> None:
    chat.reply = lambda messages: "" if "to Spanish" in messages[0]["content"] else "Eins."
    with chat.listening(), closing(Booth(chat, "es", "de")) as booth:
        for _ in range(4):
            assert booth.say("One.") == {**MARKED, "de": Translated("Eins.")}
        assert not booth.told


def test_where_an_answer_must_come_a_failure_ends_the_work_with_its_cause(chat: ChatServer) -> None:
    with chat.listening(), closing(Booth(chat, budget=TEXT)) as booth:
        assert booth.say("One.") == UNO
        chat.mode = "500"
        with pytest.raises(UserError, match="the translation server gives no translation: HTTP 500"):
            booth.say("Two.")


def test_where_an_answer_must_come_it_must_in_every_language(chat: ChatServer) -> None:
    def hang_up(messages: list[dict[str, Any]]) -> str:
        if "to Spanish" not in messages[0]["content"]:
            raise ConnectionError
        return interpret(messages)

    chat.reply = hang_up
    match = "the translation server gives no translation: "
    with (
        chat.listening(),
        closing(Booth(chat, "es", "de", budget=TEXT)) as booth,
        pytest.raises(UserError, match=match),
    ):
        booth.say("One.")


def test_where_an_answer_must_come_an_empty_one_is_marked_and_the_next_is_asked_for(chat: ChatServer) -> None:
    chat.reply = lambda messages: ""
    with chat.listening(), closing(Booth(chat, budget=TEXT)) as booth:
        for _ in range(3):
            assert booth.say("One.") == MARKED
        chat.reply = interpret
        assert booth.say("One.") == UNO
        assert not booth.told


def test_where_an_answer_must_come_what_is_refused_in_one_language_has_none(chat: ChatServer) -> None:
    with chat.listening(), closing(Booth(chat, "es", "de", budget=TEXT)) as booth:
        booth.say("One.")
        sizes = [sum(len(message["content"]) for message in asked["messages"]) for asked in chat.asked]
        chat.longest = min(sizes)  # without what was said before it is short enough in one of them
        with pytest.raises(UserError, match="the translation server gives no translation: HTTP 400"):
            booth.say("Two.")
    assert len({*sizes}) == 2


def test_a_translator_that_is_left_in_the_middle_leaves_nothing_behind(chat: ChatServer) -> None:
    chat.reply = lambda messages: interpret(messages)
    with chat.listening(), closing(Booth(chat, "es", "de")) as booth:
        half = booth.translator.translate("One.")
        next(half)
        half.close()
        assert booth.say("Two.")["de"] == Translated("Zwei.")


@pytest.mark.weights
def test_an_endpoint_with_the_same_model_begins_as_it_does_here_and_goes_on_in_its_context(chat: ChatServer) -> None:
    engine = Engine(open_store(os.environ).path("qwen2.5-coder-0.5b"), threads=1)
    here = Translator(engine, ENGLISH, [find_language("es")])

    def reply(messages: list[dict[str, Any]]) -> str:
        stream, written = TokenStream(engine.model, capacity=1024), list[int]()
        stop = frozenset({engine.tokenizer.eos})
        alone(engine.model, stream.reading(engine.tokenizer.encode(engine.tokenizer.render(messages))))
        alone(engine.model, stream.writing(written.append, stop=stop, limit=60))
        return engine.tokenizer.decode(written)

    chat.reply = reply
    with chat.listening(), closing(Booth(chat, budget=TEXT)) as booth:
        said = "The train arrives at nine."
        assert booth.say(said) == dict(here.translate(said))
        # from here on one reads all again and the other does not: the same but where two words are as likely
        found = booth.say("The children are playing in the garden.")["es"]
        assert "niños" in found.text
        assert not found.untranslated
