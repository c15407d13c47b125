"""Host and Origin rules: our own pages and programs of this machine, nobody else."""

from __future__ import annotations

import pytest

from surtitle.pipeline.access import Access, is_loopback, netloc, origin

LOCAL = Access("127.0.0.1", 8765)
OPEN = Access("0.0.0.0", 8765)
NAMED = Access("127.0.0.1", 8765, ("https://captions.example.org",))


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765", "LOCALHOST", "127.0.0.1:9000"])
def test_the_names_of_this_machine_are_served(host: str) -> None:
    assert LOCAL.refuse_request([host]) is None


@pytest.mark.parametrize("hosts", [[], ["evil.example"], ["192.168.1.5:8765"], ["localhost", "localhost"], ["["]])
def test_a_name_that_was_made_to_point_here_is_refused(hosts: list[str]) -> None:
    assert "expected 127.0.0.1:8765" in str(LOCAL.refuse_request(hosts))


def test_bound_to_every_address_any_address_is_ours_but_no_name() -> None:
    assert OPEN.refuse_request(["192.168.1.5:8765"]) is None
    assert OPEN.refuse_request(["evil.example:8765"]) is not None


def test_a_refused_name_is_told_which_flag_makes_it_the_one_that_readers_are_told() -> None:
    flag = str(OPEN.refuse_request(["hall.local:8765"])).rpartition(" ")[2].replace("HOST", "hall.local")
    told = Access("0.0.0.0", 8765, (origin(flag),))
    assert told.refuse_request(["hall.local:8765"]) is None
    assert told.is_at(flag)


def test_the_host_of_an_allowed_origin_is_served() -> None:
    assert NAMED.refuse_request(["captions.example.org"]) is None


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8765", "http://localhost:8765", "http://[::1]:8765"])
def test_our_own_pages_may_connect(origin: str) -> None:
    assert LOCAL.refuse_upgrade(["127.0.0.1:8765"], [origin]) is None


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "http://127.0.0.1:3000",
        "http://127.0.0.1:8765.evil.example",
        "https://127.0.0.1:8765",
        "",
    ],
)
def test_another_page_may_not_connect(origin: str) -> None:
    assert "expected that of this server's own pages" in str(LOCAL.refuse_upgrade(["127.0.0.1:8765"], [origin]))


def test_null_is_refused_even_beside_allowed_origins() -> None:
    assert NAMED.refuse_upgrade(["127.0.0.1:8765"], ["null"]) is not None
    assert NAMED.refuse_upgrade(["127.0.0.1:8765"], ["https://captions.example.org"]) is None


def test_a_page_reached_through_another_port_may_connect_to_where_it_came_from() -> None:
    assert OPEN.refuse_upgrade(["192.168.1.5:9000"], ["http://192.168.1.5:9000"]) is None
    assert OPEN.refuse_upgrade(["192.168.1.5:9000"], ["http://192.168.1.6:9000"]) is not None


def test_programs_may_connect_without_an_origin_on_loopback_only() -> None:
    assert LOCAL.refuse_upgrade(["127.0.0.1:8765"], []) is None
    assert "saw no Origin" in str(OPEN.refuse_upgrade(["192.168.1.5:8765"], []))


def test_programs_that_show_a_token_need_no_origin_and_pages_from_elsewhere_gain_nothing_by_it() -> None:
    assert OPEN.refuse_upgrade(["192.168.1.5:8765"], [], token=True) is None
    assert OPEN.refuse_upgrade(["192.168.1.5:8765"], ["https://elsewhere.example"], token=True) is not None
    assert OPEN.refuse_upgrade(["rebound.example"], [], token=True) is not None


def test_two_origins_are_refused() -> None:
    assert LOCAL.refuse_upgrade(["127.0.0.1:8765"], ["http://127.0.0.1:8765"] * 2) is not None


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("stage.lan", False)],
)
def test_loopback_is_recognised(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_ipv6_stands_in_brackets() -> None:
    assert netloc("::1", 80) == "[::1]:80"
    assert netloc("localhost", 80) == "localhost:80"


SECURE = Access("127.0.0.1", 8765, ("https://captions.example.org",), secure=True)


def test_over_tls_our_pages_are_those_that_came_over_tls() -> None:
    assert SECURE.refuse_upgrade(["127.0.0.1:8765"], ["https://127.0.0.1:8765"]) is None
    assert SECURE.refuse_upgrade(["127.0.0.1:8765"], ["http://127.0.0.1:8765"]) is not None


@pytest.mark.parametrize("access", [LOCAL, OPEN, SECURE])
def test_a_plain_request_needs_no_origin_but_none_that_is_foreign(access: Access) -> None:
    assert access.refuse_fetch(["127.0.0.1:8765"], []) is None
    assert access.refuse_fetch(["127.0.0.1:8765"], [f"{access.scheme}://127.0.0.1:8765"]) is None
    for origins in (["null"], ["https://evil.example"], ["", ""]):
        assert access.refuse_fetch(["127.0.0.1:8765"], origins) is not None
    assert access.refuse_fetch(["evil.example"], []) is not None


def test_answers_are_shared_with_allowed_pages_alone() -> None:
    assert NAMED.shares_with(["https://captions.example.org"]) == "https://captions.example.org"
    for origins in ([], ["null"], ["http://127.0.0.1:8765"], ["https://captions.example.org.evil.example"]):
        assert NAMED.shares_with(origins) is None


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("https://captions.example.org", "https://captions.example.org"),
        ("https://Captions.Example.org/", "https://captions.example.org"),
        ("https://captions.example.org:443", "https://captions.example.org"),
        ("http://captions.example.org:8080/", "http://captions.example.org:8080"),
        ("http://[::1]:80", "http://[::1]"),
        ("file://", "file://"),
        ("tauri://localhost", "tauri://localhost"),
        ("https://Bücher.example", "https://xn--bcher-kva.example"),  # in a header, it must be ASCII
    ],
)
def test_an_origin_is_taken_as_browsers_send_it(typed: str, sent: str) -> None:
    assert origin(typed) == sent


NAMELESS = ["https://*.x", "https://x;img-src", "https://a..b", "null"]


@pytest.mark.parametrize(
    "typed",
    ["captions.example.org", "https://x/overlay", "https://[x", "https://x:99999", "https://me@x", "*", "", *NAMELESS],
)
def test_what_no_browser_sends_is_no_origin(typed: str) -> None:
    with pytest.raises(ValueError):
        origin(typed)
