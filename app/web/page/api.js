// The server's API. What it refuses becomes a Refused with the API's own sentence and code.

export class Refused extends Error {
  constructor(sentence, status, code) {
    super(sentence);
    this.status = status;
    this.code = code;
  }
}

export const model = () => ask("model");
export const versions = () => ask("model/versions");
export const compare = () => ask("compare");
export const samples = () => ask("samples");
export const jobs = (token) => ask("convert/jobs", { headers: bearer(token) });
export const job = (token, id) => ask(pathOf(id), { headers: bearer(token) });
export const cancel = (token, id) => ask(pathOf(id), { method: "DELETE", headers: bearer(token) });
export const convert = (token, wanted) => send(token, "POST", "convert", wanted);
export const choose = (token, wanted) => send(token, "PUT", "admin/backend", wanted);
export const reload = (token, wanted) => send(token, "POST", "admin/reload", wanted);

/** The file of a sample photo. */
export async function sample(name) {
  const response = await fetch(`samples/${encodeURIComponent(name)}`);
  if (response.ok) return response.blob();
  throw await refused(response);
}

/** The report of a job as a page, in HTML. */
export async function report(token, id) {
  const response = await fetch(`${pathOf(id)}/report`, { ...PRIVATE, headers: { Accept: "text/html", ...bearer(token) } });
  if (response.ok) return response.text();
  throw await refused(response);
}

export function detect(picture, { token, signal, ...parameters }) {
  const headers = { "Content-Type": "image/jpeg", ...bearer(token) };
  return ask(`detect?${new URLSearchParams(parameters)}`, { method: "POST", headers, body: picture, signal });
}

const PRIVATE = { cache: "no-store", credentials: "omit" };

function send(token, method, path, body) {
  const headers = { "Content-Type": "application/json", ...bearer(token) };
  return ask(path, { method, headers, body: JSON.stringify(body) });
}

async function ask(path, options = {}) {
  const response = await fetch(path, { ...PRIVATE, ...options });
  if (!response.ok) throw await refused(response);
  return response.json();
}

async function refused(response) {
  const body = await response.json().catch(() => null);
  return new Refused(body?.error ?? `the server answered ${response.status} without a sentence`, response.status, body?.code);
}

function pathOf(id) {
  return `convert/jobs/${encodeURIComponent(id)}`;
}

function bearer(token) {
  // A header can't carry every character; the server compares bytes in UTF-8.
  return token ? { Authorization: `Bearer ${String.fromCharCode(...new TextEncoder().encode(token))}` } : {};
}
