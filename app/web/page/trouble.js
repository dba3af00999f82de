// Why a picture has no answer, or an admin's wish was not granted, in words for people.

import { Refused } from "./api.js";
import { asSentence } from "./elements.js";

const TOKEN = "This server looks at pictures only with a token.";
const LARGE = (name) => `${name} is too large for this server. Make it smaller, and try again.`;
const BUSY = () => "The server is busy: other pictures are waiting already. Try again in a moment.";
const WORDS = {
  not_a_jpeg: (name) => `${name} is not a picture that can be read here. Choose a JPEG, a PNG, or another picture that your browser can show.`,
  invalid_image: (name) => `${name} is damaged, or only a part of it was saved. Save it again, or choose another picture.`,
  bad_request: (name) => `${name} is empty. Choose another picture.`,
  crashed_the_model: (name) => `${name} crashed the model twice. Choose another picture.`,
  image_too_large: LARGE,
  body_too_large: LARGE,
  overloaded: BUSY,
  deadline_exceeded: BUSY,
  backend_unavailable: () => "No backend is ready to answer yet. The page asks again as soon as one is.",
  unauthorized: () => TOKEN,
  forbidden: () => "That is not the token of this server’s setting DETECTOR_TOKEN.",
};

/** Why an admin's wish was not granted. */
export function refusal(error) {
  if (!(error instanceof Refused)) return "The server does not answer.";
  return error.code === "unauthorized" ? "This needs the admin token: type it above." : asSentence(error.message);
}

/** {text, more}: what went wrong with the picture called `name`, and what the server said of it. */
export function trouble(error, name) {
  if (!(error instanceof Refused)) return { text: "The server does not answer. Is it running?", more: "" };
  const words = WORDS[error.code]?.(name);
  return words ? { text: words, more: `The server says: ${asSentence(error.message)}` } : { text: asSentence(error.message), more: "" };
}
