"""What a machine can do, as its user asks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from e2e_running import surtitle

from surtitle.pipeline.store import open_store

pytestmark = pytest.mark.weights


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models of this machine in a folder that knows nothing of it."""
    here = open_store(os.environ)
    models = tmp_path / "models"
    models.mkdir()
    for row in here.list():
        if row.state == "present":
            (models / row.model.name).symlink_to(here.root / row.model.name)
    monkeypatch.setenv("SURTITLE_HOME", str(models))
    return models


def test_models_are_measured_with_all_the_languages_that_are_wanted_and_the_choice_is_kept(
    models: Path,
) -> None:
    done = surtitle("check", "--to", "es,de,fr,pt", "--port", "0")
    assert done.stderr == ""
    rows = [line.split() for line in done.stdout.splitlines()]
    loads = {(row[0], row[1]): row[2:] for row in rows if row[-1:] in (["yes"], ["no"])}
    assert {("qwen2.5-coder-0.5b", "1"), ("qwen2.5-coder-0.5b", "4")} <= loads.keys()
    assert not any(name == "smollm2-135m" for name, _ in loads)  # it knows English alone
    assert all(0 < float(share) < 100 for load in loads.values() for share in load[:2])

    found = json.loads((models / "choice.json").read_text())["translators"]
    assert set(found) == {"1", "4"}
    for count, name in found.items():
        able = {name for (name, languages), load in loads.items() if languages == count and load[2] == "yes"}
        assert name in able if able else name is None
    assert done.returncode == (0 if found["4"] else 1)


def test_languages_that_no_model_here_knows_are_said() -> None:
    done = surtitle("check", "--to", "fi", "--port", "0")
    assert done.returncode == 1
    assert "nothing measured: no translator here has en, fi among its languages" in done.stdout


@pytest.mark.parametrize("codes", ["xx", "es,es", ""])
def test_languages_that_can_not_be_wanted_are_wrong_usage(codes: str) -> None:
    assert surtitle("check", "--to", codes).returncode == 2
