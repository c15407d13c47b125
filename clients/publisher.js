// Speech to /publish: PCM, at most two seconds of it on the way. Where the network is slower than speech, it is left out
// for a second or more at a time: of what has a hole in every word nothing is understood. Comes back after a cut, as a
// new session.
import { open, refusal, session, token } from "/connection.js";
import { RATE } from "/pcm.js";

const ON_THE_WAY = 2 * 2 * RATE; // bytes: two seconds
const STUCK = 10; // seconds in which nothing of what waits leaves
const LAST = 120; // seconds without a caption, while the last ones are waited for
const NOTICED = 60; // seconds after a cut in which the server may still take us for somebody who speaks
const REFUSED = 1000; // ms within which a room that is taken is refused
const READY = "Getting ready. You can already speak.";

export const HEARD = "You are being heard.";

let cut = 0; // when a connection that was not refused was lost: who stops then and starts again meets it, too

export class Publisher {
  skipped = 0; // samples that were heard and not sent
  #hole = 0; // of them, those before what is sent next
  #full = false; // until half of what was on the way has left
  #socket;
  #sent = 0; // bytes, to this socket
  #start;
  #tell;
  #attempt = 0;
  #timer;
  #watch;
  #stopped = false;
  #deadline = Infinity; // after the stop: a network that dies then is not heard of otherwise

  // Calls tell(state, words): "waiting" for a connection, "open", "ready" (models too), "last", "over" or "failed".
  constructor(languages, tell) {
    this.#start = { type: "start", v: 1, ...languages, sample_rate: RATE, session, token };
    this.#tell = tell;
    this.#connect();
  }

  get takes() {
    this.#full = this.#socket.bufferedAmount >= (this.#full ? ON_THE_WAY / 2 : ON_THE_WAY);
    return this.#socket.readyState === 1 && !this.#stopped && !this.#full;
  }

  // Whether nothing more is heard: the last captions may still come.
  get stopped() {
    return this.#stopped;
  }

  // Milliseconds of sound that wait for the network.
  get backlog() {
    return (this.#socket.bufferedAmount / 2 / RATE) * 1000;
  }

  send(frame) {
    if (!this.takes) {
      this.skipped += frame.length;
      this.#hole += frame.length;
      return;
    }
    if (this.#hole) this.#socket.send(JSON.stringify({ type: "skipped", samples: this.#hole }));
    this.#hole = 0;
    this.#sent += frame.byteLength;
    this.#socket.send(frame);
  }

  // Those that there are, to begin with after a cut.
  set targets(to) {
    this.#start.to = to;
  }

  // Other translations from here on.
  translate(to) {
    this.targets = to;
    if (this.#socket.readyState === 1 && !this.#stopped) this.#socket.send(JSON.stringify({ type: "translate", to }));
  }

  // A caption came: the server is there, however long the last ones take.
  hears() {
    if (this.#stopped) this.#deadline = Date.now() + LAST * 1000;
  }

  // Everything was said; "over" comes when the server has said the rest.
  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    if (this.#socket.readyState !== 1) return this.#end("over", "Stopped.");
    this.hears();
    this.#tell("last", "Waiting for the last captions…");
    this.#socket.send('{"type":"stop"}');
  }

  #end(state, words) {
    this.#stopped = true;
    clearInterval(this.#watch);
    const socket = this.#socket;
    socket.onclose = null;
    if (socket.readyState) socket.close();
    else socket.onopen = () => socket.close(); // or the browser complains
    this.#tell(state, words);
  }

  // Where it was `busy` before, what was said of that stands until there is news.
  #connect(busy = false) {
    if (!busy) this.#tell("waiting", "Connecting…");
    const here = (this.#socket = open("/publish"));
    let why;
    let gone = 0; // bytes that have left
    let begun = false;
    let since; // none: a server that gets ready takes nothing
    this.#sent = 0;
    this.#watch = setInterval(() => {
      const left = this.#sent - here.bufferedAmount;
      if (since && (left !== gone || !here.bufferedAmount)) since = Date.now();
      gone = left;
      // The browser itself waits for many minutes.
      if (Date.now() - since > STUCK * 1000 || Date.now() > this.#deadline) lost({});
    }, 1000);
    here.onopen = () => {
      this.#hole = 0; // a session begins with what it hears first
      here.send(JSON.stringify(this.#start));
      begun = true;
      if (!busy) this.#tell("open", READY);
      else this.#timer = setTimeout(() => here.readyState === 1 && !since && this.#tell("open", READY), REFUSED);
    };
    here.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "error") why = message.message;
      if (message.type !== "ready") return;
      this.#attempt = 0;
      since = Date.now();
      if (!this.#stopped) this.#tell("ready", HEARD);
    };
    const lost = (here.onclose = ({ code }) => {
      clearInterval(this.#watch);
      here.onclose = here.onmessage = null;
      here.close();
      if (code === 1000) return this.#end("over", "Done: everything that was said has been captioned.");
      if (code >= 4500 && code < 5000) return this.#end("failed", refusal(code, why));
      const taken = code === 4409;
      if (begun && !taken) cut = Date.now();
      if (this.#stopped) return this.#end("failed", "The connection was lost before the last captions came.");
      clearTimeout(this.#timer);
      const ours = taken && Date.now() - cut < NOTICED * 1000; // and the room is free as soon as that is noticed
      if (ours) why = "Reconnecting: the server has not noticed yet that the old connection is gone.";
      else if (taken) why = "Someone else is speaking in this session: waiting until they stop.";
      this.#tell("waiting", why || "Disconnected, reconnecting…");
      const pause = ours ? 1000 : Math.min(500 * 2 ** this.#attempt++, 15000);
      this.#timer = setTimeout(() => this.#connect(taken), (0.5 + Math.random()) * pause);
    });
  }
}
