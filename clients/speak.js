// The microphone page: what is said here, or a recording, goes to /publish; what becomes of it is shown below.
import { captions, session, token } from "/connection.js";
import { HEARD, Publisher } from "/publisher.js";
import { address, element, languageName, remembered, stayAwake, write } from "/sessions.js";
import { decode, openMicrophone, play } from "/sound.js";
import { Transcript } from "/transcript.js";

// Those of pipeline/languages.py.
const LANGUAGES = "ar ca cs da de el en es fi fr he hi hu id it ja ko nl no pl pt ro ru sv th tr uk vi zh".split(" ");
const MOST = 16; // translations: the server refuses a session with more

const find = (id) => document.getElementById(id);
const fields = find("choices").elements;
const settings = remembered("surtitle.speak", { from: "en", also: "", to: ["es"], device: "" });
let publisher; // while something is sent
let speaking = false; // it is our turn, and what is sent is heard
let source; // the microphone or the recording
let reading = false; // a recording, before it is sent
let underway = []; // translations that were asked for, oldest first: the server has still to take them up

// --- choices ---

function offer() {
  const option = (code) => element("option", { value: code }, languageName(code));
  fields.from.append(...LANGUAGES.map(option));
  fields.also.append(...LANGUAGES.map(option));
  fields.from.value = settings.from;
  fields.also.value = settings.also;
  const chip = (code) => element("button", { type: "button", value: code, lang: code }, languageName(code));
  find("to").append(...LANGUAGES.map(chip));
  fields.session.value = session ?? "";
  fields.token.value = token ?? "";
  find("readers").href = address("/read", { session }, ""); // readers are not given the right to speak
  find("readers").textContent = find("readers").href;
  // Asked as readers without a token would.
  fetch("/sessions").then(({ status }) => (find("own").hidden = status !== 401), () => {});
  press();
}

// Whether what is said is sent, and not the last captions waited for.
const speaks = () => Boolean(publisher) && !publisher.stopped;

function press() {
  const busy = Boolean(publisher) || reading;
  for (const chip of find("to").children) {
    const chosen = settings.to.includes(chip.value);
    chip.ariaPressed = chosen;
    // While somebody speaks there are other languages, but one at least.
    chip.disabled = reading || (busy && `${settings.to}` === chip.value) || (!chosen && settings.to.length >= MOST);
  }
  for (const field of [fields.from, fields.also, fields.session, fields.token]) field.disabled = busy;
  find("file").disabled = busy || !settings.to.length || !fields.session.validity.valid;
  find("start").disabled = find("file").disabled || !navigator.mediaDevices;
  find("stop").disabled = !speaks();
}

find("to").addEventListener("click", ({ target: { value } }) => {
  if (!value) return;
  const rest = settings.to.filter((code) => code !== value);
  settings.keep({ to: rest.length === settings.to.length ? [...rest, value] : rest });
  publisher?.translate(settings.to);
  underway.push(`${settings.to}`);
  press();
});
fields.from.addEventListener("change", () => settings.keep({ from: fields.from.value }));
fields.also.addEventListener("change", () => settings.keep({ also: fields.also.value }));
// Session and token are in the address; the page begins anew with others.
fields.session.addEventListener("change", () => {
  press();
  if (!fields.session.reportValidity()) return; // nobody speaks in another than is named there
  location.assign(address("/speak", { session: fields.session.value }));
});
fields.token.addEventListener("change", () => (location.hash = new URLSearchParams({ token: fields.token.value })));
find("choices").addEventListener("submit", (event) => event.preventDefault());

async function listDevices() {
  const all = await navigator.mediaDevices.enumerateDevices();
  // Names come with the first permission.
  const inputs = all.filter(({ kind, label, deviceId }) => kind === "audioinput" && label && deviceId !== "default");
  const usual = element("option", { value: "" }, "Default");
  const options = inputs.map(({ deviceId, label }) => element("option", { value: deviceId }, label));
  find("device").replaceChildren(usual, ...options);
  const now = source?.deviceId ?? settings.device; // the one that was chosen may have come after another was opened
  find("device").value = inputs.some(({ deviceId }) => deviceId === now) ? now : "";
}

find("device").addEventListener("change", async () => {
  settings.keep({ device: find("device").value });
  if (speaks() && (!source || source.deviceId)) await listen(); // not over a recording
});

// --- sending ---

const IN_PART = 5000; // ms for which it is said that only part is heard, once some sound was skipped
let skipped = 0; // samples, when that was last looked at
let partly = 0; // until when (ms)

function pill(words, live = false) {
  const state = find("state");
  write(state, words);
  state.className = live ? "pill live" : "pill";
}

function tell(state, words) {
  speaking = state === "ready";
  if (state === "waiting") underway = []; // a new session begins with the last of them
  if (state === "failed") {
    find("trouble").textContent = words;
    words = "Nothing is being sent.";
  } else if (speaking && !source) {
    words = "Nothing is heard yet: allow the microphone."; // the browser may still be asking
  }
  pill(words, speaking && Boolean(source));
  if (state !== "failed" && state !== "over") return;
  source?.close();
  source = publisher = undefined;
  level(0);
  press();
}

function begin() {
  find("trouble").textContent = find("skipped").textContent = "";
  skipped = partly = 0;
  const from = settings.also && settings.also !== settings.from ? [settings.from, settings.also] : settings.from;
  publisher = new Publisher({ from, to: settings.to }, tell);
  press();
  stayAwake();
}

function heard(frame) {
  level(frame.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0) / 32768);
  publisher?.send(frame);
  backpressure();
}

function backpressure() {
  if (!publisher) return;
  if (speaking && publisher.skipped !== skipped) partly = Date.now() + IN_PART;
  skipped = publisher.skipped;
  if (speaking && Date.now() < partly) pill("Only part of what you say is being heard.");
  else if (speaking) pill(HEARD, true);
  const waiting = publisher.backlog / 1000;
  let words = waiting > 0.5 ? `The network is slow: ${waiting.toFixed(1)} s of sound are waiting to be sent.` : "";
  if (skipped) words = `${(skipped / 16000).toFixed(1)} s of sound were skipped: they could not be sent in time.`;
  write(find("skipped"), words);
}

let quiet = 0; // frames

function level(peak) {
  const decibels = Math.max(-60, Math.round(20 * Math.log10(peak || 1e-6)));
  const meter = find("meter");
  meter.ariaValueNow = decibels;
  meter.style.setProperty("--level", `${((decibels + 60) / 60) * 100}%`);
  meter.classList.toggle("loud", decibels >= -1);
  quiet = decibels < -45 ? quiet + 1 : 0;
  const hint = decibels >= -1 ? "Too loud: move away, or turn it down." : quiet > 50 ? "Very quiet: is this the right microphone?" : "";
  find("level").textContent = source?.deviceId ? hint : "";
}

function paused(on) {
  if (on) level(0);
  if (on && speaking) pill("Nothing is being heard.");
  find("trouble").textContent = on ? "This device has paused the microphone, perhaps for a call: nothing is being heard." : "";
}

let asked = 0; // how often a microphone was asked for: people take their time to allow it

async function listen() {
  const mine = ++asked;
  find("trouble").textContent = ""; // of the microphone before
  try {
    const opened = await openMicrophone(settings.device, heard, paused, () => stop("The microphone is gone."));
    if (!publisher || mine !== asked) return void opened.close(); // it was stopped meanwhile, or another is wanted
    if (source) find("trouble").textContent = ""; // the system may have paused it for the other
    source?.close(); // not before: it is heard until then, and if the other can't be had
    source = opened;
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    if (mine !== asked) return;
    const denied = error.name === "NotAllowedError";
    const why = denied ? "The microphone is blocked: allow it for this page, and try again." : `No microphone: ${error.message}`;
    if (!source) return stop(why);
    settings.keep({ device: source.deviceId });
    find("trouble").textContent = `The previous microphone is still on. ${why}`;
  }
  await listDevices();
}

async function replay(file) {
  find("state").textContent = `Reading ${file.name}…`;
  find("trouble").textContent = "";
  let samples;
  reading = true; // nothing else is begun meanwhile
  press();
  try {
    samples = await decode(file);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    find("state").textContent = "Nothing is being sent.";
    find("trouble").textContent = `This browser can't play ${file.name}: choose another recording, or convert it.`;
    return;
  } finally {
    reading = false;
    press();
  }
  begin();
  source = play(samples, () => speaking && publisher.takes, heard, () => stop(""));
}

function stop(words) {
  asked++; // one that is still being opened is not wanted any more
  source?.close();
  source = undefined;
  level(0);
  find("trouble").textContent = words;
  publisher?.stop();
  press();
}

find("start").addEventListener("click", () => {
  begin();
  listen();
});
find("stop").addEventListener("click", () => stop(""));
find("file").addEventListener("change", ({ target }) => {
  if (target.files.length) replay(target.files[0]);
  target.value = "";
});
for (const event of ["dragover", "dragleave", "drop"]) {
  find("drop").addEventListener(event, (drag) => {
    drag.preventDefault();
    find("drop").classList.toggle("over", event === "dragover");
    if (event === "drop" && drag.dataTransfer.files.length && !find("file").disabled) replay(drag.dataTransfer.files[0]);
  });
}
addEventListener("beforeunload", (event) => publisher && event.preventDefault());
addEventListener("visibilitychange", () => publisher && stayAwake());

// --- what people read ---

const transcript = new Transcript(find("finals"), find("drafts"));

function grown() {
  find("empty").hidden = !transcript.empty;
  transcript.prune();
  find("captions").scrollTop = find("captions").scrollHeight;
}

const handlers = {
  welcome({ recovered }) {
    if (!recovered) transcript.clear();
  },
  session: () => transcript.begin(),
  end: () => transcript.begin(),
  targets({ targets }) {
    const at = underway.indexOf(`${targets}`);
    underway = at < 0 ? [] : underway.slice(at + 1);
    if (speaking && !underway.length) {
      // those that we want, or that somebody else asked for
      settings.keep({ to: targets });
      publisher.targets = targets;
      press();
    }
    transcript.keep(targets);
    grown();
  },
  snapshot({ captions }) {
    captions.forEach((caption) => transcript.show(caption));
    grown();
  },
  caption(caption) {
    publisher?.hears();
    transcript.show(caption);
    grown();
  },
};

offer();
find("insecure").hidden = Boolean(navigator.mediaDevices);
if (navigator.mediaDevices) {
  listDevices();
  navigator.mediaDevices.addEventListener("devicechange", listDevices);
}
captions([], handlers, (words) => (find("notice").textContent = words));
