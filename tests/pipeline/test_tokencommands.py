"""`surtitle tokens`: a file that programs change and people read."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from surtitle.pipeline.cli import main
from surtitle.pipeline.tokens import parse


def tokens(path: Path, *arguments: str) -> int:
    return main(["tokens", str(path), *arguments])


def secret_in(shown: str) -> str:
    found = re.search(r"shown this once: (\S+)", shown)
    assert found is not None
    return found[1]


def test_a_new_token_is_shown_once_with_links_and_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tokens.toml"
    assert tokens(path, "add", "stage", "--right", "publish", "--session", "hall") == 0
    shown = capsys.readouterr().out
    secret = secret_in(shown)
    for page in ("read", "overlay", "speak"):
        assert f" http://127.0.0.1:8765/{page}?session=hall#token={secret}\n" in shown
    text = path.read_text()
    assert secret not in text
    assert parse(text).admit(secret, "publish", "hall").name == "stage"
    assert tokens(path) == 0
    listed = capsys.readouterr().out
    assert listed.splitlines()[1].split() == ["stage", "publish", "hall"]
    assert secret not in listed


def test_a_reader_is_given_no_link_to_speak(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tokens(tmp_path / "tokens.toml", "add", "obs", "--right", "read") == 0
    assert "/speak" not in capsys.readouterr().out


def test_links_lead_to_where_people_find_the_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = ("--url", "https://captions.example.org/")
    assert tokens(tmp_path / "tokens.toml", "add", "obs", "--right", "read", *url) == 0
    shown = capsys.readouterr().out
    assert f" https://captions.example.org/read#token={secret_in(shown)}\n" in shown


@pytest.mark.parametrize("url", ["captions.example.org", "https://captions.example.org/here", "null", "file://"])
def test_a_link_leads_to_a_server(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tokens(tmp_path / "tokens.toml", "add", "obs", "--right", "read", "--url", url)
    assert "--url: saw" in capsys.readouterr().err
    assert not (tmp_path / "tokens.toml").exists()


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    assert tokens(tmp_path / "tokens.toml", "add", "obs", "--right", "read") == 0
    assert stat.S_IMODE((tmp_path / "tokens.toml").stat().st_mode) == 0o600


def test_a_file_that_is_changed_keeps_its_mode_and_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, owners = tmp_path / "tokens.toml", list[tuple[int, int]]()
    path.write_text("# ours\n")
    path.chmod(0o640)
    monkeypatch.setattr(os, "chown", lambda name, *owner: owners.append(owner))
    for arguments in (["add", "obs", "--right", "read"], ["revoke", "obs"]):
        assert tokens(path, *arguments) == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert owners == [(path.stat().st_uid, path.stat().st_gid)] * 2
    assert path.read_text().strip() == "# ours"
    assert [each.name for each in tmp_path.iterdir()] == ["tokens.toml"]


def test_another_group_does_not_read_what_the_one_before_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError("not root")

    path = tmp_path / "tokens.toml"
    path.write_text("# ours\n")
    path.chmod(0o640)
    monkeypatch.setattr(os, "chown", refuse)
    assert tokens(path, "add", "obs", "--right", "read") == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_owner_that_can_not_be_kept_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError("not root")

    monkeypatch.setattr(os, "chown", refuse)
    for name in ("obs", "wall"):  # the first makes the file
        assert "owner" not in capsys.readouterr().out
        assert tokens(tmp_path / "tokens.toml", "add", name, "--right", "read") == 0
    assert "another owner or group now" in capsys.readouterr().out


def test_a_revoked_token_lets_nobody_in(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    tokens(path, "add", "obs", "--right", "read")
    tokens(path, "add", "wall", "--right", "read")
    assert tokens(path, "revoke", "obs") == 0
    assert [token.name for token in parse(path.read_text()).tokens or ()] == ["wall"]


def test_a_token_is_revoked_where_a_link_leads_to(tmp_path: Path) -> None:
    path, link = tmp_path / "tokens.toml", tmp_path / "link.toml"
    assert tokens(path, "add", "obs", "--right", "read") == 0
    link.symlink_to(path)
    assert tokens(link, "revoke", "obs") == 0
    assert link.is_symlink()
    assert parse(path.read_text()).tokens == ()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "obs", "--right", "read"], "two tokens are called 'obs'"),
        (["revoke", "door"], "no token is called 'door', expected one of obs"),
        (["add", "a b", "--right", "read"], r"^surtitle: got the name 'a b', expected 1 to 64 of the characters"),
        (["add", "", "--right", "read"], "got the name '', expected 1 to 64 of the characters"),
        (["add", 'a"\nright = "publish', "--right", "read"], "got the name 'a.*publish', expected 1 to 64 of the char"),
    ],
)
def test_what_can_not_be_done_is_said_and_changes_nothing(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tokens.toml"
    tokens(path, "add", "obs", "--right", "read")
    before = path.read_text()
    capsys.readouterr()
    assert tokens(path, *arguments) == 1
    assert re.search(said, capsys.readouterr().err)
    assert path.read_text() == before


def test_a_change_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*names: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    path = tmp_path / "tokens.toml"
    monkeypatch.setattr(os, "replace", refuse)
    assert tokens(path, "add", "obs", "--right", "read") == 1
    assert "cannot be written (Operation not permitted)" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
