"""`surtitle.pipeline.progress`: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import io

from rich.console import Console

from surtitle.pipeline.progress import TerminalProgress


def test_elsewhere_than_on_a_terminal_each_piece_of_work_is_one_line() -> None:
    out = io.StringIO()
    with TerminalProgress(Console(file=out, width=80)) as progress:
        progress.start("fetch ear", 150_000_000)
        progress.advance(75_000_000)
        progress.start("convert ear", 1_000_000)
        progress.done()
        progress.advance(1)
    assert out.getvalue() == "fetch ear (150 MB)\nconvert ear (1 MB)\n"


def test_on_a_terminal_there_is_a_bar_with_the_share_done() -> None:
    out = io.StringIO()
    with TerminalProgress(Console(file=out, width=100, force_terminal=True)) as progress:
        progress.start("fetch ear", 100_000_000)
        progress.advance(60_000_000)
        progress.advance(-10_000_000)
    assert "fetch ear" in out.getvalue()
    assert "50.0/100.0 MB" in out.getvalue()
