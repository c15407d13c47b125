// Samples as the protocol wants them: 16 kHz, signed 16 bits. Knows no microphone and no socket.

export const RATE = 16000; // Hz
export const FRAME = 1600; // samples: 100 ms

export const toPcm = (sample) => Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));

const gcd = (a, b) => (b ? gcd(b, a % b) : a);

// A polyphase filter, a sinc under Blackman's window: sound of `from` Hz in pieces of any length, sound of `to` Hz out.
// However it is cut, the same comes out.
export class Resampler {
  #phases; // the filter at every place that an output may have between two inputs
  #step; // of a phase, from one output to the next
  #reach; // inputs on each side of an output
  #held; // inputs that outputs to come need
  #phase = 0;

  constructor(from, to = RATE) {
    const common = gcd(from, to);
    const count = to / common;
    this.#step = from / common;
    const cutoff = Math.min(1, (0.95 * to) / from);
    this.#reach = Math.ceil(16 / cutoff);
    this.#held = new Float32Array(this.#reach - 1); // silence before the first
    this.#phases = Array.from({ length: count }, (_, phase) => taps(phase / count, cutoff, this.#reach));
  }

  push(samples) {
    const input = new Float32Array(this.#held.length + samples.length);
    input.set(this.#held);
    input.set(samples, this.#held.length);
    const output = [];
    const width = 2 * this.#reach;
    let at = 0;
    while (at + width <= input.length) {
      const filter = this.#phases[this.#phase];
      let sum = 0;
      for (let i = 0; i < width; i++) sum += filter[i] * input[at + i];
      output.push(sum);
      this.#phase += this.#step;
      at += Math.floor(this.#phase / this.#phases.length);
      this.#phase %= this.#phases.length;
    }
    this.#held = input.slice(at);
    return output;
  }
}

function taps(offset, cutoff, reach) {
  const filter = Float64Array.from({ length: 2 * reach }, (_, i) => {
    const x = i - reach + 1 - offset;
    const turn = (Math.PI * x) / reach;
    const window = 0.42 + 0.5 * Math.cos(turn) + 0.08 * Math.cos(2 * turn);
    const sinc = x ? Math.sin(Math.PI * cutoff * x) / (Math.PI * cutoff * x) : 1;
    return window * sinc;
  });
  const sum = filter.reduce((a, b) => a + b);
  return filter.map((tap) => tap / sum);
}
