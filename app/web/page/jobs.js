// Conversions: start one, follow it, end it, open its report. The token lives in its field and nowhere else.

import { cancel, convert, job as askOne, jobs as askAll } from "./api.js";
import { asSentence, byId, make, milliseconds, renderer, say } from "./elements.js";
import { poll } from "./poll.js";
import { openReport } from "./report.js";
import { refusal } from "./trouble.js";

const RUNNING = new Set(["running", "loading"]);
const SIGNS = { succeeded: "✓", failed: "✕", refused: "✕", unavailable: "–", cancelled: "–" };
const SHOWN = 8;
const LOOK_MS = 1000; // at one that runs; at the whole list, which is long, every LIST_EVERY-th time
const LIST_EVERY = 8;

/** Wires the form; returns a function that is told the copies there can be. */
export function jobs() {
  const said = byId("admin-said");
  const token = () => byId("token").value.trim();
  const known = new Map(); // id: state, to tell what has changed
  const tellError = (error) => say(said, refusal(error), { bad: true });
  const act = {
    end: (id) => cancel(token(), id).catch(tellError).then(() => again()),
    open: (id) => openReport(token(), id).catch(tellError),
  };
  const list = renderer(byId("jobs"), (shown) => shown.map((job) => item(job, act)));
  let all = [];
  let turn = 0;

  async function look() {
    if (!token()) {
      turn = 0;
      return list(all = []);
    }
    try {
      const running = all.findIndex((job) => RUNNING.has(job.state));
      if (turn++ % LIST_EVERY === 0) all = (await askAll(token())).slice(0, SHOWN);
      else if (running >= 0) all[running] = await askOne(token(), all[running].id);
      else return;
      for (const job of all) tell(job);
      list(all.map(({ report, options: _, ...job }) => ({ ...job, facts: report && told(report) })));
    } catch (error) {
      if (error.status) tellError(error); // else the page says that nobody answers
      list(all = []);
      turn = 1; // a token that is wrong now is wrong a second later
    }
  }

  function tell(job) {
    const before = known.get(job.id);
    known.set(job.id, job.state);
    if (before === undefined || before === job.state || RUNNING.has(job.state)) return;
    say(said, `The ${job.target} copy: ${job.state}${job.reason ? `, ${job.reason}` : ""}.`, { bad: job.state !== "succeeded" });
  }

  const now = poll(look, () => LOOK_MS);
  const again = () => {
    turn = 0;
    now();
  };
  byId("token").addEventListener("change", () => (say(said, ""), again()));
  byId("convert").addEventListener("submit", async (event) => {
    event.preventDefault();
    const precision = byId("precision").value;
    try {
      const job = await convert(token(), { target: byId("target").value, ...(precision && { precision }) });
      known.set(job.id, job.state);
      say(said, `The ${job.target} copy is being made.`);
      again();
    } catch (error) {
      tellError(error);
    }
  });
  return renderer(byId("target"), (names) => names.map((name) => make("option", {}, name)));
}

function item(job, act) {
  const running = RUNNING.has(job.state);
  const percent = Math.round(100 * job.progress);
  const button = (name, words, action) => make("button", { type: "button", class: "button quiet-button", id: `${name}-${job.id}`, onclick: () => action(job.id) }, words);
  return make("li", { class: "job", "data-state": job.state, id: `job-${job.id}` },
    make("div", { class: "job-head" },
      make("strong", {}, job.target), " ",
      make("span", { class: "state", "data-state": job.state }, make("span", { "aria-hidden": "true" }, `${SIGNS[job.state] ?? "◌"} `), job.state),
      make("span", { class: "small quiet" }, ` ${new Date(job.created).toLocaleString()}, job ${job.id}`),
      running ? button("end", "End it", act.end) : null,
      job.facts ? button("report", "Open the report", act.open) : null),
    running ? make("div", { class: "progress" },
      make("progress", { max: 100, value: percent, "aria-label": `Progress of the ${job.target} copy` }),
      make("span", { class: "n small" }, `${percent} %`), make("span", { class: "small" }, asSentence(job.doing))) : null,
    job.reason ? make("p", { class: "reason" }, asSentence(job.reason)) : null,
    job.facts ? make("p", { class: "small quiet" }, job.facts.words) : null,
    job.log.length ? make("details", { id: `log-${job.id}` }, make("summary", {}, "What the converter wrote"),
      make("pre", { tabindex: "0", role: "region", "aria-label": `Log of job ${job.id}` }, job.log.join("\n"))) : null);
}

/** A report in a line: how long it took, and the medians at the first batch size. */
function told({ seconds, latency, target }) {
  const spent = Object.values(seconds ?? {}).reduce((sum, each) => sum + each, 0);
  const size = Object.keys(latency?.native ?? {})[0];
  const p50s = ["native", target].map((name) => [name, latency?.[name]?.[size]?.p50_s]).filter(([, value]) => value);
  const times = p50s.map(([name, value]) => `${name} ${milliseconds(1000 * value)}`).join(", ");
  return { words: `Made in ${spent.toFixed(1)} s.${times ? ` Median of a call at batch size ${size}: ${times}.` : ""}` };
}
