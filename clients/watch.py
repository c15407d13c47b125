"""Captions in a terminal: finals scroll up, drafts change on the last lines.

In: a server's address and a rich console. Out: printed lines, without the control characters that would steer
the terminal. Knows the protocol through `viewer.py`, and nothing of the program that speaks it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.text import Text

from surtitle.clients.viewer import Message, captions

_STEERING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d\u200e\u200f")
"""Invisible characters that Persian, Indic scripts and emoji need to be written rightly."""


async def watch(url: str, langs: Sequence[str], console: Console) -> None:
    """Print captions until the server stops after the session's end.

    Args:
        url: `http://host:port` of the server.
        langs: The languages to show; none means all, each line then begins with its language.
        console: Where to print; drafts are shown only if it is a terminal.

    Raises:
        ViewerError: there is no server, or it refuses this viewer.
    """
    screen = Screen(labels=len(langs) != 1)
    if not console.is_terminal:
        async for message in captions(url, langs):
            for line in screen.push(message):
                console.print(line, soft_wrap=True)
        return
    with Live(console=console, transient=True, auto_refresh=False) as live:
        async for message in captions(url, langs):
            for line in screen.push(message):
                console.print(line, soft_wrap=True)
            live.update(screen.drafts(), refresh=True)


class Screen:
    """What is to be printed, and what may still change. Knows no terminal."""

    def __init__(self, *, labels: bool) -> None:
        """Start empty; `labels` puts the language before each line."""
        self._labels = labels
        self._drafts: dict[tuple[int, str], Message] = {}

    def push(self, message: Message) -> list[Text]:
        """Take in one message and return the lines that are final."""
        match message["type"]:
            case "caption":
                key = (message["cue"], message["lang"])
                if not message["final"]:
                    self._drafts[key] = message
                    return []
                self._drafts.pop(key, None)
                return [self._line(message)]
            case "session":
                self._drafts.clear()
                targets = ", ".join(message["targets"])
                sources = " or ".join(message.get("sources", [message["source"]]))
                return [Text(printable(f"── {sources} → {targets} ──"), style="dim")]
            case "gap":
                seconds = (message["end_ms"] - message["start_ms"]) / 1000
                return [Text(printable(f"── {seconds:.1f} s missing: {message['why']} ──"), style="yellow")]
            case "welcome":
                if not message["recovered"]:
                    self._drafts.clear()
                return []
            case "end":
                self._drafts.clear()
                return [Text("── end ──", style="dim")]
            case _:
                return []

    def drafts(self) -> Text:
        """Return the open drafts, one a line."""
        return Text("\n").join(self._line(message) for message in self._drafts.values())

    def _line(self, message: Message) -> Text:
        style = "dim" if message["role"] == "source" else "bold"
        line = Text()
        if self._labels:
            line.append(printable(f"{message['lang']:<3}"), style="cyan")
        is_settled = message["final"] and not message.get("untranslated")
        line.append(printable(message["text"]), style=style if is_settled else f"{style} italic")
        return line


def printable(text: str) -> str:
    """Return `text` on one line without anything that steers a terminal or reverses its surroundings."""
    return "".join(
        letter if letter in _JOINERS or unicodedata.category(letter) not in _STEERING else _space(letter)
        for letter in text
    )


def _space(letter: str) -> str:
    return " " if letter in "\t\n\v\f\r\x85\u2028\u2029" else ""
