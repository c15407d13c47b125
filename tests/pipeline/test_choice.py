"""`surtitle.pipeline.choice`: the translator that is taken where none is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from surtitle.pipeline.choice import FILE, Found, recall, remember, this_machine, translator
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.manifest import Defaults

MACHINE = "A processor, 2 cores, 24 GiB"
DEFAULTS = Defaults(asr="ear", llm="small", text_llm="large", sample="voice")
HERE = {"ear", "small", "large", "voice"}
FOUND = Found(MACHINE, {1: "large", 4: "small"})
NOTHING = Found(MACHINE, {})


def test_before_anything_is_known_it_is_the_one_that_slow_machines_run() -> None:
    assert translator(NOTHING, DEFAULTS, HERE, targets=1) == "small"


def test_it_is_the_best_that_keeps_up_with_as_many_languages() -> None:
    assert translator(FOUND, DEFAULTS, HERE, targets=1) == "large"
    assert translator(FOUND, DEFAULTS, HERE, targets=4) == "small"


def test_what_was_measured_with_more_languages_keeps_up_with_fewer() -> None:
    assert translator(Found(MACHINE, {4: "large"}), DEFAULTS, HERE, targets=2) == "large"
    assert translator(FOUND, DEFAULTS, HERE, targets=2) == "small"


def test_what_was_measured_with_fewer_languages_says_nothing_of_more() -> None:
    assert translator(Found(MACHINE, {1: "large"}), DEFAULTS, HERE, targets=2) == "small"


def test_a_server_that_does_not_know_yet_counts_on_the_most_that_were_measured() -> None:
    assert translator(FOUND, DEFAULTS, HERE, targets=None) == "small"
    assert translator(Found(MACHINE, {1: "small", 4: "large"}), DEFAULTS, HERE, targets=None) == "large"
    assert translator(NOTHING, DEFAULTS, HERE, targets=None) == "small"


def test_where_none_keeps_up_it_is_the_one_that_slow_machines_run() -> None:
    found = Found(MACHINE, {1: "large", 4: None})
    assert translator(found, DEFAULTS, HERE, targets=3) == "small"
    assert translator(found, DEFAULTS, HERE, targets=None) == "small"


def test_a_gpu_keeps_up_with_the_larger_one() -> None:
    assert translator(None, DEFAULTS, HERE, targets=None) == "large"


def test_where_nobody_waits_it_is_that_of_text_whatever_keeps_up() -> None:
    for found in (NOTHING, FOUND, None):
        assert translator(found, DEFAULTS, HERE, targets=4, hurried=False) == "large"


def test_where_nobody_waits_but_that_of_text_is_not_here_it_is_what_keeps_up() -> None:
    found, here = Found(MACHINE, {1: "middle"}), {*HERE, "middle"} - {"large"}
    assert translator(found, DEFAULTS, here, targets=1, hurried=False) == "middle"
    assert translator(NOTHING, DEFAULTS, here, targets=1, hurried=False) == "small"


def test_what_was_not_fetched_or_removed_is_not_taken() -> None:
    assert translator(FOUND, DEFAULTS, HERE - {"large"}, targets=1) == "small"
    assert translator(None, DEFAULTS, HERE - {"large"}, targets=1) == "small"


def test_what_was_found_out_is_known_afterwards(tmp_path: Path) -> None:
    remember(tmp_path, MACHINE, {1: "large", 4: "small"})
    assert recall(tmp_path, MACHINE) == FOUND


def test_another_measurement_adds_to_what_is_known_and_corrects_it(tmp_path: Path) -> None:
    remember(tmp_path, MACHINE, {1: "large", 4: "small"})
    remember(tmp_path, MACHINE, {1: "small", 2: "small", 4: None})
    assert recall(tmp_path, MACHINE) == Found(MACHINE, {1: "small", 2: "small", 4: None})


def test_what_was_found_out_on_another_machine_is_not_known_here(tmp_path: Path) -> None:
    remember(tmp_path, MACHINE, {1: "large"})
    assert recall(tmp_path, "Another, 2 cores, 24 GiB").translators == {}
    remember(tmp_path, "Another, 2 cores, 24 GiB", {4: "small"})
    assert recall(tmp_path, MACHINE).translators == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b'{"machine": 1, "translators": {}}',
        b'{"machine": "A", "translators": {"x": "y"}}',
        b'{"machine": "\xff", "translators": {}}',
    ],
)
def test_a_damaged_file_is_said_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(UserError, match=r"choice\.json .*: remove it, and run `surtitle check` again"):
        recall(tmp_path, MACHINE)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a writable folder with free space"):
        remember(tmp_path / "nowhere", MACHINE, {1: "large"})


def test_this_machine_has_a_name_its_cores_and_its_memory() -> None:
    name, cores, memory = this_machine(3).rsplit(", ", 2)
    assert name
    assert cores == "3 cores"
    assert memory.endswith(" GiB")
