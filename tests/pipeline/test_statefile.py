"""`surtitle.pipeline.statefile`: what is kept for the next start, whole, and for its owner alone."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import load_file, save_file

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.glossary import Rendering
from surtitle.pipeline.ledger import Turn
from surtitle.pipeline.memory import Guess, Known, Memorised
from surtitle.pipeline.state import Counts, SavedConversation, SavedConversations, Talk
from surtitle.pipeline.statefile import EVERY, Keeper, StateFile, in_room

KESSLER = Rendering("Kessler", "señor K")
TALK = Talk(
    prompt="0123",
    turns=(Turn("Kessler left", "señor K se fue", (1, 2, 3), (KESSLER,), (KESSLER,)),),
    memory=Memorised((Known("Marenko", "Marenko", True, 1),), (Guess("NATO", frozenset({"OTAN"}), 2),), ("left",)),
    counts=Counts(tokens_written=7, rebuilds=2),
    rebuilt=3,
)


def state() -> SavedConversations:
    return {
        f"en-{code}": SavedConversation(TALK, {"keys.0": torch.full((1, 2, 3, 4), code == "es")})
        for code in ("es", "de")
    }


def state_file(path: Path, llm: str = "tiny") -> StateFile:
    return StateFile(path, llm)


def test_what_was_written_is_read_in_another_process(tmp_path: Path) -> None:
    path = tmp_path / "talk.state"
    state_file(path).write(state())
    found = state_file(path).read()
    assert found is not None
    assert {pair: kept.talk for pair, kept in found.items()} == {"en-es": TALK, "en-de": TALK}
    assert found["en-es"].cache["keys.0"].all()
    assert not found["en-de"].cache["keys.0"].any()


def test_a_file_is_its_owners_alone_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "talk.state"
    path.write_text("of another program, for all to read")
    path.chmod(0o644)
    (tmp_path / "talk.state.new").write_text("of a run that was killed")
    (tmp_path / "talk.state.new").chmod(0o644)
    state_file(path).write(state())
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_where_no_file_is_nothing_is_taken_up(tmp_path: Path) -> None:
    assert state_file(tmp_path / "talk.state").read() is None


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def other(path: Path) -> None:
    save_file({"x": torch.zeros(1)}, path)


def text(path: Path, **changes: object) -> None:
    tensors = load_file(path)
    save_file(tensors, path, metadata={"surtitle": msgspec.json.encode({"version": 1, **changes}).decode()})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut, "not a saved state"),
        (other, "not a saved state"),
        (lambda path: path.write_text("talk"), "not a saved state"),
        (lambda path: text(path, version=2), "it has version 2, expected 1"),
        (lambda path: text(path, llm="tiny"), "not a saved state"),
        (lambda path: text(path, llm="tiny", targets=["es", "de"], talks={}), "it has a tensor en-de/keys.0"),
    ],
)
def test_what_is_damaged_is_said(damage: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    path = tmp_path / "talk.state"
    state_file(path).write(state())
    damage(path)
    with pytest.raises(ValueError, match=said):
        state_file(path).read()


def test_what_does_not_fit_is_said_in_a_line_and_the_context_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "talk.state"
    state_file(path).write(state())
    lines: list[str] = []
    begun: list[SavedConversations | None] = []

    state_file(path, "large").resume(begun.append, lines.append)
    assert begun == [None]
    kept = tmp_path / "talk.state.old"
    assert lines == [
        f"{path} can't be used: it was saved with tiny, expected large; the context starts afresh, and it is now {kept}"
    ]
    assert state_file(kept).read() is not None
    assert not path.exists()


def test_a_file_is_kept_where_nothing_can_be_made_without_it_either(tmp_path: Path) -> None:
    path = tmp_path / "talk.state"
    state_file(path).write(state())

    def fails(kept: SavedConversations | None) -> None:
        raise ValueError("its attention caps its scores")

    with pytest.raises(ValueError, match="caps its scores"):
        state_file(path).resume(fails, print)
    assert [each.name for each in tmp_path.iterdir()] == ["talk.state"]


def test_a_file_that_cannot_even_be_looked_for_is_said(tmp_path: Path) -> None:
    path = in_room(tmp_path / f"{'talk' * 50}.state", "x" * 64)
    with pytest.raises(ValueError, match=r"not a saved state .*too long"):
        state_file(path).read()
    with pytest.raises(UserError, match="choose another file"):
        state_file(path).resume(lambda kept: None, print)


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"can't write the state .*talk\.state"):
        state_file(tmp_path / "gone" / "talk.state").write(state())


def test_a_state_that_a_full_disk_has_no_room_for_leaves_it_to_others(tmp_path: Path) -> None:
    path = tmp_path / "talk.state"
    state_file(path).write(state())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size // 2, hard))
    try:
        with pytest.raises(UserError, match="expected a writable folder with free space"):
            state_file(path).write(state())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == [path]
    assert state_file(path).read() is not None


def test_rooms_have_files_of_their_own() -> None:
    assert in_room(Path("a/talk.state"), "main") == Path("a/talk.state")
    assert in_room(Path("a/talk.state"), "hall-2") == Path("a/talk.hall-2.state")


@pytest.mark.parametrize("name", ["talk.state", "kept", "kept.new", "kept.old"])
def test_no_rooms_file_is_in_the_way_of_anothers_whatever_they_are_called(tmp_path: Path, name: str) -> None:
    rooms = {room: in_room(tmp_path / name, room) for room in ("new", "old", "main")}
    written: dict[str, int] = {}
    for room, path in rooms.items():
        state_file(path).write(state())
        written[room] = path.stat().st_ino
    state_file(rooms.pop("main"), "large").resume(lambda kept: None, lambda told: None)
    assert [room for room, path in rooms.items() if path.exists() and path.stat().st_ino == written[room]] == [*rooms]


def test_it_is_saved_in_pauses_but_not_often() -> None:
    now, saved = 100.0, list[SavedConversations]()
    keeper = Keeper(state, saved.append, now=lambda: now, tell=saved.append)
    for seconds, expected in ((1.0, 0), (EVERY, 1), (EVERY - 1, 1), (1.0, 2)):
        now += seconds
        keeper.keep_if_due()
        assert len(saved) == expected
    keeper.keep()
    assert len(saved) == 3


def test_a_disk_that_is_full_is_told_in_a_pause_and_is_a_failure_at_the_end() -> None:
    now, told = 0.0, list[str]()

    def full(held: SavedConversations) -> None:
        raise UserError("can't write the state")

    keeper = Keeper(state, full, now=lambda: now, tell=told.append)
    now = EVERY
    keeper.keep_if_due()
    keeper.keep_if_due()
    assert told == ["can't write the state; trying again in a later pause"]
    with pytest.raises(UserError):
        keeper.keep()


def test_a_disk_that_is_full_all_night_is_told_once_and_again_when_it_is_full_the_next_day() -> None:
    now, told, is_full = 0.0, list[str](), True

    def save(held: SavedConversations) -> None:
        if is_full:
            raise UserError("can't write the state")

    keeper = Keeper(state, save, now=lambda: now, tell=told.append)
    for minute in range(1, 504):
        now, is_full = minute * EVERY, minute != 501
        keeper.keep_if_due()
    assert told == ["can't write the state; trying again in a later pause"] * 2


def test_what_was_saved_stays_where_nothing_is_known_any_more() -> None:
    saved = list[SavedConversations]()
    Keeper(dict, saved.append, now=lambda: 0.0, tell=saved.append).keep()
    assert saved == []
