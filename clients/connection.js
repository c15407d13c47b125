// To /captions, and back after every cut with `since`: no final is lost or shown twice.
// Knows PROTOCOL.md, and what every page's address may say: ?session=, ?lang= and #token=.

export const query = new URLSearchParams(location.search);
export const session = query.get("session") || undefined;
export const languages = query.getAll("lang").join().replace(/(^|[\s,])\w+/g, (code) => code.toLowerCase()).split(/[\s,]+/).filter(Boolean);
export const token = new URLSearchParams(location.hash.slice(1)).get("token")?.trim() || undefined; // phones add spaces
addEventListener("hashchange", () => location.reload()); // a new token

export const open = (path) => new WebSocket(location.origin.replace("http", "ws") + path);

// Whether who asks for one language is shown another: pt-BR means pt too.
export const means = (asked, lang) => asked === lang || asked.startsWith(`${lang}-`);

export const refusal = (code, why) =>
  code === 4505 ? "No access: the token in this address is missing, wrong or revoked" : why || `The server refused (${code})`;

// Calls handlers[type](message) for what comes, and say(text) of trouble ("": it is over).
export function captions(langs, handlers, say) {
  let epoch; // none: the next welcome brings a snapshot, and that this
  let coming;
  let seq = 0;
  let attempt = 0;
  let socket;
  let waiting; // timers
  let complaint;
  let told = "";

  const tell = (text) => text !== told && say((told = text));
  const send = (message) => socket.readyState === 1 && socket.send(JSON.stringify(message));

  function connect() {
    waiting = clearTimeout(waiting);
    const here = (socket = open("/captions"));
    let heard = Date.now();
    let why;
    const watch = setInterval(() => {
      const silence = Date.now() - heard; // a beat comes every 20 s
      if (silence > 60000) lost({});
      else if (silence > 30000) tell("Captions may be out of date: the server is silent");
    }, 5000);
    here.onopen = () => send({ type: "hello", v: 1, langs, session, token, since: epoch ? { epoch, seq } : undefined });
    here.onmessage = ({ data }) => {
      heard = Date.now();
      const message = JSON.parse(data);
      const { type } = message;
      if (type === "error") return (why = message.message);
      if (type === "welcome") {
        if (!message.recovered) [seq, epoch] = [message.seq];
        coming = `${message.langs}` === `${[...new Set(langs)].sort()}` && message.epoch; // of several the last counts
        attempt = 0;
        complaint = clearTimeout(complaint);
      } else if (type === "snapshot") epoch = coming;
      else if (type !== "beat" && message.seq) {
        if (message.seq <= seq && type !== "status") return;
        seq = Math.max(seq, message.seq);
      }
      tell("");
      if (Object.hasOwn(handlers, type)) handlers[type](message);
    };
    const lost = (here.onclose = ({ code }) => {
      clearInterval(watch);
      here.onclose = here.onmessage = null;
      here.close();
      if (code >= 4500 && code < 5000) {
        clearTimeout(complaint);
        return tell(refusal(code, why));
      }
      complaint ??= setTimeout(() => tell(why || "Captions disconnected, reconnecting…"), 3000);
      waiting = setTimeout(connect, (0.2 + Math.random()) * Math.min(500 * 2 ** attempt++, 15000));
    });
  }

  const hurry = () => waiting && !document.hidden && connect();
  addEventListener("online", hurry);
  addEventListener("visibilitychange", hurry);
  connect();

  return {
    // Other languages from now on: a snapshot comes first.
    subscribe(others) {
      langs = others;
      epoch = coming = undefined;
      send({ type: "subscribe", langs });
    },
    // After the frame that shows it: the server tells how late captions are there.
    painted(number) {
      const here = socket; // another server numbers anew
      requestAnimationFrame(() => setTimeout(() => here === socket && send({ type: "painted", seq: number })));
    },
  };
}
