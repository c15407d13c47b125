"""The real models behind OpenAI's own client."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from e2e_running import COMMAND, free_port, wait_until_served
from openai import OpenAI

from surtitle.pipeline.store import open_store

pytestmark = [pytest.mark.weights, pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")]


@pytest.fixture
def client() -> Iterator[OpenAI]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    with subprocess.Popen([*COMMAND, "serve", "--port", str(port)], stdout=subprocess.DEVNULL) as process:
        try:
            wait_until_served(url)
            with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=120) as client:
                yield client
        finally:
            process.terminate()


def test_openais_client_gets_the_words_of_a_speech_when_they_were_said_and_in_spanish(client: OpenAI) -> None:
    speech = open_store(os.environ).path("jfk") / "jfk.wav"
    heard = client.audio.transcriptions.create(
        file=speech, model="whisper-1", response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert (heard.language, heard.duration) == ("english", pytest.approx(11.0, abs=0.1))
    assert "ask what you can do for your country" in heard.text.lower()
    assert heard.words is not None
    times = [(word.start, word.end) for word in heard.words]
    assert times == sorted(times)
    assert 8 < times[-1][1] <= 11
    made = client.audio.translations.create(
        file=speech, model="whisper-1", response_format="srt", extra_body={"language": "en", "to": "es"}
    )
    assert "hacer" in made
