"""`surtitle.pipeline.posting`: every caption once, in order, and nothing but what is documented."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import caption

from surtitle.pipeline.errors import UsageError
from surtitle.pipeline.posting import (
    FIRST_RETRY,
    FRESH,
    LAST_RETRY,
    QUEUE,
    Outbox,
    ServiceRequest,
    YouTube,
    Zoom,
    parse_service,
)

SECRET = "nYtXJqRKCW"
ZOOM = Zoom(f"https://wmcc.zoom.us/closedcaption?id=2006&ns=GZHkEA==&expire=86400&signature={SECRET}", "de")
YOUTUBE = YouTube(f"http://upload.youtube.com/closedcaption?cid={SECRET}", "de")
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def pushed(box: Outbox, *texts: str, now: float = 0.0) -> Outbox:
    for text in texts:
        box.push(caption(text, 0.0, 1.0, language="de"), NOON, now)
    return box


def numbered(service: Zoom | YouTube) -> Outbox:
    """An outbox that knows where its service's count stands."""
    box = pushed(Outbox(service), "eins")
    if service is ZOOM:
        assert request(box).method == "GET"
        box.answered(200, b"0", 0.0)
    return box


def request(box: Outbox, now: float = 0.0) -> ServiceRequest:
    made = box.next(now)
    assert isinstance(made, ServiceRequest), made
    return made


def seq(made: ServiceRequest) -> int:
    return int(parse_qs(urlsplit(made.url).query)["seq"][0])


def test_zoom_is_posted_the_text_with_a_number_and_a_language() -> None:
    made = request(numbered(ZOOM))
    assert made.method == "POST"
    assert made.url == ZOOM.url + "&seq=1&lang=de-DE"
    assert made.body == "eins"


@pytest.mark.parametrize(("code", "named"), [("en", "en-US"), ("ja", "jp-JP"), ("zh", "zh-CN"), ("fr", "fr-FR")])
def test_zoom_wants_a_country_with_the_language(code: str, named: str) -> None:
    assert Zoom(ZOOM.url, code).post(7, "x", NOON).url.endswith(f"&seq=7&lang={named}")


def test_zoom_is_asked_first_which_number_it_took_last() -> None:
    box = pushed(Outbox(ZOOM), "eins")
    asked = request(box)
    assert (asked.method, asked.body) == ("GET", "")
    assert asked.url == ZOOM.url.replace("/closedcaption?", "/closedcaption/seq?")
    box.answered(200, b"41\n", 0.0)
    assert seq(request(box)) == 42


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_a_service_that_does_not_tell_its_number_is_posted_to_from_one(status: int) -> None:
    box = pushed(Outbox(ZOOM), "eins")
    request(box)
    box.answered(status, b"", 0.0)
    assert seq(request(box)) == 1


def test_youtube_is_posted_when_it_was_said_in_utc() -> None:
    box = Outbox(YOUTUBE)
    said = caption("<br>eins & zwei", 3.0, 4.25, language="de")  # sent 4.25 s after the audio began
    box.push(said, NOON, 0.0)
    made = request(box)
    assert made.url == YOUTUBE.url + "&seq=1"
    assert made.body == "2026-11-25T11:59:58.750 region:reg1#cue1\n‹br›eins & zwei\n"


def test_a_caption_is_one_line_whatever_was_said() -> None:
    box = pushed(Outbox(YOUTUBE), "eins\n2026-11-25T00:00:00.000\nzwei\x1b[0m")
    assert request(box).body.split("\n")[1:] == ["eins 2026-11-25T00:00:00.000 zwei[0m", ""]


def test_drafts_other_languages_and_silence_are_not_posted() -> None:
    box = pushed(Outbox(YOUTUBE), "", "\x00 ")
    box.push(caption("Ho", 0.0, 1.0, language="de", final=False), NOON, 0.0)
    box.push(caption("Hola", 0.0, 1.0, language="es"), NOON, 0.0)
    assert box.next(0.0) is None


def test_the_number_grows_with_each_caption_that_was_taken() -> None:
    box = pushed(numbered(ZOOM), "zwei")
    assert seq(request(box)) == 1
    assert box.answered(200, b"", 0.0) is None
    assert (seq(made := request(box)), made.body) == (2, "zwei")


@pytest.mark.parametrize("status", [400, 403, 405, 408, 429, 500, 502, 503, 504])
def test_a_refused_caption_is_posted_again_with_the_same_number(status: int) -> None:
    box = numbered(YOUTUBE)
    first = request(box)
    told = box.answered(status, b"", 10.0)
    assert told == f"YouTube (de) is not taking captions (it answered {status}); trying again"
    assert box.next(10.0) == FIRST_RETRY
    assert request(box, 10.0 + FIRST_RETRY) == first
    assert box.answered(200, b"", 11.0) == "YouTube (de) is taking captions again; 0 were dropped"


def test_it_waits_longer_each_time_but_not_too_long_and_complains_once() -> None:
    box, waits, news, now = numbered(YOUTUBE), list[float](), list[str | None](), 0.0
    for _ in range(7):
        request(box, now)
        news.append(box.failed("no connection", now))
        wait = box.next(now)
        assert isinstance(wait, float)
        waits.append(wait)
        now += wait
    assert waits == [0.5, 1.0, 2.0, 4.0, LAST_RETRY, LAST_RETRY, LAST_RETRY]
    assert [bool(each) for each in news] == [True] + [False] * 6


def test_a_caption_whose_answer_was_lost_is_not_posted_to_zoom_twice() -> None:
    box = pushed(numbered(ZOOM), "zwei")
    request(box)
    box.failed("no answer in time", 0.0)
    assert request(box, 1.0).method == "GET"
    box.answered(200, b"1", 1.0)  # it had arrived
    assert (seq(made := request(box, 1.0)), made.body) == (2, "zwei")


def test_zoom_is_asked_again_after_a_refusal_for_another_may_have_posted() -> None:
    box = numbered(ZOOM)
    request(box)
    box.answered(403, b"", 0.0)
    assert request(box, 1.0).method == "GET"
    box.answered(200, b"7", 1.0)
    assert seq(request(box, 1.0)) == 8
    assert box.answered(200, b"", 1.0) == "Zoom (de) is taking captions again; 0 were dropped"


def test_a_caption_that_did_not_arrive_is_posted_to_zoom_again() -> None:
    box = numbered(ZOOM)
    first = request(box)
    box.failed("no connection", 0.0)
    assert request(box, 1.0).method == "GET"
    box.answered(200, b"0", 1.0)
    assert request(box, 1.0) == first


def test_while_a_service_fails_the_oldest_are_left_out_and_counted() -> None:
    box = numbered(YOUTUBE)
    request(box)
    box.answered(403, b"", 0.0)
    pushed(box, *map(str, range(QUEUE + 2)))
    assert (made := request(box, 1.0)).body.splitlines()[1] == "2"
    assert seq(made) == 1  # the number of none that was taken
    assert box.answered(200, b"", 1.0) == "YouTube (de) is taking captions again; 3 were dropped"
    assert box.posted == 1


def test_what_may_have_arrived_stays_in_front_when_the_queue_is_full() -> None:
    box = numbered(YOUTUBE)
    first = request(box)
    pushed(box, *map(str, range(QUEUE + 2)))
    box.answered(503, b"", 0.0)
    assert request(box, 1.0) == first


def test_a_caption_is_left_out_when_it_is_old() -> None:
    box = numbered(YOUTUBE)
    request(box)
    box.failed("no connection", 0.0)
    pushed(box, "neu", now=FRESH)
    made = request(box, FRESH + 1.0)
    assert made.body.splitlines()[1] == "neu"
    assert seq(made) == 2  # the first may have arrived
    assert box.left_out == 1


@given(st.lists(st.sampled_from(["push", "ok", "refused", "took but failed", "lost"]), max_size=60))
def test_zoom_sees_every_number_once_and_captions_in_order(steps: list[str]) -> None:
    """Against a service that insists on its numbers, whatever goes wrong in between."""
    box, taken, now, count = Outbox(ZOOM), list[str](), 0.0, 0
    for step in [*steps, *["ok"] * 150]:
        now += LAST_RETRY if step != "push" else 0.0
        if step == "push":
            count += 1
            box.push(caption(str(count), 0.0, 1.0, language="de"), NOON, now)
        elif isinstance(made := box.next(now), ServiceRequest):
            in_turn = made.method == "GET" or seq(made) == len(taken) + 1
            if made.method == "POST" and in_turn and step in ("ok", "took but failed"):
                taken.append(made.body)
            if step in ("took but failed", "lost"):
                box.failed("no answer in time", now)
            elif step == "refused" or not in_turn:
                box.answered(403, b"", now)
            else:
                box.answered(200, str(len(taken)).encode(), now)
    assert taken == sorted(set(taken), key=int)
    assert len(box) == 0
    assert len(taken) >= box.posted  # it is never told of one that grew too old meanwhile
    assert count == box.posted + box.left_out


@pytest.mark.parametrize(
    "given",
    ["", "de", "de=", "https://zoom.us/x", f"de=https://a:b/{SECRET}", f"de=ftp://zoom.us/{SECRET}", f"de=/{SECRET}"],
)
def test_what_is_no_address_is_refused_without_showing_it(given: str) -> None:
    with pytest.raises(UsageError, match="got no caption address for Zoom, expected LANG=URL") as refused:
        parse_service(Zoom, given)
    assert SECRET not in str(refused.value)


def test_an_address_may_hold_any_sign() -> None:
    assert parse_service(Zoom, f"DE={ZOOM.url}") == ZOOM


def test_the_secret_is_in_no_repr() -> None:
    for each in (ZOOM, YOUTUBE, ZOOM.ask(), ZOOM.post(1, "x", NOON), Outbox(ZOOM).service, str(ZOOM)):
        assert SECRET not in repr(each)
