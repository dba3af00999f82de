// One picture for native and a copy, the best one or one by name; for native alone where no copy is warm.

import { detect } from "./api.js";
import { rows } from "./differences.js";

/** {native, copy, rows, comparison, problem, alone}; `problem` is a sentence if only native has an answer, `alone` if no copy was there. */
export async function ask(picture, { copy, rules, ...how }) {
  const twin = await both(picture, copy ? { ...how, compare_with: copy } : how, how);
  const alone = () => twin.native.detections.map((native) => ({ native, kind: "alone", words: "" }));
  return { ...twin, rows: twin.copy ? rows(twin, rules) : alone() };
}

async function both(picture, how, alone) {
  try {
    const answer = await detect(picture, { ...how, backend: "both" });
    const copy = answer.copy?.detections ? answer.copy : null;
    return { native: answer, copy, comparison: answer.comparison, problem: answer.copy?.error };
  } catch (error) {
    if (error.status !== 503) throw error; // no copy is warm, which is told beside native's answer
    return { native: await detect(picture, { ...alone, backend: "native" }), copy: null, problem: "No copy is ready to compare it with.", alone: true };
  }
}
