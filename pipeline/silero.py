"""How likely it is that each 32 ms of audio holds speech (Silero VAD v6), as a stream.

In: 16 kHz samples in any cut. Out: one probability per frame of 512 samples. The model file is the one that
faster-whisper carries; its own wrapper starts from zero at every call, so the recurrent state is kept here.
Knows no thresholds.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from faster_whisper.utils import get_assets_path

from surtitle.pipeline.events import Samples

# since 1.29 it reports each model it loads to Microsoft, under a number that it keeps in the home folder, unless this
# is set when it is imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

FRAME = 512
"""Samples per probability: 32 ms."""
_CONTEXT = 64
"""Samples of the previous frame that the model sees again."""


class SileroModel:
    """The network, shared by all streams. One thread: it needs 1 % of a core."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        path = Path(get_assets_path()) / "silero_vad_v6.onnx"
        self.network = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class SpeechProbability:
    """One stream's state: recurrent state, the tail of the last frame, and samples short of a frame."""

    def __init__(self, model: SileroModel) -> None:
        self._model = model
        self._h = np.zeros((1, 1, 128), np.float32)
        self._c = np.zeros((1, 1, 128), np.float32)
        self._context: Samples = np.zeros(_CONTEXT, np.float32)
        self._rest: Samples = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> list[float]:
        """Probabilities, 0 to 1, of the frames that `samples` completes."""
        audio = np.concatenate((self._rest, samples))
        whole = len(audio) // FRAME * FRAME
        self._rest = audio[whole:]
        if not whole:
            return []
        frames = audio[:whole].reshape(-1, FRAME)  # (n, 512)
        before = np.concatenate((self._context[None], frames[:-1, -_CONTEXT:]))  # (n, 64)
        self._context = frames[-1, -_CONTEXT:]
        probabilities: list[float] = []
        for frame in np.concatenate((before, frames), axis=1):  # (576,) each: the same numbers however it is cut
            output, self._h, self._c = self._model.network.run(None, {"input": frame[None], "h": self._h, "c": self._c})
            probabilities.append(float(output.reshape(-1)[0]))
        return probabilities
