"""`surtitle.pipeline.endpoint` against llama.cpp's own server, with a tiny model whose words mean nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx2
import pytest
import torch
from gguf_files import TOKENS, to_gguf
from transformers import Qwen2Config, Qwen2ForCausalLM

from surtitle.pipeline.address import Address
from surtitle.pipeline.dialogue import Ask
from surtitle.pipeline.endpoint import Endpoint, EndpointError
from surtitle.pipeline.languages import find_language
from surtitle.pipeline.profiles import find_profile

xllamacpp = pytest.importorskip("xllamacpp", reason="llama.cpp's server comes with the extra `rivals`")

PROMPT = find_profile("qwen2").prompts(find_language("en"), find_language("es"))[0]
TURNS = [(f"Train {number} leaves.", f"El tren {number} sale.") for number in range(6)]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    torch.manual_seed(1)
    config = Qwen2Config(
        vocab_size=len(TOKENS),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
    )
    config.head_dim = 16
    params = xllamacpp.CommonParams()
    params.model.path = str(to_gguf(tmp_path_factory.mktemp("llama") / "tiny.gguf", Qwen2ForCausalLM(config).eval()))
    params.n_parallel, params.n_ctx, params.n_gpu_layers = 1, 4096, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        params.port = free.getsockname()[1]
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server


async def test_an_answer_is_read_as_that_server_streams_it(url: str) -> None:
    endpoint, counts = Endpoint(Address(url, "tiny")), list[int]()
    answer = await endpoint.answer(Ask(PROMPT.messages([], "Hello."), 5, ("<end>",), {"x": False}), counts.append)
    assert not answer.finished
    assert len(counts) <= 5
    again = await endpoint.answer(Ask(PROMPT.messages([], "Hello."), 5, (), {}), counts.append)
    assert again == answer
    await endpoint.close()


async def test_what_it_refuses_is_told(url: str) -> None:
    endpoint = Endpoint(Address(f"{url}/nowhere", "tiny"))
    with pytest.raises(EndpointError, match="HTTP 404"):
        await endpoint.answer(Ask(PROMPT.messages([], "Hello."), 5, (), {}), lambda count: None)
    await endpoint.close()


def test_its_prefix_cache_knows_all_but_what_was_said_last(url: str) -> None:
    for count in range(1, len(TURNS)):
        messages = PROMPT.messages([*PROMPT.examples, *TURNS[:count]], TURNS[count][0])
        body = {"messages": messages, "max_tokens": 1, "temperature": 0}
        timings = httpx2.post(f"{url}/chat/completions", json=body, timeout=60, trust_env=False).json()["timings"]
        if count > 1:  # the answer before was none of ours, so it is read now: a byte a token, and eight marks or so
            assert timings["prompt_n"] < len("".join(TURNS[count - 1] + TURNS[count])) + 50
            assert timings["cache_n"] > 5 * timings["prompt_n"]
