"""What a machine can do, as its user asks."""

from __future__ import annotations

import pytest
from e2e_running import surtitle

pytestmark = pytest.mark.weights


def test_models_are_measured_with_all_the_languages_that_are_wanted() -> None:
    done = surtitle("check", "--to", "es,de,fr,pt", "--port", "0")
    assert done.stderr == ""
    rows = [line.split() for line in done.stdout.splitlines()]
    shares = {row[0]: row[1:] for row in rows if row[-1:] in (["yes"], ["no"])}
    assert {"whisper-base", "qwen2.5-coder-0.5b"} <= shares.keys()
    assert "smollm2-135m" not in shares  # it knows English alone
    assert all(0 < float(share[0]) < 100 for share in shares.values())
    chosen = "choice for 4 target languages: " in done.stdout
    assert done.returncode == (0 if chosen and shares["whisper-base"][1] == "yes" else 1)


def test_languages_that_no_model_here_knows_are_said() -> None:
    done = surtitle("check", "--to", "fi", "--port", "0")
    assert done.returncode == 1
    assert "no model here translates into fi" in done.stdout


@pytest.mark.parametrize("codes", ["en", "xx", "es,es", ""])
def test_languages_that_can_not_be_wanted_are_wrong_usage(codes: str) -> None:
    assert surtitle("check", "--to", codes).returncode == 2
