"""Forms with a file, cut anywhere."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.http import Body, Head, HttpError, Request
from surtitle.pipeline.uploads import FIELDS, FIELDS_BYTES, Parts, received

BOUNDARY = b"x-y"
SOUND = b"\r\n--x-\r\n\x00\xff--x-z\r\n" * 3


def part(name: str, value: bytes, more: str = "") -> bytes:
    return b'--x-y\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (name.encode(), more.encode(), value)


FORM = (
    part("model", b"m")
    + part("timestamp_granularities[]", b"word")
    + part("file", SOUND, '; filename="t\u00e4lk.wav"\r\nContent-Type: audio/wav')
    + part("timestamp_granularities[]", b"segment")
    + b"--x-y--\r\n"
)


def read(pieces: list[bytes]) -> tuple[dict[str, list[str]], bytes, str]:
    file = io.BytesIO()
    parts = Parts(BOUNDARY, file)
    for piece in pieces:
        parts.push(piece)
    return dict(parts.fields), file.getvalue(), parts.end()


WHOLE = ({"model": ["m"], "timestamp_granularities": ["word", "segment"]}, SOUND, "tälk.wav")


def test_fields_are_kept_and_the_file_passed_on() -> None:
    assert read([FORM]) == WHOLE


def test_a_file_in_a_field_that_may_come_several_times_is_the_file() -> None:
    form = part("file[]", SOUND, '; filename="talk.wav"') + b"--x-y--\r\n"
    assert read([form]) == ({}, SOUND, "talk.wav")


def test_a_file_that_the_disk_has_no_room_for_is_refused_in_a_line() -> None:
    with (
        open("/dev/full", "wb", buffering=0) as full,
        pytest.raises(HttpError, match=r"No space left on device.* expected room") as caught,
    ):
        Parts(BOUNDARY, full).push(FORM)
    assert caught.value.status == 507


async def test_a_file_for_which_there_is_no_folder_is_refused_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing() -> bytes:
        return b""

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    head = Head.of("POST", "/v1/audio/transcriptions", (("content-type", "multipart/form-data; boundary=x-y"),))
    with pytest.raises(HttpError, match=r"No such file or directory.* expected room in its folder") as caught:
        async with received(Request(head, Body(nothing, None), "127.0.0.1"), 1000):
            pass
    assert caught.value.status == 507


@given(st.lists(st.integers(0, len(FORM)), max_size=12).map(sorted))
def test_however_a_form_is_cut_it_is_the_same(cuts: list[int]) -> None:
    assert read([FORM[a:b] for a, b in zip([0, *cuts], [*cuts, len(FORM)], strict=True)]) == WHOLE


@given(st.integers(0, len(FORM) - 3))
def test_a_form_that_is_cut_short_is_refused(end: int) -> None:
    with pytest.raises(HttpError) as caught:
        read([FORM[:end]])
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("form", "status", "message"),
    [
        (part("model", b"m") + b"--x-y--\r\n", 400, "without a file"),
        (part("file", b"") * 2 + b"--x-y--\r\n", 400, "twice"),
        (part("file", b"") + part("file[]", b"") + b"--x-y--\r\n", 400, "twice"),
        (b"--x-y\r\nContent-Type: text/plain\r\n\r\nx\r\n--x-y--\r\n", 400, "no name"),
        (part("prompt", b"x" * (FIELDS_BYTES + 1)), 413, "bytes"),
        (part("a", b"") * (FIELDS + 1), 413, "fields"),
        (b"no form", 400, "can't be read"),
    ],
)
def test_what_is_wrong_with_a_form_is_said_to_its_sender_alone(
    form: bytes, status: int, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(HttpError, match=message) as caught:
        read([form])
    assert caught.value.status == status
    assert not caplog.records
