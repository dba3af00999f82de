// For admins: who answers, how many requests are compared, and what is loaded again. The token lives in its field and nowhere else.

import { choose, reload } from "./api.js";
import { byId, make, renderer, say } from "./elements.js";
import { refusal } from "./trouble.js";

const READY = ["active", "standby"];
const NEWEST = "newest";

/** Wires the forms; `changed` is called when something has changed. Returns a function that is told /compare and the versions. */
export function admin(changed) {
  on("answers", async (token) => {
    const { backend, active } = await choose(token, { backend: byId("answerer").value });
    return backend === "auto" ? `The best backend answers now: ${active}.` : `${active} answers now, until somebody chooses again.`;
  });
  on("share", async (token) => {
    const { shadow_share: share } = await choose(token, { shadow_share: Number(byId("share-percent").value) / 100 });
    return `${percent(share)} % of the requests are run again from now on.`;
  });
  on("reload", async (token) => {
    const wanted = JSON.parse(byId("loadable").value);
    const { state } = await reload(token, wanted);
    if (wanted.version === NEWEST) return "The newest version of the model is served now.";
    if (wanted.version) return `Version ${wanted.version} of the model is served now, until another one is asked for.`;
    return `The ${wanted.backend} copy was loaded again: it is ${state}.`;
  }, "Loading; what serves now serves until then …");

  function on(id, act, meanwhile = "Asking …") {
    byId(id).addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = event.submitter;
      button?.setAttribute("aria-disabled", "true");
      say(byId("admin-said"), meanwhile);
      try {
        say(byId("admin-said"), await act(byId("token").value.trim()));
        changed();
      } catch (error) {
        say(byId("admin-said"), refusal(error), { bad: true });
      }
      button?.removeAttribute("aria-disabled");
    });
  }

  const showAnswerers = renderer(byId("answerer"), ({ backend, all }) => [
    make("option", { value: "auto", selected: backend === "auto" }, "auto"),
    ...all.map(({ name, ready }) => make("option", { value: name, selected: name === backend, disabled: !ready }, ready ? name : `${name}, not ready`)),
  ]);
  const showLoadable = renderer(byId("loadable"), ({ versions, copies }) => [
    ...(versions ? [option({ backend: "native", version: NEWEST }, "the newest version")] : []),
    ...(versions?.versions ?? []).map((version) => option({ backend: "native", version }, versionOf(version, versions))),
    ...copies.map((name) => option({ backend: name }, `the ${name} copy`)),
  ]);
  let share = null;
  return (compare, versions) => {
    const copies = Object.entries(compare.copies);
    const all = [["native", compare.native], ...copies].map(([name, { state }]) => ({ name, ready: READY.includes(state) }));
    showAnswerers({ backend: compare.backend, all });
    showLoadable({ versions, copies: copies.map(([name]) => name) });
    if (share !== compare.shadow_share) byId("share-percent").value = percent(share = compare.shadow_share);
  };
}

function option(wanted, words) {
  return make("option", { value: JSON.stringify(wanted) }, words);
}

function versionOf(version, { serving, pinned }) {
  const notes = [...(version === serving ? ["serves now"] : []), ...(version === pinned ? ["pinned"] : [])];
  return `version ${version}${notes.length ? `: ${notes.join(", ")}` : ""}`;
}

function percent(share) {
  return String(Math.round(share * 1e5) / 1e3);
}
