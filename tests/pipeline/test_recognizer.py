"""`surtitle.pipeline.recognizer`: committed words, with a recogniser that reads them off the samples.

A word is half a second of samples of one value, its number; the probability of speech is 1 where there is any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surtitle.pipeline.alignment import Alignment
from surtitle.pipeline.backlog import Backlog
from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Gap, Samples, Word
from surtitle.pipeline.gate import Closed, Quiet
from surtitle.pipeline.recognizer import Heard, Recognizer, RecognizerSettings
from surtitle.pipeline.spoken import Speaks
from surtitle.pipeline.whisper import LONGEST

LENGTH = SAMPLE_RATE // 2


def name(number: int) -> str:
    return f"w{number}." if number % 9 == 0 else f"w{number}"


def speech(*numbers: int) -> Samples:
    return np.repeat(np.array(numbers, np.float32), LENGTH)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def transcribe(
    samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
) -> list[Word]:
    """What is said in `samples`; a word that is cut short at the end is misheard."""
    edges = [0, *(np.flatnonzero(np.diff(samples)) + 1), len(samples)]
    words = []
    for start, end in pairwise(edges):
        number = int(samples[start]) if end - start > 10 else 0  # the window is cut to the sample at best
        if number and name(number) not in committed.split():
            text = name(number) if end - start > 0.9 * LENGTH else f"cut-{end}"
            words.append(Word(text, start / SAMPLE_RATE, end / SAMPLE_RATE, 1.0))
    return words


def probability(samples: Samples) -> list[float]:
    return [float(samples.any())]


def recognizer() -> Recognizer:
    return Recognizer(transcribe, probability, languages=["en"])


def texts(heard: list[Heard]) -> list[str]:
    return [item.text for item in heard if isinstance(item, Word)]


def heard_in(audio: Samples, *cuts: int) -> list[Heard]:
    ears = recognizer()
    edges = sorted({0, len(audio), *(cut % (len(audio) + 1) for cut in cuts)})
    return [item for a, b in pairwise(edges) for item in ears.push(audio[a:b])] + ears.flush()


TALK = np.concatenate((silence(1), speech(*range(1, 24)), silence(1), speech(*range(24, 30)), silence(3)))


@settings(max_examples=15)
@given(st.lists(st.integers(0, len(TALK)), max_size=20))
def test_however_the_samples_are_cut_the_encoder_hears_the_seconds_before_them_too(cuts: list[int]) -> None:
    def heard_with(*cuts: int) -> list[int]:
        pasts: list[int] = []

        def notes(samples: Samples, *, past: Samples, language: str, **asked: str) -> list[Word]:
            both = np.concatenate((past, samples))
            numbers = both[np.flatnonzero(np.diff(both))].astype(int)  # of each word, and of what is before and behind
            assert set(np.diff(numbers[numbers > 0])) <= {1}, "nothing is missing between them"
            pasts.append(len(past))
            return transcribe(samples, language=language, committed=asked["committed"])

        ears = Recognizer(notes, probability, languages=["en"], settings=RecognizerSettings(past=1.5))
        edges = sorted({0, len(TALK), *cuts})
        assert [ears.push(TALK[a:b]) for a, b in pairwise(edges)] + ears.flush()
        return pasts

    pasts = heard_with()
    assert max(pasts) == 1.5 * SAMPLE_RATE
    assert heard_with(*cuts) == pasts


def test_a_machine_that_does_not_keep_up_hears_no_past() -> None:
    pasts: list[int] = []

    def notes(samples: Samples, *, past: Samples, language: str, **asked: str) -> list[Word]:
        pasts.append(len(past))
        return transcribe(samples, language=language, committed=asked["committed"])

    ears, said = Recognizer(notes, probability, languages=["en"]), speech(*range(1, 41))
    came = int(1.2 * SAMPLE_RATE)  # during the last look
    for start in range(0, len(said), came):
        ears.push(said[start : start + came - 512], backlog=0.032)
        ears.push(said[start + came - 512 : start + came])
    assert len(pasts) > 10
    assert not any(pasts)


def test_words_never_begin_before_what_was_committed_ends() -> None:
    def restless(
        samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
    ) -> list[Word]:
        """Where a word begins is guessed more than a second too early once another one is committed."""
        found = transcribe(samples, language=language, committed=committed)
        return [replace(word, start=max(0.0, word.start - 1.2 * bool(committed))) for word in found]

    ears = Recognizer(restless, probability, languages=["en"])
    heard = ears.push(speech(*range(1, 13))) + ears.flush()
    words = [each for each in heard if isinstance(each, Word)]
    assert [word.text for word in words] == [name(number) for number in range(1, 13)]
    assert all(word.start <= word.end for word in words)
    assert all(earlier.start <= later.start for earlier, later in pairwise(words))


@settings(max_examples=15)
@given(st.lists(st.integers(0, len(TALK)), max_size=30))
def test_however_the_samples_are_cut_the_same_is_heard(cuts: list[int]) -> None:
    assert heard_in(TALK, *cuts) == heard_in(TALK)


def test_everything_said_is_committed_once_and_in_order() -> None:
    assert texts(heard_in(TALK)) == [name(number) for number in range(1, 30)]


def test_times_are_those_of_the_audio() -> None:
    words = [item for item in heard_in(TALK) if isinstance(item, Word)]
    assert [word.start for word in words[:23]] == pytest.approx([1 + 0.5 * i for i in range(23)], abs=0.05)
    assert words[-1].end == pytest.approx(1 + 11.5 + 1 + 3, abs=0.05)


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 8), st.floats(0.0, 3.0)), min_size=1, max_size=5))
def test_words_come_in_order_whatever_the_pauses(stretches: list[tuple[int, float]]) -> None:
    audio, number = silence(0.5), 1
    for count, pause in stretches:
        audio = np.concatenate((audio, speech(*range(number, number + count)), silence(pause)))
        number += count
    assert texts(heard_in(audio)) == [name(each) for each in range(1, number)]


def test_words_are_committed_while_speech_goes_on() -> None:
    ears = recognizer()
    committed = texts(ears.push(speech(*range(1, 9))))
    assert committed[:3] == ["w1", "w2", "w3"]
    assert committed + texts(ears.flush()) == [name(each) for each in range(1, 9)]


def test_ends_of_speech_come_behind_their_words() -> None:
    kinds = [type(item) for item in heard_in(TALK) if not isinstance(item, Word)]
    assert kinds == [Closed, Closed, Quiet]
    assert isinstance(heard_in(TALK)[-1], Quiet)


def test_silence_is_never_transcribed() -> None:
    ears = recognizer()
    assert ears.push(silence(30)) + ears.flush() == []
    assert ears.updates == 0


def test_after_a_flush_nothing_is_pending() -> None:
    ears = recognizer()
    ears.push(speech(1, 2, 3))
    assert texts(ears.flush()) == ["w1", "w2", "w3"]
    assert ears.pending == ()
    assert ears.flush() == []


def test_what_the_model_itself_doubts_is_not_said() -> None:
    def inventive(
        samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
    ) -> list[Word]:
        words = transcribe(samples, language=language, before=before, committed=committed)
        return words or [Word("invented", 0.0, 0.1, 0.05), Word("for", 0.1, 0.1, 0.6), Word("silence.", 0.1, 0.1, 0.0)]

    ears = Recognizer(inventive, probability, languages=["en"])
    assert texts(ears.push(TALK) + ears.flush()) == [name(number) for number in range(1, 30)]


@pytest.mark.parametrize("is_beginning", [True, False])
def test_a_phrase_that_begins_unlikely_is_said_behind_words_and_not_at_a_beginning(is_beginning: bool) -> None:
    def thankful(samples: Samples, *, committed: str = "", **asked: object) -> list[Word]:
        words = transcribe(samples, language="en", committed=committed)
        is_due = is_beginning or committed
        return [replace(word, probability=0.01 if is_due and not i else 0.95) for i, word in enumerate(words)]

    ears = Recognizer(thankful, probability, languages=["en"])
    heard = ears.push(np.concatenate((speech(1, 2), silence(3.0)))) + ears.flush()
    assert texts(heard) == ([] if is_beginning else ["w1", "w2"])


def test_a_model_that_recites_what_it_was_shown_is_not_believed() -> None:
    # whisper-base does so of noise: six times in sixty, and never surer than 0.05
    def reciting(
        samples: Samples, *, language: str, expected: str, before: str = "", committed: str = "", **_: object
    ) -> list[Word]:
        words = transcribe(samples, language=language, before=before, committed=committed)
        shown = f"{expected} {before}".split()
        return words or [Word(text, 0.1 * i, 0.1 * i + 0.1, 0.05) for i, text in enumerate(shown)]

    ears = Recognizer(reciting, probability, languages=["en"], hot_words=lambda language: "Surtitle, sinks")
    audio = np.concatenate((speech(1, 2, 3), silence(3.0), np.full(3 * SAMPLE_RATE, 1e-3, np.float32), silence(3.0)))
    assert texts(ears.push(audio) + ears.flush()) == ["w1", "w2", "w3"]


def test_the_model_is_told_when_nothing_follows_but_of_short_speech_which_can_wait() -> None:
    told: list[tuple[float, bool, bool]] = []

    def told_last(
        samples: Samples, *, language: str, committed: str, last: bool, can_wait: bool, **_: object
    ) -> list[Word]:
        told.append((len(samples) / SAMPLE_RATE, last, can_wait))
        return transcribe(samples, language=language, committed=committed)

    ears = Recognizer(told_last, probability, languages=["en"], settings=RecognizerSettings(short=3.0))
    ears.push(np.concatenate((speech(1, 2, 3, 4, 5), silence(3.0), speech(6), silence(3.0))))
    assert [(seconds > 3.0, can_wait) for seconds, last, can_wait in told if last] == [(True, False), (False, True)]


def test_a_model_that_goes_round_on_what_it_wrote_is_not_shown_it_again() -> None:
    def obsessed(
        samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
    ) -> list[Word]:
        """Once it has seen a word of its own, it says that again, one at a time."""
        words = transcribe(samples, language=language)
        seen = committed.split()
        known = next((index for index, word in enumerate(words, 1) if word.text == seen[-1]), len(seen)) if seen else 0
        return [replace(word, text="again") for word in words[known:]] if seen or before else words

    ears = Recognizer(obsessed, probability, languages=["en"])
    heard = texts(ears.push(speech(*range(1, 61))) + ears.flush())
    assert max(len(run) for run in "".join("a" if text == "again" else " " for text in heard).split()) < 6
    assert len([text for text in heard if text != "again"]) > 30


def test_what_a_model_leaves_out_behind_a_sentence_is_heard_before_a_pause() -> None:
    def hasty(
        samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
    ) -> list[Word]:
        """It stops where a sentence ends, unless that is committed."""
        found = transcribe(samples, language=language, before=before, committed=committed)
        ends = [index for index, word in enumerate(found, 1) if word.text.endswith(".")]
        return found[: ends[0]] if ends else found

    ears = Recognizer(hasty, probability, languages=["en"])
    said = np.concatenate((speech(*range(5, 13)), silence(3)))
    assert texts(ears.push(said) + ears.flush()) == [name(number) for number in range(5, 13)]


def stammering(
    samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
) -> list[Word]:
    """In silence behind speech it says all of it again."""
    found = transcribe(samples, language=language, committed=committed)
    is_silent = not samples[-LENGTH // 4 :].any()
    return [*found, *(replace(word, start=found[-1].end, end=found[-1].end) for word in found if is_silent)]


def test_a_model_that_says_it_again_in_the_silence_behind_speech_is_heard_once() -> None:
    ears = Recognizer(stammering, probability, languages=["en"])
    said = np.concatenate((speech(1, 2), silence(3), speech(3, 4, 5), silence(3)))
    assert texts(ears.push(said) + ears.flush()) == [name(number) for number in range(1, 6)]


@pytest.mark.parametrize(("hearing", "committed"), [(transcribe, 3), (stammering, 0)])
def test_while_a_model_says_things_again_nothing_is_committed_until_the_pause(
    hearing: Callable[..., list[Word]], committed: int
) -> None:
    ears = Recognizer(hearing, probability, languages=["en"], policy=Alignment(margin=0.0))
    begun = np.concatenate((speech(1, 2, 3, 4), silence(0.5)))
    assert len(texts(ears.push(begun, backlog=0.5))) == 0, "no look yet"
    assert len(texts(ears.push(silence(0.1)))) == committed
    assert texts(ears.push(silence(1.0))) == [name(number) for number in range(committed + 1, 5)]


def hears_sentences(*, is_sure: bool) -> Recognizer:
    """Of a model that stops at the first full stop and is asked to go on, then; what it is made to say it may doubt."""

    def hasty(
        samples: Samples, *, language: str, committed: str = "", goes_on: bool = False, **_: object
    ) -> list[Word]:
        found = transcribe(samples, language=language, committed=committed)
        if goes_on:
            return found if is_sure else [replace(word, text="made-up", probability=0.5) for word in found]
        if committed.endswith("."):
            return []
        ends = [index for index, word in enumerate(found, 1) if word.text.endswith(".")]
        return found[: ends[0]] if ends else found

    return Recognizer(hasty, probability, languages=["en"])


def test_what_a_model_leaves_out_behind_a_sentence_is_heard_as_soon_as_anything_else() -> None:
    ears, said, waited = hears_sentences(is_sure=True), speech(*range(5, 25)), 0.0
    heard = list[str]()
    for at in range(0, len(said), SAMPLE_RATE // 10):
        words = [item for item in ears.push(said[at : at + SAMPLE_RATE // 10]) if isinstance(item, Word)]
        heard += texts([*words])
        waited = max([waited, *(at / SAMPLE_RATE + 0.1 - word.end for word in words)])
    assert [*heard, *texts(ears.flush())] == [name(number) for number in range(5, 25)]
    assert waited < 2.0, "as long as where a model does not stop"


def test_what_a_model_is_made_to_say_and_doubts_is_not_said() -> None:
    ears = hears_sentences(is_sure=False)
    assert "made-up" not in texts(ears.push(speech(*range(5, 25))) + ears.flush())


@pytest.mark.parametrize(
    "said",
    [
        "no no no no no no no that is not what i said and you know it very well so do not ask me again",
        "well thank you thank you thank you thank you so much for coming here today my name is anna and i work here",
        "now one two three four one two three four one two three four one two three four and turn to the left now",
    ],
)
def test_what_follows_a_real_repetition_is_heard(said: str) -> None:
    words = said.split()

    def hearing(
        samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
    ) -> list[Word]:
        """Each word is a number in the audio: its place."""
        found = transcribe(samples, language=language)[len(committed.split()) :]
        return [replace(word, text=words[int(word.text.strip("w.")) - 1]) for word in found if "cut" not in word.text]

    ears = Recognizer(hearing, probability, languages=["en"])
    assert texts(ears.push(speech(*range(1, len(words) + 1))) + ears.flush()) == words


def test_who_says_the_same_after_each_pause_is_heard_each_time() -> None:
    def polite(
        samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
    ) -> list[Word]:
        return [
            replace(word, text="thanks") for word in transcribe(samples, language=language)[len(committed.split()) :]
        ]

    ears = Recognizer(polite, probability, languages=["en"])
    said = np.concatenate([np.concatenate((speech(number), silence(3))) for number in range(1, 9)])
    assert texts(ears.push(said) + ears.flush()) == ["thanks"] * 8


def test_a_loop_is_heard_once_however_sure_the_model_is() -> None:
    def looping(
        samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
    ) -> list[Word]:
        return [Word("beep", 0.3 * i, 0.3 * i + 0.3, 0.9) for i in range(12)]

    ears = Recognizer(looping, probability, languages=["en"], settings=RecognizerSettings(step=10.0))
    assert texts(ears.push(speech(*[1] * 8)) + ears.flush()) == ["beep"]


class Restless:
    """Hears something else at every look, always at the very end: nothing ever agrees."""

    def __init__(self) -> None:
        self.lengths: list[float] = []

    def __call__(
        self, samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
    ) -> list[Word]:
        self.lengths.append(len(samples) / SAMPLE_RATE)
        return [Word(f"guess{len(self.lengths)}", self.lengths[-1] - 0.1, self.lengths[-1], 0.5)]


@pytest.mark.parametrize("backlog", [0.0, 50.0])
def test_the_model_never_gets_more_audio_than_it_takes_though_nothing_agrees_or_much_waits(backlog: float) -> None:
    model = Restless()
    ears = Recognizer(model, probability, languages=["en"])
    for _ in range(100):
        ears.push(speech(1, 2), backlog=backlog)
    ears.flush()
    assert max(model.lengths) <= LONGEST
    assert sum(model.lengths) > 95


def test_a_model_that_hears_nothing_in_long_speech_holds_no_audio_back() -> None:
    lengths = []

    def deaf(
        samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
    ) -> list[Word]:
        lengths.append(len(samples) / SAMPLE_RATE)
        return []

    ears = Recognizer(deaf, probability, languages=["en"])
    assert texts(ears.push(speech(*[1] * 200)) + ears.flush()) == []
    assert max(lengths) <= LONGEST


def test_updates_wait_while_more_audio_does() -> None:
    ears = recognizer()
    assert ears.push(speech(*range(1, 9)), backlog=10.0) == []
    assert ears.updates == 0
    ears.push(speech(9, 10), backlog=0.0)
    assert ears.updates > 0


def late(audio: Samples, cost: Callable[[float], float]) -> tuple[list[str], list[Gap], list[float]]:
    """Words, gaps and the seconds between looks of a recogniser that computes for `cost` seconds at a look at so many,
    while the speaker goes on. Time is counted, not waited for."""
    spent = 0.0

    def slow(
        samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
    ) -> list[Word]:
        nonlocal spent
        spent += cost(len(samples) / SAMPLE_RATE)
        return transcribe(samples, language=language, before=before, committed=committed)

    ears, backlog, now, pushed = Recognizer(slow, probability, languages=["en"]), Backlog(), 0.0, 0
    heard, gaps, looks = list[Heard](), list[Gap](), [0.0]
    length = SAMPLE_RATE // 10
    coming = [AudioChunk(audio[at : at + length], at / SAMPLE_RATE) for at in range(0, len(audio), length)]
    while coming or backlog:
        now = max(now, 0.0 if backlog else coming[0].end)
        here = [chunk for chunk in coming if chunk.end <= now]
        coming = coming[len(here) :]
        gaps += backlog.push(here)
        (chunk,) = backlog.take(0.1)
        samples = np.concatenate((np.zeros(round(chunk.start * SAMPLE_RATE) - pushed, np.float32), chunk.samples))
        pushed += len(samples)
        before, updates = spent, ears.updates
        heard += ears.push(samples, backlog=backlog.seconds)
        now += spent - before
        looks += [pushed / SAMPLE_RATE] if ears.updates > updates else []
    return texts(heard + ears.flush()), gaps, [after - before for before, after in pairwise(looks)]


LONG_TALK = np.concatenate((speech(*range(1, 301)), silence(3)))


def test_a_recogniser_that_keeps_up_looks_at_every_step() -> None:
    words, gaps, steps = late(LONG_TALK, lambda seconds: 0.05 * seconds)
    assert words == [name(number) for number in range(1, 301)]
    assert gaps == []
    step = RecognizerSettings().step
    assert step == pytest.approx(min(steps[1:-2]))
    assert max(steps[1:-2]) < step + 0.15


def test_a_recogniser_ten_times_slower_takes_longer_steps_and_says_everything_all_the_same() -> None:
    words, gaps, steps = late(LONG_TALK, lambda seconds: 0.5 * seconds)
    assert words == [name(number) for number in range(1, 301)]
    assert gaps == []
    assert max(steps[:3]) < 1.2 < 1.5 < min(steps[4:-1])


def test_a_recogniser_that_can_not_keep_up_leaves_a_gap_wherever_it_leaves_words_out() -> None:
    words, gaps, _ = late(LONG_TALK, lambda seconds: 2 * seconds)
    assert {gap.why for gap in gaps} == {"overload"}
    whole = [word for word in words if not word.startswith("cut")]
    times = {name(number): ((number - 1) / 2, number / 2) for number in range(1, 301)}
    assert whole == [word for word in times if word in whole]  # in order, each once
    for word in times.keys() - set(whole):
        start, end = times[word]
        assert any(gap.start < end and start < gap.end for gap in gaps), word


def test_the_window_stays_short_where_sentences_are_committed() -> None:
    lengths = []

    def measured(
        samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
    ) -> list[Word]:
        lengths.append(len(samples) / SAMPLE_RATE)
        assert len(before) <= RecognizerSettings().context
        return transcribe(samples, language=language, before=before, committed=committed)

    ears = Recognizer(measured, probability, languages=["en"])
    assert texts(ears.push(speech(*range(1, 200))) + ears.flush()) == [name(number) for number in range(1, 200)]
    assert max(lengths) < 10


def doubtful(
    samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
) -> list[Word]:
    """Is sure of nothing that is heard alone."""
    words = transcribe(samples, language=language, before=before, committed=committed)
    return [replace(word, probability=0.2 if len(words) == 1 else 0.9) for word in words]


def test_a_short_word_that_was_doubted_is_heard_again_with_what_follows_the_pause() -> None:
    ears = Recognizer(doubtful, probability, languages=["en"])
    heard = ears.push(np.concatenate((speech(1), silence(1.0), speech(2, 3), silence(3.0)))) + ears.flush()
    assert texts(heard) == ["w1", "w2", "w3"]


def test_a_short_word_that_was_doubted_is_not_heard_where_nothing_follows_for_long() -> None:
    ears = Recognizer(doubtful, probability, languages=["en"])
    heard = ears.push(np.concatenate((speech(1), silence(3.0), speech(2, 3), silence(3.0)))) + ears.flush()
    assert texts(heard) == ["w2", "w3"]


def hesitant(
    samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
) -> list[Word]:
    """Is not sure of a word before it has heard all of the next, and mishears it."""
    words = transcribe(samples, language=language, before=before, committed=committed)
    alone = len(words) == 1 or (len(words) == 2 and words[1].text.startswith("cut"))
    return [replace(words[0], text="what?", probability=0.5)] if alone and not committed else words


def test_short_speech_that_is_unsure_waits_for_what_follows_the_pause() -> None:
    ears = Recognizer(hesitant, probability, languages=["en"])
    assert texts(ears.push(np.concatenate((speech(1), silence(1.0))))) == []
    assert [word.text for word in ears.pending] == ["what?"]
    assert texts(ears.push(np.concatenate((speech(2, 3), silence(3.0)))) + ears.flush()) == ["w1", "w2", "w3"]


def test_short_speech_that_is_unsure_is_taken_as_it_is_where_nothing_follows_for_long() -> None:
    ears = Recognizer(hesitant, probability, languages=["en"])
    assert texts(ears.push(np.concatenate((speech(1), silence(3.0))))) == ["what?"]


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_a_last_word_that_was_guessed_beside_others_is_kept_though_it_is_doubted_alone(count: int) -> None:
    ears = Recognizer(doubtful, probability, languages=["en"])
    heard = ears.push(np.concatenate((speech(*range(1, count + 1)), silence(3.0)))) + ears.flush()
    assert texts(heard) == [name(number) for number in range(1, count + 1)]


@pytest.mark.parametrize(("first", "others"), [(0.5, 0.5), (0.45, 1.0)])
def test_first_words_that_are_unsure_wait_for_the_next_look(first: float, others: float) -> None:
    def wrong_of_little(samples: Samples, *, committed: str = "", **asked: object) -> list[Word]:
        words = transcribe(samples, language="en", committed=committed)
        is_little = len(samples) < 2.5 * SAMPLE_RATE and not committed
        sure = [first, first, *[others] * len(words)]
        return (
            [replace(word, text="what?", probability=sure[i]) for i, word in enumerate(words)] if is_little else words
        )

    ears = Recognizer(wrong_of_little, probability, languages=["en"])
    assert texts(ears.push(speech(1, 2, 3, 4, 5))) == []
    assert {word.text for word in ears.pending} == {"what?"}
    assert texts(ears.push(np.concatenate((speech(6, 7), silence(3.0))))) == [f"w{number}" for number in range(1, 8)]


def test_a_word_that_is_cut_short_and_unsure_is_not_shown() -> None:
    def shown(sureness: float) -> set[str]:
        def sure_of_all_but_the_end(samples: Samples, *, committed: str = "", **asked: object) -> list[Word]:
            words = transcribe(samples, language="en", committed=committed)
            return [replace(word, probability=sureness if word.text.startswith("cut") else 1.0) for word in words]

        ears, texts = Recognizer(sure_of_all_but_the_end, probability, languages=["en"]), set[str]()
        for frame in speech(*range(1, 20)).reshape(-1, LENGTH // 10):
            ears.push(frame)
            texts |= {word.text for word in ears.pending}
        return texts

    unsure, sure = shown(0.3), shown(0.9)
    assert len(unsure) > 5
    assert unsure == {text for text in sure if not text.startswith("cut")} != sure


def test_a_word_that_begins_softly_is_heard_from_its_beginning() -> None:
    def faint(samples: Samples) -> list[float]:
        return [0.4 if samples.min() < 0 else float(samples.any())]

    ears = Recognizer(transcribe, faint, languages=["en"])
    soft = silence(2.0), speech(-7), speech(1, 2), silence(3.0)
    assert texts(ears.push(np.concatenate(soft)) + ears.flush()) == ["w-7", "w1", "w2"]


def test_words_before_a_pause_are_not_looked_for_behind_it() -> None:
    committed = list[str]()

    def unsure_of_the_last(
        samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
    ) -> list[Word]:
        asked.append(committed)
        words = transcribe(samples, language=language, before=before, committed=committed)
        return [replace(word, text="what?", probability=0.1) for word in words] if committed == "w1 w2" else words

    asked = committed
    looks = RecognizerSettings(step=1.0)  # behind the second word, among others
    ears = Recognizer(unsure_of_the_last, probability, languages=["en"], settings=looks)
    heard = ears.push(np.concatenate((speech(1, 2, 3), silence(3.0), speech(4, 5, 6, 7), silence(3.0)))) + ears.flush()
    assert texts(heard) == ["w1", "w2", "w3", "w4", "w5", "w6", "w7"]  # what is doubted took nothing back
    assert "w1 w2" in asked
    assert not any("w2" in each for each in asked[asked.index("w1 w2") + 1 :])


def test_what_is_doubted_before_a_pause_is_not_said_where_nothing_was_believed_before() -> None:
    def invents(samples: Samples, *, committed: str = "", last: bool = False, **asked: object) -> list[Word]:
        words = transcribe(samples, language="en", committed=committed)
        return words or [Word("Thanks.", 0.1, 0.4, 0.1)] if last or committed else words

    ears = Recognizer(invents, probability, languages=["en"])
    heard = ears.push(np.concatenate((speech(1, 2, 3), silence(3.0)))) + ears.flush()
    assert texts(heard) == ["w1", "w2", "w3"]


def test_what_was_believed_stays_if_it_is_doubted_with_more_behind_it_before_a_pause() -> None:
    looks: list[Samples] = []

    def invents(samples: Samples, *, committed: str = "", **asked: object) -> list[Word]:
        words = transcribe(samples, language="en", committed=committed)
        looks.append(samples)
        if len(looks) == 1:
            return words
        return [replace(word, probability=0.2) for word in [*words, Word("Thanks.", words[-1].end, words[-1].end, 0.2)]]

    ears = Recognizer(invents, probability, languages=["en"])
    heard = ears.push(np.concatenate((silence(1.0), speech(1), silence(3.0)))) + ears.flush()
    assert texts(heard) == ["w1"]


def test_a_source_that_stalls_ends_what_was_said_and_goes_on_behind_it() -> None:
    ears, whole = recognizer(), recognizer()
    first, second = speech(1, 2, 3), np.concatenate((silence(0.5), speech(4, 5, 6), silence(3.0)))
    heard = [*ears.push(first), *ears.pause()]
    assert texts(heard) == ["w1", "w2", "w3"]
    assert [type(each) for each in heard[-2:]] == [Closed, Quiet]
    assert ears.pause() == []
    assert texts(heard + ears.push(second) + ears.flush()) == [f"w{number}" for number in range(1, 7)]
    assert texts(whole.push(np.concatenate((first, second))) + whole.flush()) == [f"w{n}" for n in range(1, 7)]


@given(st.integers(0, 3 * SAMPLE_RATE), st.integers(2 * SAMPLE_RATE, 9 * SAMPLE_RATE))
@settings(max_examples=15)
def test_what_is_skipped_is_to_the_words_as_if_nobody_had_spoken(begun: int, missing: int) -> None:
    skipping, silent = recognizer(), recognizer()
    first, second = np.concatenate((speech(1, 2, 3), silence(1.0)))[:begun], speech(*range(4, 10))
    heard = [*skipping.push(first), *skipping.skip(missing), *skipping.push(second), *skipping.flush()]
    expected = silent.push(np.concatenate((first, np.zeros(missing, np.float32), second))) + silent.flush()

    def whole(said: list[Heard]) -> list[tuple[str, int, int]]:
        words = [each for each in said if isinstance(each, Word) and not each.text.startswith("cut")]
        return [(word.text, round(word.start * SAMPLE_RATE), round(word.end * SAMPLE_RATE)) for word in words]

    assert whole(heard) == whole(expected)


@settings(max_examples=15)
@given(st.builds(RecognizerSettings, window=st.floats(3.0, 10.0), kept=st.integers(0, 5)))
def test_whatever_is_kept_everything_said_is_committed_once_and_in_order(chosen: RecognizerSettings) -> None:
    ears = Recognizer(transcribe, probability, languages=["en"], settings=chosen)
    assert texts(ears.push(TALK) + ears.flush()) == [name(number) for number in range(1, 30)]


def test_the_model_is_shown_text_before_the_window_also_where_there_are_no_spaces() -> None:
    shown = list[str]()

    def chinese(
        samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
    ) -> list[Word]:
        shown.append(before)
        return transcribe(samples, language=language, before=before, committed=" ".join(committed.split("|")))

    ears = Recognizer(chinese, probability, languages=["zh"])
    ears.push(speech(*range(1, 100)))
    context = RecognizerSettings().context
    assert context - 1 <= len(shown[-1]) <= context  # no space stands at its beginning


class Bilingual:
    """English words are numbers below 100, Spanish ones above; told the wrong language, it invents."""

    def __init__(self) -> None:
        self.ears = Recognizer(self.transcribe, probability, languages=["en", "es"], identify=self.likelihoods)

    def transcribe(
        self, samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
    ) -> list[Word]:
        words = transcribe(samples, language=language, before=before, committed=committed)
        wrong = [word for word in words if (int(word.text.strip("w.").split("-")[-1]) > 100) != (language == "es")]
        return [replace(word, text="invented") if word in wrong else word for word in words if "cut" not in word.text]

    def likelihoods(self, samples: Samples, languages: Sequence[str]) -> dict[str, float]:
        spanish = float((samples > 100).sum()) / max(1, int((samples > 0).sum()))
        return {"en": 1 - spanish, "es": spanish}


BOTH = np.concatenate((speech(1, 2, 3), silence(1), speech(*range(101, 106)), silence(1), speech(4, 5), silence(3)))


def test_words_are_heard_in_the_language_that_is_spoken() -> None:
    heard = [item for item in Bilingual().ears.push(BOTH) if isinstance(item, Speaks | Word)]
    assert [item.language if isinstance(item, Speaks) else item.text for item in heard] == [
        "w1", "w2", "w3", "es", "w101", "w102", "w103", "w104", "w105", "en", "w4", "w5",
    ]  # fmt: skip


def test_where_another_language_may_be_spoken_the_encoder_hears_no_past() -> None:
    pasts: list[int] = []
    speaker = Bilingual()

    def notes(samples: Samples, *, past: Samples, language: str, **asked: str) -> list[Word]:
        pasts.append(len(past))
        return speaker.transcribe(samples, language=language, committed=asked["committed"])

    talk = np.concatenate((speech(*range(10, 30)), silence(3)))
    Recognizer(notes, probability, languages=["en", "es"], identify=speaker.likelihoods).push(talk)
    assert set(pasts) == {0}
    Recognizer(notes, probability, languages=["en"], identify=speaker.likelihoods).push(talk)
    assert max(pasts) > 0


@settings(max_examples=10)
@given(st.lists(st.integers(0, len(BOTH)), max_size=20))
def test_however_samples_in_two_languages_are_cut_the_same_is_heard(cuts: list[int]) -> None:
    edges = sorted({0, len(BOTH), *cuts})
    ears = Bilingual().ears
    assert [item for a, b in pairwise(edges) for item in ears.push(BOTH[a:b])] == Bilingual().ears.push(BOTH)


def test_a_change_of_language_without_a_pause_is_noticed_within_seconds() -> None:
    audio = np.concatenate((speech(*range(10, 18)), speech(*range(110, 130)), silence(3)))
    words = texts(Bilingual().ears.push(audio))
    assert words[:8] == [name(number) for number in range(10, 18)]
    assert words[-12:] == [name(number) for number in range(118, 130)]
