// A picture with boxes over it. Boxes are drawn in CSS pixels, so that lines and words keep their size.

import { draw, make } from "./elements.js";

const SIZES = [{ font: 12, height: 18 }, { font: 10.5, height: 15 }]; // of words; the second where there are many
const MANY = 15;
const MOST_COVERED = 0.12; // of the picture, by words
const GAP = 2;
const SIGNS = { missing: "−", extra: "+", flip: "≠", moved: "↔", score: "±" };
const pen = document.createElement("canvas").getContext("2d");

/** A figure; `items` are {box, label, score, kind, words, series, row}; `quiet` ones get no words. `size` is the answer's. */
export function pictured(url, size, title, items) {
  const image = make("img", { src: url, alt: "", width: size.width, height: size.height });
  // Boxes are in pixels of the picture as the model saw it: upright, or as stored whatever the file says.
  image.style.imageOrientation = size.applied_orientation > 1 ? "from-image" : "none";
  const layer = draw("svg", { role: "img", "aria-label": spoken(title, items) });
  const stage = make("div", { class: "stage" }, image, layer);
  stage.style.aspectRatio = `${size.width} / ${size.height}`;
  stage.style.setProperty("--ratio", size.width / size.height);
  new ResizeObserver(() => paint(layer, stage, size, items)).observe(stage);
  return make("figure", {}, make("figcaption", {}, ...title), stage);
}

function spoken(title, items) {
  const name = title.map((part) => part.textContent ?? part).join(" ").trim();
  const words = items.slice(0, 10).map((item) => `${item.label} ${item.score.toFixed(2)}`);
  const rest = items.length > 10 ? `, and ${items.length - 10} more in the table` : "";
  return `${name}: ${words.join(", ") || "nothing found"}${rest}`;
}

function paint(layer, stage, size, items) {
  const [width, height] = [stage.clientWidth, stage.clientHeight];
  if (!width) return;
  layer.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const scaled = items.map((item) => ({ ...item, at: scale(item.box, width / size.width, height / size.height) }));
  // Large ones first: a small one within a large one stays on top, and can be pointed at.
  const boxes = [...scaled].sort((a, b) => b.at.width * b.at.height - a.at.width * a.at.height).map(outline);
  layer.replaceChildren(...boxes, ...labels(scaled, width, height));
}

function scale(box, x, y) {
  return {
    x: box.xmin * x, y: box.ymin * y,
    width: Math.max(0, (box.xmax - box.xmin) * x), height: Math.max(0, (box.ymax - box.ymin) * y),
  };
}

function outline(item) {
  const words = item.words && item.kind !== "same" ? `, ${item.words}` : "";
  return draw("g", { class: "box", "data-kind": item.kind, "data-series": item.series, "data-row": item.row },
    draw("title", {}, `${item.label} ${item.score.toFixed(3)}${words}`),
    draw("rect", { class: "halo", ...item.at }),
    draw("rect", { class: "line", ...item.at }));
}

/** Words where there is room for them, differences first, then the best; the table has all of them. */
function labels(items, width, height) {
  const placed = [];
  const size = SIZES[items.length > MANY ? 1 : 0];
  let room = MOST_COVERED * width * height;
  const differs = (item) => (item.kind in SIGNS ? 0 : 1);
  return [...items].sort((a, b) => differs(a) - differs(b) || b.score - a.score).flatMap((item) => {
    const text = `${SIGNS[item.kind] ? `${SIGNS[item.kind]} ` : ""}${item.label} ${item.score.toFixed(2)}`;
    const wide = measured(text, size) + 10;
    if (item.quiet || wide * size.height > room) return [];
    const label = { wide, high: size.height };
    const spot = spots(item.at, label).find((each) => inside(each, label, width, height)
      && !placed.some((other) => meets(each, label, other)));
    if (!spot) return [];
    room -= wide * size.height;
    placed.push({ ...spot, wide });
    return draw("g", { class: "label", "data-kind": item.kind, "data-series": item.series, "data-row": item.row },
      draw("rect", { x: spot.x, y: spot.y, width: wide, height: size.height, rx: 3 }),
      draw("text", { x: spot.x + 5, y: spot.y + size.height - 4.5, "font-size": size.font }, text));
  });
}

function measured(text, size) {
  pen.font = `600 ${size.font}px system-ui, sans-serif`;
  return Math.ceil(pen.measureText(text).width);
}

/** Above the box, inside at its top, below it, inside at its bottom; at its left side, then at its right. */
function spots({ x, y, width, height }, { wide, high }) {
  const rows = [y - high - 1, y + 2, y + height + 1, y + height - high - 2];
  return [x - 1, x + width - wide + 1].flatMap((left) => rows.map((top) => ({ x: left, y: top })));
}

function inside(spot, { wide, high }, width, height) {
  return spot.x >= -1 && spot.y >= 0 && spot.x + wide <= width + 1 && spot.y + high <= height;
}

function meets(spot, { wide, high }, other) {
  return spot.x < other.x + other.wide + GAP && other.x < spot.x + wide + GAP && Math.abs(spot.y - other.y) < high + GAP;
}
