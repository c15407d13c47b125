"""Stock transformers models that generate without end: the `attention_sinks` library's interface, on the sink cache.

In: a model of transformers, how many first tokens to pin, how many to keep behind them. Out: the same object, whose
forward and `generate()` make room before they need it. Greedy, sampled, beam, assisted and contrastive generation,
streamers and chats of many turns work as they do without. Knows no text and no terminal.

What the caller and `generate` see is an `EndlessCache`, as long as all that was ever read. What the layers see are its
slots, so masks and positions stay within the window.
"""

from __future__ import annotations

import inspect
from copy import deepcopy
from functools import cache as cached
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationMixin, PreTrainedModel
from transformers.generation import GenerationMode

from surtitle.sinks.contrastive import searching
from surtitle.sinks.endless_cache import SHARE, EndlessCache
from surtitle.sinks.stock import StockDecoder, from_pretrained, next_positions

_IMAGES = ("pixel_values", "pixel_values_videos", "image_embeds")
_FURTHER = tuple(inspect.signature(GenerationMixin.generate).parameters)[3:]
"""What `generate` takes by place behind its inputs and its configuration."""


class Endless(GenerationMixin):  # type: ignore[misc]
    """What `endless` adds to a model's class."""

    _accepted: tuple[str, ...]
    _decoder: StockDecoder
    _sinks: int
    _window: int

    def new_cache(self) -> EndlessCache:
        """An empty cache, to pass as `past_key_values` to every call that goes on with one conversation."""
        slots = self._decoder.cache(self._sinks + self._window)
        return EndlessCache(slots, sinks=self._sinks, device=self.device)

    def rebuild(self, cache: EndlessCache) -> None:
        """Read again what `cache` holds: nothing evicted is left in its keys and values then. Raises ValueError where
        the ids are not known, since embeddings were read.
        """
        cache.reread(lambda ids: self(ids.to(self.device), past_key_values=cache, use_cache=True, logits_to_keep=1))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The forward, in parts where it does not fit. Takes and gives what the model's own does, but no gradients:
        they want `use_cache=False`, or `train()`, which runs without a cache.

        Raises ValueError for rows of unequal lengths, images, a cache that is no `EndlessCache`, and one without use.
        """
        given = dict(zip(self._accepted, args, strict=False)) | kwargs
        use_cache = given.get("use_cache")
        if use_cache is None:  # a model that also sees has it in the part that reads
            use_cache = not self.training and self.config.get_text_config(decoder=True).use_cache
        if not use_cache:
            if isinstance(given.get("past_key_values"), EndlessCache):
                raise ValueError(
                    "past_key_values is given, and use_cache=False or train() runs without a cache: expected "
                    "use_cache=True, or eval(), or no cache"
                )
            return super().__call__(*args, **kwargs)
        given |= {name: True for name in self._shown() if given.get(name) is None}
        _check(given)
        cache = given.pop("past_key_values", None)
        cache = self.new_cache() if cache is None else _checked(cache)
        for name in ("position_ids", "attention_mask"):  # the slots say both
            given.pop(name, None)
        as_dict = given.pop("return_dict", None)
        with torch.no_grad():  # the cache holds no graph: gradients would silently lack what goes through it
            output = self._read(cache, given)
        output.past_key_values = cache
        return output.to_tuple() if as_dict is False else output

    def _shown(self) -> list[str]:
        """What the model's configuration has every forward show, of what a text in parts does not give."""
        settings = self.config.get_text_config(decoder=True)
        shown = ["output_attentions"] if settings.output_attentions else []
        # of a model without experts the configuration says nothing of them
        has_experts = "output_router_logits" in self._accepted
        return [*shown, "output_router_logits"] if has_experts and settings.output_router_logits else shown

    def _read(self, cache: EndlessCache, given: dict[str, Any]) -> Any:
        inputs = given["input_ids"] if given.get("input_ids") is not None else given["inputs_embeds"]
        rows, tokens = inputs.shape[:2]
        given["use_cache"] = True
        labels = given.pop("labels", None)
        if given.get("output_router_logits") and (labels is not None or tokens > max(cache.slots.free, 1)):
            raise ValueError(
                "output_router_logits is set: how a text is shared out among experts is not known from its parts, "
                "expected it unset, or use_cache=False"
            )
        keep = given.pop("logits_to_keep", 0) or tokens
        outputs, start = [], 0
        for part in cache.parts(tokens):
            end = start + part
            cut = {name: _cut(value, rows, tokens, start, end) for name, value in given.items()}
            needed = min(part, max(keep - (tokens - end), 0))
            outputs.append(self._forward_part(cache, cut, needed))
            start = end
        output = outputs[-1] if len(outputs) == 1 else _join(outputs)
        if labels is not None:
            vocabulary = self.config.get_text_config(decoder=True).vocab_size
            others = {name: value for name, value in given.items() if name not in self._accepted}  # num_items_in_batch
            loss = self.loss_function(logits=output.logits, labels=labels, vocab_size=vocabulary, **others)
            output = type(output)(**{"loss": loss, **output})  # made anew, for it comes first in a tuple
        return output

    def _forward_part(self, cache: EndlessCache, given: dict[str, Any], keep: int) -> Any:
        ids = given.get("input_ids")
        inputs = ids if ids is not None else given["inputs_embeds"]
        if "position_ids" in self._accepted:
            given["position_ids"] = next_positions(cache.slots, inputs)
        if "logits_to_keep" in self._accepted:
            given["logits_to_keep"] = max(keep, 1)
        with cache.slots.reading():
            output = super().__call__(past_key_values=cache.inner, return_dict=True, **given)
            if ids is not None:
                cache.slots.record(ids)
        output.logits = output.logits[:, inputs.shape[1] - keep :] if output.logits.shape[1] > keep else output.logits
        return output

    def generate(self, inputs: Tensor | None = None, generation_config: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As the model's own, without end. To go on with a conversation pass its `past_key_values` and, as transformers
        wants it, the ids of all of it: what was read is not read again.

        `penalty_alpha` with `top_k` is contrastive search. Raises ValueError for what does not go on from the cache,
        and as a forward does.
        """
        kwargs = dict(zip(_FURTHER, args, strict=False)) | kwargs
        generation_config = _contrastive_if_asked(generation_config, kwargs)
        config, _ = self._prepare_generation_config(generation_config, **kwargs)  # the model's own settings among them
        if config.use_cache is False:
            return super().generate(inputs, generation_config, **kwargs)
        if config.cache_implementation is not None:
            raise ValueError(
                f"cache_implementation is {config.cache_implementation!r}, expected none: leave it out, there is one"
            )
        if kwargs.get("past_key_values") is None:
            kwargs["past_key_values"] = self.new_cache()
        cache = _checked(kwargs["past_key_values"])
        ids = inputs if inputs is not None else kwargs.get("input_ids")
        if ids is not None and len(ids) == 1 and kwargs.get("attention_mask") is None:
            kwargs["attention_mask"] = torch.ones_like(ids)  # what looks like padding in a single row was said
        read = ids if ids is not None else kwargs.get("inputs_embeds")
        if read is None and cache.get_seq_length():
            raise ValueError("generate() has neither ids nor embeddings for a cache that was read into, expected them")
        if read is not None:
            copies = max(config.num_beams or 1, config.num_return_sequences or 1)
            cache.require_history(read, kwargs.get("attention_mask"), copies)
        mode = config.get_generation_mode(kwargs.get("assistant_model"))
        if mode == GenerationMode.CONTRASTIVE_SEARCH and kwargs.get("custom_generate") is None:
            if ids is None:
                raise ValueError("contrastive search goes on from ids: expected input_ids, not inputs_embeds")
            kwargs |= searching(config, kwargs)
        elif mode != GenerationMode.ASSISTED_GENERATION and kwargs.get("custom_generate") is None:
            cache.repeated = 0  # transformers leaves it out itself, before it reads a prompt in chunks
        return super().generate(inputs, generation_config, **kwargs)

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        next_sequence_length: int | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,  # transformers looks here whether they are taken
        **kwargs: Any,
    ) -> Any:
        """As the model's own, but nothing that was read comes again: assisted decoding begins with all ids, and Phi-3
        with a new cache where its positions would change, which they never do within a window.
        """
        ours = isinstance(past_key_values, EndlessCache)
        if ours and kwargs.get("is_first_iteration") and next_sequence_length is None and past_key_values.repeated:
            next_sequence_length = input_ids.shape[1] - past_key_values.repeated
        kwargs |= {"next_sequence_length": next_sequence_length, "inputs_embeds": inputs_embeds}
        kwargs = dict.fromkeys(self._shown(), False) | kwargs  # generate() hands on only what it was asked for itself
        prepared = super().prepare_inputs_for_generation(input_ids, past_key_values=past_key_values, **kwargs)
        if ours and prepared.get("past_key_values") is None:
            return GenerationMixin.prepare_inputs_for_generation(
                self, input_ids, past_key_values=past_key_values, **kwargs
            )
        return prepared


def endless(model: PreTrainedModel, *, sinks: int = 4, window: int = 1020) -> PreTrainedModel:
    """Let `model` run without end: its first `sinks` tokens stay, and the newest `window` at most (seven eighths of
    them just after an eviction). Returns it; it is still an instance of its class. Again, it takes other sizes.

    Raises ValueError for sizes that can't be, UnsupportedModel for a model whose positions can't be moved.
    """
    if sinks < 0 or window < SHARE:
        raise ValueError(f"{sinks} sinks and a window of {window} tokens, expected none or more, and at least {SHARE}")
    before = type(model)
    if isinstance(model, Endless):
        model.__class__ = before.__bases__[1]
    try:
        decoder = StockDecoder(model)
        decoder.cache(sinks + window)  # raises ValueError where the model's positions end before
    except BaseException:
        model.__class__ = before  # as endless as it was
        raise
    model._accepted = tuple(inspect.signature(model.forward).parameters)
    model.__class__ = _endless_class(type(model))  # type: ignore[arg-type]
    model.generation_config.cache_implementation = None  # "hybrid", as Gemma's makers have it: ours takes its place
    # what was saved in training often says False, and so does MPT: nothing would be endless, and nothing would say so
    model.generation_config.use_cache = model.config.get_text_config(decoder=True).use_cache = True
    model._decoder, model._sinks, model._window = decoder, sinks, window
    return model


class AutoModelForCausalLM:
    """`transformers.AutoModelForCausalLM`, but for models that do not end."""

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *args: Any,
        attention_sink_size: int = 4,
        attention_sink_window_size: int = 1020,
        **kwargs: Any,
    ) -> PreTrainedModel:
        """The model that transformers, or a folder made by `surtitle models fetch`, knows by `name`; see `endless`."""
        model = from_pretrained(name, *args, **kwargs)
        return endless(model, sinks=attention_sink_size, window=attention_sink_window_size)


@cached
def _endless_class(model_class: type[PreTrainedModel]) -> type[PreTrainedModel]:
    # the stock class's own names: a saved model must say what transformers knows it by
    names = {"__module__": model_class.__module__, "__qualname__": model_class.__qualname__}
    return type(model_class.__name__, (Endless, model_class), names)


def _contrastive_if_asked(config: Any, kwargs: dict[str, Any]) -> Any:
    """`config`, or None; it or `kwargs` says not to sample where a call weighs contrastive search's penalty and doesn't
    say: what a chat model's makers have it do would be sampling, or another search than the equation's.
    """
    said = ({} if config is None else config.to_dict()) | kwargs
    if not said.get("penalty_alpha") or said.get("do_sample") is not None:
        return config
    if config is None:
        kwargs["do_sample"] = False
        return None
    config = deepcopy(config)
    config.do_sample = False
    return config


def _check(given: dict[str, Any]) -> None:
    inputs = [given[name] for name in ("input_ids", "inputs_embeds") if given.get(name) is not None]
    if len(inputs) != 1 or not inputs[0].shape[1]:
        raise ValueError(
            f"{len(inputs)} of input_ids and inputs_embeds given, of {[tuple(each.shape) for each in inputs]}: "
            f"expected one of them, with a token at least"
        )
    images = [name for name in _IMAGES if given.get(name) is not None]
    if images:
        raise ValueError(f"{', '.join(images)} given: an image's positions have several axes, expected text alone")
    mask = given.get("attention_mask")
    if mask is not None and (mask.dim() != 2 or not bool(mask.all())):
        raise ValueError(
            f"an attention_mask of shape {tuple(mask.shape)} that hides something: rows go in lock-step, expected "
            f"sequences of one length without padding, or a call for each"
        )
    if not isinstance(given.get("logits_to_keep", 0), int):
        raise ValueError("logits_to_keep is a tensor, expected how many of the last ones, in a number")
    if given.get("output_attentions"):
        raise ValueError("output_attentions is set: the weights of evicted tokens are gone, expected it unset")


def _checked(cache: Any) -> EndlessCache:
    if not isinstance(cache, EndlessCache):
        raise ValueError(
            f"past_key_values is a {type(cache).__name__}, expected what new_cache() or a forward gave (any other "
            f"wants transformers' own model, and so does a StockDecoder)"
        )
    return cache


def _cut(value: Any, rows: int, tokens: int, start: int, end: int) -> Any:
    """Of what has an entry for each token, those from `start` to `end`."""
    if isinstance(value, Tensor) and value.dim() > 1 and value.shape[:2] == (rows, tokens):
        return value[:, start:end]
    return value


def _join(outputs: list[Any]) -> Any:
    """One output of those of the parts."""
    joined = outputs[-1]
    joined.logits = torch.cat([output.logits for output in outputs], dim=1)
    if joined.get("hidden_states") is not None:
        layers = zip(*(output.hidden_states for output in outputs), strict=True)
        joined.hidden_states = tuple(torch.cat(layer, dim=1) for layer in layers)
    return joined
