"""simulstream's protocol without a socket."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import caption

from surtitle.pipeline.foreign import Asked
from surtitle.pipeline.messages import CloseCode, Refused
from surtitle.pipeline.simulstream import Simulstream

CONFIG = '{"sample_rate":24000,"source_lang":"en","target_lang":"es","metrics_metadata":{"wav_name":"talk.wav"}}'
PCM = np.arange(-300, 300, dtype="<i2").tobytes()


def test_the_first_message_says_what_is_spoken_and_wanted() -> None:
    made = Simulstream(Asked(session="hall"), "1")
    assert made.receive(CONFIG) == []
    start = made.start
    assert (start.sources, start.targets, start.sample_rate, start.session) == (("en",), ("es",), 24_000, "hall")


def test_what_it_leaves_out_stands_in_the_address() -> None:
    made = Simulstream(Asked(source="de", target="fr"), "1")
    made.receive('{"metrics_metadata":{}}')
    assert (made.start.sources, made.start.targets, made.start.sample_rate) == (("de",), ("fr",), 16_000)


@given(st.lists(st.integers(0, len(PCM)), max_size=8).map(sorted))
def test_however_audio_is_cut_the_same_samples_are_heard(cuts: list[int]) -> None:
    made = Simulstream(Asked(), "1")
    pieces = [PCM[a:b] for a, b in zip([0, *cuts], [*cuts, len(PCM)], strict=True)]
    heard = [item for piece in pieces for item in made.receive(piece) if not isinstance(item, str)]
    assert np.array_equal(np.concatenate(heard), np.arange(-300, 300) / np.float32(32768))


def test_text_only_grows_and_its_end_is_told() -> None:
    made = Simulstream(Asked(target="ES"), "1")
    first, second = caption("Buenos días.", 0, 1), replace(caption("Adiós.", 1, 2), cue=1)
    captions = [replace(first, final=False, stable=6), first, second, caption("Good day.", 0, 1, role="source")]
    captions.insert(1, caption("Bonjour.", 0, 1, language="fr"))  # somebody else asked for it
    messages = [json.loads(message) for each in captions for message in made.tell(each)]
    assert messages == [{"new": new, "deleted": ""} for new in ("Buenos", " días.", " Adiós.")]
    assert made.receive('{"end_of_stream":true}') == []
    assert made.over
    assert [json.loads(message) for message in made.bye()] == [
        {"new": "", "deleted": ""},
        {"end_of_processing": True},
    ]


LONG = json.dumps({"source_lang": "x" * 1000})


@pytest.mark.parametrize("message", ["no json", '{"sample_rate":44.1}', '{"sample_rate":1}', "[" * 100_000, LONG])
def test_what_makes_no_sense_is_refused(message: str) -> None:
    with pytest.raises(Refused, match="expected") as caught:
        Simulstream(Asked(), "1").receive(message)
    assert caught.value.close_code is CloseCode.BAD_MESSAGE


def test_languages_stay_once_audio_has_begun() -> None:
    made = Simulstream(Asked(), "1")
    made.receive(CONFIG)
    made.receive(PCM)
    made.receive(CONFIG)
    with pytest.raises(Refused, match="after audio"):
        made.receive('{"target_lang":"de"}')
