// The picture that is shown, and what was asked about it: one question at a time, the last one counts.

import * as api from "./api.js";
import { sentence, shown } from "./answer.js";
import { ask } from "./ask.js";
import { byId, make, say } from "./elements.js";
import { pictures } from "./picture.js";
import { trouble } from "./trouble.js";

const NEEDS_TOKEN = [401, 403];

/** Wires what is asked with; `rulesOf` gives what the gate asks of a copy. Returns a function that is told what is ready, and asks again if that was missing. */
export function questions(rulesOf, series) {
  const said = byId("said");
  const threshold = byId("threshold");
  let picture = null;
  let asking = new AbortController();
  let url = "";
  let unanswered = false; // for want of a backend
  let alone = false; // native answered, and there was no copy

  pictures((chosen) => {
    if (chosen.first && picture) return false; // a visitor was quicker
    picture = chosen;
    answer();
    return true;
  });
  for (const id of ["threshold", "copy", "detect-token"]) byId(id).addEventListener("change", () => picture && answer());

  async function answer() {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const chosen = picture;
    unanswered = alone = false;
    byId("answer").setAttribute("aria-busy", "true");
    say(said, `Asking about ${chosen.name.replace(/^The /, "the ")} …`);
    try {
      chosen.loaded ??= await chosen.load();
      const { blob, note } = chosen.loaded;
      const rules = await rulesOf();
      const twin = await ask(blob, {
        copy: byId("copy").value, threshold: Number(threshold.value), token: byId("detect-token").value.trim(), rules, signal,
      });
      if (signal.aborted) return;
      alone = Boolean(twin.alone);
      show(blob, (here) => shown(here, twin, series));
      say(said, `${sentence(twin)} ${note}`.trim());
    } catch (error) {
      if (!signal.aborted) fail(error, chosen);
    } finally {
      if (!signal.aborted) byId("answer").removeAttribute("aria-busy");
    }
  }

  function show(blob, element) {
    const before = url;
    url = URL.createObjectURL(blob);
    byId("answer").replaceChildren(element(url));
    if (before) URL.revokeObjectURL(before);
  }

  function fail(error, { loaded, name, first }) {
    byId("answer").replaceChildren();
    if (loaded && NEEDS_TOKEN.includes(error.status)) {
      byId("detect-token-field").hidden = false;
      show(loaded.blob, (here) => make("img", { class: "waiting", src: here, alt: "The picture that waits for the token" }));
    }
    unanswered = !(error instanceof api.Refused) || error.status === 503;
    const { text, more } = trouble(error, name);
    say(said, text, { bad: !first, more: first ? "" : more });
  }

  return ({ native, copies }) => ((unanswered && native) || (alone && copies)) && answer();
}
