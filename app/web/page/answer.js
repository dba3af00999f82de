// What native and the copy found in one picture: in a sentence, drawn over it, and as a table.

import { asSentence, counted, make, milliseconds, number, table } from "./elements.js";
import { pictured } from "./boxes.js";
import { term } from "./terms.js";

const VIEWS = [["beside", "Side by side"], ["native", "Native"], ["copy", "Copy"], ["over", "Overlaid"]];
let view = "beside"; // stays as chosen from picture to picture

/** The sentence for the live region. */
export function sentence(twin) {
  const { native, copy, comparison, problem } = twin;
  const ours = counted(native.count, "object");
  if (!copy) return `Native found ${ours} in ${milliseconds(native.timing_ms.infer)}. ${asSentence(problem)}`;
  const times = `native took ${milliseconds(comparison.native_ms)}, ${comparison.copy} ${milliseconds(comparison.copy_ms)}`;
  if (comparison.agree && isSame(twin)) return `Both found the same: ${ours}; ${times}. ${counts(twin)}`.trim();
  const found = `${ours} by native, ${copy.count} by ${comparison.copy}`;
  return `${comparison.agree ? "They agree within the limits" : "They disagree"}: ${found}; ${times}. ${counts(twin)}`.trim();
}

/** Why fewer objects are compared than were found; empty if all are. */
function counts({ native, copy, comparison, rows }) {
  const near = rows.filter(({ kind }) => kind === "near");
  if (!near.length) return "";
  const left = Math.max(...["native", "copy"].map((who) => near.filter((row) => row[who]).length));
  const found = native.count === copy.count ? `${native.count} found` : `${native.count} found by native and ${copy.count} by ${comparison.copy}`;
  return `${found}, ${rows.length - near.length} compared: ${left === 1 ? "one is" : `${left} are`} too near the threshold.`;
}

/** The elements that show it; `series` gives a backend's colour. */
export function shown(url, twin, series) {
  const stage = make("div", { class: "figures" });
  const show = () => {
    stage.dataset.view = view;
    stage.replaceChildren(...figures(url, twin, series));
  };
  show();
  const parts = [...(twin.copy ? [head(twin, show)] : []), stage, list(twin, series)];
  const whole = make("div", { class: "shown" }, ...parts);
  whole.addEventListener("pointerover", (event) => light(whole, event.target.closest("[data-row]")?.dataset.row));
  whole.addEventListener("pointerleave", () => light(whole, undefined));
  return whole;
}

function head({ comparison }, show) {
  const choose = (event) => {
    view = event.target.value;
    show();
  };
  const choices = VIEWS.map(([value, words]) => make("label", {},
    make("input", { type: "radio", name: "view", value, checked: value === view, onchange: choose }), make("span", {}, words)));
  return make("div", { class: "head" }, facts(comparison),
    make("fieldset", { class: "plain segments" }, make("legend", { class: "unseen" }, "How the answers are shown"), ...choices));
}

function facts({ matched, missing, extra, class_flips, mean_iou, largest_score_diff }) {
  const numbers = [
    [matched, term("matched"), ""], [missing, term("missing"), "missing"], [extra, term("extra"), "extra"],
    [class_flips, term("other class"), "flip"],
    [number(mean_iou, 3), term("overlap", "mean overlap"), ""], [number(largest_score_diff, 3), term("score", "largest score difference"), ""],
  ];
  return make("ul", { class: "facts", id: "differences" }, ...numbers.map(([value, words, kind]) =>
    make("li", { "data-kind": kind && value ? kind : null }, make("strong", {}, String(value)), " ", words)));
}

function figures(url, twin, series) {
  const { native, copy } = twin;
  const items = (who, backend) => twin.rows.flatMap((row, index) => row[who]
    ? [{ ...row[who], kind: row.kind, words: row.words, series: series(backend), row: index }] : []);
  const ours = items("native", "native");
  if (!copy) return [pictured(url, native.image, caption("native", native, series), ours)];
  const theirs = items("copy", copy.backend);
  const own = { native: [native, ours], copy: [copy, theirs] };
  if (view === "over") {
    const both = [...caption("native", native, series), ...caption(copy.backend, copy, series)];
    return [pictured(url, native.image, both, [...ours, ...theirs.map((item) => ({ ...item, quiet: item.kind === "same" || item.kind === "near" }))])];
  }
  const wanted = view === "beside" ? ["native", "copy"] : [view];
  return wanted.map((who) => pictured(url, native.image, caption(own[who][0].backend, own[who][0], series), own[who][1]));
}

function caption(backend, answer, series) {
  const facts = `${counted(answer.count, "object")}, ${milliseconds(answer.timing_ms.infer)}`;
  return [make("span", { class: "key", "data-series": series(backend) }, backend), make("span", { class: "quiet" }, ` ${facts} `)];
}

function list({ rows, native, copy }, series) {
  if (!rows.length) return make("p", { class: "quiet" }, "Nothing was found with at least this score.");
  const name = copy?.backend;
  const headings = ["Object", "#native", ...(copy ? [`#${name}`, term("overlap", "Overlap"), "Difference"] : [])];
  return table(`Objects found by ${copy ? `native and ${name}` : native.backend}`, headings, rows.map((row, index) =>
    make("tr", { "data-row": index, "data-kind": row.kind },
      make("th", { scope: "row" }, (row.native ?? row.copy).label),
      make("td", { class: "n" }, number(row.native?.score, 3)),
      ...(copy ? [
        make("td", { class: "n" }, number(row.copy?.score, 3)),
        make("td", { class: "n" }, number(row.iou, 3)),
        make("td", { class: "why" }, row.words),
      ] : []))));
}

function light(whole, row) {
  for (const each of whole.querySelectorAll("[data-row]")) each.classList.toggle("lit", row !== undefined && each.dataset.row === row);
  whole.classList.toggle("dim", row !== undefined);
}

function isSame({ native, copy, comparison: { missing, extra, class_flips: flips } }) {
  return missing + extra + flips === 0 && native.count === copy.count;
}
