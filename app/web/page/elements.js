// Makes elements; text is always text, never markup.

import { keeping } from "./keep.js";

const SVG = "http://www.w3.org/2000/svg";

export function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function draw(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

export function byId(id) {
  return document.getElementById(id);
}

/** Says it where it stands, if it is not said already: a live region would repeat itself. `more` follows in small. */
export function say(element, text, { bad = false, more = "" } = {}) {
  if (element.textContent !== text + (more && ` ${more}`)) {
    element.replaceChildren(text, ...(more ? [" ", make("span", { class: "small quiet" }, more)] : []));
  }
  element.classList.toggle("bad", bad);
}

/** Renders into `element` only if `data` has changed, so that hovering and scrolling stay where they are. */
export function renderer(element, render) {
  let last;
  return (data) => {
    const now = JSON.stringify(data);
    if (now === last) return;
    last = now;
    keeping(element, () => element.replaceChildren(...render(data)));
  };
}

/** `headings` are texts or elements; of a number if they begin with a #. */
export function table(caption, headings, rows) {
  return make("div", { class: "scroll", role: "region", "aria-label": caption, tabindex: "0" },
    make("table", {},
      make("caption", { class: "unseen" }, caption),
      make("thead", {}, make("tr", {}, ...headings.map(heading))),
      make("tbody", {}, ...rows)));
}

function heading(text) {
  if (typeof text !== "string") return make("th", { scope: "col", class: "n" }, text);
  const number = text.startsWith("#");
  return make("th", { scope: "col", class: number ? "n" : null }, number ? text.slice(1) : text);
}

export function number(value, digits = 2) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

export function milliseconds(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0)} ms`;
}

export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** "a, b and c". */
export function listed(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** With a capital, unless it begins with a code word, and a full stop. */
export function asSentence(text) {
  if (!text) return "";
  const start = /^\w*_\w*/.test(text) ? text[0] : text[0].toUpperCase();
  return `${start}${text.slice(1)}${/[.!?…]$/.test(text) ? "" : "."}`;
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}
