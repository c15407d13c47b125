"""The product as its users start it: a process of its own, on real models."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from surtitle.pipeline.store import open_store

COMMAND = [sys.executable, "-m", "surtitle.pipeline.cli"]
Line = dict[str, Any]
SPOKEN = "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country."
"""In the sample recording."""


def surtitle(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run to the end, three minutes at most."""
    return subprocess.run([*COMMAND, *arguments], input=text, capture_output=True, text=True, timeout=180, check=False)


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process whose output can be read line by line; it is gone afterwards."""
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def read_log(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def finals(lines: list[Line], language: str) -> list[str]:
    return [line["text"] for line in lines if line["type"] == "caption" and line["final"] and line["lang"] == language]


def jfk() -> tuple[bytes, int]:
    """The sample recording: 16-bit samples and their rate in hertz."""
    with wave.open(str(open_store(os.environ).path("jfk") / "jfk.wav")) as file:
        return file.readframes(file.getnframes()), file.getframerate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_served(url: str, seconds: float = 90) -> None:
    for _ in range(int(seconds * 5)):
        try:
            urllib.request.urlopen(f"{url}/health", timeout=2).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError(f"nothing answered at {url} within {seconds} s")
