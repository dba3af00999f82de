// The page: what is asked when, and who shows the answers.

import * as api from "./api.js";
import { sentence, shown } from "./answer.js";
import { ask } from "./ask.js";
import { backends } from "./backends.js";
import { asSentence, byId, make, renderer, say } from "./elements.js";
import { jobs } from "./jobs.js";
import { latency } from "./latency.js";
import { pictures } from "./picture.js";
import { poll } from "./poll.js";
import { worst } from "./worst.js";

const COMPARE_MS = 2000;
const MODEL_MS = 15000;
const names = []; // of the backends, in the server's order: each has its colour
const latest = { compare: null, model: null, picture: null };

const series = (name) => Math.max(0, names.indexOf(name)) % 5;
const threshold = byId("threshold");
const showThreshold = () => (byId("threshold-now").value = Number(threshold.value).toFixed(2));
const showBackends = backends(series);
const showLatency = latency(series);
const showWorst = worst();
const showTargets = jobs();
const showCopies = renderer(byId("copy"), (copies) => {
  const chosen = byId("copy").value;
  const options = copies.map((name) => make("option", { value: name, selected: name === chosen }, name));
  return [make("option", { value: "" }, "the best copy"), ...options];
});

poll(async () => {
  try {
    learn(await api.compare());
    byId("offline").hidden = true;
    show();
  } catch {
    byId("offline").hidden = false;
    say(byId("offline"), "The server does not answer. What you see is what it said last; the page goes on asking.");
  }
}, COMPARE_MS);

poll(async () => {
  latest.model = await api.model().catch(() => latest.model);
  show();
}, MODEL_MS);

function learn(compare) {
  if (!latest.compare && !threshold.dataset.chosen) {
    threshold.value = compare.rules.threshold; // one begins with the score that the gate judges by
    showThreshold();
  }
  latest.compare = compare;
}

function show() {
  const { compare, model } = latest;
  if (!compare || !model) return;
  names.splice(0, names.length, ...Object.keys(model.backends));
  say(byId("model"), `${model.name}, version ${model.version}`);
  showBackends(compare, model);
  showLatency(compare);
  showWorst(compare);
  const copies = Object.keys(compare.copies);
  showTargets(copies);
  showCopies(copies.filter((name) => ["active", "standby"].includes(compare.copies[name].state)));
}

const said = byId("said");
let asking = new AbortController();
let url = "";

pictures((blob, note, name) => {
  latest.picture = { blob, note, name };
  answer();
});

threshold.addEventListener("input", () => {
  threshold.dataset.chosen = "";
  showThreshold();
});
for (const id of ["threshold", "copy", "detect-token"]) byId(id).addEventListener("change", () => latest.picture && answer());

async function answer() {
  asking.abort(); // the last question is the one that counts
  asking = new AbortController();
  const { signal } = asking;
  const { blob, note, name } = latest.picture;
  byId("answer").setAttribute("aria-busy", "true");
  say(said, `Asking about ${name} …`);
  try {
    if (!latest.compare) learn(await api.compare());
    const twin = await ask(blob, {
      copy: byId("copy").value, threshold: Number(threshold.value), token: byId("detect-token").value.trim(),
      rules: latest.compare.rules, signal,
    });
    if (signal.aborted) return;
    const before = url;
    url = URL.createObjectURL(blob);
    byId("answer").replaceChildren(shown(url, twin, series));
    if (before) URL.revokeObjectURL(before);
    say(said, `${sentence(twin)} ${note}`.trim());
  } catch (error) {
    if (signal.aborted) return;
    byId("answer").replaceChildren();
    if (error.status === 401 || error.status === 403) byId("detect-token-field").hidden = false;
    say(said, error instanceof api.Refused ? asSentence(error.message) : "The server does not answer.", "bad");
  } finally {
    if (!signal.aborted) byId("answer").removeAttribute("aria-busy");
  }
}
