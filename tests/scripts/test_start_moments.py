from __future__ import annotations

import start_moments


def test_each_system_counts_memory_in_a_unit_of_its_own() -> None:
    assert start_moments.megabytes(1_024_000_000, "darwin") == start_moments.megabytes(1_000_000, "linux") == 1024
