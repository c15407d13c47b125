"""Messages as server-sent events, and where a client wants to resume."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.eventsource import event, last_seen
from surtitle.pipeline.messages import Since


def test_a_message_is_one_event_with_the_place_to_resume_at() -> None:
    assert event(b'{"type":"caption"}', "9f2c", 17) == b'id: 9f2c.17\ndata: {"type":"caption"}\n\n'
    assert event(b'{"type":"welcome"}', "9f2c", None) == b'data: {"type":"welcome"}\n\n'


@given(st.text("0123456789abcdef.-", min_size=1), st.integers(0, 2**49))
def test_what_a_client_was_told_is_where_it_resumes(epoch: str, seq: int) -> None:
    (line, *_) = event(b"{}", epoch, seq).decode().splitlines()
    assert last_seen(line.removeprefix("id: ")) == Since(epoch, seq)


@pytest.mark.parametrize("told", [None, "", "17", ".17", "9f2c.", "9f2c.-1", "9f2c.1e3", "9f2c.²", "9f2c." + "9" * 400])
def test_what_is_no_id_of_ours_is_forgotten(told: str | None) -> None:
    assert last_seen(told) is None
