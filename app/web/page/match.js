// Which of native's and the copy's boxes are the same object: the server's rule, applied to the boxes that are shown.
// Greedy by the copy's falling score, the largest overlap first; what is left pairs with another class (a flip).

export function matched(native, copy, rules, threshold) {
  const ours = native.map((box) => ({ native: box }));
  const partners = pairs(native, copy, rules.iou, (a, b) => a.class_id === b.class_id, new Set(), new Set());
  const taken = { native: new Set(partners.map(([i]) => i)), copy: new Set(partners.map(([, j]) => j)) };
  const flips = pairs(native, copy, rules.iou, () => true, taken.native, taken.copy);
  for (const [i, j] of [...partners, ...flips]) {
    ours[i] = { native: native[i], copy: copy[j], iou: overlap(native[i].box, copy[j].box) };
  }
  const used = new Set([...partners, ...flips].map(([, j]) => j));
  const extra = copy.filter((_, j) => !used.has(j)).map((box) => ({ copy: box }));
  const rows = [...ours, ...extra].map((row) => ({ ...row, ...difference(row, rules, threshold) }));
  return rows.sort((a, b) => score(b) - score(a));
}

export function score(row) {
  return Math.max(row.native?.score ?? 0, row.copy?.score ?? 0);
}

function difference(row, rules, threshold) {
  if (score(row) <= threshold + rules.margin) return { kind: "near", words: "too low to count" };
  if (!row.copy) return { kind: "missing", words: "missing: native’s alone" };
  if (!row.native) return { kind: "extra", words: "extra: the copy’s alone" };
  if (row.native.class_id !== row.copy.class_id) return { kind: "flip", words: `called ${row.copy.label} by the copy` };
  const away = Math.abs(row.native.score - row.copy.score);
  if (row.iou < rules.mean_iou) return { kind: "moved", words: `moved: overlap ${row.iou.toFixed(2)}` };
  if (away > rules.score_diff) return { kind: "score", words: `score differs by ${away.toFixed(3)}` };
  return { kind: "same", words: "same" };
}

function pairs(native, copy, least, fits, takenNative, takenCopy) {
  const found = [];
  const taken = new Set(takenNative);
  for (const [j, theirs] of copy.entries()) {
    if (takenCopy.has(j)) continue;
    let best = null;
    for (const [i, ours] of native.entries()) {
      if (taken.has(i) || !fits(ours, theirs)) continue;
      const iou = overlap(ours.box, theirs.box);
      if (iou >= least && (best === null || iou > best.iou)) best = { i, iou };
    }
    if (best === null) continue;
    taken.add(best.i);
    found.push([best.i, j]);
  }
  return found;
}

function overlap(a, b) {
  const width = Math.max(0, Math.min(a.xmax, b.xmax) - Math.max(a.xmin, b.xmin));
  const height = Math.max(0, Math.min(a.ymax, b.ymax) - Math.max(a.ymin, b.ymin));
  const either = area(a) + area(b) - width * height;
  return either > 0 ? (width * height) / either : 1;
}

function area(box) {
  return Math.max(0, box.xmax - box.xmin) * Math.max(0, box.ymax - box.ymin);
}
