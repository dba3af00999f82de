// The requests in which a copy differed most from native, of all copies. Numbers only: pictures are not kept.

import { byId, counted, make, number, renderer, table } from "./elements.js";
import { term } from "./terms.js";

const SHOWN = 20;

/** Returns a function that shows /compare. */
export function worst() {
  const show = renderer(byId("worst"), ({ rows, pairs, share }) => {
    if (rows.length) return [table("Requests that disagreed most", headings(), rows.map(line))];
    const looked = pairs ? `${counted(pairs, "picture")} compared, and no disagreement.` : "No picture has been compared yet.";
    return [make("p", { class: "quiet" }, `${looked} ${Math.round(share * 1000) / 10} % of the requests become `, term("shadow pairs"), "; a picture above is compared as well.")];
  });
  return ({ copies, shadow_share: share }) => {
    const windows = Object.entries(copies);
    const rows = windows.flatMap(([copy, { window }]) => window.worst.map((each) => ({ copy, ...each })));
    rows.sort((a, b) => badness(b) - badness(a) || b.at - a.at);
    show({ rows: rows.slice(0, SHOWN), pairs: windows.reduce((sum, [, { window }]) => sum + window.pairs, 0), share });
  };
}

function headings() {
  const numbers = [term("missing", "Missing"), term("extra", "Extra"), term("other class", "Other class"), term("overlap", "Mean overlap"), term("score", "Score difference")];
  return ["When", "Copy", ...numbers, "Why", "Request"];
}

function badness({ missing, extra, class_flips: flips, largest_score_diff: diff }) {
  return missing === undefined ? Infinity : missing + extra + flips + (diff ?? 0);
}

function line(row) {
  const at = new Date(row.at * 1000);
  const count = (value) => make("td", { class: "n" }, value === undefined ? "–" : String(value));
  return make("tr", {},
    make("th", { scope: "row" }, make("time", { datetime: at.toISOString() }, at.toLocaleTimeString())),
    make("td", {}, row.copy), count(row.missing), count(row.extra), count(row.class_flips),
    make("td", { class: "n" }, number(row.mean_iou, 3)), make("td", { class: "n" }, number(row.largest_score_diff, 3)),
    make("td", { class: "why" }, row.reason), make("td", {}, make("code", {}, row.request_id)));
}
