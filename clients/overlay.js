// Captions as rows that roll up. Text is set as textContent, looks by CSSOM setters.
import { captions, languages as wanted, means, query } from "/connection.js";

const withSource = query.get("source") === "1";
const rowCount = Math.min(Math.max(parseInt(query.get("lines")) || 2, 1), 12);
const hold = 1000 * parseFloat(query.get("hold") ?? 20); // 0: while the session runs
const drafts = query.get("partial") !== "0";
const debug = query.get("debug") === "1";
const delay = 1000 * parseFloat(query.get("delay")) || 0;
const [stage, notice] = document.querySelectorAll("#stage, #notice");

const style = document.documentElement.style;
style.setProperty("--lines", rowCount);
const looks = { size: "font-size", color: "color", bg: "background-color", font: "font-family", align: "text-align" };
for (const [name, property] of Object.entries({ ...looks, outline: "-webkit-text-stroke" })) {
  let value = query.get(name);
  if (/^[\d.]+$/.test(value)) value += name === "outline" ? "px #000" : "px";
  if (value && CSS.supports(property, value)) style.setProperty("--" + name, value);
}
stage.classList.toggle("top", query.get("pos") === "top");

const element = (className, parent, tag = "div") =>
  parent.appendChild(Object.assign(document.createElement(tag), { className }));

// One language: rows that never change, then rows whose ends may.
class Track {
  constructor({ lang, role }) {
    this.lang = lang;
    this.role = role;
    this.done = -1; // the newest final cue
    this.gap = /^(ja|zh|yue)\b/.test(lang) ? "" : " ";
    this.box = element(`caption ${role}`, stage, "section");
    this.roll = element("roll", this.box);
    this.clear();
  }

  clear() {
    this.pieces = []; // what was said, a cue each: finals, then drafts
    this.reflow();
  }

  // The width or font has changed.
  reflow() {
    this.cut = 0; // so much text stands in rows that never change
    this.fixed = 0; // so many rows
    this.roll.replaceChildren();
    this.render();
  }

  show({ cue, text, stable, final }) {
    if (!final && cue <= this.done) return;
    const [first] = this.pieces;
    let piece = this.pieces.find((one) => one.cue === cue);
    if (!piece) {
      // What has no room behind it starts a row of its own.
      const row = this.rest();
      if (row && this.pieces.every((one) => one.final) && this.starts(row + this.gap + text)[1]) this.fix(row);
      this.pieces.push((piece = { cue }));
    }
    piece.final = final;
    piece.text = text.trim() && this.gap + text.trim();
    piece.settled = final ? piece.text.length : (this.gap + [...text].slice(0, stable).join("").trimStart()).length;
    if (final) this.done = Math.max(this.done, cue);
    // no text: a guess, taken back
    this.pieces = this.pieces.filter((one) => one.final || (one.cue > this.done && one.text));
    this.pieces.sort((a, b) => b.final - a.final || (!a.final && a.cue - b.cue));
    if (first !== this.pieces[0]) this.cut = 0; // it was taken back, or overtaken
    this.render();
    while (this.pieces.length > 20 && this.pieces[0].text.length <= this.cut) this.cut -= this.pieces.shift().text.length;
  }

  rest() {
    const text = this.pieces.map((one) => one.text).join("");
    while (text[this.cut] === " ") this.cut++;
    return text.slice(this.cut);
  }

  fix(row) {
    this.fill(this.fixed++, row, row.length);
    this.cut += row.length;
  }

  render() {
    const { roll } = this;
    this.sweep();
    const before = roll.childElementCount;
    const text = this.rest();
    const starts = this.starts(text);
    let settled = -this.cut;
    for (const piece of this.pieces) {
      settled += piece.settled;
      if (!piece.final) break;
    }
    for (; starts[1] <= settled; starts.shift()) this.fix(text.slice(starts[0], starts[1]));
    starts.forEach((start, i) => this.fill(this.fixed + i, text.slice(start, starts[i + 1]), settled - start));
    // A draft that shrinks leaves room below.
    let end = this.fixed + starts.length;
    while (roll.childElementCount >= end + rowCount) roll.lastChild.remove();
    while (end < roll.childElementCount) this.fill(end++, "", 0);
    this.rise(before && roll.childElementCount - before);
  }

  fill(number, text, settled) {
    const row = this.roll.children[number] || this.row("", this.roll);
    const sure = text.slice(0, Math.max(settled, 0)).trimEnd();
    const drafted = text.slice(sure.length).trimEnd();
    row.className = `line ${drafted ? "partial" : "final"}`;
    row.firstChild.textContent = sure;
    if (drafted) element("partial", row.firstChild, "span").textContent = drafted;
  }

  row(className, parent) {
    const row = element(className, parent);
    row.lang = this.lang;
    row.dir = query.get("dir") || (/^(ar|ckb|dv|fa|he|ps|sd|ug|ur|yi)\b/.test(row.lang) ? "rtl" : "auto"); // whatever it begins with
    element("text", row, "span");
    return row;
  }

  // Where the browser, which knows all scripts' rules, starts rows.
  starts(text) {
    const probe = this.row("line probe", this.box);
    const node = probe.firstChild.appendChild(new Text(text));
    const range = new Range();
    const found = [];
    let floor = -Infinity;
    for (const { segment, index } of new Intl.Segmenter().segment(text)) {
      range.setStart(node, index);
      range.setEnd(node, index + segment.length);
      const { top, width, height } = range.getBoundingClientRect();
      if (width && segment !== " " && top > floor) {
        floor = top + height / 2;
        found.push(found.length && index);
      }
    }
    probe.remove();
    return found;
  }

  // Rows roll up; those out of sight go then.
  rise(count) {
    if (count <= 0 || matchMedia("(prefers-reduced-motion)").matches) return this.sweep();
    const height = this.roll.lastChild.offsetHeight * Math.min(count, rowCount);
    const transform = [`translateY(${height}px)`, "none"];
    this.roll.animate({ transform }, { duration: 160, easing: "ease-out" }).onfinish = () => this.sweep();
  }

  sweep() {
    for (; this.fixed && this.roll.childElementCount > rowCount; this.fixed--) this.roll.firstChild.remove();
  }
}

let tracks = [];
let order = [];
let resting; // timer
let running; // the session
let over;

const lasts = () => hold || (over ? 20000 : Infinity);

const place = (lang) => wanted.findIndex((code) => means(code, lang));
const rank = ({ lang }) => (wanted[0] ? place(lang) : order.indexOf(lang)); // -1: the source

function shows({ lang, role, final }) {
  const said = role === "source" || (wanted[0] && !running?.sources && lang === running?.source);
  const chosen = place(lang) >= 0 || (said ? withSource : !wanted[0]);
  return chosen && (final || drafts);
}

// What was due so many milliseconds ago, unless it would be gone by now.
function show(caption, late = 0) {
  if (late >= lasts()) return;
  if (stage.classList.contains("idle")) clear();
  stage.classList.remove("idle");
  fade(late);
  if (caption.final && running?.sources) leave(caption);
  let track = tracks.find((one) => one.lang === caption.lang);
  if (!track) {
    tracks.push((track = new Track(caption)));
    arrange();
  }
  track.show(caption);
}

// One language is spoken at a time: what stands in another is older.
function leave({ cue, lang }) {
  const isNew = ({ pieces }) => pieces.some((piece) => piece.cue >= cue);
  const there = tracks.filter((one) => one.role !== "source" || one.lang === lang || isNew(one));
  if (there.length === tracks.length) return;
  tracks = there;
  arrange();
}

function arrange() {
  const { fontSize } = getComputedStyle(stage);
  stage.replaceChildren(...tracks.sort((a, b) => rank(a) - rank(b)).map((one) => one.box));
  style.setProperty("--tracks", tracks.length);
  if (getComputedStyle(stage).fontSize !== fontSize) reflow();
}

function fade(late) {
  clearTimeout(resting);
  if (lasts() - late < 2 ** 31) resting = setTimeout(rest, lasts() - late); // no timer lasts longer
}

function rest() {
  stage.classList.add("idle");
  resting = setTimeout(clear, 600);
}

const clear = () => tracks.forEach((track) => track.clear());
const reflow = () => tracks.forEach((track) => track.reflow());
addEventListener("resize", reflow);
new MutationObserver(reflow).observe(document.head, { childList: true }); // OBS adds its Custom CSS late

let waiting = []; // for its delay, or a look
let timer;
let offAir; // in OBS
const hidden = () => offAir || document.hidden;

function later(wait, run, caption) {
  waiting.push({ due: Date.now() + wait, run, caption });
  if (hidden()) waiting = waiting.filter((one, i, { length }) => !one.caption || length - i < 100);
  return play();
}

function play() {
  clearTimeout(timer);
  if (hidden()) return false;
  while (waiting[0]?.due <= Date.now()) {
    const { run, due } = waiting.shift();
    run(Date.now() - due);
  }
  if (waiting[0]) timer = setTimeout(play, waiting[0].due - Date.now());
  return !waiting[0];
}

addEventListener("visibilitychange", play);
addEventListener("obsSourceVisibleChanged", ({ detail }) => {
  offAir = !detail.visible;
  play();
});

function take(caption, wait = delay) {
  if (!shows(caption) || -wait >= lasts() || (hidden() && !caption.final && caption.text)) return false;
  return later(wait, (late) => show(caption, late), caption);
}

let trouble = "";
let state = "";
let lack = "";

function say(words) {
  state = words;
  notice.textContent = trouble || [lack, state].filter(Boolean).join(" · ");
}

// Says what is wanted and not there; beside what is, only with debug.
function compare(session) {
  running = session;
  const { source, sources, targets } = session;
  const there = [...new Set(targets.concat(sources ?? source))];
  const missing = wanted.filter((code) => !there.some((lang) => means(code, lang)));
  const told = missing[0] && (debug || missing.length === wanted.length);
  lack = told ? `No captions in ${missing.join(", ")}: this session has ${there.join(", ")}` : "";
  say(state);
}

function begin(session, wait = delay) {
  lack = "";
  say("");
  if (session) compare(session);
  const empty = () => {
    order = session?.targets || [];
    tracks = [];
    arrange();
  };
  if (wait && !hidden()) return later(wait, empty);
  waiting = [];
  empty();
}

let now; // in the time of elapsed_ms, at the welcome
let head; // what came before is old

const age = ({ seq, elapsed_ms }, then = now) => (seq <= head && then > elapsed_ms ? then - elapsed_ms : 0);

const handlers = {
  welcome({ recovered, session, seq, now_ms }) {
    [now, head] = [now_ms, seq];
    if (recovered) return; // an end comes in its place among the rest
    over = !session;
    begin(session, 0);
  },
  snapshot({ captions }) {
    for (const caption of captions) take(caption, delay - age(caption, now ?? captions.at(-1).elapsed_ms));
  },
  session(session) {
    over = false;
    begin(session);
  },
  targets({ targets }) {
    if (running) compare({ ...running, targets });
    later(delay, () => {
      tracks = tracks.filter(({ lang }) => targets.includes(lang) || !order.includes(lang));
      order = targets;
      arrange();
    });
  },
  caption(caption) {
    if (take(caption, delay - age(caption)) && caption.final) connection.painted(caption.seq);
  },
  status({ state, lag_ms }) {
    const words = state === "device" ? "The microphone is gone" : "";
    const whole = running?.captions === "final" && drafts ? ", no drafts: the server sends whole captions only" : "";
    say(debug ? `${state}, ${(lag_ms ?? 0) / 1000} s late${whole}` : words);
  },
  end(message) {
    lack = "";
    say("");
    over = true;
    if (!hold) fade(age(message) - delay);
  },
};

let connection;
if (query.get("demo") === "1") import("/demo.js").then(({ demo }) => demo(take, wanted));
else {
  connection = captions(withSource ? [] : wanted, handlers, (words) => {
    trouble = words;
    say(state);
  });
}
