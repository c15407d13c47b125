"""Contrastive search: likely tokens that do not say once more what was just said.

In: an endless model, what `generate` prepared. Out: ids. Knows no text.

Of the `candidates` likeliest tokens the one goes on whose

    (1 - alpha) p(v | x) - alpha max_j cos(h_v, h_x_j)

is largest (Su et al. 2022, "A Contrastive Framework for Neural Text Generation", equation 5), where h are the last
layer's states and j runs over the tokens read in this call that are still held. The candidates are rows of one batch,
all of which then take over the chosen one's last slot: nothing else of the cache is copied. transformers 5 moved this
search out of its core.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers.generation import GenerateDecoderOnlyOutput, StoppingCriteriaList, StopStringCriteria


class ContrastiveSearch:
    """A decoding method, as `generate(custom_generate=...)` takes it."""

    def __init__(self, *, alpha: float, candidates: int, streamer: Any = None) -> None:
        """`alpha`, 0 to 1, weighs the penalty. Raises ValueError for another, and for fewer than 2 candidates."""
        if not 0 <= alpha <= 1 or candidates < 2:
            raise ValueError(f"alpha {alpha} and {candidates} candidates, expected 0 to 1, and at least 2")
        self._alpha = alpha
        self._candidates = candidates
        self._streamer = streamer

    @torch.no_grad()
    def __call__(
        self,
        model: Any,
        input_ids: Tensor,
        logits_processor: Any,
        stopping_criteria: Any,
        generation_config: Any,
        **model_kwargs: Any,
    ) -> Any:
        """`input_ids` (B, n) and what comes after them, (B, n + new)."""
        told = _Told(generation_config)
        cache = model_kwargs["past_key_values"]
        step = _Step(model, cache, self._alpha, self._candidates)
        ids, logits = input_ids, step.begin(input_ids[:, cache.repeated :])
        unfinished = torch.ones(len(ids), dtype=torch.long, device=ids.device)
        pad = generation_config._pad_token_tensor  # where no padding is named, what ends a text
        try:
            while bool(unfinished.any()):
                scores = logits_processor(ids, logits)  # (B, V)
                told.add(logits, scores)
                tokens, logits = step.choose(scores)  # (B,), (B, V)
                if pad is not None:
                    tokens = tokens * unfinished + pad * (1 - unfinished)
                ids = torch.cat((ids, tokens[:, None]), dim=1)
                if self._streamer is not None:
                    self._streamer.put(tokens.cpu())
                unfinished = unfinished & ~stopping_criteria(ids, told.scores)
        finally:
            step.end()
        if self._streamer is not None:
            self._streamer.end()
        if generation_config.return_dict_in_generate:
            return GenerateDecoderOnlyOutput(
                sequences=ids, scores=told.scores, logits=told.logits, past_key_values=cache
            )
        return ids


def searching(config: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """What `generate` is told beside what it was `given`, to search as its `config` has it."""
    search = ContrastiveSearch(alpha=config.penalty_alpha, candidates=config.top_k, streamer=given.get("streamer"))
    told: dict[str, Any] = {"custom_generate": search}
    if config.stop_strings is not None and given.get("tokenizer") is not None:
        # beside a method of one's own transformers loses the tokenizer, and asks for it
        stop = StopStringCriteria(given["tokenizer"], config.stop_strings)
        told["stopping_criteria"] = StoppingCriteriaList([*(given.get("stopping_criteria") or ()), stop])
        told["stop_strings"] = None
    return told


class _Told:
    """What of every step is returned with the ids, as `sample` returns it."""

    def __init__(self, config: Any) -> None:
        """Raises ValueError for what would be missing."""
        returns = config.return_dict_in_generate
        if returns and config.output_hidden_states:
            raise ValueError("output_hidden_states is set: contrastive search returns no states, expected it unset")
        self.logits: tuple[Tensor, ...] | None = () if returns and config.output_logits else None
        self.scores: tuple[Tensor, ...] | None = () if returns and config.output_scores else None

    def add(self, logits: Tensor, scores: Tensor) -> None:
        """Both (B, V), before and behind the processors."""
        if self.logits is not None:
            self.logits += (logits,)
        if self.scores is not None:
            self.scores += (scores,)


class _Step:
    """The candidates as rows: k of each of the B sequences, equal but for the last slot while one is chosen."""

    def __init__(self, model: Any, cache: Any, alpha: float, candidates: int) -> None:
        self._model = model
        self._cache = cache
        self._alpha = alpha
        self._k = candidates
        self._before = cache.slots.length  # tokens that were held already: nobody knows their states
        self._states = torch.empty(0)  # (B, T, D), of length 1 each: of the tokens read and still held

    def begin(self, ids: Tensor) -> Tensor:
        """Read `ids` (B, n); logits (B, V) of what comes next."""
        self._states, logits = self._read(ids)
        self._cache.batch_repeat_interleave(self._k)
        return logits

    def choose(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """The token chosen by `scores` (B, V), now read, (B,), and the logits of the next, (B, V)."""
        b, k = len(scores), self._k
        shares, tokens = scores.softmax(dim=-1).topk(k, dim=-1)  # (B, k) each
        states, logits = self._read(tokens.reshape(b * k, 1))  # (B k, 1, D), (B k, V)
        states = states.reshape(b, k, -1)
        self._forget_evicted()
        likeness = (states @ self._states.transpose(1, 2)).amax(dim=-1)  # (B, k)
        worth = (1 - self._alpha) * shares - self._alpha * likeness
        # where few tokens are allowed, others are among the k, and however little they repeat they stay forbidden
        choice = worth.masked_fill(scores.gather(-1, tokens).isneginf(), -torch.inf).argmax(dim=-1)  # (B,)
        sequences = torch.arange(b, device=tokens.device)
        rows = sequences * k + choice
        self._cache.slots.adopt(rows.repeat_interleave(k))
        self._states = torch.cat((self._states, states[sequences, choice][:, None]), dim=1)
        return tokens[sequences, choice], logits[rows]

    def _forget_evicted(self) -> None:
        """Of what stands before the candidates, keep the states of the sinks and of the newest behind them."""
        slots = self._cache.slots
        sinks = max(0, slots.pinned - self._before)
        pinned, others = self._states[:, :sinks], self._states[:, sinks:]
        held = slots.length - 1 - slots.pinned
        self._states = torch.cat((pinned, others[:, max(0, others.shape[1] - held) :]), dim=1)

    def end(self) -> None:
        """Leave one row of each sequence in the cache, and the last token unread, as other decoding methods do."""
        slots = self._cache.slots
        self._cache.batch_select_indices(torch.arange(0, slots.rows, self._k, device=self._states.device))
        if slots.length:
            self._cache.crop(-1)

    def _read(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        output = self._model(
            ids, past_key_values=self._cache, output_hidden_states=True, logits_to_keep=1, use_cache=True
        )
        states = output.hidden_states[-1].float()  # (rows, n, D)
        return states / states.norm(dim=-1, keepdim=True), output.logits[:, -1].float()
