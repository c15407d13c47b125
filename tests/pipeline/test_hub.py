"""The hub: finals once and in order, drafts only the newest, nobody waits for anybody."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hand_clock import HandClock
from hypothesis import given
from hypothesis import strategies as st
from taken import taken

from surtitle.pipeline.events import Caption, Gap, SessionEnd, SessionStart, SessionState, Status, Targets, Word
from surtitle.pipeline.hub import Hub, Viewer
from surtitle.pipeline.messages import CloseCode, Refused, Since

SESSION = SessionStart("night-1", ("en",), ("es", "de"), {}, "real")


def caption(cue: int, language: str = "es", *, rev: int = 0, final: bool = True) -> Caption:
    role = "source" if language == "en" else "target"
    text = f"{language} {cue}.{rev}"
    return Caption(cue, rev, language, role, text, cue, cue + 1, final, 0, cue + 1, cue + 1)


def status(state: SessionState = "ok", elapsed: float = 1.0) -> Status:
    return Status(state, 2.0, elapsed, elapsed)


def take(viewer: Viewer, limit: int = 10_000) -> list[dict[str, Any]]:
    return [json.loads(message) for message in taken(viewer, limit)]


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [message["text"] for message in messages if message["type"] == "caption"]


def joined(hub: Hub, *langs: str, since: Since | None = None) -> Viewer:
    """A viewer that has its greeting behind it."""
    viewer = hub.join(langs, since)
    taken(viewer)
    return viewer


def test_a_viewer_gets_what_is_published_after_it_joined() -> None:
    hub = Hub("e")
    viewer = joined(hub)
    assert hub.publish(caption(0)) == 1
    assert texts(take(viewer)) == ["es 0.0"]
    assert take(viewer) == []


def test_each_message_is_encoded_once_for_all_viewers() -> None:
    hub = Hub("e")
    one, other = joined(hub), joined(hub)
    hub.publish(caption(0))
    assert taken(one)[0] is taken(other)[0]


def test_a_slow_viewer_loses_drafts_but_no_final() -> None:
    hub = Hub("e")
    viewer = joined(hub)
    for cue in range(3):
        for rev in range(5):
            hub.publish(caption(cue, rev=rev, final=rev == 4))
    hub.publish(caption(3, rev=0, final=False))
    hub.publish(caption(3, rev=1, final=False))
    assert texts(take(viewer)) == ["es 0.4", "es 1.4", "es 2.4", "es 3.1"]


def test_drafts_of_two_languages_do_not_supersede_each_other() -> None:
    hub = Hub("e")
    viewer = joined(hub)
    hub.publish(caption(0, "es", final=False))
    hub.publish(caption(0, "de", final=False))
    assert texts(take(viewer)) == ["es 0.0", "de 0.0"]


def test_a_viewer_sees_only_the_languages_it_named_and_what_concerns_all() -> None:
    hub = Hub("e")
    viewer = joined(hub, "de", "en")
    for event in (SESSION, caption(0, "en"), caption(0, "es"), caption(0, "de"), Gap(1, 2, "overload")):
        hub.publish(event)
    assert [message["type"] for message in take(viewer)] == ["session", "caption", "caption", "gap"]


def test_who_asks_for_a_region_gets_the_language_where_it_comes_without() -> None:
    hub = Hub("e")
    viewer = joined(hub, "es-MX", "zh-Hant-TW")
    other = joined(hub, "pt")
    for language in ("es", "es-MX", "es-419", "zh", "zh-Hant", "pt-BR"):
        hub.publish(caption(0, language))
    assert texts(take(viewer)) == ["es 0.0", "es-MX 0.0", "zh 0.0", "zh-Hant 0.0"]
    assert take(other) == []
    assert take(hub.join(["zh-CN", "es-AR"]))[0]["langs"] == ["es-AR", "zh-CN"]
    viewer.subscribe(["zh-CN"])
    assert texts(take(viewer)[1]["captions"]) == ["zh 0.0"]
    assert len(hub.finals("zh-CN")) == 1


def test_a_viewer_that_names_a_target_is_not_shown_the_source() -> None:
    hub = Hub("e")
    viewer = joined(hub, "es")
    hub.publish(caption(0, "en"))
    hub.publish(caption(0, "es"))
    assert texts(take(viewer)) == ["es 0.0"]


def test_a_late_viewer_is_greeted_with_the_last_finals_and_the_open_drafts() -> None:
    hub = Hub("e", history=2)
    hub.publish(SESSION)
    for cue in range(4):
        hub.publish(caption(cue, "en"))
        hub.publish(caption(cue, "es"))
    hub.publish(caption(4, "es", final=False))
    welcome, snapshot = take(hub.join(["es"]))
    assert welcome["session"]["session"] == "night-1"
    assert (welcome["epoch"], welcome["seq"], welcome["recovered"]) == ("e", 10, False)
    assert texts(snapshot["captions"]) == ["es 2.0", "es 3.0", "es 4.0"]


def test_who_comes_late_can_tell_how_old_captions_are_also_when_the_session_is_over() -> None:
    clock = HandClock()
    hub = Hub("e", now=clock.now)
    clock.begin(ago=500)
    hub.publish(SESSION)
    assert "now_ms" not in take(hub.join())[0]
    hub.publish(caption(6))  # 7 s after its audio began
    clock.advance(600)
    assert take(hub.join())[0]["now_ms"] == 607_000
    hub.publish(SessionEnd(600, 607.5, {}))
    clock.advance(30)
    assert [take(hub.join(since=since))[0]["now_ms"] for since in (None, Since("e", 3))] == [637_500, 637_500]
    hub.publish(SESSION)
    assert "now_ms" not in take(hub.join())[0]


def test_a_new_session_is_not_greeted_with_the_old_ones_captions() -> None:
    hub = Hub("e")
    hub.publish(SESSION)
    hub.publish(caption(0))
    hub.publish(caption(1, final=False))
    hub.publish(SessionEnd(1, 1, {}))
    assert "session" not in take(hub.join())[0]
    hub.publish(SESSION)
    assert take(hub.join())[1]["captions"] == []


def test_drafts_of_a_session_that_is_over_are_not_sent_after_the_next_began() -> None:
    hub = Hub("e")
    viewer = joined(hub)
    hub.publish(caption(0, rev=0, final=False))
    hub.publish(SESSION)
    hub.publish(caption(0, rev=0))
    assert [message["type"] for message in take(viewer)] == ["session", "caption"]


def test_drafts_of_a_session_that_is_over_are_not_shown_to_late_viewers() -> None:
    hub = Hub("e")
    for event in (SESSION, caption(0), caption(1, final=False), SessionEnd(1, 1, {})):
        hub.publish(event)
    assert texts(take(hub.join())[1]["captions"]) == ["es 0.0"]


def test_a_viewer_that_comes_back_in_time_misses_nothing() -> None:
    hub = Hub("e")
    for cue in range(5):
        hub.publish(caption(cue))
    welcome, *rest = take(hub.join(since=Since("e", 2)))
    assert welcome["recovered"] is True
    assert texts(rest) == ["es 2.0", "es 3.0", "es 4.0"]


@pytest.mark.parametrize("since", [Since("another", 2), Since("e", 99), Since("e", 1)])
def test_a_viewer_that_cannot_resume_is_told_so_and_gets_a_snapshot(since: Since) -> None:
    hub = Hub("e", ring=3)
    for cue in range(5):
        hub.publish(caption(cue))
    welcome, snapshot = take(hub.join(since=since))
    assert welcome["recovered"] is False
    assert welcome["ring_first"] == 3
    assert snapshot["type"] == "snapshot"


def test_a_viewer_whose_captions_are_gone_is_told_to_reconnect() -> None:
    hub = Hub("e", ring=3)
    viewer = joined(hub)
    for cue in range(4):
        hub.publish(caption(cue))
    with pytest.raises(Refused, match="reconnect") as caught:
        taken(viewer)
    assert caught.value.close_code is CloseCode.SLOW
    assert caught.value.retry


def test_another_languages_flood_does_not_make_a_viewer_slow() -> None:
    hub = Hub("e", ring=3)
    viewer = joined(hub, "es")
    for cue in range(10):
        hub.publish(caption(cue, "de"))
    hub.publish(caption(0, "es"))
    assert texts(take(viewer)) == ["es 0.0"]


def test_what_a_viewer_has_painted_is_told_once_by_cue_and_language() -> None:
    hub, told = Hub("e"), list[tuple[int, str]]()
    hub.on_painted = lambda cue, language: told.append((cue, language))
    one, other = joined(hub), joined(hub)
    for event in (SESSION, caption(4), caption(5, final=False), caption(5, "de")):
        hub.publish(event)
    take(one)
    take(other)
    for viewer in (one, other):
        for seq in (1, 2, 3, 4):  # a session and a draft are no finals
            viewer.painted(seq)
    assert told == [(4, "es"), (5, "de")] * 2


def test_what_was_not_sent_was_not_painted() -> None:
    hub, told = Hub("e"), list[int]()
    hub.on_painted = lambda cue, language: told.append(cue)
    viewer = joined(hub)
    hub.publish(SESSION)
    hub.publish(caption(4))
    take(viewer)
    hub.publish(caption(5))
    with pytest.raises(Refused, match="saw seq 3 painted, expected one of the captions that were sent, up to 2"):
        viewer.painted(3)
    assert told == []


def test_what_was_painted_before_is_no_news_and_no_mistake() -> None:
    hub, told = Hub("e"), list[int]()
    hub.on_painted = lambda cue, language: told.append(cue)
    viewer = joined(hub)
    for cue in (4, 5):
        hub.publish(caption(cue))
    take(viewer)
    assert [viewer.painted(seq) for seq in (0, 2, 2, 1)] == [False, True, False, False]
    assert told == [5]


def test_a_caption_of_the_session_before_is_not_taken_for_that_of_its_cue_now() -> None:
    hub, told = Hub("e"), list[int]()
    viewer = joined(hub)
    for event in (SESSION, caption(0), SessionEnd(1.0, 1.0, {}), SESSION, caption(0)):
        hub.publish(event)
    hub.on_painted = lambda cue, language: told.append(cue)
    take(viewer)
    viewer.painted(2)
    assert told == []
    viewer.painted(5)
    assert told == [0]


def test_a_caption_that_has_left_the_ring_is_painted_without_telling() -> None:
    hub, told = Hub("e", ring=2), list[int]()
    hub.on_painted = lambda cue, language: told.append(cue)
    viewer = joined(hub)
    for cue in range(4):
        hub.publish(caption(cue))
        take(viewer)
    for seq in (1, 2, 3, 4):
        viewer.painted(seq)
    assert told == [2, 3]


def test_of_the_sessions_status_only_the_newest_is_kept() -> None:
    hub = Hub("e")
    viewer = joined(hub, "es")
    for event in (SESSION, status("ok"), caption(0), status("behind"), status("device")):
        hub.publish(event)
    assert [message.get("state", message["type"]) for message in take(viewer)] == ["session", "caption", "device"]


def test_a_late_viewer_is_told_the_status_after_the_snapshot_and_not_when_the_session_is_over() -> None:
    hub = Hub("e")
    for event in (SESSION, status("behind"), caption(0)):
        hub.publish(event)
    assert [message["type"] for message in take(hub.join())] == ["welcome", "snapshot", "status"]
    hub.publish(SessionEnd(1, 1, {}))
    assert [message["type"] for message in take(hub.join())] == ["welcome", "snapshot"]


def test_a_late_viewer_is_told_which_translations_there_are_now() -> None:
    hub = Hub("e")
    hub.publish(SESSION)
    viewer = joined(hub)
    hub.publish(Targets(("fr", "es")))
    assert [message["targets"] for message in take(viewer)] == [["fr", "es"]]
    welcome = take(hub.join())[0]
    assert (welcome["session"]["targets"], welcome["session"]["seq"]) == (["fr", "es"], 1)
    assert [message["type"] for message in take(hub.join(since=Since("e", 1)))] == ["welcome", "targets"]


def test_drafts_in_a_language_that_is_translated_no_more_are_not_shown_to_late_viewers() -> None:
    hub = Hub("e")
    hub.publish(SESSION)
    for language in ("en", "es", "de"):
        hub.publish(caption(0, language, final=False))
    hub.publish(caption(1, "es"))
    hub.publish(Targets(("de", "fr")))
    assert [each["lang"] for each in take(hub.join())[1]["captions"]] == ["en", "de"]


def test_what_is_said_in_a_language_that_is_translated_no_more_is_not_shown_as_its_translation() -> None:
    hub = Hub("e")
    hub.publish(SessionStart("night-1", ("en", "es"), ("es", "de"), {}, "real"))
    hub.publish(caption(0, "en", final=False))
    hub.publish(caption(0, "es", final=False))
    hub.publish(Targets(("de",)))
    assert [each["lang"] for each in take(hub.join())[1]["captions"]] == ["en"]


def test_translations_into_a_dropped_language_are_not_shown_later_though_it_may_be_spoken() -> None:
    hub = Hub("e")
    hub.publish(SessionStart("night-1", ("en", "es"), ("es", "de"), {}, "real"))
    said = replace(caption(1, "es"), words=(Word("es", 1.0, 2.0, 0.9),))
    for event in (caption(0, "en"), caption(0, "es"), caption(0, "de"), said, caption(1, "de"), Targets(("de",))):
        hub.publish(event)
    assert texts(take(hub.join())[1]["captions"]) == ["en 0.0", "de 0.0", "es 1.0", "de 1.0"]


def test_a_status_that_left_the_ring_is_no_loss() -> None:
    hub = Hub("e", ring=2)
    hub.publish(status())
    viewer = joined(hub)
    for cue in range(2):
        hub.publish(caption(cue))
    assert texts(take(viewer)) == ["es 0.0", "es 1.0"]
    hub.publish(status())
    assert [message["type"] for message in take(viewer)] == ["status"]


def test_a_viewer_that_changes_its_languages_is_welcomed_anew_and_goes_on_from_there() -> None:
    hub = Hub("e")
    viewer = joined(hub, "es")
    for event in (caption(0, "es"), caption(0, "de"), caption(1, "es")):
        hub.publish(event)
    viewer.subscribe(["de"])
    hub.publish(caption(1, "de"))
    hub.publish(caption(2, "es"))
    welcome, snapshot, *rest = take(viewer)
    assert (welcome["recovered"], welcome["seq"], welcome["langs"]) == (False, 3, ["de"])
    assert texts(snapshot["captions"]) == ["de 0.0"]
    assert texts(rest) == ["de 1.0"]


def test_a_viewer_that_changes_its_languages_again_and_again_is_greeted_once() -> None:
    hub = Hub("e")
    viewer = hub.join(["es"])
    for _ in range(100):
        viewer.subscribe(["de"])
    assert [message["type"] for message in take(viewer)] == ["welcome", "snapshot"]


def test_superseded_drafts_take_no_room_in_the_ring() -> None:
    hub = Hub("e", ring=3)
    viewer = joined(hub)
    hub.publish(caption(0))
    for rev in range(1000):
        hub.publish(caption(1, rev=rev, final=False))
    assert texts(take(viewer)) == ["es 0.0", "es 1.999"]


def test_only_viewers_that_want_a_caption_are_woken_for_it() -> None:
    hub = Hub("e")
    woken: list[str] = []
    hub.join(["es"], wake=lambda: woken.append("es"))
    hub.join(["de"], wake=lambda: woken.append("de"))
    everything = hub.join(wake=lambda: woken.append("all"))
    everything.leave()
    hub.publish(caption(0, "es"))
    assert woken == ["es"]
    assert hub.viewers == 2


steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from(["en", "es", "de"]), st.booleans(), st.integers(0, 2)),
        st.tuples(st.just("take"), st.integers(0, 3), st.integers(1, 4)),
        st.tuples(st.just("cut"), st.integers(0, 3)),
    ),
    max_size=80,
)
CHOICES: list[list[str]] = [[], ["es"], ["de", "en"], ["es", "de"]]


@given(steps)
def test_every_viewer_gets_each_final_of_its_languages_once_and_in_order(steps: list[Any]) -> None:
    hub = Hub("e")
    viewers = [joined(hub, *langs) for langs in CHOICES]
    received: list[list[dict[str, Any]]] = [[] for _ in CHOICES]
    published: list[dict[str, Any]] = []
    cues = {"en": 0, "es": 0, "de": 0}
    for step in steps:
        match step:
            case ("publish", language, final, ahead):
                event = caption(cues[language] + (0 if final else ahead), language, final=final)
                published.append({"seq": hub.publish(event), "lang": language, "final": final})
                cues[language] += final
            case ("take", index, limit):
                received[index] += take(viewers[index], limit)
            case ("cut", index):
                seen = max((message["seq"] for message in received[index]), default=0)
                viewers[index].leave()
                viewers[index] = hub.join(CHOICES[index], Since("e", seen))
                assert take(viewers[index], 1)[0]["recovered"] is True
    for viewer, langs, messages in zip(viewers, CHOICES, received, strict=True):
        messages += take(viewer)
        sequence = [message["seq"] for message in messages]
        assert sequence == sorted(set(sequence))
        expected = [p["seq"] for p in published if p["final"] and (not langs or p["lang"] in langs)]
        assert [message["seq"] for message in messages if message["final"]] == expected
        assert {message["lang"] for message in messages} <= set(langs or cues)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60), st.integers(1, 8))
def test_the_last_thing_every_viewer_hears_of_a_cue_is_the_newest_revision(
    revisions: list[tuple[int, bool]], limit: int
) -> None:
    hub = Hub("e")
    viewer = joined(hub)
    newest: dict[int, str] = {}
    shown: dict[int, str] = {}
    closed: set[int] = set()
    for rev, (cue, final) in enumerate(revisions):
        if cue in closed:
            continue
        hub.publish(caption(cue, rev=rev, final=final))
        newest[cue] = f"es {cue}.{rev}"
        closed |= {cue} if final else set()
        if rev % 3 == 0:
            shown |= {message["cue"]: message["text"] for message in take(viewer, limit)}
    shown |= {message["cue"]: message["text"] for message in take(viewer)}
    assert shown == newest


@given(st.integers(1, 5), st.integers(0, 20))
def test_a_viewer_is_never_given_a_hole_in_silence(ring: int, count: int) -> None:
    hub = Hub("e", ring=ring)
    viewer = joined(hub)
    for cue in range(count):
        hub.publish(caption(cue))
    if count <= ring:
        assert len(take(viewer)) == count
    else:
        with pytest.raises(Refused):
            taken(viewer)
