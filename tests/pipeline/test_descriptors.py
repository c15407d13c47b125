"""`surtitle.pipeline.descriptors`: the system's own limits, in a process of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "there"),
    [(300, 2000, 1000, (1000, 1256)), (300, 800, 1000, (544, 800)), (1500, 2000, 1000, (1000, 1500))],
)
def test_the_limit_is_raised_as_far_as_it_goes_and_no_more_are_taken(
    soft: int, hard: int, wanted: int, there: tuple[int, int]
) -> None:
    program = (
        "import resource; from surtitle.pipeline.descriptors import allow; "
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); "
        f"print((allow({wanted}), resource.getrlimit(resource.RLIMIT_NOFILE)[0]))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(there)
