// surtitle overlay: captions from /captions as two lines that roll up. Knows only PROTOCOL.md. Text from the wire
// is only ever set as textContent; what the address asks for goes through CSSOM setters.
"use strict";
(() => {
  const query = new URLSearchParams(location.search);
  const wanted = query.getAll("lang").flatMap((codes) => codes.split(",")).filter(Boolean);
  const withSource = query.get("source") === "1";
  const lineCount = Math.min(Math.max(parseInt(query.get("lines"), 10) || 2, 1), 12);
  const hold = query.has("hold") ? Number(query.get("hold")) || 0 : 20; // seconds; 0: for ever
  const stage = document.getElementById("stage");
  const notice = document.getElementById("notice");

  // --- looks ---

  const style = document.documentElement.style;
  const set = (name, property, value) => {
    if (value && CSS.supports(property, value)) style.setProperty(name, value);
  };
  style.setProperty("--lines", lineCount);
  const size = query.get("size");
  set("--size", "font-size", /^[\d.]+$/.test(size) ? size + "px" : size);
  set("--color", "color", query.get("color"));
  set("--bg", "background-color", query.get("bg"));
  set("--font", "font-family", query.get("font"));

  // --- one language: committed lines that never change, then drafts that may ---

  class Track {
    constructor(language, role) {
      this.language = language;
      this.role = role;
      this.gap = /^(ja|zh)\b/.test(language) ? "" : " ";
      this.box = element("section", `caption ${role}`);
      this.roll = this.box.appendChild(element("div", "roll"));
      this.done = -1; // the newest final cue
      this.clear();
    }

    clear() {
      this.base = 0; // how many committed lines were forgotten
      this.lines = []; // committed; the last one still has room
      this.drafts = new Map(); // by cue
      this.shown = new Map(); // line elements by line number
      this.roll.replaceChildren();
    }

    show(caption) {
      if (!caption.final && caption.cue <= this.done) return;
      const draft = this.drafts.get(caption.cue) || {};
      draft.text = caption.text.trim();
      draft.settled = [...caption.text].slice(0, caption.stable).join("").trimEnd().length;
      if (caption.final) {
        for (const cue of this.drafts.keys()) if (cue <= caption.cue) this.drafts.delete(cue);
        this.done = Math.max(this.done, caption.cue);
        draft.settled = draft.text.length;
        this.lines = this.append(this.lines, draft);
      } else {
        this.drafts.set(caption.cue, draft);
      }
      this.render();
    }

    // Lines with `piece` after them. A cue goes on in the last line if it fits there when it first appears, else it
    // starts its own; where it started it stays, however its drafts grow.
    append(lines, piece) {
      if (!piece.text) return lines;
      const last = lines[lines.length - 1];
      if (!last) return this.wrap(piece.text, piece.settled);
      const joint = last.text + this.gap;
      if (piece.own === undefined) piece.own = this.breaks(joint + piece.text).length > 1;
      if (piece.own) return lines.concat(this.wrap(piece.text, piece.settled));
      const settled = last.settled < last.text.length ? last.settled : joint.length + piece.settled;
      return lines.slice(0, -1).concat(this.wrap(joint + piece.text, settled));
    }

    wrap(text, settled) {
      const starts = this.breaks(text);
      return starts.map((start, i) => {
        const part = text.slice(start, starts[i + 1]).trimEnd();
        return { text: part, settled: Math.min(Math.max(settled - start, 0), part.length) };
      });
    }

    // Where the browser, which knows every script's rules, would start lines.
    breaks(text) {
      const probe = this.roll.appendChild(this.line("probe"));
      const node = probe.firstChild.appendChild(document.createTextNode(text));
      const range = document.createRange();
      const starts = [0];
      let top = null;
      let at = 0;
      for (const letter of text) {
        range.setStart(node, at);
        range.setEnd(node, at + letter.length);
        const rect = range.getBoundingClientRect();
        if (rect.width && letter !== " ") {
          if (top !== null && rect.top > top + rect.height / 2) starts.push(at);
          if (top === null || rect.top > top + rect.height / 2) top = rect.top;
        }
        at += letter.length;
      }
      probe.remove();
      return starts;
    }

    line(kind) {
      const line = element("div", `line ${kind}`);
      line.lang = this.language;
      line.dir = "auto";
      line.appendChild(element("span", "text"));
      return line;
    }

    render() {
      const spare = this.lines.length - lineCount - 1;
      if (spare > 0) {
        this.lines.splice(0, spare);
        this.base += spare;
      }
      let lines = this.lines;
      for (const draft of this.drafts.values()) lines = this.append(lines, draft);
      const end = this.base + lines.length;
      const first = (this.first = Math.max(this.base, end - lineCount));
      const before = Math.max(-1, ...this.shown.keys());
      for (const [number, line] of this.shown) {
        if (number < first - 1 || number >= end) this.drop(number, line);
      }
      for (let number = first; number < end; number++) {
        let line = this.shown.get(number);
        if (!line) {
          line = this.line("");
          const after = [...this.shown.keys()].filter((n) => n > number).sort((a, b) => a - b)[0];
          this.roll.insertBefore(line, after === undefined ? null : this.shown.get(after));
          this.shown.set(number, line);
        }
        fill(line, lines[number - this.base]);
      }
      const risen = before < 0 ? 0 : Math.min(end - 1 - before, lineCount);
      this.rise(risen);
    }

    // Lines roll up smoothly; what rolled out of sight is dropped when it has gone.
    rise(count) {
      const sweep = () => {
        for (const [number, line] of this.shown) if (number < this.first) this.drop(number, line);
      };
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      if (count <= 0 || still || document.hidden) return sweep();
      const height = this.roll.lastChild.offsetHeight * count;
      const frames = [{ transform: `translateY(${height}px)` }, { transform: "none" }];
      this.roll.animate(frames, { duration: 160, easing: "ease-out" }).onfinish = sweep;
    }

    drop(number, line) {
      line.remove();
      this.shown.delete(number);
    }

    // The width or the font has changed: lay the visible lines anew.
    reflow() {
      const text = this.lines.slice(-lineCount).map((line) => line.text).join(this.gap);
      const { drafts } = this;
      this.clear();
      if (text) this.lines = this.wrap(text, text.length);
      this.drafts = drafts;
      this.render();
    }
  }

  function element(tag, className) {
    const made = document.createElement(tag);
    made.className = className;
    return made;
  }

  function fill(line, { text, settled }) {
    const state = `${settled} ${text}`;
    if (line.dataset.state === state) return;
    line.dataset.state = state;
    line.className = settled < text.length ? "line partial" : "line final";
    line.firstChild.textContent = text.slice(0, settled);
    if (settled < text.length) {
      line.firstChild.appendChild(element("span", "partial")).textContent = text.slice(settled);
    }
  }

  // --- all languages ---

  let tracks = [];
  let order = [];
  let resting; // timer
  let idle = false;

  function rank(track) {
    if (track.role === "source" && !wanted.includes(track.language)) return -1;
    return (wanted.length ? wanted : order).indexOf(track.language);
  }

  function show(caption) {
    const asked = wanted.includes(caption.lang);
    if (caption.role === "source" ? !withSource && !asked : wanted.length && !asked) return false;
    wake();
    let track = tracks.find((one) => one.language === caption.lang);
    if (!track) {
      track = new Track(caption.lang, caption.role);
      tracks = tracks.concat(track).sort((a, b) => rank(a) - rank(b));
      stage.replaceChildren(...tracks.map((one) => one.box));
      style.setProperty("--tracks", tracks.length);
      for (const one of tracks) one.reflow();
    }
    track.show(caption);
    return true;
  }

  function clear() {
    for (const track of tracks) track.clear();
  }

  function forget() {
    tracks = [];
    stage.replaceChildren();
  }

  function wake() {
    if (idle) clear();
    idle = false;
    stage.classList.remove("idle");
    clearTimeout(resting);
    if (hold > 0) resting = setTimeout(rest, hold * 1000);
  }

  function rest() {
    idle = true;
    stage.classList.add("idle");
    resting = setTimeout(clear, 600);
  }

  function reflow() {
    for (const track of tracks) track.reflow();
  }

  addEventListener("resize", reflow);
  new MutationObserver(reflow).observe(document.head, { childList: true }); // OBS adds its Custom CSS late

  // --- the connection: comes back with `since`, so that nothing final is lost or shown twice ---

  let epoch = null;
  let seq = 0;
  let attempt = 0;
  let complaint = null; // timer

  const handlers = {
    welcome(message) {
      if (!message.recovered) {
        forget();
        seq = message.seq;
      }
      epoch = message.epoch;
      if (message.session) order = message.session.targets;
      attempt = 0;
      clearTimeout(complaint);
      complaint = null;
      notice.hidden = true;
    },
    snapshot(message) {
      message.captions.forEach(show);
    },
    session(message) {
      order = message.targets;
      forget();
    },
    caption(message, socket) {
      if (show(message) && message.final && !document.hidden) painted(message.seq, socket);
    },
    error(message) {
      if (!message.retry) say(message.message);
    },
  };

  // After the frame that shows it, so that the server can say how late captions are on a screen.
  function painted(seq, socket) {
    const tell = () => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify({ type: "painted", seq }));
    requestAnimationFrame(() => setTimeout(tell));
  }

  function connect() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/captions`);
    let heard = Date.now();
    const watchdog = setInterval(() => {
      if (Date.now() - heard > 60000) lost(0); // the server sends a beat every 20 s
    }, 5000);
    socket.onopen = () => {
      const hello = { type: "hello", v: 1, langs: withSource ? [] : wanted };
      if (epoch !== null) hello.since = { epoch, seq };
      socket.send(JSON.stringify(hello));
    };
    socket.onmessage = (event) => {
      heard = Date.now();
      const message = JSON.parse(event.data);
      const numbered = message.seq !== undefined && message.type !== "welcome";
      if (numbered && message.seq <= seq) return;
      if (numbered) seq = message.seq;
      if (Object.hasOwn(handlers, message.type)) handlers[message.type](message, socket);
    };
    socket.onclose = (event) => lost(event.code);
    const lost = (code) => {
      clearInterval(watchdog);
      socket.onclose = socket.onmessage = null;
      socket.close();
      if (code >= 4500 && code < 5000) return say(notice.hidden ? `Captions refused (${code})` : notice.textContent);
      complaint ??= setTimeout(() => say("Captions disconnected, reconnecting…"), 3000);
      setTimeout(connect, (0.2 + Math.random()) * Math.min(500 * 2 ** attempt++, 15000));
    };
  }

  function say(text) {
    notice.textContent = text;
    notice.hidden = false;
  }

  // --- ?demo=1: invented captions ---

  function demo() {
    const script = [
      ["Welcome, everybody, and thank you for coming tonight.", "Bienvenidos todos, y gracias por venir esta noche."],
      ["What you read here is translated while I speak.", "Lo que leen aquí se traduce mientras hablo."],
      ["Move this box, size it,", "Muevan este recuadro, cambien su tamaño,"],
      ["and choose its colours, before the hall fills up.", "y elijan sus colores, antes de que se llene la sala."],
    ];
    const target = wanted[0] || "es";
    let cue = 0;
    let word = 0;
    setInterval(() => {
      const sides = script[cue % script.length].map((text) => text.split(" "));
      word++;
      const final = word >= Math.max(sides[0].length, sides[1].length);
      ["source", "target"].forEach((role, i) => {
        const text = sides[i].slice(0, word).join(" ");
        const lang = role === "source" ? "en" : target;
        if (role === "target" || target !== "en") show({ cue, lang, role, text, final, stable: Math.max(0, text.length - 6) });
      });
      if (final) [cue, word] = [cue + 1, 0];
    }, 260);
  }

  if (query.get("demo") === "1") demo();
  else connect();
})();
