"""`surtitle.pipeline.modelcommands`: the store's verbs, on the manifest that comes with this version."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.modelcommands import list_models, names_to_fetch, verify_models
from surtitle.pipeline.store import ModelStore, open_store


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return open_store({"SURTITLE_HOME": str(tmp_path)})


def test_the_list_has_every_model_and_says_where_they_are(store: ModelStore) -> None:
    screen = io.StringIO()
    list_models(store, Console(file=screen, width=400))
    lines = screen.getvalue().splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == list(store.manifest.models)
    models = store.manifest.models.values()
    states = ["missing" if model.pinned else "by hand" for model in models]
    assert all(state in line for state, line in zip(states, lines[1:-1], strict=True))
    assert set(states) == {"missing", "by hand"}
    assert lines[-1].rstrip() == f"in {store.root}"


def test_names_that_are_typed_are_shown_whole_on_a_narrow_screen(store: ModelStore) -> None:
    screen = io.StringIO()
    list_models(store, Console(file=screen, width=60))
    assert all(f"\n{name} " in screen.getvalue() for name in store.manifest.models)


def test_the_defaults_are_what_a_first_run_needs(store: ModelStore) -> None:
    defaults = store.manifest.defaults
    assert names_to_fetch(store, [], text=False) == (defaults.asr, defaults.llm, defaults.sample)
    assert names_to_fetch(store, [], text=True)[-1] == defaults.text_llm


def test_who_names_models_may_want_that_of_text_beside_them(store: ModelStore) -> None:
    larger = store.manifest.defaults.text_llm
    assert names_to_fetch(store, ["whisper-small"], text=False) == ("whisper-small",)
    assert names_to_fetch(store, ["whisper-small"], text=True) == ("whisper-small", larger)
    assert names_to_fetch(store, [larger], text=True) == (larger,)


def test_verifying_an_empty_store_verifies_nothing(store: ModelStore, capsys: pytest.CaptureFixture[str]) -> None:
    verify_models(store, [])
    assert capsys.readouterr().out == "verified: nothing, since no model is here\n"


def test_verifying_what_is_not_here_says_how_to_fetch_it(store: ModelStore) -> None:
    with pytest.raises(UserError, match="Run: surtitle models fetch whisper-base"):
        verify_models(store, ["whisper-base"])


def test_a_model_that_was_begun_is_verified_too_and_found_damaged(store: ModelStore) -> None:
    (store.root / "whisper-base").mkdir()
    with pytest.raises(UserError, match="whisper-base is damaged"):
        verify_models(store, [])
