// A card for each backend, the active one first: its state, its times and whether it agrees; the rest is folded.

import { asSentence, byId, counted, make, milliseconds, number, renderer } from "./elements.js";
import { byLoad } from "./ratios.js";
import { term } from "./terms.js";

const SIGNS = { active: "●", standby: "○", loading: "◌", converting: "◌", crashed: "✕", refused: "✕", unavailable: "–" };
const ORDER = Object.keys(SIGNS);

/** What /compare and /model say of each backend, native first. */
export function toldOf(compare, model) {
  return [["native", compare.native], ...Object.entries(compare.copies)].map(([name, told]) => {
    const times = compare.infer_ms[name];
    return {
      name, state: told.state, reason: told.reason, gate: told.verdict ?? null, window: told.window ?? null,
      rolledBack: told.rolled_back ?? null, served: times?.serving ?? times?.shadow ?? null, cost: times?.["per image"]?.mean ?? null,
      device: model.backends[name]?.device ?? null, words: compare.size_classes,
      sizes: Object.keys(compare.answers).filter((size) => compare.answers[size] === name),
    };
  });
}

/** The active one first, then by state: those that are ready before those that are not. */
export function inOrder(backends) {
  return [...backends].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));
}

/** Returns a function that shows them; `series` gives a backend's colour. */
export function backends(series) {
  return renderer(byId("backends"), (all) => all.map((each) => card(each, series(each.name))));
}

function card(backend, series) {
  const { name, state } = backend;
  return make("li", { class: "card", "data-state": state, id: `backend-${name}` },
    make("h3", {}, make("span", { class: "key", "data-series": series }, name),
      make("span", { class: "state", "data-state": state }, make("span", { "aria-hidden": "true" }, `${SIGNS[state] ?? "·"} `), state)),
    make("p", { class: "role" }, role(backend)),
    times(backend),
    details(backend));
}

/** What it does, or why not, in a few words. */
function role({ name, state, reason, gate, rolledBack, sizes, words }) {
  if (state === "active") {
    if (sizes.length === Object.keys(words).length) return "Answers all requests that name no backend.";
    return `Answers pictures ${sizes.map((size) => words[size]).join(" and ")}.`;
  }
  if (rolledBack) return "Taken out, because it disagreed or failed.";
  if (state !== "standby") return asSentence(reason.replace(/^\w+: /, "")) || "No reason is known.";
  if (gate?.verdict === "disagrees") return "Disagrees with native on objects, places or scores.";
  if (gate?.verdict === "slower") return "Finds the same objects, but is not faster.";
  if (gate?.verdict === "undecided") return "Not judged yet: it needs more pictures.";
  return sizes.length ? `Answers pictures ${sizes.map((size) => words[size]).join(" and ")}.` : asSentence(reason) || `${name} is ready.`;
}

function times({ served, state }) {
  if (!served) return ["active", "standby"].includes(state) ? make("p", { class: "quiet" }, "No picture yet.") : null;
  if (served.values) return make("p", { class: "small quiet" }, `${counted(served.count, "picture")}: too few for percentiles.`);
  return make("dl", { class: "times" }, ...["p50", "p95", "p99"].map((name) => fact(name, milliseconds(served[name]))));
}

function fact(name, value) {
  return make("div", {}, make("dt", {}, term(name)), make("dd", {}, value));
}

function details(backend) {
  const { name, reason, device, cost } = backend;
  return make("details", { id: `more-${name}` }, make("summary", {}, "Details"),
    agreement(backend),
    cost === null ? null : make("p", { class: "small" }, term("per image", "per picture"), ` ${milliseconds(cost)}`),
    ratios(backend),
    reason ? make("p", { class: "reason" }, asSentence(reason)) : null,
    device ? make("p", { class: "small quiet" }, `Runs on ${device}.`) : null);
}

function ratios(backend) {
  const rows = byLoad(backend);
  if (!rows.length) return null;
  return make("div", { class: "ratios" }, make("p", { class: "small quiet" }, "Times as fast as native, by load, and the ", term("95 % interval")),
    ...rows.map(([words, { value, low, high }]) => make("div", { class: "ratio" },
      make("span", { class: "small" }, words),
      make("span", { class: "n" }, make("strong", {}, value.toFixed(2)), make("span", { class: "small quiet" }, ` ${low.toFixed(2)} – ${high.toFixed(2)}`)))));
}

function agreement({ gate, window }) {
  const parts = [];
  if (window?.pairs) parts.push(`${window.pairs - window.disagree - window.errors} of the last ${window.pairs} pictures agree`);
  const iou = window?.agreement?.mean_iou ?? Object.values(gate?.agreement ?? {})[0]?.mean_iou;
  if (!parts.length && gate) {
    const share = Math.min(...Object.values(gate.agreement).map((each) => each.matched_share ?? 1));
    parts.push(`${(100 * share).toFixed(1)} % of the boxes matched at the `, term("gate"));
  }
  if (!parts.length) return null;
  if (iou !== null && iou !== undefined) parts.push(", mean ", term("overlap"), ` ${number(iou, 3)}`);
  return make("p", { class: "agreement" }, ...parts, ".");
}
