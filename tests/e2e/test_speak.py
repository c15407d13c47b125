"""Speech in at a browser's microphone, captions out in another tab: `surtitle serve` on real models, in Chromium."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator

import pytest
from chromium import CHROMIUM_ARGUMENTS
from e2e_running import COMMAND, free_port, wait_until_served
from playwright.sync_api import Browser, expect, sync_playwright

from surtitle.pipeline.store import open_store

pytestmark = [pytest.mark.browser, pytest.mark.weights]


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Its microphone hears the sample recording, over and over."""
    recording = open_store(os.environ).path("jfk") / "jfk.wav"
    microphone = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={recording}",
    )
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=[*CHROMIUM_ARGUMENTS, *microphone])
        yield browser
        browser.close()


def test_what_is_said_in_one_tab_is_read_in_another(browser: Browser) -> None:
    port = free_port()
    url, complaints = f"http://127.0.0.1:{port}", list[str]()
    with subprocess.Popen([*COMMAND, "serve", "--port", str(port)], stdout=subprocess.DEVNULL) as process:
        try:
            wait_until_served(url)
            speaker, reader = browser.new_page(), browser.new_page()
            for page in (speaker, reader):
                page.on("console", lambda message: complaints.append(message.text))
            reader.goto(f"{url}/read?session=hall&lang=es")
            speaker.goto(f"{url}/speak?session=hall")
            speaker.get_by_role("button", name="Start speaking").click()
            expect(speaker.locator("#state")).to_have_text("You are being heard.", timeout=60_000)
            # what it hears begins anywhere and is cut, so one of the words that its translations have is enough
            expect(reader.locator("body")).to_contain_text(
                re.compile("hacer|país|nación|americanos", re.I), timeout=90_000
            )
            speaker.get_by_role("button", name="Stop").click()
            expect(speaker.locator("#state")).not_to_have_text("You are being heard.", timeout=60_000)
            assert complaints == []
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
