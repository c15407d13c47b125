"""`surtitle.pipeline.files`: real recordings in the formats people have, and what is none."""

from __future__ import annotations

import os
import struct
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SAMPLE_RATE, Samples
from surtitle.pipeline.files import check, decode, decode_all

SECONDS = 2.0
PITCH = 440.0


def tone(rate: int, channels: int) -> npt.NDArray[np.int16]:
    """[frames, channels], half of full scale, the same in each channel."""
    wave_form = np.sin(2 * np.pi * PITCH * np.arange(round(SECONDS * rate)) / rate) * 0x4000
    return np.repeat(wave_form.astype(np.int16)[:, None], channels, axis=1)


def write_wav(path: Path, rate: int, samples: npt.NDArray[np.int16]) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def encode(path: Path, codec: str, rate: int, samples: npt.NDArray[np.int16]) -> Path:
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


def read(path: Path) -> Samples:
    return np.concatenate(list(decode(path)))


def assert_is_the_tone(samples: Samples) -> None:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert np.argmax(spectrum) * SAMPLE_RATE / len(samples) == pytest.approx(PITCH, abs=1.0)
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_a_wave_file_of_any_rate_and_channels_keeps_its_length_pitch_and_loudness(
    tmp_path: Path, rate: int, channels: int
) -> None:
    samples = read(write_wav(tmp_path / "tone.wav", rate, tone(rate, channels)))
    assert len(samples) == pytest.approx(SECONDS * SAMPLE_RATE, abs=1)
    assert samples.dtype == np.float32
    assert_is_the_tone(samples)


@pytest.mark.parametrize("tracks", [3, 4, 6, 9, pytest.param(32, marks=pytest.mark.slow)])
def test_of_tracks_without_places_each_is_heard_and_none_louder_than_the_others(tmp_path: Path, tracks: int) -> None:
    heard = []
    for spoken in range(tracks):
        samples = np.zeros((SAMPLE_RATE, tracks), np.int16)
        samples[:, spoken] = tone(SAMPLE_RATE, 1)[:SAMPLE_RATE, 0]
        heard.append(float(np.abs(read(write_wav(tmp_path / "tracks.wav", SAMPLE_RATE, samples))).max()))
    assert heard == pytest.approx([0.5 / tracks] * tracks, rel=0.01)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("tone.flac", "flac", 44_100),
        ("tone.flac", "flac", 8_000),
        ("tone.mp3", "mp3", 44_100),
        ("tone.mp3", "mp3", 22_050),
        ("tone.ogg", "libopus", 48_000),
        ("tone.webm", "libopus", 48_000),
        ("tone.m4a", "aac", 44_100),
        ("tone.mp4", "aac", 48_000),
    ],
)
def test_compressed_recordings_are_heard(tmp_path: Path, name: str, codec: str, rate: int, channels: int) -> None:
    samples = read(encode(tmp_path / name, codec, rate, tone(rate, channels)))
    # Codecs pad both ends; a tenth of a second is more than any of these does.
    assert len(samples) == pytest.approx(SECONDS * SAMPLE_RATE, abs=SAMPLE_RATE // 10)
    assert_is_the_tone(samples)


def test_a_recording_is_decoded_as_it_is_read_and_not_whole(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "long.wav", 44_100, np.zeros((44_100 * 60, 1), np.int16))
    lengths = [len(block) for block in decode(path)]
    assert sum(lengths) == 60 * SAMPLE_RATE
    assert max(lengths) < SAMPLE_RATE


def test_several_recordings_are_joined_back_to_back(tmp_path: Path) -> None:
    first = write_wav(tmp_path / "1.wav", 8_000, tone(8_000, 1))
    second = encode(tmp_path / "2.flac", "flac", 44_100, tone(44_100, 2))
    joined = np.concatenate(list(decode_all([first, second])))
    np.testing.assert_array_equal(joined, np.concatenate([read(first), read(second)]))


def cut_in_half(path: Path) -> Path:
    """A recording whose second half is nothing but zeros."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(SAMPLE_RATE, 1).T.copy(), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) // 2))
    return path


def test_a_broken_recording_does_not_silence_the_next(tmp_path: Path) -> None:
    broken = [cut_in_half(tmp_path / name) for name in ("1.ts", "2.ts")]
    whole, heard = write_wav(tmp_path / "3.wav", SAMPLE_RATE, tone(SAMPLE_RATE, 1)), list[Samples]()
    with pytest.raises(UserError, match=r"1\.ts: cannot be read to its end .*was captioned$"):
        heard.extend(decode_all([broken[0], whole]))
    np.testing.assert_array_equal(np.concatenate(heard)[-len(read(whole)) :], read(whole))
    with pytest.raises(UserError, match=r"1\.ts: cannot .* \(and 1 more of the recordings\)$"):
        list(decode_all([broken[0], whole, broken[1]]))


@pytest.mark.parametrize(("name", "codec"), [("t.flac", "flac"), ("t.mkv", "aac"), ("t.aiff", "pcm_s16be")])
def test_where_a_recording_has_less_than_it_says_that_is_told_once_it_was_heard(
    tmp_path: Path, name: str, codec: str
) -> None:
    noise = np.random.default_rng(0).integers(-9000, 9000, (SAMPLE_RATE * 8, 1)).astype(np.int16)
    path = encode(tmp_path / name, codec, SAMPLE_RATE, noise)
    assert len(read(path)) == pytest.approx(SAMPLE_RATE * 8, abs=SAMPLE_RATE / 10)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    heard = list[Samples]()
    said = r"t\.\w+: cannot be read to its end \(it says that it has 0:08, and ends at 0:0[34]\).*was captioned$"
    with pytest.raises(UserError, match=said):
        heard.extend(decode(path))
    assert len(np.concatenate(heard)) > SAMPLE_RATE * 3


def test_a_recording_whose_times_do_not_begin_at_zero_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "cut.mka"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(SAMPLE_RATE, 1).T.copy(), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts, frame.time_base = 3600 * SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    assert_is_the_tone(read(path))


def test_a_bad_recording_is_found_before_the_first_one_is_heard(tmp_path: Path) -> None:
    good = write_wav(tmp_path / "good.wav", 8_000, tone(8_000, 1))
    with pytest.raises(UserError, match="no such file"):
        decode_all([good, tmp_path / "missing.wav"])


def test_a_file_whose_name_looks_like_an_address_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wav(tmp_path / "10:30.wav", 8_000, tone(8_000, 1))
    monkeypatch.chdir(tmp_path)
    assert_is_the_tone(read(Path("10:30.wav")))


def test_tags_in_another_encoding_do_not_matter(tmp_path: Path) -> None:
    path, name = write_wav(tmp_path / "tagged.wav", SAMPLE_RATE, tone(SAMPLE_RATE, 1)), b"M\xfcller"
    whole = path.read_bytes()
    samples_at = whole.index(b"data")
    artist = b"INFOIART" + struct.pack("<I", len(name)) + name
    tags = b"LIST" + struct.pack("<I", len(artist)) + artist
    path.write_bytes(whole[:samples_at] + tags + whole[samples_at:])
    check(path)
    assert_is_the_tone(read(path))


def test_a_damaged_stretch_keeps_its_length_and_is_marked_for_the_scrubber_to_report(tmp_path: Path) -> None:
    path = encode(tmp_path / "tone.flac", "flac", 16_000, tone(16_000, 1))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = b"\x00" * 600
    path.write_bytes(data)
    samples = read(path)
    assert len(samples) == SECONDS * SAMPLE_RATE
    assert 0 < np.count_nonzero(np.isnan(samples)) < SAMPLE_RATE // 2


def test_a_recording_cut_short_is_heard_as_far_as_it_goes(tmp_path: Path) -> None:
    path = encode(tmp_path / "tone.mp3", "mp3", 44_100, tone(44_100, 1))
    path.write_bytes(path.read_bytes()[:-5_000])
    assert SECONDS / 2 < len(read(path)) / SAMPLE_RATE < SECONDS


def test_not_a_number_in_a_recording_passes_for_the_scrubber_to_see(tmp_path: Path) -> None:
    path = tmp_path / "float.wav"
    samples = np.zeros(16_000, np.float32)
    samples[8_000] = np.nan
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate = 16_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    assert np.flatnonzero(~np.isfinite(read(path))).tolist() == [8_000]


def silent_film(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


def film(path: Path, picture: float, sound: float) -> Path:
    """A picture and the tone, each at so many seconds."""
    with av.open(str(path), "w") as container:
        seen = container.add_stream("mpeg4", rate=25)
        seen.width = seen.height = 64
        seen.pix_fmt = "yuv420p"
        heard = container.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        image.pts, image.time_base = round(picture * 25), Fraction(1, 25)
        frame = av.AudioFrame.from_ndarray(tone(SAMPLE_RATE, 1).T.copy(), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts, frame.time_base = round(sound * SAMPLE_RATE), Fraction(1, SAMPLE_RATE)
        for packet in [*seen.encode(image), *seen.encode(None), *heard.encode(frame), *heard.encode(None)]:
            container.mux(packet)
    return path


def test_a_picture_that_begins_in_the_middle_ends_no_recording(tmp_path: Path) -> None:
    alone, both = tmp_path / "alone.flv", tmp_path / "both.flv"
    encode(alone, "aac", 44_100, np.tile(tone(44_100, 1), (15, 1)))
    with av.open(str(both), "w") as container:
        seen = container.add_stream("flv", rate=25)
        seen.width = seen.height = 64
        seen.pix_fmt = "yuv420p"
        image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        image.pts, image.time_base = round(15 * SECONDS * 25), Fraction(1, 25)
        for packet in [*seen.encode(image), *seen.encode(None)]:
            container.mux(packet)
    header = 13  # bytes
    both.write_bytes(alone.read_bytes() + both.read_bytes()[header:])
    assert len(read(both)) == len(read(alone)) == pytest.approx(15 * SECONDS * SAMPLE_RATE, rel=0.01)


@pytest.mark.parametrize(
    ("picture", "sound", "silence"),
    [
        (0, 3, 3),
        (100, 103, 3),
        (0, 0, 0),
        (3, 0, 0),
        (3600, 3600, 0),
        (0, 3600, 0),  # times that are wrong
    ],
)
def test_sound_that_begins_later_than_the_picture_keeps_its_time(
    tmp_path: Path, picture: float, sound: float, silence: int
) -> None:
    samples = read(film(tmp_path / "film.mkv", picture, sound))
    assert len(samples) == (silence + SECONDS) * SAMPLE_RATE
    assert not samples[: silence * SAMPLE_RATE].any()
    assert_is_the_tone(samples[silence * SAMPLE_RATE :])


def test_what_is_no_recording_is_refused_in_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.mp3").write_text("Four score and seven years ago\n" * 50)
    silent_film(tmp_path / "film.mp4")
    os.mkfifo(tmp_path / "pipe.wav")
    for name, seen in {
        "missing.wav": "no such file; check the path",
        ".": "is a folder, expected a recording; name the files in it",
        "pipe.wav": "is a pipe or a device, expected a file",
        "empty.wav": "is empty, expected a recording",
        "text.mp3": "is not audio or video that can be read, expected a recording",
        "film.mp4": "has no sound in it, expected a recording with an audio track",
    }.items():
        with pytest.raises(UserError, match=seen) as caught:
            check(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_recording_of_no_length_is_refused(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "nothing.wav", 16_000, np.zeros((0, 1), np.int16))
    with pytest.raises(UserError, match=r"no sound could be decoded|is not audio"):
        list(decode(path))


def test_a_playlist_opens_no_connection(tmp_path: Path) -> None:
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(UserError):
        list(decode(path))


@pytest.mark.parametrize(
    "text",
    ["ffconcat version 1.0\nfile list\n", "ffconcat version 1.0\n", "SBAGEN\n-SE\n\nall: 200+10/50\n\n0:00 all\n"],
)
def test_what_names_files_or_makes_sound_of_text_is_no_recording(tmp_path: Path, text: str) -> None:
    path = tmp_path / "list"  # it names itself: opened, it would be opened for ever
    path.write_text(text)
    with pytest.raises(UserError, match="is not audio or video that can be read"):
        list(decode(path))


def test_a_rate_that_no_recording_has_is_told(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "odd.wav", 1000, tone(1000, 1))
    with pytest.raises(UserError, match=r"no sound could be decoded from it \(sample rate 1000 Hz"):
        list(decode(path))


def test_a_recording_whose_second_half_is_gone_is_heard_as_far_as_it_goes_and_that_is_told(tmp_path: Path) -> None:
    path, heard = cut_in_half(tmp_path / "talk.ts"), list[Samples]()
    with pytest.raises(UserError, match=r"cannot be read to its end \(.*\); everything before that was captioned"):
        heard.extend(decode(path))
    assert 0.2 * SECONDS < sum(map(len, heard)) / SAMPLE_RATE < 0.9 * SECONDS
