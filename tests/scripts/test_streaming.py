"""`scripts/streaming.py`: which prompts a file holds, where its model goes, and when an answer ends."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from io import StringIO
from pathlib import Path

import msgspec
import pytest
import torch
from chat_folders import ENDS, chat_folder
from streaming import chat, load, main, parse, prompts_of
from transformers import AutoTokenizer

from surtitle.pipeline.errors import UserError

ASKED = ["One?", "And two?"]
TURNS = [{"role": "user", "content": ASKED[0]}, {"role": "assistant", "content": ""}]
TURNS.append({"role": "user", "content": ASKED[1]})


@pytest.mark.parametrize(
    ("name", "content", "prompts"),
    [
        ("a.txt", 'Hello.\n\n{"prompt": "no JSON"}\n', ["Hello.", '{"prompt": "no JSON"}']),
        (
            "a.jsonl",
            '{"prompt": ["One?", "And two?"], "category": "math"}\n\n{"prompt": "Three?"}\n',
            ["One?", "And two?", "Three?"],
        ),
        ("a.jsonl", '\ufeff{"prompt": "One?"}', ["One?"]),  # as Windows' Notepad saves it
        ("a.jsonl", '{"question_id": 81, "turns": ["One?", "And two?"]}\n', ["One?", "And two?"]),
    ],
)
def test_a_line_is_a_prompt_or_the_json_of_a_conversation(
    name: str, content: str, prompts: list[str], tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    assert prompts_of(tmp_path / name) == prompts


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("Hello.\n")
    with pytest.raises(msgspec.DecodeError):
        prompts_of(tmp_path / "a.jsonl")


@pytest.mark.parametrize(("name", "content"), [("a.txt", "\n \n"), ("a.jsonl", '{"question_id": 81}\n')])
def test_a_file_without_a_prompt_is_refused_before_the_log_of_another_run_is_lost(
    name: str, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text(content)
    (tmp_path / "log.txt").write_text("USER: One?")
    given(monkeypatch, "--dataset_name", str(tmp_path / name), "--log_file", str(tmp_path / "log.txt"))
    with pytest.raises(UserError, match=rf"{name} holds no prompt: expected .* a prompt a line"):
        main()
    assert (tmp_path / "log.txt").read_text() == "USER: One?"


def test_what_can_not_begin_leaves_the_log_of_another_run_and_the_prompts_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts, log = tmp_path / "prompts.txt", tmp_path / "log.txt"
    prompts.write_text("One?")
    log.write_text("USER: Two?")
    options = ("--model_name_or_path", str(chat_folder(tmp_path / "model", "gemma", "x")), "--dataset_name")
    given(monkeypatch, *options, str(prompts), "--log_file", str(log), "--attention_sink_size", "400")
    with pytest.raises(UserError, match="400 sinks and a window of 0 tokens, expected"):
        main()
    given(monkeypatch, *options, str(prompts), "--log_file", str(prompts))
    with pytest.raises(UserError, match=r"prompts.txt for --log_file and --dataset_name, expected different files"):
        main()
    given(monkeypatch, *options, str(prompts), "--log_file", str(log / "below"))
    with pytest.raises(UserError, match=r"can't write .*below \(.*\): choose another --log_file"):
        main()
    assert (prompts.read_text(), log.read_text()) == ("One?", "USER: Two?")


def test_a_model_in_few_bits_says_in_one_line_what_it_wants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = chat_folder(tmp_path / "model", "gemma", "x")
    config = json.loads((folder / "config.json").read_text())
    few = {"quantization_config": {"quant_method": "gptq", "bits": 4}}
    (folder / "config.json").write_text(json.dumps(config | few))
    (tmp_path / "prompts.txt").write_text("One?")
    given(monkeypatch, "--model_name_or_path", str(folder), "--dataset_name", str(tmp_path / "prompts.txt"))
    with pytest.raises(UserError, match="GPTQ quantized model requires"):
        main()


def test_an_answer_of_no_tokens_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        given(monkeypatch, "--max_new_tokens", "0")
    assert "got '0', expected a whole number from 1" in capsys.readouterr().err


def given(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Namespace:
    monkeypatch.setattr(sys, "argv", ["streaming.py", "--dataset_name", "-", "--window_size", "400", *arguments])
    return parse()


@pytest.mark.parametrize(("maker", "end"), ENDS)
@pytest.mark.parametrize("experiment", ["attention_sinks", "transformers"])
def test_an_answer_ends_where_its_model_ends_it_and_the_next_turn_begins_as_the_template_has_it(
    maker: str, end: str, experiment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(chat_folder(tmp_path, maker, end))
    model, cache = load(given(monkeypatch, "--experiment", experiment), folder)
    tokenizer, log = AutoTokenizer.from_pretrained(folder), StringIO()
    read: list[int] = []
    model.get_input_embeddings().register_forward_hook(lambda module, args, output: read.extend(args[0][0].tolist()))
    chat(model, cache, tokenizer, ASKED, [log], limit=20)
    assert log.getvalue() == "USER: One?\n\nASSISTANT: \n\nUSER: And two?\n\nASSISTANT: \n\n"
    assert tokenizer.decode(read) == tokenizer.apply_chat_template(TURNS, tokenize=False, add_generation_prompt=True)


def test_an_answer_that_does_not_end_is_cut_and_read_to_its_last_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(chat_folder(tmp_path, "gemma", "x"))
    model, cache = load(given(monkeypatch), folder)
    tokenizer, log = AutoTokenizer.from_pretrained(folder), StringIO()
    chat(model, cache, tokenizer, ASKED, [log], limit=5)
    assert log.getvalue() == "USER: One?\n\nASSISTANT: xxxxx\n\nUSER: And two?\n\nASSISTANT: xxxxx\n\n"
    assert "model\nxxxxx<end_of_turn>\n<start_of_turn>user\nAnd" in tokenizer.decode(cache.slots.ids[0])


def test_a_template_of_one_turn_answers_the_first_prompt_and_refuses_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(chat_folder(tmp_path / "model", "one turn", "x"))
    (tmp_path / "prompts.txt").write_text("\n".join(ASKED))
    options = ("--model_name_or_path", folder, "--dataset_name", str(tmp_path / "prompts.txt"), "--max_new_tokens", "5")
    given(monkeypatch, *options, "--log_file", str(tmp_path / "log.txt"))
    with pytest.raises(UserError, match=r"chat template of .* refuses the prompt: expected one message"):
        main()
    assert capsys.readouterr().out.startswith("USER: One?\n\nASSISTANT: xxxxx\n\n")


@pytest.mark.parametrize("experiment", ["attention_sinks", "windowed", "transformers"])
def test_without_a_gpu_it_is_full_precision_on_the_cpu_and_both_can_be_said(
    experiment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(chat_folder(tmp_path, "gemma", "x"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    plain, _ = load(given(monkeypatch, "--experiment", experiment), folder)
    auto, _ = load(given(monkeypatch, "--experiment", experiment, "--device_map", "auto"), folder)
    half, cache = load(
        given(monkeypatch, "--experiment", experiment, "--device_map", "cpu", "--torch_dtype", "bfloat16"), folder
    )
    assert [plain.dtype, auto.dtype, half.dtype] == [torch.float32, torch.float32, torch.bfloat16]
    assert {plain.device.type, auto.device.type, half.device.type} == {"cpu"}
    log = StringIO()
    chat(half, cache, AutoTokenizer.from_pretrained(folder), ASKED, [log], limit=5)
    assert log.getvalue().count("xxxxx") == 2
    with pytest.raises(UserError, match="--device_map cuda: torch finds no GPU"):
        load(given(monkeypatch, "--experiment", experiment, "--device_map", "cuda"), folder)
