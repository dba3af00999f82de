// One picture for native and a copy: the best one in one request, or another by name in two.

import { detect } from "./api.js";
import { matched } from "./match.js";

/** {picture, native, copy, rows, comparison, problem}; `problem` is a sentence if only native has an answer. */
export async function ask(picture, { copy, threshold, token, rules, signal }) {
  const how = { threshold, token, signal };
  const twin = copy ? await named(picture, copy, how) : await both(picture, how);
  const rows = twin.copy ? matched(twin.native.detections, twin.copy.detections, rules, threshold)
    : twin.native.detections.map((native) => ({ native, kind: "alone", words: "" }));
  return { ...twin, rows, comparison: twin.comparison ?? (twin.copy ? added(rows, twin, rules) : null) };
}

async function both(picture, how) {
  try {
    const answer = await detect(picture, { ...how, backend: "both" });
    const copy = answer.copy?.detections ? answer.copy : null;
    return { native: answer, copy, comparison: answer.comparison, problem: answer.copy?.error };
  } catch (error) {
    if (error.status !== 503) throw error; // no copy is warm, which is told beside native's answer
    return { native: await detect(picture, { ...how, backend: "native" }), copy: null, problem: error.message };
  }
}

async function named(picture, name, how) {
  const native = await detect(picture, { ...how, backend: "native" });
  try {
    return { native, copy: await detect(picture, { ...how, backend: name }) };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { native, copy: null, problem: error.message };
  }
}

/** What the server adds up for `both`. */
function added(rows, twin, rules) {
  const count = (...kinds) => rows.filter((row) => kinds.includes(row.kind)).length;
  const same = rows.filter((row) => row.native && row.copy && !["flip", "near"].includes(row.kind));
  const [missing, extra, class_flips] = [count("missing"), count("extra"), count("flip")];
  const mean_iou = same.length ? same.reduce((sum, row) => sum + row.iou, 0) / same.length : null;
  const diffs = same.map((row) => Math.abs(row.native.score - row.copy.score));
  const largest_score_diff = diffs.length ? Math.max(...diffs) : null;
  const share = same.length / Math.max(1, same.length + missing + extra + class_flips);
  const agree = (missing + extra + class_flips === 0 || share >= rules.matched)
    && (mean_iou ?? 1) >= rules.mean_iou && (largest_score_diff ?? 0) <= rules.score_diff;
  return {
    copy: twin.copy.backend, native_ms: twin.native.timing_ms.infer, copy_ms: twin.copy.timing_ms.infer,
    agree, matched: same.length, missing, extra, class_flips, mean_iou, largest_score_diff,
  };
}
