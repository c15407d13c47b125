// What the pages for people share: who speaks where, what languages are called, and links that keep session and token.
import { session, token } from "/connection.js";

// The sessions that this token may read. Throws an Error with words for people, and `refused`: it takes another token.
export async function sessions(withToken = token) {
  const headers = withToken ? { Authorization: `Bearer ${withToken}` } : {};
  const answer = await fetch("/sessions", { headers });
  if (answer.ok) return answer.json();
  const refused = answer.status === 401 || answer.status === 403;
  const why = refused ? "This needs a token, or a different one." : `The server answered ${answer.status}.`;
  throw Object.assign(new Error(why), { refused });
}

// What a language calls itself, or its code.
export function languageName(code) {
  try {
    const name = new Intl.DisplayNames([code], { type: "language" }).of(code);
    return name[0].toLocaleUpperCase(code) + name.slice(1);
  } catch (error) {
    if (error instanceof RangeError) return code; // no code at all
    throw error;
  }
}

export function address(path, parameters = {}, withToken = token) {
  const search = `${new URLSearchParams(Object.entries(parameters).filter(([, value]) => value))}`;
  // Commas read better as they are, and may be.
  const asked = search && `?${search.replaceAll("%2C", ",")}`;
  return path + asked + (withToken ? `#${new URLSearchParams({ token: withToken })}` : "");
}

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Words in a place that is read aloud: not again while they stay the same.
export function write(place, words) {
  if (place.textContent !== words) place.textContent = words;
}

let lock; // on the screen

// The screen stays on, as long as the page is seen and the device agrees: an iPhone does once the page was touched.
export async function stayAwake() {
  if (document.hidden || !navigator.wakeLock || lock?.released === false) return;
  try {
    lock = await navigator.wakeLock.request("screen");
  } catch {
    // low battery, or forbidden: the device's own settings hold
  }
}

// What this browser keeps under a key: the values, and keep(changes).
export function remembered(key, initial) {
  let kept = {};
  try {
    kept = JSON.parse(localStorage.getItem(key)) || {};
  } catch {
    // storage that is forbidden, or was written by somebody else
  }
  const values = { ...initial, ...kept };
  return {
    ...values,
    keep(changes) {
      Object.assign(values, changes);
      Object.assign(this, changes);
      try {
        localStorage.setItem(key, JSON.stringify(values));
      } catch {
        // forbidden or full: it holds until the page is closed
      }
    },
  };
}

for (const link of document.querySelectorAll("a[data-keep]")) {
  link.href = address(link.getAttribute("href"), { session });
}
