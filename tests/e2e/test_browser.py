"""A replay on the real clock, seen in Chromium: opened before it starts, while it runs, and after it ended.

`SURTITLE_SCREENSHOT=PATH` keeps a picture of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import CHROMIUM_ARGUMENTS
from e2e_running import COMMAND, finals, free_port, read_log, wait_until_served
from playwright.sync_api import Browser, Page, expect, sync_playwright

pytestmark = [pytest.mark.browser, pytest.mark.weights]
STAGE = "body { background: #1c2430 !important; }"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


def shown(page: Page) -> str:
    return " ".join(page.locator(".line").all_inner_texts())


def open_overlay(browser: Browser, url: str) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(f"{url}/overlay?lang=es&hold=0")
    return page


def test_an_overlay_opened_before_during_or_after_a_replay_shows_its_last_lines(
    browser: Browser, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "log.jsonl"
    url = f"http://127.0.0.1:{port}"
    command = [*COMMAND, "replay", "sample:jfk", "--from", "en", "--to", "es", "--clock", "real", "--serve"]
    with subprocess.Popen([*command, "--port", str(port), "--log", str(log)], stdout=subprocess.DEVNULL) as process:
        try:
            wait_until_served(url)
            before = open_overlay(browser, url)
            expect(before.locator(".line").first).to_be_visible(timeout=60_000)
            during = open_overlay(browser, url)
            while '"type":"end"' not in log.read_text():
                assert process.poll() is None, "the replay ended instead of serving on"
                time.sleep(0.2)
            after = open_overlay(browser, url)
            last = finals(read_log(log), "es")[-1].split()[-1]
            for page in (before, during, after):
                expect(page.locator(".line").last).to_contain_text(last, timeout=10_000)
                assert len(page.locator(".line:visible").all()) >= 1
            # the page that was open from the beginning has told when it painted all but perhaps the last caption
            assert 0 < read_log(log)[-1]["stats"]["painted_p50_ms"] < 60_000
            if "SURTITLE_SCREENSHOT" in os.environ:
                after.add_style_tag(content=STAGE)
                # lines roll in
                after.evaluate("() => Promise.all(document.getAnimations().map((each) => each.finished)).then(() => 0)")
                after.screenshot(path=os.environ["SURTITLE_SCREENSHOT"])
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
