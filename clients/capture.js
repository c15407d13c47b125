// The microphone's thread: sound at the device's rate in, frames of 100 ms as the protocol wants them out.
import { FRAME, Resampler, toPcm } from "/pcm.js";

class Capture extends AudioWorkletProcessor {
  #resampler = new Resampler(sampleRate);
  #frame = new Int16Array(FRAME);
  #filled = 0;

  process([[samples]]) {
    if (!samples) return true; // the device gives nothing at the moment
    for (const sample of this.#resampler.push(samples)) {
      this.#frame[this.#filled++] = toPcm(sample);
      if (this.#filled < FRAME) continue;
      this.port.postMessage(this.#frame, [this.#frame.buffer]);
      this.#frame = new Int16Array(FRAME);
      this.#filled = 0;
    }
    return true;
  }
}

registerProcessor("capture", Capture);
