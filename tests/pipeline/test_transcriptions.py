"""OpenAI's speech endpoints: its own client, unchanged, against `surtitle serve` with scripted models."""

from __future__ import annotations

import asyncio
import io
import os
import re
import shlex
import tempfile
import threading
import wave
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import av
import httpx2
import numpy as np
import openai
import pysubs2
import pytest
import webvtt
from openai import AsyncOpenAI
from readme_programs import README, block
from scripted import ScriptedModels, ScriptedTranslator, eventually, scripted_server

from surtitle.pipeline.events import CaptionMode
from surtitle.pipeline.interpreter import Interpreter
from surtitle.pipeline.tokens import Token, Tokens, digest
from surtitle.pipeline.transcriptions import UPLOAD_BYTES

# OpenAI has said that it will retire the endpoint.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
SAID = "We will meet again."
FORM = "multipart/form-data"


def recording(seconds: float = 4.0, rate: int = 8_000) -> tuple[str, bytes]:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(bytes(2 * round(seconds * rate)))
    return "talk.wav", held.getvalue()


def client_of(url: str, key: str = "none") -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)


@pytest.fixture
async def client() -> AsyncIterator[AsyncOpenAI]:
    async with scripted_server() as url, client_of(url) as client:
        yield client


async def test_a_transcription_is_what_was_said_and_for_how_long(client: AsyncOpenAI) -> None:
    made = await client.audio.transcriptions.create(file=recording(), model="whisper-1", language="en")
    assert made.text == f"{SAID} {SAID}"
    assert made.usage is not None
    assert made.usage.type == "duration"
    assert made.usage.seconds == pytest.approx(4.0, abs=0.01)


async def test_verbose_json_has_segments_and_words_at_their_times(client: AsyncOpenAI) -> None:
    made = await client.audio.transcriptions.create(
        file=recording(),
        model="whisper-1",
        language="en",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert (made.language, made.duration) == ("english", pytest.approx(4.0, abs=0.01))
    assert made.segments is not None
    assert made.words is not None
    assert [(each.id, each.start, each.end, each.text) for each in made.segments] == [
        (0, 0.0, 1.9, SAID),
        (1, 2.0, 3.9, SAID),
    ]
    assert made.segments[0].avg_logprob == pytest.approx(-0.1054, abs=1e-3)  # of words with a probability of 0.9
    assert [(each.word, each.start, each.end) for each in made.words[:2]] == [("We", 0.0, 0.4), ("will", 0.5, 0.9)]
    assert len(made.words) == 8


async def test_verbose_json_has_only_the_times_that_are_asked_for(client: AsyncOpenAI) -> None:
    make = client.audio.transcriptions.create
    verbose = await make(file=recording(), model="m", language="en", response_format="verbose_json")
    assert (len(verbose.segments or ()), verbose.words) == (2, None)
    words = await make(
        file=recording(), model="m", language="en", response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert (words.segments, len(words.words or ())) == (None, 8)


async def test_text_srt_and_vtt_are_what_their_readers_take(client: AsyncOpenAI) -> None:
    make = client.audio.transcriptions.create
    assert await make(file=recording(), model="m", language="en", response_format="text") == f"{SAID} {SAID}\n"
    srt = await make(file=recording(), model="m", language="en", response_format="srt")
    assert [line.plaintext for line in pysubs2.SSAFile.from_string(srt, format_="srt")] == [SAID, SAID]
    vtt = await make(file=recording(), model="m", language="en", response_format="vtt")
    assert [cue.text for cue in webvtt.from_string(vtt)] == [SAID, SAID]


async def test_a_translation_is_english_as_openais_is(client: AsyncOpenAI) -> None:
    made = await client.audio.translations.create(file=recording(), model="m", extra_body={"language": "de"})
    assert made.text == f"{SAID} {SAID}".upper()
    verbose = await client.audio.translations.create(
        file=recording(), model="m", response_format="verbose_json", extra_body={"language": "de"}
    )
    assert (verbose.language, verbose.duration) == ("english", pytest.approx(4.0, abs=0.01))
    assert [each.text for each in verbose.segments or ()] == [SAID.upper()] * 2


async def test_a_translation_into_another_language_is_one_field_more(client: AsyncOpenAI) -> None:
    make = client.audio.translations.create
    verbose = await make(
        file=recording(), model="m", response_format="verbose_json", extra_body={"language": "en", "to": "ja"}
    )
    assert (verbose.language, verbose.text) == ("japanese", f"{SAID}{SAID}".upper())
    srt = await make(file=recording(), model="m", response_format="srt", extra_body={"language": "en", "to": "es"})
    assert [line.plaintext for line in pysubs2.SSAFile.from_string(srt, format_="srt")] == [SAID.upper()] * 2


@pytest.mark.parametrize("captions", ["steady", "live"])
async def test_no_draft_is_made_of_a_recording_that_nobody_watches(
    captions: CaptionMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts, promises = list[str](), list[object]()

    class Watched(ScriptedModels):
        def interpreter(
            self, sources: Sequence[str], targets: Sequence[str], *args: object, **more: object
        ) -> Interpreter:
            promises.append(more["promises"])
            return super().interpreter(sources, targets, *args, **more)

    def draft(translator: ScriptedTranslator, text: str, *args: object, **more: object) -> Iterator[object]:
        drafts.append(text)
        return iter(())

    monkeypatch.setattr(ScriptedTranslator, "draft", draft)
    async with scripted_server(models=Watched(), captions=captions) as url, client_of(url) as client:
        made = await client.audio.translations.create(file=recording(), model="m", extra_body={"language": "de"})
    assert made.text == f"{SAID} {SAID}".upper()
    assert (drafts, promises) == ([], [False])


async def test_what_is_said_in_the_language_that_is_wanted_comes_back_as_it_is(client: AsyncOpenAI) -> None:
    made = await client.audio.translations.create(file=recording(), model="m", extra_body={"language": "en"})
    assert made.text == f"{SAID} {SAID}"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"language": "klingon"}, "language"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities"),
        ({"response_format": "verbose_json", "timestamp_granularities": ["syllable"]}, "timestamp_granularities"),
        ({"stream": True}, "stream"),
        ({"file": ("notes.txt", b"no sound at all")}, "file"),
        ({"file": ("empty.wav", b"")}, "file"),
    ],
)
async def test_a_field_that_is_wrong_is_named(client: AsyncOpenAI, fields: dict[str, object], param: str) -> None:
    with pytest.raises(openai.BadRequestError, match=r"expected|Known") as caught:
        await client.audio.transcriptions.create(**{"file": recording(), "model": "m", **fields})  # type: ignore[call-overload]
    assert (caught.value.param, caught.value.code) == (param, "invalid_value")
    assert caught.value.type == "invalid_request_error"
    assert tempfile.gettempdir() not in caught.value.message


async def test_a_recording_that_broke_off_is_refused_and_not_said_to_have_been_captioned(
    client: AsyncOpenAI, tmp_path: Path
) -> None:
    with av.open(tmp_path / "talk.flac", "w") as whole:
        stream = whole.add_stream("flac", rate=16_000, layout="mono")
        noise = np.random.default_rng(1).integers(-9000, 9000, (1, 8 * 16_000), np.int16)
        frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
        frame.rate = 16_000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            whole.mux(packet)
    sound = (tmp_path / "talk.flac").read_bytes()
    with pytest.raises(openai.BadRequestError, match=r"talk.flac: cannot .*, expected a whole recording") as caught:
        await client.audio.transcriptions.create(file=("talk.flac", sound[: len(sound) // 2]), model="m", language="en")
    assert (caught.value.param, "captioned" in caught.value.message) == ("file", False)


async def test_only_who_may_publish_may_have_recordings_captioned() -> None:
    guests = Tokens((Token("stage", "publish", digest("p")), Token("hall", "read", digest("r"))))
    async with scripted_server(tokens=lambda: guests) as url:
        for key, error in (("wrong", openai.AuthenticationError), ("r", openai.PermissionDeniedError)):
            async with client_of(url, key) as client:
                with pytest.raises(error):
                    await client.audio.transcriptions.create(file=recording(), model="m")
        async with client_of(url, "p") as client:
            made = await client.audio.transcriptions.create(file=recording(), model="m", language="en")
            assert made.text.startswith(SAID)


async def test_a_recording_counts_among_the_sessions_and_one_too_many_is_told_to_come_back() -> None:
    listening, gate = threading.Event(), threading.Event()

    def listen() -> None:
        listening.set()
        gate.wait()

    async with scripted_server(models=ScriptedModels(listen), max_sessions=1) as url, client_of(url) as client:
        make = client.audio.transcriptions.create
        first = asyncio.create_task(make(file=recording(), model="m", language="en"))
        await asyncio.to_thread(listening.wait, 10)
        with pytest.raises(openai.RateLimitError) as caught:
            await make(file=recording(), model="m")
        assert caught.value.response.headers["retry-after"] == "5"
        gate.set()
        assert (await first).text.startswith(SAID)
        assert (await make(file=recording(), model="m", language="en")).text.startswith(SAID)


async def test_what_is_laid_out_for_one_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    laying_out, gate = threading.Event(), threading.Event()

    def lay_out(captions: object) -> str:
        laying_out.set()
        return "laid out" if gate.wait(5) else "the event loop was held up"

    monkeypatch.setattr("surtitle.pipeline.transcripts.to_srt", lay_out)
    async with scripted_server() as url, client_of(url) as client, httpx2.AsyncClient() as web:
        make = client.audio.transcriptions.create
        first = asyncio.create_task(make(file=recording(), model="m", language="en", response_format="srt"))
        assert await asyncio.to_thread(laying_out.wait, 10)
        assert (await web.get(f"{url}/health")).status_code == 200
        gate.set()
        assert await first == "laid out"


async def test_a_client_that_hangs_up_ends_the_work_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    listening, gate = threading.Event(), threading.Event()
    heard: list[int] = []

    def listen() -> None:
        heard.append(1)
        listening.set()
        gate.wait()

    async with scripted_server(models=ScriptedModels(listen), max_sessions=1) as url, client_of(url) as client:
        make = client.audio.transcriptions.create
        waiting = asyncio.create_task(make(file=recording(60), model="m", language="en"))
        await asyncio.to_thread(listening.wait, 10)
        assert os.listdir(tmp_path)
        waiting.cancel()
        await eventually(lambda: not os.listdir(tmp_path))
        gate.set()
        assert (await make(file=recording(), model="m", language="en")).text.startswith(SAID)
    assert len(heard) < 100  # of 600 pieces


@pytest.mark.parametrize(
    ("content", "kind", "status", "param"),
    [
        (b"{}", "application/json", 415, None),
        (b"", FORM, 415, None),
        (b"--x\r\nnonsense", f"{FORM}; boundary=x", 400, None),
        (
            b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--x--',
            f"{FORM}; boundary=x",
            400,
            "file",
        ),
    ],
)
async def test_what_is_no_form_with_a_file_is_refused_in_openais_shape(
    content: bytes, kind: str, status: int, param: str | None
) -> None:
    async with scripted_server() as url, httpx2.AsyncClient() as web:
        answer = await web.post(f"{url}/v1/audio/transcriptions", content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.json()["error"]["param"] == param
    assert re.search("expected", answer.json()["error"]["message"])


async def test_a_file_that_is_too_large_is_refused_before_it_is_sent() -> None:
    head = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}; boundary=x\r\n"
    async with scripted_server() as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(f"{head}Content-Length: {UPLOAD_BYTES + 1}\r\n\r\n--x\r\n".encode())
        answer = (await reader.read()).decode()
        writer.close()
    assert answer.startswith("HTTP/1.1 413")
    assert '"code":"file_too_large"' in answer


async def test_the_program_of_the_readme_waits_for_its_answer_however_long_that_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "talk.mp4").write_bytes(recording()[1])
    monkeypatch.chdir(tmp_path)
    made: dict[str, openai.OpenAI] = {}
    async with scripted_server() as url:
        program = block("from openai import OpenAI").replace("http://127.0.0.1:8765", url)
        await asyncio.to_thread(exec, compile(program, "README.md", "exec"), made)
    printed = pysubs2.SSAFile.from_string(capsys.readouterr().out, format_="srt")
    assert [line.plaintext for line in printed] == [SAID] * 2
    with made["client"] as client:
        assert client.timeout is None


async def test_the_command_of_the_readme_writes_subtitles_or_nothing(tmp_path: Path) -> None:
    (command,) = re.findall(r"^    (curl .*/v1/audio/translations)$", README, re.M)
    async with scripted_server() as url:
        asked = shlex.split(command.replace("http://127.0.0.1:8765", url))
        for sound, is_heard in ((b"no sound at all", False), (recording()[1], True)):
            (tmp_path / "talk.mp4").write_bytes(sound)
            curl = await asyncio.create_subprocess_exec(
                *asked, "--noproxy", "*", cwd=tmp_path, stderr=asyncio.subprocess.DEVNULL
            )
            assert (await curl.wait() == 0) is is_heard
            assert (tmp_path / "talk.es.srt").exists() is is_heard
    assert [line.plaintext for line in pysubs2.load(str(tmp_path / "talk.es.srt"))] == [SAID.upper()] * 2
