// The reader: the newest captions and all that follow, in one language, followed until somebody scrolls up.
import { captions, languages, means, query, session } from "/connection.js";
import { element, languageName, remembered, stayAwake, write } from "/sessions.js";
import { Transcript } from "/transcript.js";

const find = (id) => document.getElementById(id);
const settings = remembered("surtitle.read", { letters: 24, theme: "auto", lang: "", original: false });
if (languages[0]) [settings.lang] = languages;

const room = find("room");
const menu = find("language");
const transcript = new Transcript(find("captions"), find("drafts"));

// --- following ---

let following = true;
const page = document.scrollingElement;
const distance = () => page.scrollHeight - page.clientHeight - page.scrollTop;

function follow() {
  following = true;
  find("follow").hidden = true;
  page.scrollTop = page.scrollHeight;
}

// Scrolling up stops it, however slowly. The growth of the page is no scrolling; one that shrinks is still at its end.
let top = 0;
addEventListener("scroll", () => {
  if (page.scrollTop < top && distance() > 1) following = false;
  else if (distance() < 40) following = find("follow").hidden = true;
  top = page.scrollTop;
});

function grown() {
  find("empty").hidden = !transcript.empty;
  if (!following) return void (find("follow").hidden = false);
  transcript.prune(); // what is above may go only while nobody reads it
  follow();
}

new ResizeObserver(() => following && follow()).observe(document.body);
find("follow").addEventListener("click", follow);

// --- languages ---

let spoken = []; // the languages of the speech
let offered = [];
let shown = settings.lang; // or another language, while that one is not there

const wanted = () => {
  if (!shown) return [];
  return settings.original ? [...new Set([shown, ...spoken])] : [shown];
};

function offer({ source, sources, targets }) {
  spoken = sources ?? [source];
  offered = [...new Set([...targets, ...spoken])];
  const names = offered.map((code) => element("option", { value: code, lang: code }, languageName(code)));
  menu.replaceChildren(...names);
  menu.disabled = false;
  choose([settings.lang, shown].map(there).find(Boolean) ?? nearest(targets));
  menu.value = shown;
  settings.lang ||= shown;
}

// What is offered to who asks for `code`; pt for pt-BR.
const there = (code) => offered.find((lang) => lang === code) ?? offered.find((lang) => means(code, lang));

// The device's language if all that is said is there in it, else the first translation.
function nearest(targets) {
  const isWhole = (code) => targets.includes(code) || spoken.length === 1;
  const device = navigator.languages.map((code) => code.replace(/^n[bn]\b/, "no")); // Norwegian, as phones call it
  return device.map(there).filter(Boolean).find(isWhole) ?? offered[0];
}

const key = (langs) => [...langs].sort().join();
let asked; // the languages that were last asked for, as a key
let coming; // those of the snapshot that comes next

function subscribe(langs) {
  asked = key(langs);
  connection.subscribe(langs);
}

function choose(lang) {
  shown = lang;
  if (asked !== key(wanted())) subscribe(wanted());
}

menu.addEventListener("change", () => {
  settings.keep({ lang: menu.value });
  if (languages[0]) {
    // The address goes before what is kept, and phones load pages anew by themselves.
    query.set("lang", menu.value);
    history.replaceState(null, "", `?${query}${location.hash}`);
  }
  following = true;
  choose(menu.value);
});

// --- settings ---

function dress() {
  const root = document.documentElement;
  root.style.setProperty("--letters", `${settings.letters}px`);
  root.dataset.theme = settings.theme === "auto" && matchMedia("(prefers-contrast: more)").matches ? "contrast" : settings.theme;
  find("theme").querySelector(`[value="${CSS.escape(settings.theme)}"]`).checked = true;
  find("original").checked = settings.original;
  find("smaller").disabled = settings.letters <= 14;
  find("larger").disabled = settings.letters >= 72;
  if (following) follow();
}

function resize(by) {
  settings.keep({ letters: Math.min(72, Math.max(14, Math.round(settings.letters * by))) });
  dress();
}

find("smaller").addEventListener("click", () => resize(1 / 1.15));
find("larger").addEventListener("click", () => resize(1.15));
find("theme").addEventListener("change", ({ target }) => {
  settings.keep({ theme: target.value });
  dress();
});
find("original").addEventListener("change", ({ target }) => {
  settings.keep({ original: target.checked });
  choose(shown);
});
find("more").addEventListener("click", ({ currentTarget }) => {
  const open = find("settings").hidden;
  find("settings").hidden = !open;
  currentTarget.ariaExpanded = open;
});

// --- the connection ---

let trouble = "";
let state = "";

function say(words) {
  state = words;
  find("notice").textContent = trouble || state;
}

function live(on) {
  room.className = on ? "pill live" : "pill";
  room.title = on ? "Live" : "Waiting for a speaker";
}

// Others may be under way while the language changes.
function show(caption) {
  if (wanted().includes(caption.lang)) transcript.show(caption);
}

const WHY = { overload: "the computer could not keep up", device: "the microphone was gone", invalid: "the sound was damaged", network: "the speaker's network was too slow" };

const gaps = new Map(); // by their cause: the seconds that are missing, and the line that says so

// What is missing in pieces is said in one line, and not before it is worth one.
function miss(seconds, why) {
  let gap = gaps.get(why);
  if (!gap || (gap.line && gap.line !== find("captions").lastElementChild)) gaps.set(why, (gap = { seconds: 0 }));
  gap.seconds += seconds;
  if (gap.seconds < 0.5) return;
  const words = `Missing ${Math.round(gap.seconds)} s: ${WHY[why] ?? why}`;
  gap.line ??= transcript.note("");
  write(gap.line, words);
  grown();
}

const handlers = {
  welcome(message) {
    live(Boolean(message.session));
    if (!message.recovered) {
      transcript.clear();
      gaps.clear();
      say("");
    }
    coming = key(message.langs);
    if (message.session) offer(message.session);
    else if (!offered.length && coming) subscribe([]); // it is over: its captions tell its languages
    find("empty").hidden = !transcript.empty;
  },
  snapshot({ captions }) {
    const among = (role) => [...new Set(captions.filter((one) => one.role === role).map((one) => one.lang))];
    if (!offered.length && !coming && captions.length) offer({ sources: among("source"), targets: among("target") });
    if (coming !== asked) return; // another is on its way: nothing is read aloud twice
    captions.forEach(show);
    grown();
  },
  session(message) {
    live(true);
    transcript.begin();
    gaps.clear();
    say("");
    offer(message);
  },
  targets({ targets }) {
    transcript.keep(targets);
    offer({ sources: spoken, targets });
  },
  caption(caption) {
    show(caption);
    grown();
  },
  gap: ({ start_ms, end_ms, why }) => miss((end_ms - start_ms) / 1000, why),
  status: (message) => say(message.state === "device" ? "The microphone is gone" : ""),
  end() {
    live(false);
    say("");
    transcript.begin();
    transcript.note("The session is over.");
    grown();
  },
};

room.textContent = session && session !== "main" ? session : "Captions";
live(false);
dress();
asked = key(wanted());
const connection = captions(wanted(), handlers, (words) => {
  trouble = words;
  say(state);
});

for (const event of ["visibilitychange", "click", "touchend"]) addEventListener(event, stayAwake);
stayAwake();
