"""Each sentence of the conformance suite is true of the real hub, and false where the hub is made to break it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

import pytest
from conform_checks import CHECKS
from conform_record import Evening, Heard, Message
from taken import taken

from surtitle.pipeline.events import Caption, SessionEnd, SessionStart
from surtitle.pipeline.hub import Hub, Viewer
from surtitle.pipeline.messages import Since


def caption(cue: int, lang: str, rev: int, *, final: bool) -> Caption:
    text = f"{lang} {cue} and so on" if final else f"{lang} {cue}"
    role = "source" if lang == "en" else "target"
    return Caption(cue, rev, lang, role, text, cue, cue + 1, final, 0 if not final else len(text), cue + 1, cue + 2)


def listen(viewer: Viewer, heard: Heard) -> None:
    for message in taken(viewer, 1000):
        heard.hear(message.decode())


def true_evening() -> Evening:
    """What an honest server makes heard: the hub itself, with nothing between."""
    hub = Hub("e")
    evening = Evening("en", "es", publisher=Heard(), second=Heard())
    joined: list[tuple[Viewer, Heard]] = []

    def join(heard: Heard, *langs: str, since: Since | None = None) -> Viewer:
        heard.langs = langs
        heard.since = since.seq if since is not None else None
        viewer = hub.join(langs, since)
        joined.append((viewer, heard))
        return viewer

    def say(cue: int) -> None:
        for rev, final in enumerate((False, True)):
            for lang in ("en", "es"):
                hub.publish(caption(cue, lang, rev, final=final))
            for viewer, heard in joined:
                listen(viewer, heard)

    join(evening.everything)
    join(evening.one, "es")
    join(evening.region, "es-ZZ")
    cut, changer = join(evening.cut, "es"), join(evening.changer, "en")
    hub.publish(SessionStart("night-1", ("en",), ("es",), {}, "real"))
    for cue in range(2):
        say(cue)
    joined.remove((cut, evening.cut))
    joined.remove((changer, evening.changer))
    join(evening.late)
    join(evening.changer, "es")
    evening.changer.langs = ("en",)
    for cue in range(2, 4):
        say(cue)
    join(evening.back, "es", since=Since("e", evening.cut.newest))
    say(4)
    hub.publish(SessionEnd(5, 6, {}))
    for viewer, heard in joined:
        listen(viewer, heard)
    listen(Hub("other").join(), evening.elsewhere)
    evening.elsewhere.hear('{"type":"beat","seq":0}')
    evening.publisher.hear('{"type":"ready","session":"main"}')  # type: ignore[union-attr]
    evening.publisher.close_code = 1000  # type: ignore[union-attr]
    evening.second.hear('{"type":"error","code":"busy","message":"…","retry":true}')  # type: ignore[union-attr]
    evening.second.close_code = 4409  # type: ignore[union-attr]
    return evening


EVENING = true_evening()


def failures(evening: Evening) -> dict[str, str]:
    seen = {check.sentence: check.judge(evening) for check in CHECKS}
    return {sentence: complaint for sentence, complaint in seen.items() if complaint is not None}


def test_every_sentence_is_true_of_the_hub() -> None:
    assert failures(EVENING) == {}


def find(heard: Heard, kind: str, nth: int = 0) -> Message:
    return heard.of(kind)[nth]


def repeat_a_final(evening: Evening) -> None:
    final = evening.one.finals("es")[1]
    evening.one.messages.insert(evening.one.messages.index(final), final)


def repeat_a_final_with_a_new_number(evening: Evening) -> None:
    for heard in evening.viewers.values():
        for message in heard.messages:
            if message["type"] == "caption" and message["cue"] == 4:
                message["cue"] = 3


def lose_a_final(evening: Evening) -> None:
    evening.one.messages.remove(evening.one.finals("es")[2])


def change_a_final(evening: Evening) -> None:
    final = evening.one.finals("es")[2]
    final["text"] = final["text"].swapcase()


def swap_two_finals(evening: Evening) -> None:
    one, other = (evening.one.messages.index(final) for final in evening.one.finals("es")[1:3])
    messages = evening.one.messages
    messages[one], messages[other] = messages[other], messages[one]


def send_a_draft_after_its_final(evening: Evening) -> None:
    final = evening.everything.finals("es")[-1]
    draft = final | {"final": False, "rev": final["rev"] + 1, "seq": final["seq"] + 1}
    at = evening.everything.messages.index(final) + 1
    evening.everything.messages[at:at] = [draft]
    find(evening.everything, "end")["seq"] += 1


def change_what_was_stable(evening: Evening) -> None:
    for heard in evening.viewers.values():
        for draft in heard.of("caption"):
            if not draft["final"]:
                draft.update(text="xx other words", stable=3)


def promise_less_than_a_final(evening: Evening) -> None:
    for heard in evening.viewers.values():
        for final in heard.finals("es"):
            final["stable"] -= 1


def send_a_language_nobody_asked_for(evening: Evening) -> None:
    find(evening.one, "caption")["lang"] = "de"


def send_nothing_for_a_region(evening: Evening) -> None:
    evening.region.messages = [each for each in evening.region.messages if each["type"] != "caption"]


def forget_to_clean(evening: Evening) -> None:
    for heard in evening.viewers.values():
        for shown in heard.shown:
            shown["text"] = shown["text"].replace("and", "\u202ed")
            shown["stable"] = len(shown["text"]) if shown["final"] else 0


def show_nothing_to_the_late(evening: Evening) -> None:
    find(evening.late, "snapshot")["captions"].clear()


def forget_the_session_in_the_welcome(evening: Evening) -> None:
    evening.late.welcome.pop("session")


def forget_who_comes_back(evening: Evening) -> None:
    evening.back.welcome["recovered"] = False
    evening.back.messages.insert(1, find(evening.one, "snapshot"))


def miss_what_was_said_meanwhile(evening: Evening) -> None:
    evening.back.messages = [message for message in evening.back.messages if message.get("cue") not in (2, 3)]


def ignore_a_subscription(evening: Evening) -> None:
    evening.changer.messages = evening.changer.messages[
        : evening.changer.messages.index(find(evening.changer, "welcome", 1))
    ]


def let_another_session_listen(evening: Evening) -> None:
    evening.elsewhere.messages.append(evening.everything.finals("es")[0])


def stay_silent(evening: Evening) -> None:
    evening.elsewhere.messages.pop()


def forget_the_end(evening: Evening) -> None:
    evening.everything.messages.pop()


def turn_back_time(evening: Evening) -> None:
    for heard in evening.viewers.values():
        for shown in heard.shown:
            shown["start_ms"] = shown["end_ms"] + 1


def hear_without_ready(evening: Evening) -> None:
    evening.publisher = Heard(close_code=1000)


def send_the_second_publisher_away_for_good(evening: Evening) -> None:
    assert evening.second is not None
    evening.second.error["retry"] = False


def drop_the_publisher(evening: Evening) -> None:
    assert evening.publisher is not None
    evening.publisher.close_code = 1006


def write_a_number_as_text(evening: Evening) -> None:
    evening.one.hear(json.dumps(find(evening.one, "caption") | {"rev": "0"}))


def forget_a_type(evening: Evening) -> None:
    evening.one.hear('{"seq":7}')


LIES: dict[Callable[[Evening], None], set[str]] = {
    write_a_number_as_text: {"every message is valid by the schema"},
    forget_a_type: {"every message is valid by the schema"},
    send_nothing_for_a_region: {"who asks for a language of a region gets the language without it"},
    repeat_a_final: {
        "numbers grow on every connection",
        "no final comes twice",
        "all viewers get the same finals in the same order",
        "a higher rev replaces a lower one, and nothing follows a final",
    },
    repeat_a_final_with_a_new_number: {
        "no final comes twice",
        "a higher rev replaces a lower one, and nothing follows a final",
        "what was stable stays, and finals are stable to their end",
        "a session begins with session, ends with end, and has all its cues",
    },
    lose_a_final: {"all viewers get the same finals in the same order"},
    change_a_final: {"all viewers get the same finals in the same order"},
    swap_two_finals: {
        "numbers grow on every connection",
        "all viewers get the same finals in the same order",
        "a higher rev replaces a lower one, and nothing follows a final",
        "what was stable stays, and finals are stable to their end",
    },
    send_a_draft_after_its_final: {"a higher rev replaces a lower one, and nothing follows a final"},
    change_what_was_stable: {"what was stable stays, and finals are stable to their end"},
    promise_less_than_a_final: {"what was stable stays, and finals are stable to their end"},
    send_a_language_nobody_asked_for: {"captions come in the languages that were asked for"},
    forget_to_clean: {"text is one line without control characters and bidi overrides"},
    show_nothing_to_the_late: {"a viewer that comes late is shown the last finals of each language"},
    forget_the_session_in_the_welcome: {"a viewer that comes late is told which session is running"},
    forget_who_comes_back: {"a viewer that was cut off is recovered and has missed nothing"},
    miss_what_was_said_meanwhile: {
        "all viewers get the same finals in the same order",
        "a viewer that was cut off is recovered and has missed nothing",
    },
    ignore_a_subscription: {"a viewer that subscribes to another language is welcomed anew and gets it"},
    let_another_session_listen: {"a viewer of another session sees nothing of this one"},
    stay_silent: {"a viewer that hears nothing else hears a beat"},
    forget_the_end: {"a session begins with session, ends with end, and has all its cues"},
    turn_back_time: {"words begin before they end"},
    hear_without_ready: {"a publisher is told when its audio is heard"},
    send_the_second_publisher_away_for_good: {"a second publisher is told that the session is busy"},
    drop_the_publisher: {"after stop the connection is closed with 1000"},
}


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_lie_is_found_by_the_sentences_that_it_breaks(lie: Callable[[Evening], None]) -> None:
    evening = copy.deepcopy(EVENING)
    lie(evening)
    assert set(failures(evening)) == LIES[lie], failures(evening)


def test_every_sentence_but_the_first_greeting_is_broken_by_a_lie() -> None:
    broken = set[str]().union(*LIES.values())
    assert {check.sentence for check in CHECKS} - broken == {
        "a viewer is welcomed, and shown a snapshot unless it resumes"
    }
