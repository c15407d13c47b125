// The first page: who speaks now, and the ways in.
import { address, element, languageName, sessions, write } from "/sessions.js";

const list = document.getElementById("sessions");
const nobody = document.getElementById("nobody");
const trouble = document.getElementById("trouble");
const ask = document.getElementById("ask");
let shown = "";

const counted = (viewers) => (viewers === 1 ? "1 viewer" : `${viewers} viewers`);

function card({ session, source, targets, viewers, live }) {
  const from = [source].flat().filter(Boolean).map(languageName).join(", ");
  const to = (targets || []).map(languageName).join(", ");
  const link = (path, text, className) =>
    element("a", { href: address(path, { session }), className, ariaLabel: `${text}: ${session}` }, text);
  return element(
    "li",
    { className: "card" },
    element("h3", {}, session),
    element("span", { className: live ? "pill live" : "pill" }, live ? "Live" : "Waiting"),
    element("p", { className: "muted" }, from ? `${from} → ${to} · ` : "", element("span", { className: "viewers" }, counted(viewers))),
    element(
      "div",
      { className: "row" },
      link("/read", "Read", "button primary"),
      link("/overlay", "Overlay", "button"),
      link("/setup", "Set up overlay", "button"),
      link("/speak", "Speak", "button"),
    ),
  );
}

async function refresh() {
  try {
    const found = await sessions();
    trouble.textContent = "";
    ask.hidden = true;
    nobody.hidden = found.length > 0;
    // Only what changed is made anew: a link that has the focus keeps it.
    const now = JSON.stringify(found.map(({ viewers, ...rest }) => rest));
    if (now !== shown) list.replaceChildren(...found.map(card));
    else list.querySelectorAll(".viewers").forEach((count, at) => (count.textContent = counted(found[at].viewers)));
    shown = now;
    list.ariaBusy = "false";
  } catch (error) {
    write(trouble, error instanceof TypeError ? "The server does not answer." : error.message);
    ask.hidden = !error.refused;
  }
}

ask.addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = new URLSearchParams({ token: new FormData(ask).get("token") });
});
setInterval(() => document.hidden || refresh(), 3000);
refresh();
