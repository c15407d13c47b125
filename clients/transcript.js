// Captions as text to scroll through: what is final in one place, which is read aloud, and drafts below it.
// A cue's languages stand together. Text is only ever set as textContent.
import { element } from "/sessions.js";

const RIGHT_TO_LEFT = /^(ar|ckb|dv|fa|he|ps|sd|ug|ur|yi)\b/;
const LIMIT = 1000; // cues: more than an hour of speech

export class Transcript {
  #finals;
  #drafts;
  #open = new Map(); // drafts' paragraphs, by language and cue
  #cues = new Map(); // finals' boxes, by cue
  #done = new Map(); // the newest final cue, by language

  constructor(finals, drafts) {
    this.#finals = finals;
    this.#drafts = drafts;
  }

  get empty() {
    return !this.#finals.childElementCount && !this.#open.size;
  }

  show(caption) {
    const { cue, lang, final, text } = caption;
    const key = `${lang} ${cue}`;
    if (!final && cue <= (this.#done.get(lang) ?? -1)) return;
    if (!final && !text) {
      // It was a guess, and was taken back.
      this.#drop(key);
      return;
    }
    if (!final) {
      const box = this.#open.get(key)?.box ?? this.#drafts.appendChild(element("div"));
      box.replaceChildren(paragraph(caption));
      this.#open.set(key, { caption, box });
      return;
    }
    this.#done.set(lang, cue);
    for (const [other, draft] of this.#open) {
      if (draft.caption.lang === lang && draft.caption.cue <= cue) this.#drop(other);
    }
    if (!text) return;
    const box = this.#cues.get(cue) ?? this.#finals.insertBefore(element("div"), this.#after(cue));
    this.#cues.set(cue, box);
    if (caption.role === "source") box.append(paragraph(caption));
    else box.prepend(paragraph(caption));
  }

  // The box before which that of `cue` stands: who comes late is given older cues in languages that are further behind.
  #after(cue) {
    const later = [...this.#cues.keys()].filter((other) => other > cue);
    return this.#cues.get(Math.min(...later)) ?? null;
  }

  // A line of ours between the captions.
  note(text) {
    return this.#finals.appendChild(element("p", { className: "gap" }, text));
  }

  // Forget what scrolled away long ago.
  prune() {
    while (this.#finals.childElementCount > LIMIT) this.#finals.firstChild.remove();
    for (const [cue, box] of this.#cues) if (!box.isConnected) this.#cues.delete(cue);
  }

  // Drafts of other translations than these will not be finished.
  keep(targets) {
    for (const [key, { caption }] of this.#open) {
      if (caption.role === "target" && !targets.includes(caption.lang)) this.#drop(key);
    }
  }

  #drop(key) {
    this.#open.get(key)?.box.remove();
    this.#open.delete(key);
  }

  // A session is over, and its drafts stay unfinished. Another one goes on below: its cues count from 0 again.
  begin() {
    this.#drafts.replaceChildren();
    for (const map of [this.#open, this.#cues, this.#done]) map.clear();
  }

  clear() {
    this.#finals.replaceChildren();
    this.begin();
  }
}

function paragraph({ lang, role, text }) {
  const dir = RIGHT_TO_LEFT.test(lang) ? "rtl" : "auto";
  return element("p", { className: role, lang, dir, textContent: text });
}
