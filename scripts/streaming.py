"""The article's streaming chat: one prompt after the other through one conversation that has no end.

In: a model, a file with a prompt a line, or a line of JSON a conversation (`prompts_of`). Out: the conversation, on the
terminal and in a log, as it is written. Three experiments on the same weights: `attention_sinks` (the first tokens
stay, the newest roll), `windowed` (the newest alone: it falls apart once the first tokens are gone) and `transformers`
(everything is kept: slower and larger with every turn). The token that ended an answer is read with the next prompt, so
that the turns never decay.

    .venv/bin/python scripts/streaming.py --experiment attention_sinks --dataset_name prompts.txt
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any, TextIO

import msgspec
import torch
from jinja2 import TemplateError
from transformers import AutoTokenizer, DynamicCache, TextStreamer
from transformers.cache_utils import Cache

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.flags import number
from surtitle.pipeline.options import new_log
from surtitle.pipeline.process import exit_status
from surtitle.pipeline.store import open_store
from surtitle.sinks import AutoModelForCausalLM
from surtitle.sinks.stock import from_pretrained

_ANSWER = "\x11answer\x11"


class FileStreamer(TextStreamer):  # type: ignore[misc]
    """Writes to several files what TextStreamer would print."""

    def __init__(self, tokenizer: Any, files: list[TextIO]) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._files = files

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Called by TextStreamer with every word; two newlines part the turns."""
        for file in self._files:
            file.write(text + ("\n\n" if stream_end else ""))
            file.flush()


def main() -> None:
    args = parse()
    folder = args.model_name_or_path
    try:
        store = open_store(os.environ)
        if not os.path.isdir(folder) and folder in {row.model.name for row in store.list()}:
            folder = str(store.path(folder))
        prompts = prompts_of(args.dataset_name)
        if not prompts:
            raise UserError(f"{args.dataset_name} holds no prompt")
    except (OSError, UnicodeDecodeError, msgspec.DecodeError, UserError) as error:
        raise UserError(
            f"{error}: expected a fetched model or a folder, and a UTF-8 file with a prompt a line, or a .jsonl"
        ) from error
    log = args.log_file or Path("demo/streaming_logs") / args.experiment / f"{Path(folder).name}.txt"
    if log.resolve() == args.dataset_name.resolve():
        raise UserError(f"got {log} for --log_file and --dataset_name, expected different files")
    try:
        model, cache = load(args, folder)
        tokenizer = AutoTokenizer.from_pretrained(
            folder, revision=args.revision, trust_remote_code=args.trust_remote_code
        )
    except (OSError, ValueError, ImportError, RuntimeError) as error:  # a library or a GPU that few bits want
        raise UserError(str(error)) from error
    if tokenizer.chat_template is None:
        raise UserError(f"{folder} has no chat template: expected a model that was trained to chat")
    with new_log(log, "--log_file") as file:  # only now: what can't begin leaves the log of another run as it was
        try:
            chat(model, cache, tokenizer, prompts, [sys.stdout, file], limit=args.max_new_tokens)
        except TemplateError as error:
            raise UserError(f"the chat template of {folder} refuses the prompt: {error}") from error


class Prompts(msgspec.Struct):
    """A line of a `.jsonl`."""

    prompt: str | list[str] = []
    """One, or a conversation's, as the data set `mt_bench_prompts` has them."""
    turns: list[str] = []
    """The same, as MT-Bench's own file of questions has them."""


def prompts_of(path: Path) -> list[str]:
    """A prompt a line; of a `.jsonl` those of all its lines.

    Raises OSError, UnicodeDecodeError, msgspec.DecodeError.
    """
    lines = [line for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    if path.suffix != ".jsonl":
        return lines
    rows = [msgspec.json.decode(line, type=Prompts) for line in lines]
    return [each for row in rows for each in ([row.prompt] if isinstance(row.prompt, str) else row.prompt) + row.turns]


def parse() -> argparse.Namespace:
    """The article's own arguments."""
    parser = argparse.ArgumentParser(description="a chat without end over a list of prompts")
    parser.add_argument(
        "--experiment", choices=("attention_sinks", "transformers", "windowed"), default="attention_sinks"
    )
    parser.add_argument(
        "--model_name_or_path", default="smollm2-135m", help="a fetched model, a folder, or a model on the Hub"
    )
    parser.add_argument("--revision", default="main", help="revision of a model on the Hub (default main)")
    parser.add_argument("--trust_remote_code", action="store_true", help="run code that comes with a model on the Hub")
    parser.add_argument("--device_map", help="where it runs, as for from_pretrained (default auto with CUDA, else cpu)")
    parser.add_argument(
        "--torch_dtype",
        choices=("auto", "float32", "float16", "bfloat16"),
        help="type of its weights (default bfloat16 with CUDA, else float32)",
    )
    parser.add_argument(
        "--dataset_name",
        type=Path,
        required=True,
        metavar="FILE",
        help="text with a prompt on each line, or .jsonl with `prompt`s or `turns`",
    )
    parser.add_argument("--log_file", type=Path, help="default demo/streaming_logs/EXPERIMENT/MODEL.txt")
    parser.add_argument("--window_size", type=int, default=1024, help="tokens kept, including the sinks (default 1024)")
    parser.add_argument(
        "--attention_sink_size", type=int, default=4, help="first tokens that are never evicted (default 4)"
    )
    parser.add_argument(
        "--max_new_tokens", type=number(1, 10**9), default=1000, help="most tokens of an answer (default 1000)"
    )
    return parser.parse_args()


def load(args: argparse.Namespace, folder: str) -> tuple[Any, Cache]:
    """The model and an empty cache for the experiment. Raises UserError where there is no such device."""
    has_gpu = torch.cuda.is_available()
    device = args.device_map or ("auto" if has_gpu else "cpu")
    if device.startswith("cuda") and not has_gpu:
        raise UserError(f"--device_map {device}: torch finds no GPU, expected one: leave the flag out to use the cores")
    given = {
        "revision": args.revision,
        "trust_remote_code": args.trust_remote_code,
        "device_map": device,
        "dtype": args.torch_dtype or ("bfloat16" if has_gpu and device != "cpu" else "float32"),
    }
    if args.experiment == "transformers":
        return from_pretrained(folder, **given).eval(), DynamicCache()
    sinks = args.attention_sink_size if args.experiment == "attention_sinks" else 0
    model = AutoModelForCausalLM.from_pretrained(
        folder, attention_sink_size=sinks, attention_sink_window_size=args.window_size - sinks, **given
    )
    return model.eval(), model.new_cache()


def chat(model: Any, cache: Cache, tokenizer: Any, prompts: list[str], files: list[TextIO], *, limit: int) -> None:
    """Every prompt in turn; `ids` is all that was said, of which the cache has read all but the end."""
    ids = torch.empty(1, 0, dtype=torch.long)
    streamer = FileStreamer(tokenizer, files)
    ends = ends_of(model, tokenizer)
    for prompt in prompts:
        for file in files:
            file.write(f"USER: {prompt}\n\nASSISTANT: ")
        if ids.shape[1] and int(ids[0, -1]) in ends:
            ids = ids[:, :-1]  # the template writes an answer's end itself
        text = behind_answer(tokenizer, prompt) if ids.shape[1] else first(tokenizer, prompt)
        turn = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
        ids = model.generate(
            torch.cat((ids, turn), dim=1).to(model.device),
            past_key_values=cache,
            streamer=streamer,
            max_new_tokens=limit,
            do_sample=False,
            pad_token_id=ends[0],
            eos_token_id=ends,
        ).cpu()


def ends_of(model: Any, tokenizer: Any) -> list[int]:
    """What ends an answer: what the model's files name, and the mark that its chat template writes behind one.

    Raises UserError where nothing does.
    """
    named = model.generation_config.eos_token_id
    try:
        written = behind_answer(tokenizer, ".")
    except TemplateError:  # a template of one turn: a second prompt is refused
        written = ""
    behind = tokenizer(written.lstrip(), add_special_tokens=False).input_ids
    marks = tokenizer.added_tokens_decoder.keys() & set(behind[:1])
    ends = {*(named if isinstance(named, list) else [named]), tokenizer.eos_token_id, *marks} - {None}
    if not ends:
        raise UserError("neither the model nor its tokenizer names an end-of-sequence token: expected one that does")
    return sorted(ends)


def first(tokenizer: Any, prompt: str) -> str:
    """How the model's chat template begins with `prompt`, up to the answer."""
    asked = [{"role": "user", "content": prompt}]
    rendered: str = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    return rendered


def behind_answer(tokenizer: Any, prompt: str) -> str:
    """What it puts between an answer and that to `prompt`, `prompt` included."""
    said = (("user", "."), ("assistant", _ANSWER), ("user", prompt))
    turns = [{"role": role, "content": content} for role, content in said]
    rendered: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    _, _, rest = rendered.partition(_ANSWER)
    return rest


if __name__ == "__main__":
    sys.exit(exit_status("streaming", main))
