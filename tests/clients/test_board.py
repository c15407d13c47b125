"""Captions gathered in rows: nothing final is lost, and a row goes when nothing of it can change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from surtitle.clients.board import MOST_OPEN, Board, Notice, Row

SESSION = {"type": "session", "source": "en", "targets": ["es", "de"], "clock": "real"}
WELCOME = {"type": "welcome", "recovered": False, "session": SESSION}


def caption(cue: int, lang: str, text: str | None = None, *, final: bool = True) -> dict[str, Any]:
    return {
        "type": "caption",
        "cue": cue,
        "lang": lang,
        "role": "source" if lang == "en" else "target",
        "final": final,
        "text": f"{lang} {cue}" if text is None else text,
        "end_ms": 1000 * cue,
        "elapsed_ms": 1000 * cue + 2500,
    }


def shown(board: Board, *messages: dict[str, Any]) -> list[dict[str, str] | str]:
    """What is let go: rows as texts by language, notices as their words."""
    items = [item for message in messages for item in board.push(message)]
    return [item.text if isinstance(item, Notice) else texts(item) for item in items]


def texts(row: Row) -> dict[str, str]:
    return {lang: cell.text for lang, cell in row.cells.items()}


def test_a_row_waits_for_its_last_language() -> None:
    board = Board(["es", "de"])
    assert shown(board, caption(0, "es")) == []
    assert [texts(row) for row in board.open] == [{"es": "es 0"}]
    assert shown(board, caption(0, "de")) == [{"es": "es 0", "de": "de 0"}]
    assert board.open == []


def test_a_row_does_not_wait_for_a_language_that_is_further_on() -> None:
    board = Board(["es", "de"])
    assert shown(board, caption(0, "es"), caption(1, "de"), caption(1, "es")) == [
        {"es": "es 0"},
        {"es": "es 1", "de": "de 1"},
    ]


def test_a_row_waits_for_one_of_the_languages_in_which_it_may_have_been_said() -> None:
    for langs in ([], ["de", "en", "fr"]):
        board = Board(langs)
        shown(board, SESSION | {"sources": ["en", "de", "fr"], "targets": ["fr"]})
        assert shown(board, caption(0, "de", final=False), caption(0, "de") | {"role": "source"}) == []
        assert shown(board, caption(0, "fr")) == [{"de": "de 0", "fr": "fr 0"}]
        assert shown(board, caption(1, "fr")) == [{"fr": "fr 1"}]  # said in it
        assert shown(board, caption(2, "en"), caption(2, "fr")) == [{"en": "en 2", "fr": "fr 2"}]


def test_rows_go_in_the_order_in_which_they_were_said() -> None:
    board = Board(["es", "de"])
    assert shown(board, caption(0, "es"), caption(1, "es")) == []
    assert shown(board, caption(0, "de"), caption(1, "de")) == [
        {"es": "es 0", "de": "de 0"},
        {"es": "es 1", "de": "de 1"},
    ]


TARGETS = {"type": "targets", "targets": ["de", "fr"]}


def test_nobody_waits_for_a_language_that_is_translated_no_more() -> None:
    board = Board(["es", "de"])
    shown(board, SESSION, caption(0, "es", final=False))
    assert shown(board, TARGETS) == ["en → de, fr; nothing in es"]
    assert board.open == []
    assert shown(board, caption(1, "de")) == [{"de": "de 1"}]


def test_what_is_said_in_a_language_that_is_translated_no_more_is_no_open_translation() -> None:
    board = Board([])
    shown(board, SESSION | {"sources": ["en", "es"]}, caption(0, "en", final=False), caption(0, "es", final=False))
    shown(board, TARGETS)
    assert [texts(row) for row in board.open] == [{"en": "en 0"}]


def test_a_final_in_a_language_that_goes_is_shown_with_the_others() -> None:
    board = Board([])
    shown(board, SESSION, caption(0, "en"), caption(0, "es"))
    assert shown(board, TARGETS, caption(0, "de"), caption(0, "fr")) == [
        "en → de, fr",
        {"en": "en 0", "es": "es 0", "de": "de 0", "fr": "fr 0"},
    ]
    assert board.columns == ("en", "de", "fr", "es")


def test_a_row_that_waited_for_what_goes_is_shown_at_once() -> None:
    board = Board([])
    shown(board, SESSION, caption(0, "en"), caption(0, "de"))
    assert shown(board, {"type": "targets", "targets": ["de"]}) == ["en → de", {"en": "en 0", "de": "de 0"}]


def test_who_missed_a_change_is_told_with_the_welcome() -> None:
    board = Board([])
    shown(board, WELCOME, SESSION, WELCOME | {"session": SESSION | {"targets": ["fr"]}})
    assert board.columns == ("en", "fr")


def test_who_wants_all_languages_has_a_column_for_one_that_comes_later() -> None:
    board = Board([])
    shown(board, SESSION, TARGETS)
    assert board.columns == ("en", "de", "fr")
    assert shown(board, *(caption(0, lang) for lang in ("en", "de"))) == []
    assert shown(board, caption(0, "fr")) == [{"en": "en 0", "de": "de 0", "fr": "fr 0"}]


def test_a_language_that_stays_behind_keeps_no_more_than_a_few_rows_open() -> None:
    board = Board(["es", "xx"])
    finals = shown(board, *(caption(cue, "es") for cue in range(MOST_OPEN + 2)))
    assert finals == [{"es": "es 0"}, {"es": "es 1"}]
    assert shown(board, caption(0, "xx")) == [{"xx": "xx 0"}]


def test_drafts_stay_open_and_give_way() -> None:
    board = Board(["es"])
    assert shown(board, caption(0, "es", "bue", final=False), caption(0, "es", "buenas", final=False)) == []
    assert [texts(row) for row in board.open] == [{"es": "buenas"}]
    assert shown(board, caption(0, "es", "buenas noches")) == [{"es": "buenas noches"}]


def test_a_guess_that_is_taken_back_leaves_no_row() -> None:
    board = Board(["es", "de"])
    shown(board, caption(0, "es", "gracias", final=False), caption(0, "de", "danke", final=False))
    assert shown(board, caption(0, "de", "", final=False)) == []
    assert [texts(row) for row in board.open] == [{"es": "gracias"}]
    assert shown(board, caption(0, "es", "", final=False)) == []
    assert board.open == []


def test_without_choice_there_is_a_column_for_what_was_said_and_each_translation() -> None:
    board = Board()
    shown(board, SESSION)
    assert board.columns == ("en", "es", "de")
    shown(board, caption(0, "fr"))
    assert board.columns == ("en", "es", "de", "fr")


def test_who_chose_a_region_is_shown_the_language_and_is_told_of_what_is_not_there() -> None:
    board = Board(["es-MX", "fr"])
    lines = shown(board, SESSION, caption(0, "de"), caption(0, "es", final=False), caption(0, "es"))
    assert lines == ["en → es, de; nothing in fr", {"es-MX": "es 0"}]
    assert shown(board, {"type": "targets", "targets": ["fr"]}) == ["en → fr; nothing in es-MX"]


def test_a_language_that_was_not_chosen_has_no_column() -> None:
    board = Board(["es"])
    assert shown(board, caption(0, "de")) == []
    assert board.open == []


def test_the_end_of_a_session_keeps_its_finals_and_drops_its_drafts() -> None:
    board = Board(["es", "de"])
    shown(board, SESSION, caption(0, "es"), caption(1, "es", final=False))
    assert shown(board, {"type": "end"}) == [{"es": "es 0"}, "the session is over"]
    assert board.open == []
    assert shown(board, SESSION, caption(0, "es"), caption(0, "de")) == ["en → es, de", {"es": "es 0", "de": "de 0"}]


def test_a_return_without_recovery_says_that_something_may_be_missing() -> None:
    board = Board(["es"])
    assert shown(board, WELCOME, SESSION, caption(0, "es", final=False)) == ["en → es, de"]
    assert shown(board, {"type": "lost", "message": "gone"}, WELCOME) == ["captions may be missing here"]
    assert board.open == []


def test_who_slept_into_a_session_in_other_languages_still_sees_the_last_words_before() -> None:
    board = Board()
    shown(board, WELCOME, SESSION, caption(0, "en"), caption(0, "es"), {"type": "lost", "message": "gone"})
    other = SESSION | {"source": "fr", "targets": ["it"]}
    assert shown(board, WELCOME | {"session": other}, other) == [
        "captions may be missing here",
        {"en": "en 0", "es": "es 0"},
        "fr → it",
    ]
    assert set(board.columns) >= {"en", "es"}


def test_a_return_with_recovery_changes_nothing() -> None:
    board = Board(["es"])
    shown(board, WELCOME, SESSION, caption(0, "es", final=False))
    assert shown(board, {"type": "lost", "message": "gone"}, WELCOME | {"recovered": True}) == []
    assert [texts(row) for row in board.open] == [{"es": "es 0"}]


def test_a_return_after_the_end_gives_the_last_rows_what_they_waited_for() -> None:
    board = Board(["es", "de"])
    shown(board, WELCOME, SESSION, caption(0, "es"), {"type": "lost", "message": "gone"})
    assert shown(board, {"type": "welcome", "recovered": True}) == []
    assert shown(board, caption(0, "de"), {"type": "end"}) == [{"es": "es 0", "de": "de 0"}, "the session is over"]


def test_missing_audio_is_said() -> None:
    gap = {"type": "gap", "start_ms": 1000, "end_ms": 3500, "why": "overload"}
    assert Board().push(gap) == [Notice("2.5 s missing: the computer could not keep up", bad=True)]
    assert Board().push(gap | {"end_ms": 1000}) == [
        Notice("a moment missing: the computer could not keep up", bad=True)
    ]


def test_the_status_tells_of_connection_speaker_lag_and_trouble() -> None:
    board = Board(["es"])
    assert (board.status.connection, board.status.connected) == ("connecting", False)
    shown(board, {"type": "welcome", "recovered": False})
    assert (board.status.connection, board.status.speaking) == ("connected", False)
    shown(board, SESSION, caption(0, "es"), {"type": "status", "state": "behind"})
    assert (board.status.speaking, board.status.lag_ms, board.status.trouble) == (True, 2500, "falling behind")
    shown(board, {"type": "status", "state": "ok"}, {"type": "lost", "message": "the connection broke"})
    assert (board.status.connection, board.status.trouble) == ("reconnecting: the connection broke", "")


def test_a_speaker_who_was_muted_for_minutes_is_not_called_late() -> None:
    board = Board(["es"])
    shown(board, SESSION, {"type": "status", "state": "ok", "lag_ms": 2100})
    shown(board, caption(0, "es") | {"elapsed_ms": 612_500})
    assert board.status.lag_ms == 2100


def test_a_virtual_clock_has_no_lag() -> None:
    board = Board(["es"])
    shown(board, SESSION | {"clock": "virtual"}, caption(0, "es"))
    assert board.status.lag_ms is None


LANGUAGES = ("en", "es", "de")


@given(st.lists(st.sampled_from(LANGUAGES), max_size=60), st.data())
def test_however_far_apart_languages_run_every_final_is_shown_once_and_in_its_order(
    turns: Sequence[str], data: st.DataObject
) -> None:
    board = Board(LANGUAGES)
    said = dict.fromkeys(LANGUAGES, 0)
    messages: list[dict[str, Any]] = []
    for lang in turns:
        if data.draw(st.booleans()):
            messages.append(caption(said[lang], lang, "draft", final=False))
        messages.append(caption(said[lang], lang))
        said[lang] += 1
    rows = [item for message in [*messages, {"type": "end"}] for item in board.push(message) if isinstance(item, Row)]
    for lang in LANGUAGES:
        finals = [row.cells[lang].text for row in rows if lang in row.cells]
        assert finals == [f"{lang} {cue}" for cue in range(said[lang])]
    assert len(board.open) <= MOST_OPEN
