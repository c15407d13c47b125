"""The article's own two programs, on the smallest real model."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, GenerationConfig, TextStreamer

from surtitle.pipeline.store import open_store
from surtitle.sinks import AutoModelForCausalLM

pytestmark = pytest.mark.weights
STREAMING = Path(__file__).parents[2] / "scripts" / "streaming.py"


def streaming(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(STREAMING), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=250)


@pytest.mark.parametrize("experiment", ["attention_sinks", "windowed", "transformers"])
def test_a_list_of_prompts_is_one_conversation_on_the_terminal_and_in_the_log(experiment: str, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    asked = ["Tell me a story about a lighthouse.", "What is the capital of France?"]
    prompts.write_text("\n\n".join(asked), encoding="utf-8")
    done = streaming(
        *(tmp_path, "--experiment", experiment, "--dataset_name", str(prompts)),
        *("--window_size", "64", "--max_new_tokens", "50"),
    )
    assert done.returncode == 0, done.stderr
    turns = done.stdout.split("USER: ")[1:]
    assert [turn.partition("\n\n")[0] for turn in turns] == asked
    assert all(len(turn.partition("ASSISTANT: ")[2].split()) > 3 for turn in turns)
    assert (tmp_path / f"demo/streaming_logs/{experiment}/smollm2-135m.txt").read_text(encoding="utf-8") == done.stdout
    if experiment != "windowed":  # which has lost its sinks by then
        assert "Paris" in turns[1]


def test_a_file_of_prompts_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    done = streaming(tmp_path, "--dataset_name", "nowhere.txt")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("streaming: [Errno 2] No such file or directory: 'nowhere.txt'")
    assert "Traceback" not in done.stderr


def test_a_model_that_was_not_trained_to_chat_is_said_in_one_line(tmp_path: Path) -> None:
    base, prompts = tmp_path / "base", tmp_path / "prompts.txt"
    shutil.copytree(open_store(os.environ).path("smollm2-135m"), base, copy_function=os.symlink)
    (base / "chat_template.jinja").unlink()
    prompts.write_text("Tell me a story.", encoding="utf-8")
    done = streaming(tmp_path, "--model_name_or_path", str(base), "--dataset_name", str(prompts))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"streaming: {base} has no chat template: expected a model that was trained to chat"
    )
    assert "Traceback" not in done.stderr


def test_the_articles_first_listing_runs_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    model_id = str(open_store(os.environ).path("smollm2-135m"))
    model = AutoModelForCausalLM.from_pretrained(
        model_id, device_map="auto", torch_dtype=torch.float16, attention_sink_size=4, attention_sink_window_size=20
    )
    model.eval()
    tokenizer = AutoTokenizer.from_pretrained(model_id)
    tokenizer.pad_token_id = tokenizer.eos_token_id
    input_ids = tokenizer.encode("Data Science Blogathon - 39", return_tensors="pt").to(model.device)
    with torch.no_grad():
        generated = model.generate(
            input_ids,
            generation_config=GenerationConfig(
                use_cache=True,
                min_new_tokens=26,
                max_new_tokens=30,
                penalty_alpha=0.6,
                top_k=5,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            ),
            streamer=TextStreamer(tokenizer),
        )
    assert generated.shape[1] >= input_ids.shape[1] + 26
    assert capsys.readouterr().out.strip() == tokenizer.decode(generated[0]).strip()
