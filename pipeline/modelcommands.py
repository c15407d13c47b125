"""`surtitle models`: the store's verbs for people.

In: a store and names. Out: tables and progress bars. Knows no way to fetch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from surtitle.pipeline.progress import TerminalProgress
from surtitle.pipeline.store import ModelStore

MANY = 20
"""Languages that are counted and not named."""


def list_models(store: ModelStore, console: Console) -> None:
    """Print every model of the manifest, and whether it is here."""
    table = Table(box=None, pad_edge=False)
    for heading in ("model", "kind", "size", "state", "licence", "languages"):
        is_typed = heading == "model"  # so it is shown whole
        table.add_column(heading, justify="right" if heading == "size" else "left", no_wrap=is_typed)
    for row in store.list():
        name = f"{row.model.name}{' (default)' if row.default else ''}"
        size = f"{row.bytes / 1e6:,.0f} MB" if row.bytes else ""
        state = "by hand" if row.state == "missing" and not row.model.pinned else row.state
        codes = row.model.languages
        languages = " ".join(codes) if len(codes) <= MANY else f"{len(codes)} languages"
        table.add_row(name, row.model.kind, size, state, row.model.licence, languages)
    console.print(table)
    console.print(f"in {store.root}", style="dim")


def fetch_models(store: ModelStore, names: Sequence[str], *, local: Path | None) -> None:
    """Fetch `names`; those that are here already take no time."""
    with TerminalProgress(Console(stderr=True)) as progress:
        for name in names:
            store.fetch(name, progress, local=local)


def verify_models(store: ModelStore, names: Sequence[str]) -> None:
    """Hash `names`, or everything that is here, again. Raises UserError for the first that is damaged."""
    chosen = list(names) or [row.model.name for row in store.list() if row.state != "missing"]
    with TerminalProgress(Console(stderr=True)) as progress:
        for name in chosen:
            store.verify(name, progress)
    print(f"verified: {', '.join(chosen) or 'nothing, since no model is here'}")


def names_to_fetch(store: ModelStore, named: Sequence[str], *, text: bool) -> tuple[str, ...]:
    """Those that are `named`, or else what the other commands use unless told otherwise; `text` adds that of
    `translate`."""
    defaults = store.manifest.defaults
    names = (*(named or (defaults.asr, defaults.llm, defaults.sample)), *([defaults.text_llm] if text else []))
    return tuple(dict.fromkeys(names))
