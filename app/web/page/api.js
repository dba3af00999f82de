// The server's API. What it refuses becomes a Refused with the API's own sentence.

export class Refused extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

export const model = () => ask("model");
export const compare = () => ask("compare");
export const samples = () => ask("samples");
export const jobs = (token) => ask("convert/jobs", { headers: bearer(token) });
export const job = (token, id) => ask(`convert/jobs/${encodeURIComponent(id)}`, { headers: bearer(token) });
export const cancel = (token, id) => ask(`convert/jobs/${encodeURIComponent(id)}`, { method: "DELETE", headers: bearer(token) });

export function convert(token, wanted) {
  const headers = { "Content-Type": "application/json", ...bearer(token) };
  return ask("convert", { method: "POST", headers, body: JSON.stringify(wanted) });
}

export function detect(picture, { token, signal, ...parameters }) {
  const headers = { "Content-Type": "image/jpeg", ...bearer(token) };
  return ask(`detect?${new URLSearchParams(parameters)}`, { method: "POST", headers, body: picture, signal });
}

async function ask(path, options = {}) {
  const response = await fetch(path, { cache: "no-store", credentials: "omit", ...options });
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return body;
  throw new Refused(body?.error ?? `the server answered ${response.status} without a sentence`, response.status);
}

function bearer(token) {
  // A header can't carry every character; the server compares bytes in UTF-8.
  return token ? { Authorization: `Bearer ${String.fromCharCode(...new TextEncoder().encode(token))}` } : {};
}
