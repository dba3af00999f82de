// Where a picture comes from: chosen, dropped, pasted, or a sample. Other formats are converted to JPEG, if the browser can.

import { sample, samples } from "./api.js";
import { byId, make } from "./elements.js";

const MADE = "The server takes JPEG files only, so your browser has converted this picture to one.";

/**
 * Calls `take({load, name, first})` with every picture. `load` gives {blob, note}, or fails as the API does; `first` is
 * the one that the page has chosen by itself.
 */
export function pictures(take) {
  const give = (file, name) => {
    mark(null);
    take({ load: () => asJpeg(file), name, first: false });
  };
  byId("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = ""; // so that the same file can be chosen again
    if (file) give(file, file.name);
  });
  byId("picture").addEventListener("submit", (event) => event.preventDefault());
  dropping(give);
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
    if (file) give(file, "The pasted picture");
  });
  offerSamples(take).catch(() => byId("samples").replaceChildren("The samples can’t be loaded now."));
}

function dropping(give) {
  const field = byId("drop");
  let depth = 0; // enter and leave come from every element below the pointer
  const over = (change) => {
    depth = Math.max(0, depth + change);
    field.classList.toggle("over", depth > 0);
  };
  addEventListener("dragenter", (event) => (event.preventDefault(), over(1)));
  addEventListener("dragleave", () => over(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault(); // else the browser leaves the page for the picture
    over(-depth);
    const [file] = event.dataTransfer?.files ?? [];
    if (file) give(file, file.name);
  });
}

async function offerSamples(take) {
  const buttons = (await samples()).map(({ name, width, height }) => {
    const path = `samples/${encodeURIComponent(name)}`;
    const preview = make("img", { src: `${path}/preview`, alt: "", width, height });
    return make("button", { type: "button", "aria-label": `Sample ${name}`, "aria-pressed": "false", "data-name": name,
      onclick: (event) => choose(event.currentTarget, take) }, preview);
  });
  byId("samples").replaceChildren(...buttons);
  const first = buttons.find(({ dataset }) => dataset.name === byId("samples").dataset.first) ?? buttons[0];
  if (first) choose(first, take, { first: true });
}

/** Takes the sample and marks its button, unless it is not taken. */
function choose(button, take, { first = false } = {}) {
  const { name } = button.dataset;
  const load = async () => ({ blob: await sample(name), note: "" });
  if (take({ load, name: `The sample ${name}`, first })) mark(button);
}

function mark(chosen) {
  for (const button of byId("samples").querySelectorAll("button")) button.ariaPressed = String(button === chosen);
}

async function asJpeg(file) {
  const head = new Uint8Array(await file.slice(0, 3).arrayBuffer());
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return { blob: file, note: "" };
  try {
    const image = await createImageBitmap(file);
    const canvas = make("canvas", { width: image.width, height: image.height });
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff"; // below what is transparent
    context.fillRect(0, 0, image.width, image.height);
    context.drawImage(image, 0, 0);
    const jpeg = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
    if (jpeg) return { blob: jpeg, note: MADE };
  } catch {
    // The server says best what is wrong with it.
  }
  return { blob: file, note: "" };
}
