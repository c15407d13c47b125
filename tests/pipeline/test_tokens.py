"""Tokens: who is let in for what, and files that people and programs both write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.messages import CloseCode, Refused
from surtitle.pipeline.tokens import Right, Token, Tokens, added, digest, parse, removed

READER = Token("obs", "read", digest("reader's"))
SPEAKER = Token("stage", "publish", digest("speaker's"), "hall")
TOKENS = Tokens((READER, SPEAKER))


def refusal(tokens: Tokens, secret: str | None, right: Right, session: str = "main") -> CloseCode:
    with pytest.raises(Refused) as caught:
        tokens.admit(secret, right, session)
    assert not caught.value.retry
    assert not secret or secret not in str(caught.value)
    return caught.value.close_code


def test_without_a_file_everybody_may_do_everything() -> None:
    admission = Tokens().admit(None, "publish", "hall")
    assert Tokens().renew(admission) == admission


def test_a_token_lets_in_for_its_right_and_says_whose_it_is() -> None:
    assert TOKENS.admit("reader's", "read", "main").name == "obs"
    assert TOKENS.admit("speaker's", "publish", "hall").name == "stage"


def test_who_may_publish_may_read() -> None:
    assert TOKENS.admit("speaker's", "read", "hall").right == "read"


@pytest.mark.parametrize("secret", [None, "", "wrong", "reader'", digest("reader's"), "\ud800"])
def test_no_token_and_a_wrong_one_are_unauthorized(secret: str | None) -> None:
    assert refusal(TOKENS, secret, "read") is CloseCode.UNAUTHORIZED


def test_nobody_is_let_in_by_an_empty_file() -> None:
    assert refusal(parse(""), "reader's", "read") is CloseCode.UNAUTHORIZED


def test_a_reader_may_not_publish_and_a_speaker_not_elsewhere() -> None:
    assert refusal(TOKENS, "reader's", "publish") is CloseCode.FORBIDDEN
    assert refusal(TOKENS, "speaker's", "publish", "main") is CloseCode.FORBIDDEN
    assert refusal(TOKENS, "speaker's", "read", "main") is CloseCode.FORBIDDEN


PUBLIC = Tokens((READER, SPEAKER), public_read=True)


@pytest.mark.parametrize("secret", [None, "", "wrong", "reader's", "speaker's"])
@pytest.mark.parametrize("tokens", [PUBLIC, Tokens(public_read=True)])
def test_where_reading_is_public_everybody_may_read_and_goes_on_reading(tokens: Tokens, secret: str | None) -> None:
    admission = tokens.admit(secret, "read", "main")
    assert tokens.renew(admission) == admission
    assert Tokens((), public_read=True).renew(admission).right == "read"  # revoked
    assert not tokens.asks_readers


def test_where_reading_is_public_a_token_that_is_known_is_named() -> None:
    assert PUBLIC.admit("reader's", "read", "main").name == "obs"
    assert PUBLIC.admit("wrong", "read", "main").name == ""


def test_where_reading_is_public_a_token_is_needed_to_publish_and_nobody_may_without_a_file() -> None:
    assert PUBLIC.admit("speaker's", "publish", "hall").name == "stage"
    assert refusal(PUBLIC, None, "publish") is CloseCode.UNAUTHORIZED
    assert refusal(PUBLIC, "reader's", "publish") is CloseCode.FORBIDDEN
    for secret in (None, "speaker's"):
        assert refusal(Tokens(public_read=True), secret, "publish", "hall") is CloseCode.UNAUTHORIZED
    with pytest.raises(Refused, match="nobody publish: the server has no --tokens"):
        Tokens(public_read=True).admit(None, "publish", "hall")


def test_what_is_private_needs_a_token_wherever_captions_do_not() -> None:
    assert refusal(PUBLIC.private, None, "read") is CloseCode.UNAUTHORIZED
    assert refusal(Tokens(public_read=True).private, None, "read") is CloseCode.UNAUTHORIZED
    assert PUBLIC.private.admit("reader's", "read", "main").name == "obs"
    assert Tokens().private.admit(None, "read", "main").name == ""


def test_who_was_let_in_stays_until_the_token_is_revoked_or_loses_the_right() -> None:
    admission = TOKENS.admit("speaker's", "publish", "hall")
    assert TOKENS.renew(admission) == admission
    renamed = Tokens((Token("main stage", "publish", SPEAKER.sha256),))
    assert renamed.renew(admission).name == "main stage"
    for tokens, code in (
        (Tokens((READER,)), CloseCode.UNAUTHORIZED),
        (Tokens((Token("stage", "read", SPEAKER.sha256),)), CloseCode.FORBIDDEN),
        (Tokens((Token("stage", "publish", SPEAKER.sha256, "other"),)), CloseCode.FORBIDDEN),
    ):
        with pytest.raises(Refused) as caught:
            tokens.renew(admission)
        assert caught.value.close_code is code


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[token", "array declaration"),
        ('[[token]]\nname = "obs"', r"right.*token\[0\]"),
        ('[[token]]\nname = "obs"\nright = "write"\nsha256 = "' + "0" * 64 + '"', r"right"),
        ('[[token]]\nname = "obs"\nright = "read"\nsha256 = "abc"', r"sha256"),
        ('[[token]]\nname = "obs"\nright = "read"\ntoken = "secret"\nsha256 = "' + "0" * 64 + '"', "unknown field"),
        ("[[tokens]]", "unknown field `tokens`"),
        ("token = 7", "array"),
        ("token = " + "[" * 5000, "recursion"),
        ("token = " + "7" * 5000, "digits"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        parse(text)
    assert "expected" in str(caught.value)


def test_a_name_is_given_once() -> None:
    text = added("", READER)
    with pytest.raises(UserError, match="two tokens are called 'obs'"):
        added(text, Token("obs", "publish", digest("another")))


def test_what_people_wrote_beside_a_token_stays() -> None:
    text = added(added("# who may come\n", READER), SPEAKER)
    shorter = removed(text, "obs")
    assert shorter.startswith("# who may come\n")
    assert parse(shorter) == Tokens((SPEAKER,))


def test_who_is_not_there_can_not_be_removed() -> None:
    with pytest.raises(UserError, match="no token is called 'door', expected one of obs"):
        removed(added("", READER), "door")


def test_a_token_is_not_said_to_be_gone_that_is_still_in_force() -> None:
    inline = f"token = [{{ name = 'obs', right = 'read', sha256 = '{READER.sha256}' }}]\n"
    with pytest.raises(UserError, match="token 'obs' is still in force"):
        removed(inline, "obs")


names = st.text("abcXYZ019._-", min_size=1, max_size=8)
guests = st.lists(
    st.builds(
        Token,
        names,
        st.sampled_from(["read", "publish"]),
        st.text(max_size=5).map(digest),
        st.none() | st.sampled_from(["main", "hall-2"]),
    ),
    unique_by=lambda token: token.name,
    max_size=6,
)


@given(guests, st.data())
def test_what_was_added_and_not_removed_is_there(guests: list[Token], data: st.DataObject) -> None:
    text = ""
    for guest in guests:
        text = added(text, guest)
    assert parse(text) == Tokens(tuple(guests))
    gone = data.draw(st.sets(st.sampled_from(guests))) if guests else set[Token]()
    for guest in gone:
        text = removed(text, guest.name)
    assert parse(text) == Tokens(tuple(guest for guest in guests if guest not in gone))
