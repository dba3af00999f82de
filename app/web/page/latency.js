// The latency histograms of all backends, one under the other on one axis.

import { axisOf, columns } from "./bins.js";
import { byId, counted, draw, make, milliseconds, renderer } from "./elements.js";
import { term } from "./terms.js";

const HEIGHT = 56;
const LEAST = 2; // pixels of a column in which there is anything
const PERCENTILES = ["p50", "p95", "p99"];
const NOTES = {
  serving: () => ["From handing a picture to the model to its outputs, decoding included. Counted since the server started; /metrics has the same histogram."],
  shadow: () => ["The same time, of ", term("shadow pairs"), ": requests that were run again on native and on a copy to compare them."],
  "per image": () => ["The time ", term("per image", "per picture"), ": what one picture costs under load. From it follows how many pictures a second a backend can answer."],
};

/** Returns a function that shows /compare with backends in this order; `series` gives a backend's colour. */
export function latency(series) {
  const show = renderer(byId("latency"), ({ rows, upper, names }) => {
    if (!rows.length) return [make("p", { class: "quiet" }, "No picture yet: choose a picture above, or send some.")];
    const axis = axisOf(upper, rows.map(({ counts }) => counts));
    const silent = names.filter((name) => !rows.some((row) => row.name === name));
    return [...rows.map((row) => line(row, axis, series(row.name))), scale(axis),
      ...(silent.length ? [make("p", { class: "small quiet silent" }, `No picture yet: ${silent.join(", ")}.`)] : [])];
  });
  const note = renderer(byId("role-note"), (role) => NOTES[role]());
  let last = null;
  const now = ([{ infer_histogram: histogram, infer_ms: times }, names] = last) => {
    const role = document.querySelector("#role input:checked").value;
    const rows = names.map((name) => ({ name, counts: histogram.counts[name][role], facts: times[name][role] })).filter((row) => row.facts);
    note(role);
    show({ names, rows, upper: histogram.upper_ms });
  };
  byId("role").addEventListener("change", () => last && now());
  return (compare, names) => now(last = [compare, names]);
}

function line({ name, counts, facts }, axis, series) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const values = PERCENTILES.map((each) => make("div", { "data-percentile": each }, make("dt", {}, term(each)), make("dd", {}, milliseconds(facts[each]))));
  const spoken = facts.values ? `${facts.values.map(milliseconds).join(", ")}; too few for percentiles`
    : PERCENTILES.map((each) => `${each} ${milliseconds(facts[each])}`).join(", ");
  return make("div", { class: "line", "data-backend": name, "data-count": total },
    make("div", { class: "who" }, make("span", { class: "key", "data-series": series }, name),
      make("span", { class: "small quiet count" }, counted(facts.count, "picture"))),
    bars(counts, axis, facts, series, `${name}, ${counted(facts.count, "picture")}: ${spoken}`),
    facts.values ? make("p", { class: "small quiet" }, "Too few for percentiles.") : make("dl", { class: "times" }, ...values));
}

function bars(counts, axis, facts, series, spoken) {
  const drawn = columns(counts, axis).map(({ bin, count, left, width, height }) => {
    const high = count ? Math.max(LEAST, (HEIGHT - 8) * height) : 0;
    return draw("rect", { class: "column", x: percent(left), width: percent(width), y: HEIGHT - high, height: high },
      draw("title", {}, `${range(bin)}: ${counted(count, "picture")}`));
  });
  const marks = PERCENTILES.filter((each) => facts[each] !== null).map((each) => {
    const x = percent(axis.place(facts[each]));
    return draw("line", { class: `mark ${each}`, x1: x, x2: x, y1: 0, y2: HEIGHT });
  });
  return draw("svg", { class: "bars", "data-series": series, role: "img", "aria-label": spoken, width: "100%", height: HEIGHT },
    ...drawn, draw("line", { class: "ground", x1: 0, x2: "100%", y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }), ...marks);
}

function scale({ place, ticks }) {
  const drawn = ticks.flatMap((ms) => [
    draw("line", { class: "ground", x1: percent(place(ms)), x2: percent(place(ms)), y1: 0, y2: 4 }),
    draw("text", { x: percent(place(ms)), y: 17, "text-anchor": place(ms) > 0.97 ? "end" : "middle" }, short(ms)),
  ]);
  return make("div", { class: "line axis", "aria-hidden": "true" }, make("span"),
    draw("svg", { width: "100%", height: 20 }, ...drawn),
    make("span", { class: "small quiet legend" }, "ms, logarithmic; area: pictures"));
}

function percent(share) {
  return `${(100 * share).toFixed(2)}%`;
}

function short(ms) {
  return ms >= 1000 ? `${ms / 1000} s` : `${Number(ms.toPrecision(3))}`;
}

function range({ from, to }) {
  return to === null ? `above ${short(from)}` : `${short(from)} to ${short(to)}${to < 1000 ? " ms" : ""}`;
}
