// Where speech comes from: a microphone, or a recording at the pace of speech. Both give frames of 100 ms.
import { FRAME, RATE, toPcm } from "/pcm.js";

const LATE = 2000; // ms of sound that are made up for at once

// Calls heard(frame) until close(); paused(true) while the system lets nothing be heard, paused(false) when it goes on;
// gone() if the device leaves before.
export async function openMicrophone(deviceId, heard, paused, gone) {
  const plain = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const audio = deviceId ? { ...plain, deviceId: { exact: deviceId } } : plain;
  const stream = await navigator.mediaDevices.getUserMedia({ audio }).catch((error) => {
    if (error.name !== "OverconstrainedError") throw error;
    return navigator.mediaDevices.getUserMedia({ audio: plain }); // the one that was chosen is not there any more
  });
  const [track] = stream.getAudioTracks();
  const context = new AudioContext(); // at the device's rate: Firefox takes no other
  const resume = async () => {
    try {
      if (context.state !== "running") await context.resume();
    } catch {
      // the system does not let it yet
    }
  };
  const close = () => {
    removeEventListener("visibilitychange", resume);
    track.onended = context.onstatechange = null;
    track.stop();
    return context.close();
  };
  const node = await capture(context, stream).catch((error) => {
    close();
    throw error;
  });
  node.port.onmessage = ({ data }) => heard(data);
  track.onended = gone;
  context.onstatechange = () => {
    paused(context.state !== "running");
    resume();
  };
  if (context.state !== "running") context.onstatechange(); // as during a call
  addEventListener("visibilitychange", resume);
  return {
    deviceId: track.getSettings().deviceId,
    close() {
      node.port.onmessage = null;
      return close();
    },
  };
}

async function capture(context, stream) {
  await context.audioWorklet.addModule("/capture.js");
  const node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  context.createMediaStreamSource(stream).connect(node);
  return node;
}

// A file of any format that the browser plays, as samples. Throws a DOMException for others.
export async function decode(file) {
  const decoder = new OfflineAudioContext(1, 1, RATE);
  const sound = await decoder.decodeAudioData(await file.arrayBuffer());
  const mixer = new OfflineAudioContext(1, sound.length, RATE);
  const source = new AudioBufferSourceNode(mixer, { buffer: sound });
  source.connect(mixer.destination);
  source.start();
  return (await mixer.startRendering()).getChannelData(0);
}

// Calls heard(frame) for each 100 ms of samples when it is its time and take() lets it pass, then ended().
export function play(samples, take, heard, ended) {
  let at = 0;
  let due = performance.now();
  const clock = new Worker("/tick.js"); // a page's own timers come once a minute while another tab is looked at
  clock.onmessage = () => {
    const now = performance.now();
    if (!take()) due = now; // it waits, and loses nothing
    due = Math.max(due, now - LATE); // what slept for longer goes on at the pace of speech
    while (due <= now && at < samples.length && take()) {
      heard(Int16Array.from(samples.subarray(at, at + FRAME), toPcm));
      at += FRAME;
      due += 100;
    }
    if (at < samples.length) return;
    clock.terminate();
    ended();
  };
  return { close: () => clock.terminate() };
}
