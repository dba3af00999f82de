// A picture with boxes over it. Boxes are drawn in CSS pixels, so that lines and words keep their size.

import { draw, make } from "./elements.js";

const FONT = "600 12px system-ui, sans-serif";
const LABEL_HEIGHT = 18;
const GAP = 2;
const SIGNS = { missing: "−", extra: "+", flip: "≠", moved: "↔", score: "±" };
const pen = document.createElement("canvas").getContext("2d");

/** A figure; `items` are {box, label, score, kind, words, series, row}, the best first. `size` is the answer's. */
export function pictured(url, size, title, items) {
  // Boxes are told in pixels as stored: what the file says of its orientation is not applied.
  const image = make("img", { src: url, alt: "", width: size.width, height: size.height });
  const layer = draw("svg", { role: "img", "aria-label": spoken(title, items) });
  const stage = make("div", { class: "stage" }, image, layer);
  stage.style.aspectRatio = `${size.width} / ${size.height}`;
  stage.style.maxWidth = `min(100%, ${Math.round((size.width / size.height) * 76)}vh)`;
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
  const differs = (item) => (item.kind in SIGNS ? 0 : 1);
  return [...items].sort((a, b) => differs(a) - differs(b) || b.score - a.score).flatMap((item) => {
    const text = `${SIGNS[item.kind] ? `${SIGNS[item.kind]} ` : ""}${item.label} ${item.score.toFixed(2)}`;
    const wide = measured(text) + 10;
    const spot = spots(item.at, wide).find((each) => inside(each, wide, width, height) && !placed.some((other) => meets(each, wide, other)));
    if (!spot) return [];
    placed.push({ ...spot, wide });
    return draw("g", { class: "label", "data-kind": item.kind, "data-series": item.series, "data-row": item.row },
      draw("rect", { x: spot.x, y: spot.y, width: wide, height: LABEL_HEIGHT, rx: 3 }),
      draw("text", { x: spot.x + 5, y: spot.y + 13 }, text));
  });
}

function measured(text) {
  pen.font = FONT;
  return Math.ceil(pen.measureText(text).width);
}

/** Above the box, inside at its top, below it, inside at its bottom; at its left side, then at its right. */
function spots({ x, y, width, height }, wide) {
  const rows = [y - LABEL_HEIGHT - 1, y + 2, y + height + 1, y + height - LABEL_HEIGHT - 2];
  return [x - 1, x + width - wide + 1].flatMap((left) => rows.map((top) => ({ x: left, y: top })));
}

function inside(spot, wide, width, height) {
  return spot.x >= -1 && spot.y >= 0 && spot.x + wide <= width + 1 && spot.y + LABEL_HEIGHT <= height;
}

function meets(spot, wide, other) {
  return spot.x < other.x + other.wide + GAP && other.x < spot.x + wide + GAP
    && Math.abs(spot.y - other.y) < LABEL_HEIGHT + GAP;
}
