// The verdict: one sentence, who answers, and the ratio on its axis. While a copy is made, how far it is.

import { asSentence, byId, counted, listed, make, renderer } from "./elements.js";
import { gauge } from "./gauge.js";
import { bySize, foremost } from "./ratios.js";

const READY = ["active", "standby"];
const MADE_AGAIN = ["identity", "damaged", "incomplete", "no_engine", "not_what_it_says"]; // what is on disk is the fault

/** Returns a function that shows what backends are told of (see backends.js); `series` gives a backend's colour. */
export function verdict(series) {
  const title = renderer(byId("verdict"), (text) => [text]);
  const more = renderer(byId("verdict-more"), (text) => [text]);
  const beside = renderer(byId("gauge"), ({ conversion, best, rows, chosen }) => {
    if (conversion) return [progress(conversion)];
    return best && rows.length ? [gauge(rows, chosen, series(best))] : [];
  });
  return (compare, backends) => {
    const [native, ...copies] = backends;
    const best = foremostCopy(copies, compare.active);
    const rows = best ? bySize(best) : [];
    const chosen = foremost(rows, compare.traffic);
    const told = compare.conversion ? making(compare, best) : best ? judged(best, rows, chosen, compare) : alone(compare, native, copies);
    title(told[0]);
    more(told[1]);
    byId("verdict").dataset.tone = compare.conversion ? "" : toneOf(best);
    beside({ conversion: compare.conversion, best: best?.name, rows, chosen });
  };
}

/** The copy that answers, else the ready one that gains most. */
function foremostCopy(copies, active) {
  const gain = (copy) => Math.max(0, ...bySize(copy).map(({ ratio }) => ratio.low));
  const ready = copies.filter(({ state }) => READY.includes(state));
  return ready.find(({ name }) => name === active) ?? ready.sort((a, b) => gain(b) - gain(a))[0];
}

function making({ conversion: { target, progress: done }, active, answers, size_classes: words }) {
  const made = done < 1 ? `The ${target} copy is being made: ${Math.round(100 * done)} %` : `The ${target} copy is made, and is compared with native now.`;
  return [made, `${who(active, answers, words)} The copy takes over only if it finds the same objects and is faster.`];
}

function progress({ target, doing, progress: done }) {
  return make("div", { class: "making" },
    make("progress", { max: 100, value: done < 1 ? Math.round(100 * done) : null, "aria-label": `Progress of the ${target} copy` }),
    make("p", {}, asSentence(doing)));
}

function judged(best, rows, chosen, { active, answers, traffic, size_classes: words }) {
  const where = rows.length > 1 ? ` for pictures ${chosen.words}` : "";
  const more = `${who(active, answers, words)}${sent(traffic, words)}`;
  if (best.gate?.verdict === "disagrees") return [`${best.name} disagrees with native.`, `${more} The gate found: ${best.gate.reason}.`];
  return [`${best.name} ${faster(chosen?.ratio, where)}, ${same(best, chosen?.ratio)}`, more];
}

function faster(ratio, where) {
  if (!ratio) return "has not been timed against native yet";
  if (ratio.low > 1) return `is ${ratio.value.toFixed(2)} times as fast as native${where}`;
  if (ratio.high < 1) return `is slower than native${where}`;
  return `is about as fast as native${where}`;
}

function same({ gate, window, rolledBack }, ratio) {
  const bad = window ? window.disagree + window.errors : 0;
  if (rolledBack) return "but was taken out, because it disagreed or failed.";
  if (bad > 0) return `and differs in ${bad} of the last ${counted(window.pairs, "picture")}.`;
  if (!gate || gate.verdict === "undecided") return "and whether it finds the same objects is undecided.";
  return `${ratio?.high < 1 ? "but" : "and"} finds the same objects.`;
}

function toneOf(best) {
  return best && (best.gate?.verdict === "disagrees" || best.rolledBack) ? "bad" : "";
}

/** There is no copy that answers: native's state, and why each copy is not there. */
function alone({ active, answers, size_classes: words }, native, copies) {
  if (!active) return ["No backend is ready yet.", asSentence(native.reason)];
  const refused = copies.filter(({ state }) => state === "refused").map(({ name }) => name);
  const coming = copies.filter(({ state }) => ["loading", "converting", "crashed"].includes(state));
  if (coming.length) return [`${coming[0].name} is being prepared.`, `${who(active, answers, words)} ${coming[0].name}: ${coming[0].reason}.`];
  if (!refused.length) return ["Native answers alone.", "There is no copy to compare it with; each card below says why."];
  const what = refused.length === 1 ? "was refused" : "were refused";
  const reason = copies.find(({ state }) => state === "refused").reason;
  const [, word, sentence] = reason.match(/^(?:(\w+): )?(.*)$/s);
  const next = MADE_AGAIN.includes(word) ? " Making the copy again, under Administration below, mends that." : "";
  return [`Native answers alone: ${listed(refused)} ${what}.`, `${asSentence(sentence)}${next}`];
}

/** Who answers: all pictures, or those of which sizes. */
function who(active, answers, words) {
  if (!active) return "Nobody answers yet.";
  const names = [...new Set(Object.values(answers))].filter(Boolean);
  if (names.length < 2) return `Requests are answered by ${active}.`;
  const of = (name) => listed(Object.keys(answers).filter((size) => answers[size] === name).map((size) => words[size]));
  const [first, ...others] = names;
  return `Pictures ${of(first)} are answered by ${[first, ...others.map((name) => `pictures ${of(name)} by ${name}`)].join(", ")}.`;
}

/** Which sizes of pictures were really sent, beside those at which the gate looked. */
function sent(traffic, words) {
  const seen = Object.entries(traffic).filter(([, count]) => count > 0).map(([size, count]) => `${count.toLocaleString("en")} ${words[size]}`);
  return seen.length ? ` Pictures so far: ${seen.join(", ")}.` : "";
}
