// How native's and the copy's boxes differ: the server's pairs as rows with words; which boxes are a pair, it alone says.

/** Rows {native, copy, iou, kind, words}, best first; native or copy is undefined where there is no box to show. */
export function rows({ native, copy, comparison }, rules) {
  const { pairs } = comparison;
  const named = pairs.map((pair) => {
    const row = { native: native.detections[pair.native], copy: copy.detections[pair.copy], iou: pair.iou };
    return { ...row, ...difference(pair, row.copy, rules) };
  });
  const near = (who, { detections }) => detections.filter((_, place) => !pairs.some((pair) => pair[who] === place))
    .map((box) => ({ [who]: box, kind: "near", words: "too near the threshold" }));
  return [...named, ...near("native", native), ...near("copy", copy)].sort((a, b) => score(b) - score(a));
}

function difference({ kind, iou, score_diff: away }, theirs, rules) {
  if (kind === "missing") return { kind, words: "missing: native’s alone" };
  if (kind === "extra") return { kind, words: "extra: the copy’s alone" };
  if (kind === "class_flip") return { kind: "flip", words: theirs ? `called ${theirs.label} by the copy` : "called otherwise by the copy" };
  if (iou < rules.mean_iou) return { kind: "moved", words: `moved: overlap ${iou.toFixed(2)}` };
  if (away > rules.score_diff) return { kind: "score", words: `score differs by ${away.toFixed(3)}` };
  return { kind: "same", words: "same" };
}

function score({ native, copy }) {
  return Math.max(native?.score ?? 0, copy?.score ?? 0);
}
