// Histogram bins on a logarithmic axis of time: each as wide as it is, and its area as large as its count.

const NICE = [1, 2, 5];
const NICE_TOO = [1, 1.5, 2, 3, 4, 5, 6, 8]; // where the axis is short
const FEWEST_TICKS = 4;

/** The axis over the bins of `upper` (milliseconds; null has no end) that any of `counted` uses, with one more on each side. */
export function axisOf(upper, counted) {
  const used = upper.map((_, place) => counted.some((counts) => counts[place] > 0));
  const first = Math.max(0, used.indexOf(true) - 1);
  const end = Math.min(upper.length, used.lastIndexOf(true) + 2);
  const bins = upper.slice(first, end).map((to, place) => bin(upper[first + place - 1], to, first + place));
  const [from, to] = [bins[0].left, bins.at(-1).right];
  const place = (ms) => Math.min(1, Math.max(0, Math.log(Math.max(ms, from) / from) / Math.log(to / from)));
  return { bins, place, ticks: ticksOf(from, to) };
}

/** What has no lower or no upper bound is drawn to the half or the double of the one that it has. */
function bin(from, to, index) {
  return { index, from: from ?? 0, to, left: from ?? to / 2, right: to ?? 2 * from };
}

/** Columns {bin, count, left, width, height}, all but the count in shares of the whole; the densest is 1 high. */
export function columns(counts, { bins, place }) {
  const placed = bins.map((each) => ({ bin: each, count: counts[each.index], left: place(each.left), width: place(each.right) - place(each.left) }));
  const densest = Math.max(...placed.map(({ count, width }) => count / width));
  return placed.map((each) => ({ ...each, height: densest ? each.count / each.width / densest : 0 }));
}

/** 1, 2 and 5 times the powers of ten between both; more where these are few. */
function ticksOf(from, to) {
  const few = ticks(from, to, NICE);
  return few.length < FEWEST_TICKS ? ticks(from, to, NICE_TOO) : few;
}

function ticks(from, to, nice) {
  const found = [];
  for (let power = Math.floor(Math.log10(from)); 10 ** power <= to; power += 1) {
    found.push(...nice.map((each) => each * 10 ** power).filter((each) => each >= from && each <= to));
  }
  return found;
}
