"""`surtitle.pipeline.cli`: what people type, and what they are told when it's wrong."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import wave
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest
from chat_server import ChatServer
from tiny_translator import WINDOW, write_model

from surtitle.pipeline.assembly import available_cores
from surtitle.pipeline.choice import FILE, remember, this_machine
from surtitle.pipeline.cli import build_parser, main
from surtitle.pipeline.devices import InputDevice
from surtitle.pipeline.given import tell_unknown_languages
from surtitle.pipeline.languages import parse_pair
from surtitle.pipeline.options import token_of
from surtitle.pipeline.process import LIBRARY_SETTINGS, exit_status
from surtitle.pipeline.store import _FORMAT, RECORD, _Record, open_store

Run = Callable[..., tuple[int, str]]
PAIR = ("--from", "en", "--to", "es")


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command beside an empty model store: its exit status, and what it said on standard error."""
    monkeypatch.setenv("SURTITLE_HOME", str(tmp_path / "models"))
    for name in LIBRARY_SETTINGS:
        monkeypatch.setenv(name, "")  # what the program sets is taken back

    def run(*arguments: str | Path) -> tuple[int, str]:
        status = main([str(each) for each in arguments])
        return status, capsys.readouterr().err

    return run


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(32_000))
    return path


def assert_said(result: tuple[int, str], status: int, pattern: str) -> None:
    """One line for people, and nothing else."""
    seen, error = result
    assert seen == status, error
    assert error.count("\n") == 1
    assert re.match(rf"surtitle: .*{pattern}", error), error


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (("--from", "english", "--to", "es"), r"unknown language 'english'; did you mean en \(English\)\?"),
        (("--from", "en", "--to", "sp"), r"unknown language 'sp'; did you mean es \(Spanish\)\?"),
        (("--from", "en", "--to", "es,es"), "got the languages 'es,es', expected codes with commas between, each once"),
        (("--from", "en,en", "--to", "de"), "got the languages 'en,en', expected codes with commas between, each once"),
    ],
)
@pytest.mark.parametrize("command", ["replay", "live", "translate"])
def test_wrong_languages_are_wrong_usage(
    command: str, pair: tuple[str, ...], said: str, run: Run, recording: Path
) -> None:
    files = [] if command == "live" else [recording]
    assert_said(run(command, *files, *pair), 2, said)


def test_text_is_not_translated_into_the_language_that_it_is_in(run: Run, recording: Path) -> None:
    said = "got --from en and --to de,en, expected targets other than the source"
    assert_said(run("translate", recording, "--from", "en", "--to", "de,en"), 2, said)


def test_captions_in_the_language_that_is_spoken_need_no_translator(run: Run, recording: Path, tmp_path: Path) -> None:
    import tiny_whisper  # it imports transformers, which takes seconds

    ears, log = tmp_path / "ears", tmp_path / "log.jsonl"
    tiny_whisper.make(ears, mels=80, alignment_heads=[(1, 0)])
    flags = ("--from", "en", "--to", "en", "--asr", ears, "--clock", "virtual")
    assert run("replay", recording, *flags, "--log", log)[0] == 0
    start, end = map(json.loads, log.read_text().splitlines())
    assert (start["source"], start["targets"], start["models"]) == ("en", ["en"], {"asr": "ears"})
    assert end["stats"]["segments"] == 0
    said = "got --state but nothing to translate, expected another language in --to, or --llm NAME"
    assert_said(run("replay", recording, *flags, "--state", tmp_path / "talk.state"), 2, said)
    assert_said(run("replay", recording, *flags, "--llm", "qwen2.5-coder-0.5b"), 1, "qwen2.5-coder-0.5b is not here")


HERE = ("--translator-url", "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            HERE,
            "--translator-url needs --translator-model NAME: http://127.0.0.1:9/v1/models lists what the server has",
        ),
        (("--translator-model", "m"), "--translator-model needs --translator-url; .* use --llm"),
        (("--translator-url", "here", "--translator-model", "m"), "got --translator-url here, expected a server's"),
        ((*HERE, "--translator-model", "m", "--llm", "other"), "expected a model either there or here"),
        ((*HERE, "--translator-model", "m", "--llm-device", "cuda"), "expected a model either there or here"),
    ],
)
@pytest.mark.parametrize("command", ["replay", "serve", "translate"])
def test_an_endpoint_that_can_not_be_is_wrong_usage(
    command: str, flags: tuple[str, ...], said: str, run: Run, recording: Path
) -> None:
    arguments = {"replay": (recording, *PAIR), "translate": PAIR, "serve": ()}[command]
    assert_said(run(command, *arguments, *flags), 2, said)


@pytest.mark.parametrize("captions", ["steady", "live"])
def test_an_endpoint_gives_whole_captions_only(captions: str, run: Run) -> None:
    flags = (*HERE, "--translator-model", "m", "--captions", captions)
    said = f"--captions {captions} needs a model on this machine: .*Leave out --captions, or --translator-url"
    assert_said(run("serve", *flags), 2, said)


def test_with_an_endpoint_no_translator_is_needed_here(run: Run, recording: Path) -> None:
    said = "model whisper-base is not here"
    assert_said(run("replay", recording, *PAIR, *HERE, "--translator-model", "m"), 1, said)


@pytest.mark.slow
def test_text_is_translated_by_an_endpoint_with_the_key_of_the_environment(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURTITLE_TRANSLATOR_KEY", "sk-1")
    text = tmp_path / "talk.txt"
    text.write_text("Good morning.\n\nGood night.\n")
    chat = ChatServer(
        lambda messages: {"Good morning.": "Buenos días.", "Good night.": "Buenas noches."}[said(messages)]
    )
    with chat.listening():
        flags = ("--translator-url", chat.url, "--translator-model", "m")
        assert main(["translate", str(text), *PAIR, *flags]) == 0
        assert capsys.readouterr().out == "Buenos días.\n\nBuenas noches.\n"
        assert {headers["Authorization"] for headers in chat.headers} == {"Bearer sk-1"}
        chat.mode = "500"
        failed = run("translate", text, *PAIR, *flags)
    assert_said(failed, 1, "line 1: the translation server gives no translation: HTTP 500")


def said(messages: list[dict[str, str]]) -> str:
    return messages[-1]["content"]


def test_text_is_in_one_language(run: Run, recording: Path) -> None:
    assert_said(run("translate", recording, "--from", "en,es", "--to", "de"), 2, "got --from en,es, expected one")


def test_a_missing_recording_is_named(run: Run) -> None:
    assert_said(run("replay", "nowhere.wav", *PAIR), 1, "nowhere.wav: no such file; check the path")


def test_a_folder_is_no_recording(run: Run, tmp_path: Path) -> None:
    assert_said(run("replay", tmp_path, *PAIR), 1, "is a folder, expected a recording; name the files in it")


def test_a_text_is_no_recording(run: Run, tmp_path: Path) -> None:
    text = tmp_path / "talk.txt"
    text.write_text("Good morning.\n")
    assert_said(run("replay", text, *PAIR), 1, "talk.txt: is not audio or video that can be read, expected a recording")


def test_an_empty_file_is_no_recording(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "talk.wav"
    empty.touch()
    assert_said(run("replay", empty, *PAIR), 1, "talk.wav: is empty, expected a recording")


def test_one_bad_recording_among_good_ones_is_said_before_models_are_looked_for(run: Run, recording: Path) -> None:
    assert_said(run("replay", recording, "nowhere.wav", *PAIR), 1, "nowhere.wav: no such file")


@pytest.mark.parametrize("command", ["replay", "translate", "serve"])
def test_a_missing_model_is_named_with_the_command_that_fetches_it(command: str, run: Run, recording: Path) -> None:
    arguments = {"replay": (recording, *PAIR), "translate": PAIR, "serve": ()}[command]
    assert_said(run(command, *arguments), 1, r"model ([\w.-]+) is not here\. Run: surtitle models fetch \1")


def test_a_damaged_model_names_the_file_and_the_command_that_mends_it(
    run: Run, recording: Path, tmp_path: Path
) -> None:
    (tmp_path / "models" / "whisper-base").mkdir(parents=True)
    said = r"whisper-base is damaged: .*json is missing or unreadable\. Run: surtitle models fetch whisper-base"
    assert_said(run("replay", recording, *PAIR), 1, said)


def test_an_unknown_model_is_wrong_usage(run: Run, recording: Path) -> None:
    assert_said(run("replay", recording, *PAIR, "--asr", "whisper-bass"), 2, "whisper-bass")


def test_an_unknown_sample_is_wrong_usage(run: Run) -> None:
    assert_said(run("replay", "sample:kfj", *PAIR), 2, "kfj")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
@pytest.mark.parametrize("command", ["replay", "live", "serve"])
def test_an_address_that_others_can_reach_must_be_allowed(command: str, host: str, run: Run, recording: Path) -> None:
    arguments = {"replay": (recording, *PAIR, "--serve"), "live": PAIR, "serve": ()}[command]
    said = "can be reached from other machines: expected a loopback address such as 127.0.0.1, --tokens FILE, --public"
    assert_said(run(command, *arguments, "--host", host), 2, said)


@pytest.mark.parametrize(
    "flags",
    [
        ("--host", "127.0.0.2"),
        ("--tokens", "tokens.toml"),
        ("--access-log", "log"),
        ("--allow-origin", "https://captions.example.org"),
        ("--allow-remote",),
        ("--public-read",),
        ("--max-viewers", "5"),
    ],
)
def test_a_replay_that_nobody_connects_to_takes_no_flags_for_viewers(
    flags: tuple[str, ...], run: Run, recording: Path
) -> None:
    assert_said(run("replay", recording, *PAIR, *flags), 2, "got a server's flags and no server, expected --serve")


@pytest.mark.parametrize(("written", "other"), [("--log", "--prompts"), ("--log", "--resume"), ("--save", "--prompts")])
def test_what_is_generated_does_not_overwrite_what_is_read(written: str, other: str, run: Run, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("Good morning.\n")
    said = f"prompts.txt for {written} and {other}, expected different files"
    assert_said(run("generate", written, prompts, other, prompts), 2, said)
    assert prompts.read_text() == "Good morning.\n"


@pytest.mark.parametrize("command", ["replay", "live", "serve"])
@pytest.mark.parametrize("other", ["--access-log", "--state", "--tokens", "--glossary"])
def test_a_file_for_two_flags_is_wrong_usage(command: str, other: str, run: Run, recording: Path) -> None:
    arguments = {"replay": (recording, *PAIR, "--serve"), "live": PAIR, "serve": ()}[command]
    file = recording.with_name("log.jsonl")
    flags = ("--log", file.parent / "." / file.name, other, file)
    assert_said(run(command, *arguments, *flags), 2, r"log\.jsonl for --\S+ and --\S+, expected different files")
    assert not file.exists()


def test_what_is_written_is_not_what_is_read_unless_it_is_no_file(run: Run, recording: Path) -> None:
    before = recording.read_bytes()
    for flag in ("--log", "--srt", "--state", "--text-now"):
        said = rf"talk\.wav for {flag} and FILE, expected different files"
        assert_said(run("replay", recording, *PAIR, flag, recording), 2, said)
    assert_said(run("translate", recording, *PAIR, "--state", recording), 2, "for --state and FILE, expected different")
    assert recording.read_bytes() == before
    assert_said(run("replay", recording, *PAIR, "--log", "/dev/null", "--srt", "/dev/null"), 1, "is not here")


@pytest.mark.parametrize("other", ["--glossary", "--log", "--txt", "--text-now"])
def test_the_file_of_another_language_is_no_other_flags_file(other: str, run: Run, recording: Path) -> None:
    file, beside = recording.with_name("notes.srt"), recording.with_name("notes.de.srt")
    beside.write_text('[[term]]\nkeep = "sink"\n')
    command = ("replay", recording, "--from", "en", "--to", "es,de", "--srt", file, other, beside)
    assert_said(run(*command), 2, rf"notes\.de\.srt for --srt and {other}, expected different files")
    assert "sink" in beside.read_text()
    assert_said(run(*command[:5], "de,es", *command[6:]), 1, "is not here")


def test_a_folder_to_fetch_from_is_there(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("models", "fetch", "--from", "nowhere")
    assert "got 'nowhere', expected a folder that exists" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["0", "left", "5,5", "5,", "-1"])
def test_channels_are_numbers_from_one_and_different(run: Run, capsys: pytest.CaptureFixture[str], given: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("live", *PAIR, f"--channels={given}")
    assert f"got {given!r}, expected channels counted from 1, each once, such as 5 or 5,6" in capsys.readouterr().err


MIXER = InputDevice(index=3, name="USB mixer", host="ALSA", channels=18, rate=48_000, default=True)


def test_devices_are_listed_with_how_many_channels_each_has_and_live_refuses_others_at_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("surtitle.pipeline.devices.list_devices", lambda: [MIXER])
    assert main(["devices"]) == 0
    assert capsys.readouterr().out == "*   3  USB mixer  (ALSA, 18 ch, 48000 Hz)\n"
    refused = run("live", *PAIR, "--channels", "5,19")
    assert_said(refused, 2, "got --channels 5,19, expected numbers up to 18: 'USB mixer' has no more")


def test_a_machine_without_a_microphone_is_told_and_the_status_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("surtitle.pipeline.devices.list_devices", list)
    assert_said(run("devices"), 1, "no microphone was found; plug one in")


@pytest.mark.slow
def test_who_wants_english_may_measure_too(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--quick", "--port", "0", "--to", "en"]) == 1
    assert "missing: whisper-base" in capsys.readouterr().out


@pytest.mark.parametrize("flush", [True, False])
def test_who_stops_reading_is_no_trouble_at_the_end(flush: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    program = (
        "import sys; from surtitle.pipeline.process import exit_status; sys.stdin.read();"
        f"sys.exit(exit_status('surtitle', lambda: print('said', flush={flush})))"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdout
        process.stdout.close()
        _, error = process.communicate()
    assert (process.returncode, error) == (130, b"")


def test_a_letter_that_the_terminal_can_not_write_is_written_otherwise(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "latin-1", write_through=True))
    assert run("models")[0] == 0
    print("你 ü", end="")
    assert written.getvalue().endswith(b"\\u4f60 \xfc")


def test_who_stops_reading_a_list_is_no_trouble_either(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "surtitle.pipeline.cli", "models", "list"]
    pipe, home = subprocess.PIPE, {"SURTITLE_HOME": str(tmp_path)}
    with subprocess.Popen(command, env={**os.environ, **home}, stdout=pipe, stderr=pipe) as process:
        assert process.stdout
        process.stdout.close()
        error = process.communicate()[1]
    assert (process.returncode, error) == (130, b"")


def test_an_allowed_address_comes_as_far_as_the_models(run: Run) -> None:
    assert_said(run("serve", "--host", "0.0.0.0", "--allow-remote"), 1, "is not here")


SECRET = "signature=nYtXJqRKCW"


def test_a_session_has_a_name_that_fits_an_address(run: Run, recording: Path) -> None:
    assert_said(
        run("replay", recording, *PAIR, "--session", "the hall"), 2, "got --session 'the hall', expected 1 to 64"
    )


@pytest.mark.parametrize(
    ("posted", "said"),
    [
        (
            ("--post-zoom", f"https://zoom.us/closedcaption?{SECRET}"),
            "got no caption address for Zoom, expected LANG=URL",
        ),
        (("--post-zoom", f"es=zoom.us?{SECRET}"), "got no caption address for Zoom, expected LANG=URL"),
        (
            ("--post-youtube", f"de=https://a/?{SECRET}"),
            r"got captions for YouTube \(de\), expected a language of --from or --to: en, es",
        ),
        (("--post-zoom", "es=@nowhere"), "nowhere: cannot be read, expected a file with the caption URL in it"),
        (
            ("--post-zoom", f"es=https://a/?{SECRET}", "--clock", "virtual"),
            "got --clock virtual with captions to post",
        ),
    ],
)
def test_what_can_not_be_posted_to_is_wrong_usage_and_not_shown(
    posted: tuple[str, ...], said: str, run: Run, recording: Path
) -> None:
    status, error = run("replay", recording, *PAIR, *posted)
    assert_said((status, error), 2, said)
    assert SECRET not in error


def test_an_address_to_post_to_may_stand_in_a_file(run: Run, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "address").write_text(f"https://a/?{SECRET}\n")
    assert_said(run("replay", recording, *PAIR, "--post-zoom", f"es=@{tmp_path / 'address'}"), 1, "is not here")


def test_a_secret_may_stand_in_a_file_that_begins_with_a_mark_of_its_encoding(
    run: Run, recording: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("https://a/?key\n", "utf-8-sig")
    assert token_of(tmp_path / "secret", {}) == "https://a/?key"
    post = f"es=@{tmp_path / 'secret'}"
    assert_said(run("replay", recording, *PAIR, "--post-zoom", post), 1, "is not here")


@pytest.mark.parametrize("flag", ["--tls-cert", "--tls-key"])
def test_a_certificate_and_its_key_come_together(flag: str, run: Run) -> None:
    assert_said(run("serve", flag, "file.pem"), 2, "got one of --tls-cert and --tls-key, expected both")


def test_what_the_server_needs_is_looked_at_before_models_are_loaded(run: Run, tmp_path: Path) -> None:
    missing = tmp_path / "no" / "file"
    assert_said(run("serve", "--tls-cert", missing, "--tls-key", missing), 1, "file: cannot be read")
    assert_said(run("serve", "--access-log", missing), 1, "file: cannot be written")


def test_an_address_that_others_can_reach_is_allowed_with_tokens(run: Run, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    assert run("tokens", tokens, "add", "obs", "--right", "read")[0] == 0
    assert_said(run("serve", "--host", "0.0.0.0", "--tokens", tokens), 1, "is not here")


@pytest.mark.parametrize("command", ["live", "serve"])
def test_a_proxy_that_others_can_reach_must_be_allowed(command: str, run: Run) -> None:
    origins = ("--allow-origin", "http://localhost:3000", "--allow-origin", "https://captions.example.org")
    said = r"--allow-origin https://captions\.example\.org lets other machines in: expected --tokens FILE, --public"
    assert_said(run(command, *(PAIR if command == "live" else ()), *origins), 2, said)


def test_the_readmes_servers_say_who_may_publish_where_they_let_other_machines_in() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"surtitle (?:serve|live|replay) [^`\n]*--(?:allow-origin|host) [^`\n]*", text)
    assert len(shown) >= 4
    assert [line for line in shown if not re.search("--(tokens|public-read|allow-remote)", line)] == []


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://[::1]:3000", "file://", "chrome-extension://abc"])
def test_pages_of_this_machine_need_no_tokens(origin: str, run: Run) -> None:
    assert_said(run("serve", "--allow-origin", origin), 1, "is not here")


def test_a_proxy_is_allowed_where_others_may_publish(run: Run) -> None:
    assert_said(run("serve", "--allow-origin", "https://captions.example.org", "--allow-remote"), 1, "is not here")


def test_an_address_that_others_can_reach_is_allowed_where_they_may_only_read(run: Run, recording: Path) -> None:
    assert_said(run("replay", recording, *PAIR, "--serve", "--host", "0.0.0.0", "--public-read"), 1, "is not here")


def test_a_server_whose_publishers_need_tokens_has_some(run: Run, tmp_path: Path) -> None:
    assert_said(run("serve", "--public-read"), 2, "nobody could speak: expected --tokens FILE")
    assert run("tokens", tmp_path / "tokens.toml", "add", "stage", "--right", "publish")[0] == 0
    assert_said(run("serve", "--public-read", "--tokens", tmp_path / "tokens.toml"), 1, "is not here")


def test_everybody_may_publish_or_nobody_else_and_not_both(run: Run, recording: Path) -> None:
    flags = ("--public-read", "--allow-remote")
    assert_said(run("replay", recording, *PAIR, "--serve", *flags), 2, "got --public-read and --allow-remote, exp")


def test_a_tokens_file_with_a_mistake_is_said_before_models_are_looked_for(run: Run, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    assert_said(run("serve", "--tokens", tokens), 1, r"can't read .*tokens\.toml .*expected a tokens file")
    tokens.write_text('[[token]]\nname = "obs"\nright = "write"\n')
    assert_said(
        run("serve", "--tokens", tokens), 1, r"tokens\.toml: Invalid enum value 'write'.*expected \[\[token\]\]"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add"], "got add without a NAME"),
        (["revoke"], "got revoke without a NAME"),
        (["add", "obs"], "got add without --right"),
    ],
)
def test_a_token_needs_a_name_and_a_right(arguments: list[str], said: str, run: Run, tmp_path: Path) -> None:
    assert_said(run("tokens", tmp_path / "tokens.toml", *arguments), 2, said)


def test_a_list_of_everything_is_not_given_where_one_was_named(run: Run, tmp_path: Path) -> None:
    assert_said(run("models", "list", "whisper-base"), 2, "got list with the NAME whisper-base, expected none")
    assert_said(run("tokens", tmp_path / "tokens.toml", "list", "obs"), 2, "got list with the NAME obs, expected none")


def test_a_text_that_is_missing_is_said_in_one_line(run: Run, tmp_path: Path) -> None:
    assert_said(run("translate", "nowhere.txt", *PAIR, "--llm", tmp_path), 1, r"can't read nowhere\.txt")


def test_a_token_that_is_missing_or_none_is_said_in_one_line(run: Run, tmp_path: Path) -> None:
    assert_said(run("watch", "--token-file", tmp_path / "nowhere"), 1, "cannot read --token-file .*nowhere")
    (tmp_path / "token").write_text("two words\n")
    said = "holds 9 characters, expected one word of at most 256"
    assert_said(run("watch", "--token-file", tmp_path / "token"), 1, said)


def test_a_folder_that_holds_no_model_is_said_in_one_line(run: Run, tmp_path: Path, recording: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    said = "holds no (loadable Whisper model|translator that can be loaded)"
    assert_said(run("replay", recording, *PAIR, "--asr", other, "--llm", other), 1, said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["replay"], "the following arguments are required: FILE, --from, --to"),
        (["replay", "a.wav", *PAIR, "--clock", "slow"], "invalid choice: 'slow'"),
        (["sing"], "invalid choice: 'sing'"),
        (["serve", "--port", "many"], "--port"),
        (["serve", "--port", "99999"], "--port"),
        (["tokens"], "the following arguments are required: FILE"),
        (["serve", "--asr-threads", "0"], "--asr-threads"),
        (["serve", "--llm-threads", "-2"], "--llm-threads"),
        (["translate", *PAIR, "--asr-threads", "2"], "unrecognized arguments: --asr-threads"),  # it hears nothing
    ],
)
def test_wrong_arguments_are_wrong_usage(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"surtitle {version('surtitle')}\n"


def test_models_are_listed_without_any_of_them(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    assert "whisper-base" in capsys.readouterr().out


def test_a_check_without_models_says_which_to_fetch(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--quick", "--port", "0"]) == 1
    assert "missing: whisper-base" in capsys.readouterr().out


@pytest.fixture
def models(run: Run, tmp_path: Path) -> Path:
    """The folder of models, where none is yet."""
    models = tmp_path / "models"
    models.mkdir()
    return models


def test_a_machine_that_was_measured_is_not_measured_again_where_once_will_do(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remember(models, this_machine(available_cores()), {1: None, 4: "qwen2.5-coder-0.5b"})
    for targets in ("es", "es,de,fr,pt"):
        assert main(["check", "--once", "--to", targets]) == 0
        assert capsys.readouterr().out == ""
    assert main(["check", "--once", "--to", "es,de"]) == 1
    assert "missing: whisper-base" in capsys.readouterr().out


def test_a_recording_for_which_nobody_waits_has_the_translator_of_text_where_it_is_here(
    models: Path, run: Run, recording: Path, tmp_path: Path
) -> None:
    import tiny_whisper  # it imports transformers, which takes seconds

    ears, large = tmp_path / "ears", open_store({"SURTITLE_HOME": str(models)}).manifest.find("qwen2.5-coder-1.5b")
    tiny_whisper.make(ears, mels=80, alignment_heads=[(1, 0)])
    (models / large.name).mkdir()
    record = _Record(_FORMAT, large.name, large.conversion, sources=large.files, files=())
    (models / large.name / RECORD).write_bytes(msgspec.json.encode(record))
    remember(models, this_machine(available_cores()), {1: "qwen2.5-coder-0.5b"})
    flags = (*PAIR, "--asr", ears)
    assert_said(run("replay", recording, *flags), 1, "qwen2.5-coder-0.5b is not here")
    assert_said(
        run("replay", recording, *flags, "--clock", "virtual"),
        1,
        f"{large.name} holds no translator that can be loaded",
    )


def test_a_damaged_choice_is_said_where_it_would_be_obeyed_and_nowhere_else(
    models: Path, run: Run, recording: Path
) -> None:
    (models / FILE).write_text("{}")
    assert_said(run("replay", recording, *PAIR), 1, r"can't read .*choice\.json")
    for named in (("--llm", "qwen2.5-coder-0.5b"), (*HERE, "--translator-model", "m"), ("--llm-device", "cuda")):
        assert_said(run("replay", recording, *PAIR, *named), 1, "model whisper-base is not here")


def test_no_library_is_loaded_before_its_settings_are_made() -> None:
    names = "{'numpy', 'torch', 'ctranslate2', 'onnxruntime', 'tokenizers'}"
    program = f"import sys, surtitle.pipeline.cli; sys.exit(str({names} & set(sys.modules) or ''))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stderr.strip() == ""


def test_no_library_reports_to_its_makers_what_is_run_here(tmp_path: Path) -> None:
    program = "from surtitle.pipeline.silero import SileroModel; SileroModel()"
    unless = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "XDG_CACHE_HOME")  # nothing is reported, or kept elsewhere
    settings = {name: value for name, value in os.environ.items() if not name.startswith("ORT_") and name not in unless}
    subprocess.run([sys.executable, "-P", "-c", program], env={**settings, "HOME": str(tmp_path)}, check=True)
    assert list(tmp_path.rglob("*[Mm]icrosoft*")) == []  # with the number under which it reports


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_that_are_closed_lead_nowhere_and_end_no_command(closed: str, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from surtitle.pipeline.cli import main\n"
        "status = main(sys.argv[1:])\n"
        "open(sys.argv[2] + '.said', 'w').write(f'{status} {None in (sys.stdin, sys.stdout, sys.stderr)}')"
    )
    path = tmp_path / "tokens.toml"
    words = [sys.executable, "-P", "-c", program, "tokens", str(path), "add", "obs", "--right", "read"]
    subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *words], check=True, capture_output=True)
    assert path.with_suffix(".toml.said").read_text() == "0 False"


def test_a_script_may_be_run_with_its_output_closed_too() -> None:
    program = (
        "import sys; from surtitle.pipeline.process import exit_status;"
        "sys.exit(exit_status('scripts/evaluate', lambda: print('said')))"
    )
    words = [sys.executable, "-P", "-c", program]
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *words], stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.slow
def test_what_runs_on_cores_translates_without_transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURTITLE_HOME", str(tmp_path / "models"))
    # the runner brings all that a session is made of, but for what is loaded with a model
    program = (
        "import sys, surtitle.pipeline.runner, surtitle.pipeline.cli as cli\n"
        "status = cli.main(sys.argv[1:])\n"
        "sys.exit(status or 'transformers' in sys.modules and 'transformers was loaded')"
    )
    flags = (*PAIR, "--llm", str(write_model(tmp_path, ending=3.0)), "--window", str(WINDOW), "--beams", "1")
    ran = subprocess.run(
        [sys.executable, "-P", "-c", program, "translate", *flags], input="a cat\n", capture_output=True, text=True
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.strip()


def test_a_state_where_no_file_can_be_or_what_is_no_file_would_be_replaced_is_wrong_usage(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (tmp_path, tmp_path / "nowhere" / "talk.state", Path("/dev/null")):
        with pytest.raises(SystemExit, match="2"):
            run("live", *PAIR, "--state", path)
        assert "expected a file in a folder that exists" in capsys.readouterr().err


def test_beams_of_a_model_behind_an_endpoint_are_wrong_usage(run: Run) -> None:
    where = ("--translator-url", "http://127.0.0.1:9/v1", "--translator-model", "m", "--beams", "2")
    assert_said(run("translate", *PAIR, *where), 2, "--beams needs a model on this machine")


def test_a_state_of_a_model_behind_an_endpoint_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    where = ("--translator-url", "http://127.0.0.1:9/v1", "--translator-model", "m", "--state", tmp_path / "talk.state")
    assert_said(run("translate", *PAIR, *where), 2, "--state saves the cache of a model on this machine")


def test_a_state_that_does_not_fit_is_said_in_one_line_as_all_else_is(run: Run, tmp_path: Path) -> None:
    text, state, folder = tmp_path / "talk.txt", tmp_path / "talk.state", tmp_path / "tiny"
    folder.mkdir()
    text.touch()
    state.write_text("no state")
    flags = ("--llm", write_model(folder, ending=3.0), "--window", str(WINDOW), "--state", state)
    assert_said(run("translate", text, *PAIR, *flags), 0, r"talk\.state can't be used: it is not a saved state")


def test_a_disk_that_is_full_is_said_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with Path("/dev/full").open("w") as full:
            full.write("said")
            full.flush()

    assert exit_status("surtitle", work) == 1
    assert capsys.readouterr().err == "surtitle: No space left on device: free some space, or write elsewhere\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux that is always full")
@pytest.mark.parametrize("flush", [True, False])
def test_where_standard_output_is_on_a_full_disk_the_status_and_the_line_are_those_of_a_failure(
    flush: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    program = (
        "import sys; from surtitle.pipeline.process import exit_status;"
        f"sys.exit(exit_status('surtitle', lambda: print('said', flush={flush})))"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, text=True)
    said = "surtitle: No space left on device: free some space, or write elsewhere\n"
    assert (done.returncode, done.stderr) == (1, said)


LONG = "x" * 300  # no file's name may be so long


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("replay", LONG, *PAIR), f"{LONG}: File name too long; choose another"),
        (("replay", "talk.wav", *PAIR, "--log", LONG), f"{LONG}: File name too long; choose another"),
        (("translate", *PAIR, "--llm", LONG), f"{LONG}: File name too long; choose another"),
        (("translate", *PAIR, "--llm", "~nobody-is-called-so/model"), "~nobody-is-called-so/model"),
    ],
)
def test_a_path_that_can_not_be_looked_at_is_said_in_one_line(arguments: tuple[str, ...], said: str, run: Run) -> None:
    status, error = run(*arguments)
    assert status in (1, 2)
    assert error.count("\n") == 1
    assert said in error


def test_a_flag_is_not_taken_for_another_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["generate", "--prompt", "Once", "--llm", "large"])
    assert "unrecognized arguments: --llm large" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("llm", "sources", "targets", "told"),
    [
        ("qwen2.5-coder-0.5b", "en", "es,fi,hu", "the makers of qwen2.5-coder-0.5b do not name Finnish, Hungarian"),
        ("smollm2-135m", "en", "es", "the makers of smollm2-135m do not name Spanish"),
        ("qwen2.5-coder-0.5b", "auto", "sv", "the makers of qwen2.5-coder-0.5b do not name Swedish"),
        ("qwen2.5-coder-0.5b", "auto", "es", ""),
        ("my-folder", "en", "fi", ""),
    ],
)
def test_languages_that_a_models_makers_do_not_name_are_told(
    llm: str, sources: str, targets: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell_unknown_languages(llm, open_store({"SURTITLE_HOME": str(tmp_path)}), parse_pair(sources, targets))
    line = f"surtitle: {told} among its languages: expect mistakes\n" if told else ""
    assert capsys.readouterr().err == line
