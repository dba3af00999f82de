// The verdict in one sentence, and a card for each backend: its state with the reason, its times, how it compares.

import { asSentence, byId, counted, draw, make, milliseconds, number, renderer } from "./elements.js";

const SIGNS = { active: "●", standby: "○", loading: "◌", converting: "◌", crashed: "✕", refused: "✕", unavailable: "–" };
const IN_FLIGHT = "in flight"; // as many calls at once as serving has
const AXIS = { from: 0.5, to: 4 }; // times as fast as native, on a logarithmic scale

/** Returns a function that shows /compare and /model; `series` gives a backend's colour. */
export function backends(series) {
  const cards = renderer(byId("backends"), (all) => all.map((each) => card(each, series(each.name))));
  const title = renderer(byId("verdict"), ([text]) => [text]);
  const more = renderer(byId("verdict-more"), ([, text]) => [text]);
  return (compare, model) => {
    const copies = Object.entries(compare.copies).map(([name, copy]) => told(name, copy, compare, model));
    const words = verdict(compare, copies);
    title(words);
    more(words);
    cards([told("native", compare.native, compare, model), ...copies]);
  };
}

function told(name, { state, reason, verdict: gate, window }, compare, model) {
  const served = compare.infer_ms[name]?.serving ?? compare.infer_ms[name]?.shadow ?? null;
  const device = model?.backends[name]?.device ?? null;
  const cost = compare.infer_ms[name]?.["per image"]?.mean ?? null;
  return { name, state, reason, gate: gate ?? null, window: window ?? null, served, cost, device, words: compare.size_classes };
}

/** Two sentences: is a copy faster and the same, and what that rests on. */
function verdict({ active, native, answers, traffic }, copies) {
  const ready = copies.filter(({ state }) => state === "active" || state === "standby");
  const best = ready.find(({ name }) => name === active) ?? ready.sort((a, b) => (speedup(b)?.low ?? 0) - (speedup(a)?.low ?? 0))[0];
  if (!best) {
    const busy = copies.find(({ state }) => state === "loading" || state === "converting");
    if (busy) return [`${busy.name} is being prepared.`, `${native.state === "active" ? "Native answers meanwhile. " : ""}${asSentence(busy.reason)}`];
    return active ? ["Native answers alone.", "No copy can be compared with it; why, each card says."] : ["No backend is ready yet.", asSentence(native.reason)];
  }
  const ratio = speedup(best);
  return [`${best.name} ${faster(ratio)} ${same(best)}`, `${ground(best, ratio, active, answers)}${sent(traffic, best.words)}`];
}

function faster(ratio) {
  if (!ratio) return "has not been timed against native yet,";
  if (ratio.low > 1) return `is ${ratio.value.toFixed(2)} times as fast as native`;
  if (ratio.high < 1) return `is slower than native, ${ratio.value.toFixed(2)} times as fast,`;
  return "is about as fast as native";
}

function same({ gate, window }) {
  const bad = window ? window.disagree + window.errors : 0;
  if (gate?.verdict === "disagrees") return "but finds other objects.";
  if (bad > 0) return `and differs in ${bad} of the last ${window.pairs} pictures.`;
  if (!gate || gate.verdict === "undecided") return "and whether it finds the same objects is undecided.";
  return "and finds the same objects.";
}

function ground(best, ratio, active, answers) {
  const who = active ? `Requests are answered by ${answered(active, answers, best.words)}.` : "Nobody answers.";
  if (!ratio) return who;
  const basis = `${ratio.live ? "Live" : "At the gate"}, ${counted(ratio.pairs, "pair")}, 95 % interval ${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)}`;
  return `${basis}${bySize(best)}. ${who}`;
}

/** Who answers, and which sizes of pictures somebody else answers. */
function answered(active, answers, words) {
  const others = Object.entries(answers).filter(([, name]) => name && name !== active);
  return [active, ...others.map(([size, name]) => `pictures ${words[size]} by ${name}`)].join(", ");
}

/** Which sizes of pictures were really sent, beside those at which the gate looked. */
function sent(traffic, words) {
  const seen = Object.entries(traffic).filter(([, count]) => count > 0).map(([size, count]) => `${count} ${words[size]}`);
  return seen.length ? ` Pictures so far: ${seen.join(", ")}.` : "";
}

/** What the gate found at each size of pictures, if there are several. */
function bySize({ gate, words }) {
  const sizes = Object.entries(gate?.sizes ?? {}).map(([size, each]) => [size, each, highest(each.native_over_copy)]).filter(([, , ratio]) => ratio);
  if (sizes.length < 2) return "";
  const where = (size, { megapixels }) => megapixels === null ? `with pictures ${words[size]} (live)` : `at ${megapixels} MP`;
  return `; by size ${sizes.map(([size, each, ratio]) => `${ratio.value.toFixed(2)} times ${where(size, each)}`).join(", ")}`;
}

/** The live ratio if there is one, else the gate's at the load where it gains most. */
function speedup({ gate, window }) {
  if (window?.native_over_copy) return { ...window.native_over_copy, live: true };
  return highest(gate?.native_over_copy ?? {});
}

function highest(ratios) {
  return Object.entries(measured(ratios)).map(([, ratio]) => ratio).sort((a, b) => b.low - a.low)[0] ?? null;
}

/** Without the batch sizes between the smallest and the largest, at which the gate only looks for slowness. */
function measured(ratios) {
  const sizes = Object.keys(ratios).filter((load) => load !== IN_FLIGHT).map(Number);
  const ends = [Math.min(...sizes), Math.max(...sizes)];
  return Object.fromEntries(Object.entries(ratios).filter(([load]) => load === IN_FLIGHT || ends.includes(Number(load))));
}

function card(backend, series) {
  const { name, state, reason, device } = backend;
  return make("li", { class: "card", "data-state": state, id: `backend-${name}` },
    make("h3", {}, make("span", { class: "key", "data-series": series }, name),
      make("span", { class: "state", "data-state": state }, make("span", { "aria-hidden": "true" }, `${SIGNS[state] ?? "·"} `), state)),
    times(backend), ...ratios(backend), agreement(backend),
    reason ? make("p", { class: "reason" }, asSentence(reason)) : null,
    device ? make("p", { class: "small quiet device" }, `on ${device}`) : null);
}

function times({ served, cost, state }) {
  if (!served) return state === "active" || state === "standby" ? make("p", { class: "quiet" }, "No image yet.") : null;
  const fact = (words, value) => make("div", {}, make("dt", {}, words), make("dd", {}, milliseconds(value)));
  return make("dl", { class: "times" }, fact("p50", served.p50), fact("p95", served.p95), fact("p99", served.p99), fact("per image", cost));
}

function ratios({ gate, window, words }) {
  const rows = Object.entries(gate?.sizes ?? {}).flatMap(([size, each]) => Object.entries(measured(each.native_over_copy))
    .map(([load, ratio]) => [`${words[size]}, ${load === IN_FLIGHT ? load : `batch ${load}`}`, ratio]));
  rows.unshift(...live(window, words));
  if (!rows.length) return [];
  return [make("div", { class: "ratios" }, make("p", { class: "small quiet" }, "Times as fast as native, 95 % interval"),
    ...rows.map(([words, ratio]) => make("div", { class: "ratio" },
      make("span", { class: "small" }, words),
      make("span", { class: "n" }, make("strong", {}, ratio.value.toFixed(2)), make("span", { class: "small quiet" }, ` ${ratio.low.toFixed(2)} – ${ratio.high.toFixed(2)}`)),
      interval(ratio))))];
}

/** What live pairs say, of all sizes and, if there are several, of each. */
function live(window, words) {
  const sizes = Object.entries(window?.sizes ?? {}).filter(([, each]) => each.native_over_copy);
  const all = window?.native_over_copy ? [["live pairs", window.native_over_copy]] : [];
  return sizes.length < 2 ? all : [...all, ...sizes.map(([size, each]) => [`live, ${words[size]}`, each.native_over_copy])];
}

function interval({ value, low, high }) {
  const at = (ratio) => `${(100 * place(ratio)).toFixed(2)}%`;
  const width = `${(100 * Math.max(0.006, place(high) - place(low))).toFixed(2)}%`;
  return draw("svg", { class: "interval", "aria-hidden": "true", width: "100%", height: "14" },
    draw("rect", { class: "track", x: 0, y: 6, width: "100%", height: 2, rx: 1 }),
    draw("line", { class: "even", x1: at(1), x2: at(1), y1: 0, y2: 14 }),
    draw("rect", { class: "span", x: at(low), y: 4, width, height: 6, rx: 3 }),
    draw("circle", { class: "point", cx: at(value), cy: 7, r: 4 }));
}

function place(ratio) {
  const part = Math.log(Math.max(ratio, 1e-6) / AXIS.from) / Math.log(AXIS.to / AXIS.from);
  return Math.min(1, Math.max(0, part));
}

function agreement({ gate, window }) {
  const parts = [];
  if (window?.pairs) parts.push(`${window.pairs - window.disagree - window.errors} of the last ${window.pairs} pictures agree`);
  const iou = window?.agreement?.mean_iou ?? Object.values(gate?.agreement ?? {})[0]?.mean_iou;
  if (!parts.length && gate) {
    const share = Math.min(...Object.values(gate.agreement).map((each) => each.matched_share ?? 1));
    parts.push(`${(100 * share).toFixed(1)} % of boxes matched at the gate`);
  }
  if (!parts.length) return null;
  if (iou !== null && iou !== undefined) parts.push(`mean overlap ${number(iou, 3)}`);
  return make("p", { class: "agreement" }, parts.join(", "), ".");
}
