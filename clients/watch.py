"""Captions in a terminal: what is final scrolls up, what may change stands below it, over a line of state.

In: a server's address and a rich console. Out: one language as lines, several side by side in columns, a row a cue;
where nothing can be taken back (a pipe, a file) finals alone, one a line. Without the control characters that would
steer the terminal. Knows the protocol through `viewer.py` and `board.py`, and nothing of the program that speaks it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from itertools import zip_longest

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from surtitle.clients.board import Board, Cell, Notice, Row, Status
from surtitle.clients.viewer import Message, Viewer, captions

NARROWEST = 16
"""Cells that a column needs; where there is no room for it, languages stand one below the other."""
_GAP = " │ "
_STEERING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d\u200e\u200f")
"""Invisible characters that Persian, Indic scripts and emoji need to be written rightly."""
_LEFT_TO_RIGHT = "\u200e"
"""Invisible: before right-to-left text it keeps a terminal that reorders such text from moving columns with it."""


async def watch(
    url: str,
    langs: Sequence[str],
    console: Console,
    notices: Console,
    *,
    session: str = "main",
    token: str | None = None,
) -> None:
    """Print captions until the server stops after the session's end.

    Args:
        url: `http://host:port` of the server.
        langs: The languages to show, in this order; none means all, what was said first.
        console: Where to print.
        notices: Where to say what is no caption, if `console` is no terminal.
        session: Which of the server's sessions.
        token: For servers that ask for one.

    Raises:
        ViewerError: there is no server, or it refuses this viewer.
    """
    board = Board(langs)
    async with aclosing(captions(url, langs, session=session, token=token)) as messages:
        if console.is_terminal:
            await _show(messages, board, session, console)
        else:
            await _print(messages, board, console, notices, labelled=len(langs) != 1)


async def _print(messages: Viewer, board: Board, console: Console, notices: Console, *, labelled: bool) -> None:
    async for message in messages:
        if message["type"] == "caption" and message["final"]:
            console.print(Text(plain_line(message, labelled=labelled)), soft_wrap=True)
        before = board.status.connection
        for item in board.push(message):
            if isinstance(item, Notice):
                notices.print(notice_text(item), soft_wrap=True)
        # once, and not for each attempt of a night
        if message["type"] == "lost" and board.status.connection != before:
            notices.print(notice_text(Notice(board.status.connection)), soft_wrap=True)


async def _show(messages: Viewer, board: Board, session: str, console: Console) -> None:
    with Live(Below(board, session), console=console, transient=True, auto_refresh=False) as live:
        live.refresh()
        async for message in messages:
            for item in board.push(message):
                console.print(Lines([item], board.columns))
            live.refresh()


def plain_line(message: Message, *, labelled: bool) -> str:
    """Return a caption as a line for programs: `es: buenas noches`, or without the language."""
    text = printable(message["text"])
    return f"{printable(message['lang'])}: {text}" if labelled else text


class Lines:
    """Rows and notices as rich draws them."""

    def __init__(self, items: Iterable[Row | Notice], columns: Sequence[str]) -> None:
        self._items = items
        self._columns = columns

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for item in self._items:
            if isinstance(item, Notice):
                yield notice_text(item)
            else:
                yield from row_lines(item, self._columns, options.max_width, console)


class Below:
    """What may still change, as much as fits: the open rows, the columns' names, and the state of things."""

    def __init__(self, board: Board, session: str) -> None:
        self._board = board
        self._session = session

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = self._board.columns
        below = [status_line(self._board.status, self._session)]
        width = column_width(columns, options.max_width)
        if width is not None:
            below = [*side_by_side([Text(printable(lang), style="dim") for lang in columns], width, console), *below]
        rows = console.render_lines(Lines(self._board.open, columns), options, pad=False)
        # Of drafts that are taller than the terminal the newest lines; the last line of all is the cursor's.
        for line in rows[-max(options.max_height - len(below) - 1, 1) :]:
            yield from line
            yield Segment.line()
        for text in below:
            text.truncate(options.max_width, overflow="ellipsis")
            yield text


def notice_text(notice: Notice) -> Text:
    """Return a notice in its style."""
    return Text(f"── {printable(notice.text)} ──", style="yellow" if notice.bad else "dim")


def column_width(columns: Sequence[str], width: int) -> int | None:
    """Return how many cells each of several columns gets of `width`; None where they don't stand side by side."""
    each = (width - len(_GAP) * (len(columns) - 1)) // max(len(columns), 1)
    return each if len(columns) > 1 and each >= NARROWEST else None


def row_lines(row: Row, columns: Sequence[str], width: int, console: Console) -> Iterator[Text]:
    """Yield a row as lines: side by side where `width` cells are enough, else one language below the other."""
    each = column_width(columns, width)
    if each is not None:
        cells = [cell_text(row.cells[lang]) if lang in row.cells else Text() for lang in columns]
        yield from side_by_side(cells, each, console)
        return
    for lang in columns:
        if lang in row.cells:
            label = Text(f"{printable(lang)}: ", style="cyan") if len(columns) > 1 else Text()
            yield label.append_text(cell_text(row.cells[lang]))


def side_by_side(cells: Sequence[Text], width: int, console: Console) -> Iterator[Text]:
    """Yield lines that hold the cells in columns of `width` terminal cells each."""
    wrapped = [cell.wrap(console, width, overflow="fold") for cell in cells]
    for parts in zip_longest(*wrapped):
        line = [Text() if part is None else part.copy() for part in parts]
        for part in line:
            part.align("left", width)
        yield Text(_GAP, style="dim").join(_kept_apart(part) for part in line)


def _kept_apart(cell: Text) -> Text:
    is_right_to_left = any(unicodedata.bidirectional(letter) in ("R", "AL", "AN") for letter in cell.plain)
    return Text(_LEFT_TO_RIGHT).append_text(cell) if is_right_to_left else cell


def cell_text(cell: Cell) -> Text:
    """Return a caption in its style: dim while it may change, bold where it is a translation."""
    style = "dim" if not cell.final else "italic" if cell.untranslated else "" if cell.source else "bold"
    return Text(printable(cell.text), style=style)


def status_line(status: Status, session: str) -> Text:
    """Return the state of session and connection in one line."""
    state = Text(f"{session} · ", style="dim")
    state.append(printable(status.connection), style="green" if status.connected else "yellow")
    if status.connected and not status.speaking:
        state.append(" · nobody is speaking")
    if status.lag_ms is not None and status.speaking:
        state.append(f" · {status.lag_ms / 1000:.1f} s late")
    if status.trouble:
        state.append(f" · {printable(status.trouble)}", style="yellow")
    return state


def printable(text: str) -> str:
    """Return `text` on one line without anything that steers a terminal or reverses its surroundings."""
    return "".join(
        letter if letter in _JOINERS or unicodedata.category(letter) not in _STEERING else _space(letter)
        for letter in text
    )


def _space(letter: str) -> str:
    return " " if letter in "\t\n\v\f\r\x85\u2028\u2029" else ""
