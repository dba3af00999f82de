// How many times as fast as native a copy is: by size of the pictures, live where there are enough pairs, else as the gate found it.

const IN_FLIGHT = "in flight"; // as many calls at once as serving has

/** One row for each size class that was measured: {size, words, ratio, basis}. */
export function bySize({ gate, window, words }) {
  const rows = Object.keys(words).map((size) => row(size, gate?.sizes?.[size], window?.sizes?.[size], words[size])).filter(Boolean);
  if (rows.length || !window?.native_over_copy) return rows;
  return [{ size: "", words: "of any size", ratio: window.native_over_copy, basis: "live pairs" }];
}

function row(size, gate, live, words) {
  if (live?.native_over_copy) return { size, words, ratio: live.native_over_copy, basis: "live pairs" };
  const ratio = gate?.verdict === "slower" ? lowest(gate.native_over_copy) : highest(gate?.native_over_copy ?? {});
  if (!ratio) return null;
  return { size, words, ratio, basis: gate.megapixels === null ? "live pairs" : `gate, ${gate.megapixels} MP` };
}

/** The row of the pictures that are sent most, which the headline is about. */
export function foremost(rows, traffic) {
  return rows.reduce((best, each) => ((traffic[each.size] ?? 0) > (traffic[best?.size] ?? -1) ? each : best), null);
}

/** Every load that the gate measured, and the live pairs, as [words, ratio]. */
export function byLoad({ gate, window, words }) {
  const gates = Object.entries(gate?.sizes ?? {}).flatMap(([size, each]) => Object.entries(measured(each.native_over_copy))
    .map(([load, ratio]) => [`${words[size]}, ${load === IN_FLIGHT ? load : `batch ${load}`}`, ratio]));
  return [...live(window, words), ...gates];
}

/** What live pairs say, of all sizes and, if there are several, of each. */
function live(window, words) {
  const sizes = Object.entries(window?.sizes ?? {}).filter(([, each]) => each.native_over_copy);
  const all = window?.native_over_copy ? [["live pairs", window.native_over_copy]] : [];
  return sizes.length < 2 ? all : [...all, ...sizes.map(([size, each]) => [`live, ${words[size]}`, each.native_over_copy])];
}

/** The ratio at the load where the copy gains most; null without any. */
export function highest(ratios) {
  return Object.values(measured(ratios)).sort((a, b) => b.low - a.low)[0] ?? null;
}

/** The ratio at the load for which the copy was found to be not faster; null without any. */
function lowest(ratios) {
  return Object.values(measured(ratios)).sort((a, b) => a.low - b.low)[0] ?? null;
}

/** Without the batch sizes between the smallest and the largest, at which the gate only looks for slowness. */
function measured(ratios) {
  const sizes = Object.keys(ratios).filter((load) => load !== IN_FLIGHT).map(Number);
  const ends = [Math.min(...sizes), Math.max(...sizes)];
  return Object.fromEntries(Object.entries(ratios).filter(([load]) => load === IN_FLIGHT || ends.includes(Number(load))));
}
