"""A virtual sound card: a PulseAudio server of a test's own, seen by PortAudio through ALSA."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from surtitle.pipeline.events import SAMPLE_RATE, Samples

ASOUND = """
</usr/share/alsa/alsa.conf>
pcm.surtitle-room { type pulse device surtitle.monitor hint { show on description "The room" } }
pcm.!default { type pulse }
"""
"""ALSA's configuration: one more device, which hears what is played into the virtual sound card."""


_SINK = ("module-null-sink", "sink_name=surtitle", "rate=48000", "channels=2")


class Card:
    """A PulseAudio server of our own, whose only device is a room: what is played into it can be heard."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "native"
        self._folder = folder
        self._server: subprocess.Popen[bytes] | None = None
        self._players: list[subprocess.Popen[bytes]] = []

    def plug(self) -> None:
        self._server = subprocess.Popen(
            [
                *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes"),
                *("--use-pid-file=no", "--log-level=error"),
                f"--load={' '.join(_SINK)}",
                f"--load=module-native-protocol-unix auth-anonymous=1 socket={self.socket}",
            ],
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while subprocess.run(["pactl", "info"], capture_output=True).returncode:
            assert time.monotonic() < deadline, "PulseAudio did not start within 20 s"
            time.sleep(0.05)

    def unplug(self) -> None:
        for process in [*self._players, self._server]:
            if process is not None:
                process.kill()
                process.wait()
        self._server = None
        self._players = []
        self.socket.unlink(missing_ok=True)

    def remove(self) -> None:
        """The device goes, the sound system stays: what a pulled USB plug does."""
        subprocess.run(["pactl", "unload-module", _SINK[0]], check=True)

    def put_back(self) -> None:
        """The device is there again, by its old name."""
        subprocess.run(["pactl", "load-module", *_SINK], check=True, stdout=subprocess.DEVNULL)

    def is_heard(self) -> bool:
        """Whether anybody listens."""
        return bool(subprocess.check_output(["pactl", "list", "short", "source-outputs"]))

    def play(self, samples: Samples) -> None:
        """Of shape [frames], or [frames, 2]."""
        raw = self._folder / "sound.raw"
        raw.write_bytes(samples.tobytes())
        form = ["--raw", "--format=float32le", f"--rate={SAMPLE_RATE}", f"--channels={samples.ndim}"]
        self._players.append(subprocess.Popen(["paplay", "--device=surtitle", *form, str(raw)]))
