"""`surtitle.pipeline.address`: what people type, completed or refused."""

from __future__ import annotations

import pytest

from surtitle.pipeline.address import parse_address
from surtitle.pipeline.errors import UsageError


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1"),
        ("https://example.org/api/v3", "https://example.org/api/v3"),
        ("https://example.org/v1/chat/completions", "https://example.org/v1"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
    ],
)
def test_an_address_is_completed(url: str, base: str) -> None:
    assert parse_address(url, "m", "").url == base


@pytest.mark.parametrize(
    "url", ["", "8000", "localhost:8000", "ftp://a", "http://", "http://a:b", "http://a b", "http://u:p@a", "http://[a"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match=r"expected a server's address such as http://127\.0\.0\.1:8000/v1"):
        parse_address(url, "m", "")


def test_a_key_may_end_its_line_and_what_is_no_key_is_refused_and_not_shown() -> None:
    assert parse_address("http://a", "m", " sk-1\r\n").key == "sk-1"
    for key in ("sk 1", "sk-1\nsk-2", "\N{LEFT DOUBLE QUOTATION MARK}sk-1"):
        with pytest.raises(UsageError, match="SURTITLE_TRANSLATOR_KEY") as caught:
            parse_address("http://a", "m", key)
        assert "sk" not in str(caught.value)


def test_a_model_must_be_named() -> None:
    with pytest.raises(UsageError, match="needs --translator-model NAME: http://a/v1/models lists"):
        parse_address("http://a", None, "")
