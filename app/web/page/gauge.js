// A ratio with its interval on an axis: left of "as fast" the copy is slower, right of it faster.

import { draw, make } from "./elements.js";
import { term } from "./terms.js";

const TICKS = [0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100];
const NEVER_INSIDE = { from: 0.7, to: 1.5 }; // so much is always shown around "as fast"
const HIGH = 26;
const MANY_TICKS = 8; // of more, every second one has a number

/** The element: one line for each of `rows`, {words, ratio, basis}, and the axis under them; `chosen` is the verdict's. */
export function gauge(rows, chosen, series) {
  const scale = scaled(rows.map(({ ratio }) => ratio));
  const several = rows.length > 1; // of one the headline tells the ratio
  const lines = rows.map((row) => line(row, scale, several, several && row.size === chosen.size));
  return make("figure", { class: "gauge", "data-series": series },
    make("figcaption", { class: "small quiet" }, "Times as fast as native, ", term("95 % interval"), make("span", { class: "wider" }, ", by size of the pictures")),
    ...lines, axis(scale));
}

/** A logarithmic axis from one tick to another, around all intervals. */
function scaled(ratios) {
  const lowest = Math.min(NEVER_INSIDE.from, ...ratios.map(({ low }) => low));
  const highest = Math.max(NEVER_INSIDE.to, ...ratios.map(({ high }) => high));
  const from = TICKS.findLast((tick) => tick <= lowest) ?? TICKS[0];
  const to = TICKS.find((tick) => tick >= highest) ?? TICKS.at(-1);
  const place = (ratio) => Math.min(1, Math.max(0, Math.log(Math.max(ratio, 1e-6) / from) / Math.log(to / from)));
  return { place, ticks: TICKS.filter((tick) => tick >= from && tick <= to) };
}

function line({ words, ratio, basis }, scale, several, chosen) {
  const { value, low, high, pairs } = ratio;
  const numbers = `${low.toFixed(2)} to ${high.toFixed(2)}`;
  const spoken = `Pictures ${words}: ${value.toFixed(2)} times as fast as native, 95 % interval ${numbers}, ${basis}, ${pairs} pairs`;
  return make("div", { class: "gauge-line", "data-chosen": chosen, "data-other": several && !chosen },
    make("span", {}, words, make("span", { class: "small quiet basis" }, `${basis}, ${pairs} pairs`)),
    draw("svg", { role: "img", "aria-label": spoken, width: "100%", height: HIGH },
      ...scale.ticks.map((tick) => rule(tick, scale)),
      ...interval(ratio, scale)),
    make("span", { class: "n" }, several ? make("strong", {}, value.toFixed(2)) : null, make("span", { class: "small quiet" }, numbers)));
}

function rule(tick, { place }) {
  const x = percent(place(tick));
  return draw("line", { class: tick === 1 ? "even" : "rule", x1: x, x2: x, y1: 0, y2: HIGH });
}

function interval({ value, low, high }, { place }) {
  const tone = low > 1 ? "faster" : high < 1 ? "slower" : "even";
  const width = Math.max(0.008, place(high) - place(low));
  return [
    draw("rect", { class: "span", "data-tone": tone, x: percent(place(low)), y: HIGH / 2 - 4, width: percent(width), height: 8, rx: 4 }),
    draw("circle", { class: "point", "data-tone": tone, cx: percent(place(value)), cy: HIGH / 2, r: 5 }),
  ];
}

function axis({ place, ticks }) {
  const even = ticks.indexOf(1);
  const told = ticks.filter((_, at) => ticks.length <= MANY_TICKS || (at - even) % 2 === 0);
  const labels = told.map((tick) => draw("text", {
    class: tick === 1 ? "even" : null, x: percent(place(tick)), y: 13,
    "text-anchor": place(tick) < 0.02 ? "start" : place(tick) > 0.98 ? "end" : "middle",
  }, String(tick)));
  const words = (text, at, anchor) => draw("text", { class: "side", x: percent(at), y: 29, "text-anchor": anchor }, text);
  return make("div", { class: "gauge-line gauge-axis", "aria-hidden": "true" }, make("span"),
    draw("svg", { width: "100%", height: 34 }, ...labels,
      ...(place(1) > 0.3 ? [words("← slower", 0, "start")] : []),
      words("as fast", place(1), "middle"), words("faster →", 1, "end")), make("span"));
}

function percent(share) {
  return `${(100 * share).toFixed(2)}%`;
}
