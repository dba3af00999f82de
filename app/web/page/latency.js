// The latency histograms of all backends, one under the other on one axis.

import { byId, counted, draw, make, milliseconds, renderer } from "./elements.js";

const HEIGHT = 56;
const PERCENTILES = ["p50", "p95", "p99"];
const MOST_TICKS = 14;

/** Returns a function that shows /compare; `series` gives a backend's colour. */
export function latency(series) {
  const show = renderer(byId("latency"), ({ rows, bounds, names }) => {
    if (!rows.length) return [make("p", { class: "quiet" }, "No image yet: choose a picture above, or send some.")];
    const silent = names.filter((name) => !rows.some((row) => row.name === name));
    return [...rows.map((row) => line(row, bounds, series(row.name))), axis(bounds),
      ...(silent.length ? [make("p", { class: "small quiet silent" }, `No image yet: ${silent.join(", ")}.`)] : [])];
  });
  let last = null;
  const now = (compare) => {
    last = compare;
    const role = document.querySelector("#role input:checked").value;
    const names = Object.keys(compare.infer_histogram.counts);
    const rows = names.map((name) => ({ name, counts: compare.infer_histogram.counts[name][role], facts: compare.infer_ms[name][role] }))
      .filter((row) => row.facts);
    show({ names, ...trimmed(rows, compare.infer_histogram.upper_ms) });
  };
  byId("role").addEventListener("change", () => last && now(last));
  return now;
}

/** Only the buckets in which something is, and one on each side. */
function trimmed(rows, upper) {
  const used = upper.map((_, place) => rows.some((row) => row.counts[place] > 0));
  const first = Math.max(0, used.indexOf(true) - 1);
  const end = Math.min(upper.length, used.lastIndexOf(true) + 2);
  const bounds = upper.slice(first, end).map((to, place) => ({ from: first + place ? upper[first + place - 1] : 0, to }));
  return { rows: rows.map((row) => ({ ...row, counts: row.counts.slice(first, end) })), bounds };
}

function line({ name, counts, facts }, bounds, series) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const values = PERCENTILES.map((each) => make("div", { "data-percentile": each }, make("dt", {}, each), make("dd", {}, milliseconds(facts[each]))));
  const spoken = facts.values ? `${facts.values.map(milliseconds).join(", ")}; too few for percentiles`
    : PERCENTILES.map((each) => `${each} ${milliseconds(facts[each])}`).join(", ");
  return make("div", { class: "line", "data-backend": name, "data-count": total },
    make("div", { class: "who" }, make("span", { class: "key", "data-series": series }, name),
      make("span", { class: "small quiet count" }, counted(facts.count, "image"))),
    bars(counts, bounds, facts, series, `${name}, ${counted(facts.count, "image")}: ${spoken}`),
    make("dl", { class: "times" }, ...values));
}

function bars(counts, bounds, facts, series, spoken) {
  const width = 100 / counts.length;
  const largest = Math.max(...counts, 1);
  const columns = counts.map((count, place) => {
    const height = count ? Math.max(2, (HEIGHT - 8) * (count / largest)) : 0;
    return draw("rect", {
      class: "column", x: `${place * width + width * 0.06}%`, width: `${width * 0.88}%`, y: HEIGHT - height, height, rx: 2,
    }, draw("title", {}, `${range(bounds[place])}: ${counted(count, "image")}`));
  });
  const marks = PERCENTILES.filter((each) => facts[each] !== null).map((each) => {
    const x = `${position(facts[each], bounds).toFixed(2)}%`;
    return draw("line", { class: `mark ${each}`, x1: x, x2: x, y1: 0, y2: HEIGHT });
  });
  return draw("svg", { class: "bars", "data-series": series, role: "img", "aria-label": spoken, width: "100%", height: HEIGHT },
    ...columns, draw("line", { class: "ground", x1: 0, x2: "100%", y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }), ...marks);
}

/** Where a time lies, in percent: buckets are equally wide, inside one it is linear. */
function position(ms, bounds) {
  const place = bounds.findIndex(({ to }) => to === null || ms <= to);
  if (place < 0) return 100;
  const { from, to } = bounds[place];
  const inside = to === null ? 0 : Math.max(0, (ms - from) / (to - from));
  return ((place + inside) / bounds.length) * 100;
}

function axis(bounds) {
  const width = 100 / bounds.length;
  const step = Math.ceil(bounds.length / MOST_TICKS);
  const told = bounds.slice(0, -1).map(({ to }, place) => ({ to, place })).filter(({ place }) => place % step === 0);
  const ticks = told.map(({ to, place }, number) => draw("text", {
    class: number % 2 ? "odd" : null, x: `${((place + 1) * width).toFixed(2)}%`, y: 14, "text-anchor": "middle",
  }, short(to)));
  return make("div", { class: "line axis", "aria-hidden": "true" }, make("span"),
    draw("svg", { width: "100%", height: 20 }, ...ticks), make("span", { class: "small quiet legend" }, "ms; lines: p50, p95, p99"));
}

function short(ms) {
  return ms >= 1000 ? `${ms / 1000} s` : `${Number(ms.toPrecision(3))}`;
}

function range({ from, to }) {
  return to === null ? `above ${short(from)}` : `${short(from)} to ${short(to)}${to < 1000 ? " ms" : ""}`;
}
