"""What a pasted address asks for."""

from __future__ import annotations

import pytest

from surtitle.clients.link import Link, link_of


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("http://127.0.0.1:8765", Link()),
        ("captions.example:8765", Link()),
        ("http://h/read?session=hall&lang=es,de#token=a%20b", Link("hall", ("es", "de"), "a b")),
        ("https://h/overlay?lang=es&size=3", Link(langs=("es",))),
        ("https://h/overlay?lang=pt-BR,es%20de+es&lang=fr&lang=", Link(langs=("pt-BR", "es", "de", "fr"))),
        ("https://h/read?lang=ES,PT-BR&lang=De", Link(langs=("es", "pt-BR", "de"))),
        ("https://h/read#token=abc%20", Link(token="abc")),
        ("h:8765/read?session=hall#token=abc", Link(session="hall", token="abc")),
        ("http://h/?session=#token=", Link()),
        ("http://h/?token=abc", Link()),
        ("http://[::1/read?session=hall", Link()),
    ],
)
def test_a_link_asks_for_what_a_page_would_show(address: str, asked: Link) -> None:
    assert link_of(address) == asked
