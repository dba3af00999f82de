// The page: what is asked when, and who shows the answers.

import { admin } from "./admin.js";
import * as api from "./api.js";
import { backends, inOrder, toldOf } from "./backends.js";
import { byId, make, renderer, say } from "./elements.js";
import { jobs } from "./jobs.js";
import { latency } from "./latency.js";
import { poll } from "./poll.js";
import { questions } from "./question.js";
import { explainTerms } from "./terms.js";
import { verdict } from "./verdict.js";
import { worst } from "./worst.js";

const COMPARE_MS = 2000;
const CONVERTING_MS = 1000;
const MODEL_MS = 15000;
const READY = ["active", "standby"];
const names = []; // of the backends, in the server's order: each has its colour
const latest = { compare: null, model: null, versions: null };

const series = (name) => Math.max(0, names.indexOf(name)) % 5;
const threshold = byId("threshold");
const showThreshold = () => (byId("threshold-now").value = Number(threshold.value).toFixed(2));
const showVerdict = verdict(series);
const showBackends = backends(series);
const showLatency = latency(series);
const showWorst = worst();
const showTargets = jobs();
const showCopies = renderer(byId("copy"), (copies) => {
  const chosen = byId("copy").value;
  const options = copies.map((name) => make("option", { value: name, selected: name === chosen }, name));
  return [make("option", { value: "" }, "the best copy"), ...options];
});
const showAdmin = admin(() => {
  askCompare();
  askModel();
});
const askAgain = questions(async () => (latest.compare ?? (learn(await api.compare()))).rules, series);
explainTerms();

const askCompare = poll(async () => {
  try {
    learn(await api.compare());
    byId("offline").hidden = true;
    askAgain(ready());
    show();
  } catch {
    byId("offline").hidden = false;
    say(byId("offline"), "The server does not answer. What you see is what it said last; the page goes on asking.");
  }
}, () => (latest.compare?.conversion ? CONVERTING_MS : COMPARE_MS));

const askModel = poll(async () => {
  [latest.model, latest.versions] = await Promise.all([
    api.model().catch(() => latest.model), api.versions().catch(() => latest.versions),
  ]);
  show();
}, () => MODEL_MS);

threshold.addEventListener("input", () => {
  threshold.dataset.chosen = "";
  showThreshold();
});

function learn(compare) {
  if (!latest.compare && !threshold.dataset.chosen) {
    threshold.value = compare.rules.threshold; // one begins with the score that the gate judges by
    showThreshold();
  }
  return (latest.compare = compare);
}

function ready() {
  const { native, copies } = latest.compare;
  const isReady = ({ state }) => READY.includes(state);
  return { native: isReady(native), copies: Object.values(copies).some(isReady) };
}

function show() {
  const { compare, model, versions } = latest;
  if (!compare || !model) return;
  names.splice(0, names.length, ...Object.keys(model.backends));
  say(byId("model"), `${model.name}, version ${model.version}`);
  const told = toldOf(compare, model);
  const ordered = inOrder(told);
  showVerdict(compare, told);
  showBackends(ordered);
  showLatency(compare, ordered.map(({ name }) => name));
  showWorst(compare);
  showAdmin(compare, versions);
  showTargets(Object.keys(compare.copies));
  showCopies(Object.keys(compare.copies).filter((name) => READY.includes(compare.copies[name].state)));
}
