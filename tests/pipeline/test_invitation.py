"""Where readers find a server: which addresses are of use to them, and a code that their cameras read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scanned import modules_of, read

from surtitle.pipeline.access import Access
from surtitle.pipeline.invitation import code_of, is_sure, lines_of, origins_of, outward, wildcard

FOUND = {
    "lo": ["127.0.0.1", "::1", "00:00:00:00:00:00"],
    "docker0": ["172.17.0.1"],
    "wlan0": ["192.168.178.23", "fe80::1%wlan0", "fd00::23", "02:fc:00:00:00:01"],
    "eth0": ["169.254.7.7", "10.0.0.4"],
    "eth1": ["10.0.1.4"],
}
UP = ["lo", "docker0", "wlan0", "eth0"]
HERE = ["192.168.178.23", "10.0.0.4"]


def test_addresses_that_others_can_use_come_with_the_likeliest_first() -> None:
    assert outward(FOUND, UP, 4, "192.168.178.23") == ["192.168.178.23", "10.0.0.4", "172.17.0.1"]
    assert outward(FOUND, UP, 4, "172.17.0.1") == ["172.17.0.1", "192.168.178.23", "10.0.0.4"]
    assert outward(FOUND, UP, 6, "192.0.2.1") == ["fd00::23"]


def test_a_code_leads_to_no_container_where_no_way_leads_out() -> None:
    """A notebook that is the hall's access point has no other way."""
    found = {"docker0": ["172.17.0.1"], "br-0a1b2c3d4e5f": ["172.18.0.1"], "br0": ["10.1.0.1"], "wlan0": ["10.42.0.1"]}
    assert outward(found, found, 4, None) == ["10.1.0.1", "10.42.0.1", "172.17.0.1", "172.18.0.1"]


def test_a_code_leads_to_no_tunnel_though_all_that_leaves_this_machine_may_go_that_way() -> None:
    """A notebook whose VPN is on: nobody in the hall reaches it there."""
    found = {"office": ["10.8.0.2"], "docker0": ["172.17.0.1"], "wlan0": ["192.168.178.23"]}
    assert outward(found, found, 4, "10.8.0.2", ["office"]) == ["192.168.178.23", "10.8.0.2", "172.17.0.1"]
    assert outward(found, ["office"], 4, "10.8.0.2", ["office"]) == ["10.8.0.2"]


@pytest.mark.parametrize(("host", "version"), [("0.0.0.0", 4), ("::", 6), ("192.0.2.1", None), ("stage.local", None)])
def test_every_address_of_this_machine_is_told_from_one(host: str, version: int | None) -> None:
    assert wildcard(host) == version


@pytest.mark.parametrize(
    ("access", "origins"),
    [
        (Access("127.0.0.1", 8765), []),
        (Access("localhost", 8765, ("http://localhost:3000", "null")), []),
        (Access("0.0.0.0", 8765), ["http://192.168.178.23:8765", "http://10.0.0.4:8765"]),
        (Access("0.0.0.0", 443, secure=True), ["https://192.168.178.23:443", "https://10.0.0.4:443"]),
        (Access("10.0.0.4", 8765), ["http://10.0.0.4:8765"]),
        (Access("fd00::23", 8765), ["http://[fd00::23]:8765"]),
        (Access("127.0.0.1", 8765, ("http://localhost:3000", "obs://studio", "https://a.example")), ["https://a.example"]),
    ],
)  # fmt: skip
def test_readers_find_what_is_open_to_them_and_first_what_it_is_called(access: Access, origins: list[str]) -> None:
    assert origins_of(access, HERE) == origins


SITE, NAME = "https://church.example", "https://captions.example.org"


@pytest.mark.parametrize(
    ("access", "origins", "sure"),
    [
        (Access("127.0.0.1", 8765, (SITE, NAME)), [SITE, NAME], False),
        (Access("10.0.0.4", 8765, (SITE,)), [SITE, "http://10.0.0.4:8765"], False),
        (Access("0.0.0.0", 443, (SITE + ":8443", NAME), secure=True), [NAME], True),
        (Access("10.0.0.4", 8765, (SITE, "http://hall:8765")), ["http://hall:8765"], True),
        (Access("127.0.0.1", 8765, (NAME,)), [NAME], True),
        (Access("0.0.0.0", 8765), ["http://192.168.178.23:8765", "http://10.0.0.4:8765"], True),
        (Access("127.0.0.1", 8765), [], False),
    ],
)
def test_a_site_that_shows_captions_is_not_taken_for_the_server(access: Access, origins: list[str], sure: bool) -> None:
    assert (origins_of(access, HERE), is_sure(origins, access)) == (origins, sure)


def test_readers_who_need_a_token_are_said_to_need_a_link() -> None:
    origins = ["http://a:1", "http://b:1"]
    assert lines_of(origins, "/read", asks_readers=False) == ["readers open http://a:1/read", "or http://b:1/read"]
    assert (
        "`surtitle tokens FILE add NAME --right read --url http://a:1`" in lines_of(origins, "/", asks_readers=True)[-1]
    )
    assert lines_of([], "/read", asks_readers=True) == []


addresses = st.from_regex(
    r"https?://([a-z0-9]{1,9}\.){1,4}[a-z]{2,6}(:[1-9]{2})?/read(\?session=[a-z]+)?", fullmatch=True
)


@settings(max_examples=20)
@given(addresses)
def test_a_code_holds_its_address_and_has_a_light_border(address: str) -> None:
    code = code_of(address)
    assert {len(line) for line in code} == {len(code[0])}
    assert read(modules_of(code)) == address


def test_the_code_of_an_address_in_a_house_is_small() -> None:
    code = code_of("http://192.168.178.23:8765/read")
    assert (len(code[0]), len(code)) == (29, 15)
