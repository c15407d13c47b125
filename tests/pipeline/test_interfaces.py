"""By which addresses other machines know this one."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from surtitle.pipeline import interfaces


@pytest.mark.parametrize("version", [4, 6])
def test_what_is_found_here_may_be_of_use_to_others(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interfaces, "CONTAINERS", ())
    found = [ipaddress.ip_address(text) for text in interfaces.own_addresses(version)]
    assert all(each.version == version and not each.is_loopback for each in found)


def test_a_container_has_none_that_others_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interfaces, "CONTAINERS", (tmp_path,))
    assert interfaces.own_addresses(4) == []
