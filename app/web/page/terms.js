// Words that not everybody knows, explained where they stand: a button under the word opens a sentence beside it.

import { byId, make } from "./elements.js";

const TERMS = {
  native: "The SavedModel as it came. Every copy is compared with it, in speed and in what it finds.",
  copy: "The same model, converted to run faster. It answers only where it finds the same objects as native and is faster.",
  gate: "The test that a copy takes before it may answer: it must find the same objects as native in a set of pictures, and be faster in timed pairs of calls.",
  "live pairs": "Pictures that were run on native and on a copy while the server works: shadow pairs, and requests with backend=both.",
  "shadow pairs": "Requests that were run again after their answer, on native and on a copy, only to compare the two.",
  "95 % interval": "The true ratio lies between these two numbers in 95 of 100 such measurements. Where both are above 1, the copy is faster.",
  p50: "Half of the pictures took no longer than this.",
  p95: "95 of 100 pictures took no longer than this.",
  p99: "99 of 100 pictures took no longer than this.",
  "per image": "The time of a batch, divided by its pictures and by the batches that ran at once: what one picture costs under load.",
  overlap: "The area that two boxes share, divided by the area that both cover together: 1 for the same box, 0 for boxes apart. Also called IoU.",
  score: "How sure the model is of an object, from 0 to 1.",
  matched: "Objects that native and the copy found in the same place and with the same class.",
  missing: "Objects that native found and the copy did not.",
  extra: "Objects that the copy found and native did not.",
  "other class": "Objects that both found in the same place, with different classes.",
};
const GAP = 6;

/** The word as a button that explains it; `words` if the text differs from the term's name. */
export function term(name, words = name) {
  return make("button", { type: "button", class: "term", "data-term": name }, words);
}

/** Explains every `data-term` on the page, now and later. */
export function explainTerms() {
  const note = byId("term");
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-term]");
    if (!button) return;
    note.showPopover();
    byId("term-text").textContent = TERMS[button.dataset.term];
    place(note, button.getBoundingClientRect());
  });
  addEventListener("scroll", () => note.hidePopover(), { passive: true });
}

/** Below the word, or above it where there is no room; never beyond an edge. */
function place(note, at) {
  const { width, height } = note.getBoundingClientRect();
  const below = at.bottom + GAP + height <= innerHeight;
  note.style.left = `${Math.max(GAP, Math.min(at.left, innerWidth - width - GAP))}px`;
  note.style.top = `${below ? at.bottom + GAP : Math.max(GAP, at.top - GAP - height)}px`;
}
