"""`surtitle.pipeline.outgoing`: proxies that the environment names, and that can't be used."""

from __future__ import annotations

import pytest

from surtitle.pipeline.address import Address
from surtitle.pipeline.endpoint import Endpoint
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.posting import Zoom
from surtitle.pipeline.postman import Postman

TOLD = r"a proxy that the environment names can't be used \(Unknown scheme.*\): expected one that begins with http://"


@pytest.fixture(autouse=True)
def proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a desktop sets it for all its terminals."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:7890/")


async def test_who_posts_captions_is_told_of_a_proxy_that_can_not_be_used() -> None:
    with pytest.raises(UserError, match=TOLD):
        async with Postman([Zoom("https://zoom.example/caption", "de")], print):
            pass


async def test_a_translator_elsewhere_is_reached_by_way_of_it_and_one_on_this_machine_is_not() -> None:
    with pytest.raises(UserError, match=TOLD):
        Endpoint(Address("http://192.0.2.1:8000/v1", "m"))
    await Endpoint(Address("http://127.0.0.1:8000/v1", "m")).close()
