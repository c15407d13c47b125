// Builds the overlay's address from what is chosen, and shows it in a frame with invented captions.
import { languages, query, token } from "/connection.js";
import { address, element, languageName, sessions } from "/sessions.js";

const COMMON = ["en", "es", "de", "fr", "it", "pt", "ar", "ja", "ko", "th", "zh"];

const form = document.getElementById("choices");
const frame = document.querySelector("iframe");
const stage = document.querySelector(".stage");
const result = document.getElementById("address");
const copied = document.getElementById("copied");
const [paper, density, width, ring] = ["paper", "density", "width", "ring"].map((id) => document.getElementById(id));
const fields = form.elements;

// --- what the address asks for ---

const codes = () => fields.lang.value.split(/[\s,]+/).filter(Boolean);

// Only what differs from what the overlay does anyway.
function chosen() {
  const parameters = {};
  for (const field of form.querySelectorAll("[name]")) {
    if (field.name === "token" || !field.validity.valid) continue;
    const usual = field.type === "checkbox" ? field.defaultChecked : field.type.startsWith("select") ? field[0].value : field.defaultValue;
    const now = field.type === "checkbox" ? field.checked : field.value.trim();
    if (now !== usual) parameters[field.name] = now === true ? field.value : now === false ? field.dataset.off : now;
  }
  if (parameters.lang !== undefined) parameters.lang = codes().join(",");
  if (paper.value !== paper.defaultValue || density.value !== density.defaultValue) parameters.bg = background();
  if (width.value !== "0") parameters.outline = `${width.value}px ${ring.value}`;
  return parameters;
}

function background() {
  if (density.value === "0") return "transparent";
  return paper.value + Math.round(density.value * 2.55).toString(16).padStart(2, "0");
}

// A link to this page may bring what is to be changed.
function prefill() {
  for (const [name, value] of query) {
    const field = fields[name];
    if (!field || !field.name || name === "lang") continue;
    if (field.type === "checkbox") field.checked = value !== (field.dataset.off ?? "0");
    else field.value = value;
  }
  fields.lang.value = languages.join(",");
  fields.token.value = token ?? query.get("token") ?? "";
  if (query.has("token")) {
    query.delete("token");
    history.replaceState(null, "", address("/setup", Object.fromEntries(query), fields.token.value));
  }
}

// --- what is seen ---

let shown = "";
let timer;

function build() {
  const parameters = chosen();
  result.value = location.origin + address("/overlay", parameters, fields.token.value.trim());
  copied.textContent = "";
  for (const chip of document.querySelectorAll("#languages button")) chip.ariaPressed = codes().includes(chip.value);
  clearTimeout(timer);
  const whole = here()?.captions === "final"; // as the server is now, and so the preview
  document.getElementById("whole").hidden = !whole || !fields.partial.checked;
  const seen = { ...parameters, demo: "1", delay: "", session: "", partial: whole ? "0" : parameters.partial };
  timer = setTimeout(preview, 250, address("/overlay", seen, ""));
}

function preview(source) {
  if (source === shown) return;
  shown = source;
  frame.contentWindow.location.replace(source); // not one step back in the history for each choice
}

function fit() {
  const [across, down] = document.getElementById("canvas").value.split(" × ");
  const scale = Math.min(stage.clientWidth / across, (0.7 * innerHeight) / down);
  frame.style.width = `${across}px`;
  frame.style.height = `${down}px`;
  frame.style.transform = `translateX(${(stage.clientWidth - across * scale) / 2}px) scale(${scale})`;
  stage.style.height = `${down * scale}px`;
}

// --- languages and sessions that there are ---

let known = [];
let offered = [];

const here = () => known.find(({ session }) => session === (fields.session.value || "main"));

function offerLanguages() {
  const { targets = [], source } = here() ?? {};
  const spoken = [...targets, ...[source].flat().filter(Boolean)];
  const now = [...new Set([...spoken, ...(spoken.length ? [] : COMMON), ...codes()])];
  if (now.join() === offered.join()) return; // a chip that is being pressed stays
  offered = now;
  const chip = (code) => element("button", { type: "button", value: code, lang: code }, languageName(code));
  document.getElementById("languages").replaceChildren(...offered.map(chip));
}

async function ask() {
  try {
    known = await sessions(fields.token.value.trim());
  } catch {
    known = []; // no server, or a token that is being typed: any language may still be named
  }
  const options = known.map(({ session }) => element("option", { value: session }));
  document.getElementById("known").replaceChildren(...options);
  offerLanguages();
  build();
}

document.getElementById("languages").addEventListener("click", ({ target }) => {
  if (!target.value) return;
  const rest = codes().filter((code) => code !== target.value);
  fields.lang.value = (rest.length === codes().length ? [...rest, target.value] : rest).join(",");
  build();
});

form.addEventListener("input", build);
form.addEventListener("submit", (event) => event.preventDefault());
fields.session.addEventListener("input", offerLanguages);
fields.token.addEventListener("change", ask);
document.getElementById("canvas").addEventListener("change", fit);
document.getElementById("behind").addEventListener("change", ({ target }) => (stage.className = `stage ${target.value}`));
document.getElementById("copy").addEventListener("click", async () => {
  result.select();
  await navigator.clipboard?.writeText(result.value);
  copied.textContent = navigator.clipboard ? "Copied." : "Selected: press Ctrl+C.";
});
result.addEventListener("focus", () => result.select());
new ResizeObserver(fit).observe(stage);
prefill();
ask();
build();
