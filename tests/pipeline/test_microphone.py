"""`surtitle.pipeline.microphone`: the count of time by itself, and a real PortAudio stream of a virtual sound
card."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from itertools import accumulate, takewhile
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import eventually
from sound_card import Card

import surtitle.pipeline.microphone
from surtitle.pipeline.callbacks import ignore
from surtitle.pipeline.devices import InputDevice, choose, list_devices
from surtitle.pipeline.errors import UsageError
from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Gap, Samples
from surtitle.pipeline.microphone import UNKNOWN_S, Intake, _Listener, microphone, waits


def drain(intake: Intake) -> list[AudioChunk | Gap]:
    items = []
    while (item := intake.take()) is not None:
        items.append(item)
    return items


def span(item: AudioChunk | Gap) -> tuple[float, float]:
    return item.start, item.end


@given(st.lists(st.one_of(st.integers(0, 4000), st.sampled_from(["take", "lost", "overflow"])), max_size=40))
def test_whatever_is_lost_the_items_cover_the_clock_without_a_hole(steps: list[int | str]) -> None:
    intake = Intake(backlog=0.5)
    items = []
    for step in steps:
        if isinstance(step, int):
            intake.push(np.zeros((step, 1), np.float32))
        elif step == "lost":
            intake.lost(0.25)
        elif step == "overflow":
            intake.push(np.zeros((160, 1), np.float32), overflowed=True)
        else:
            items += drain(intake)
    items += drain(intake)
    ends = [0.0] + [item.end for item in items]
    assert [item.start for item in items] == pytest.approx(ends[:-1])


def test_a_slow_consumer_loses_the_newest_audio_and_is_told_of_it_in_one_gap() -> None:
    intake = Intake(backlog=1.0)
    for _ in range(15):
        intake.push(np.zeros((1600, 1), np.float32))
    *chunks, gap = drain(intake)
    assert len(chunks) == 10
    assert gap == Gap(start=1.0, end=1.5, why="overload")


def test_audio_after_a_gap_has_the_time_it_was_spoken_at() -> None:
    intake = Intake()
    intake.lost(3.0)
    intake.push(np.zeros((1600, 1), np.float32))
    assert [span(item) for item in drain(intake)] == [(0.0, 3.0), (3.0, 3.1)]


def test_audio_that_the_system_lost_is_reported_though_its_length_is_unknown() -> None:
    intake = Intake()
    intake.push(np.zeros((1600, 1), np.float32), overflowed=True)
    assert drain(intake)[0] == Gap(start=0.0, end=0.0, why="overload")


def test_losses_of_unknown_length_that_follow_each_other_are_told_every_few_seconds() -> None:
    intake, gaps = Intake(), list[float]()
    for _ in range(100):
        intake.push(np.zeros((1600, 1), np.float32), overflowed=True)
        gaps += [item.start for item in drain(intake) if isinstance(item, Gap)]
    assert gaps == [0.0, UNKNOWN_S, 2 * UNKNOWN_S, 3 * UNKNOWN_S]


@pytest.mark.parametrize(("channels", "heard"), [((5,), 0.5), ((6, 5), 0.55), ((1,), 0.1), ((), 0.35)])
def test_of_a_mixer_the_channels_that_were_asked_for_are_heard_at_their_mean(
    channels: tuple[int, ...], heard: float
) -> None:
    intake = Intake(channels=channels)
    intake.push(np.tile(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], np.float32), (1600, 1)))
    (chunk,) = drain(intake)
    assert isinstance(chunk, AudioChunk)
    assert chunk.samples == pytest.approx(heard)


def test_a_lost_device_is_looked_for_often_at_first_and_seldom_in_a_night() -> None:
    looks = list(takewhile(lambda passed: passed < 3600, accumulate(waits())))
    assert sum(passed <= 30 for passed in looks) > 10
    assert len(looks) < 400


async def test_a_device_whose_block_comes_as_its_time_is_up_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = _Listener(InputDevice(0, "room", "ALSA", 1, SAMPLE_RATE, default=True), (), ignore)

    async def wait_for(arrived: Coroutine[Any, Any, object], _: float) -> None:  # as Python 3.12 does
        arrived.close()
        listener._on_loop(np.zeros((1600, 1), np.float32), False)
        raise TimeoutError

    monkeypatch.setattr(asyncio, "wait_for", wait_for)
    heard = listener.items()
    assert [span(await anext(heard)), span(await anext(heard))] == [(0.0, 0.1), (0.1, 0.2)]


async def test_of_two_microphones_alike_the_one_that_was_lost_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, back = (InputDevice(i, f"Yeti (hw:{i},0)", "ALSA", 1, SAMPLE_RATE, default=False) for i in (1, 2, 3))
    present, opened, told = iter([[one, two], [one], [one, back]]), list[InputDevice](), list[str]()
    monkeypatch.setattr(surtitle.pipeline.microphone, "list_devices", lambda: next(present))
    monkeypatch.setattr(surtitle.pipeline.microphone, "restart", ignore)
    monkeypatch.setattr(surtitle.pipeline.microphone, "AGAIN_S", 0.0)
    monkeypatch.setattr(surtitle.pipeline.microphone, "_start", lambda device, *_: opened.append(device))
    await _Listener(two, (), told.append)._reopen()
    assert opened == [back]
    assert told == ["the microphone 'Yeti (hw:2,0)' is gone; there are: 1: Yeti (hw:1,0)"]


async def test_a_device_that_gives_a_last_block_while_it_is_given_up_keeps_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = InputDevice(0, "room", "ALSA", 1, SAMPLE_RATE, default=True)
    listener, block = _Listener(device, (), ignore), np.zeros((1600, 1), np.float32)
    began = now = listener._loop.time()

    def gives() -> list[InputDevice]:  # what PortAudio held comes late
        asyncio.run_coroutine_threadsafe(late(), listener._loop).result()
        return [device]

    async def late() -> None:
        nonlocal now
        if now == began + 2.0:
            listener._on_loop(block, False)
            now = began + 2.1

    def restart() -> None:
        nonlocal now
        now = began + 5.0

    monkeypatch.setattr(surtitle.pipeline.microphone, "list_devices", gives)
    monkeypatch.setattr(surtitle.pipeline.microphone, "restart", restart)
    monkeypatch.setattr(surtitle.pipeline.microphone, "_start", lambda *_: None)
    monkeypatch.setattr(listener._loop, "time", lambda: now)
    now = began + 2.0
    listener._count_loss(now)
    await listener._reopen()
    now = began + 6.0
    listener._on_loop(block, False)
    *_, lost, last = drain(listener._intake)
    assert isinstance(lost, Gap)
    assert last.end == pytest.approx(6.0, abs=0.2)


def tone(hertz: float, seconds: float) -> Samples:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(seconds * SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)


def pitch(samples: Samples) -> float:
    """Hertz of the loudest frequency."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * SAMPLE_RATE / len(samples)


async def listen(heard: AsyncIterator[AudioChunk | Gap], seconds: float) -> Samples:
    """The next `seconds` of loud sound; silence before it is passed over."""
    parts: list[Samples] = []
    async for item in heard:
        if isinstance(item, AudioChunk) and (parts or np.abs(item.samples).max() > 0.1):
            parts.append(item.samples)
        if sum(map(len, parts)) >= seconds * SAMPLE_RATE:
            break
    return np.concatenate(parts)


@pytest.mark.soundcard
async def test_a_tone_in_the_room_is_heard_at_its_pitch_and_loudness(card: Card) -> None:
    async with microphone("SURTITLE-room") as heard:
        card.play(tone(1000.0, 3.0))
        sound = (await asyncio.wait_for(listen(heard, 1.2), 10))[SAMPLE_RATE // 5 :]
    assert pitch(sound) == pytest.approx(1000.0, abs=2.0)
    assert np.sqrt(np.mean(sound**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.soundcard
async def test_a_channel_is_heard_without_the_others(card: Card) -> None:
    right = np.stack([np.zeros(3 * SAMPLE_RATE, np.float32), tone(1000.0, 3.0)], axis=1)
    async with microphone("surtitle-room", [2]) as heard:
        card.play(right)
        sound = (await asyncio.wait_for(listen(heard, 1.2), 10))[SAMPLE_RATE // 5 :]
    assert np.sqrt(np.mean(sound**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.soundcard
async def test_a_channel_that_the_device_has_not_is_refused(card: Card) -> None:
    with pytest.raises(UsageError, match="got --channels 1000, expected numbers up to"):
        async with microphone("surtitle-room", [1000]):
            pass


@pytest.mark.soundcard
async def test_the_microphone_keeps_the_time_of_the_room(card: Card) -> None:
    async with microphone("surtitle-room") as heard:
        items = [await anext(heard)]
        began = time.monotonic()
        async for item in heard:
            items.append(item)
            if item.end > 3.0:
                break
    assert time.monotonic() - began == pytest.approx(3.0, abs=0.5)
    assert [item.start for item in items[1:]] == pytest.approx([item.end for item in items[:-1]])


@pytest.mark.soundcard
@pytest.mark.parametrize(("pull", "plug"), [(Card.unplug, Card.plug), (Card.remove, Card.put_back)])
async def test_a_lost_device_is_found_out_in_two_seconds_and_heard_again_when_it_is_back(
    pull: Callable[[Card], None], plug: Callable[[Card], None], card: Card
) -> None:
    async with microphone("surtitle-room") as heard:
        await anext(heard)
        pull(card)
        pulled = time.monotonic()
        gap = await asyncio.wait_for(next_gap(heard), 10)
        assert time.monotonic() - pulled < 2.0
        plug(card)
        again = await asyncio.wait_for(next_gap(heard), 20)
        card.play(tone(440.0, 3.0))
        sound = await asyncio.wait_for(listen(heard, 1.0), 10)
        lost = time.monotonic() - pulled
    assert gap.why == again.why == "device"
    assert again.start == gap.end
    assert again.end - gap.start < lost
    assert pitch(sound[SAMPLE_RATE // 5 :]) == pytest.approx(440.0, abs=2.0)


@pytest.mark.soundcard
async def test_a_device_that_stays_away_is_waited_for_and_what_keeps_it_away_is_told_once(card: Card) -> None:
    told = list[str]()
    async with microphone("surtitle-room", tell=told.append) as heard:
        await anext(heard)
        card.unplug()
        await asyncio.wait_for(next_gap(heard), 10)
        back = asyncio.ensure_future(next_gap(heard))
        await eventually(lambda: bool(told))
        with pytest.raises(TimeoutError):  # it is looked for several times meanwhile
            await asyncio.wait_for(asyncio.shield(back), 4)
        assert len(told) == len(set(told))
        card.plug()
        assert (await asyncio.wait_for(back, 20)).why == "device"


@pytest.mark.soundcard
async def test_a_device_that_is_being_opened_when_all_is_over_is_closed_again(card: Card) -> None:
    listener = _Listener(choose("surtitle-room"), (), ignore)
    opening = asyncio.ensure_future(listener.open())
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait((opening,))
    await listener.close()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert not card.is_heard()


@pytest.mark.soundcard
async def test_an_unknown_device_is_answered_with_those_present(card: Card) -> None:
    with pytest.raises(UsageError, match=r"no microphone matches 'gramophone'; there are: .*surtitle-room"):
        async with microphone("gramophone"):
            pass


@pytest.mark.soundcard
def test_the_devices_of_the_sound_card_are_listed(card: Card) -> None:
    rows = {device.name: device for device in list_devices()}
    assert rows["surtitle-room"].host == "ALSA"
    assert rows["surtitle-room"].channels >= 2  # of a sound server as many as it can mix
    assert rows["default"].default


async def next_gap(heard: AsyncIterator[AudioChunk | Gap]) -> Gap:
    async for item in heard:
        if isinstance(item, Gap) and item.why == "device":
            return item
    raise AssertionError("the microphone ended without a gap")
