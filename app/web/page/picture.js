// Where a picture comes from: chosen, dropped, pasted, or a sample. What is no JPEG is made one, if the browser can.

import { samples } from "./api.js";
import { byId, make } from "./elements.js";

/** Calls `take(blob, name, note)` with every picture; `note` tells what was done to it. */
export function pictures(take) {
  const give = async (file, name) => take(...(await asJpeg(file)), name);
  byId("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = ""; // so that the same file can be chosen again
    if (file) give(file, file.name);
  });
  byId("picture").addEventListener("submit", (event) => event.preventDefault());
  dropping(give);
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
    if (file) give(file, "the pasted picture");
  });
  offerSamples(give).catch(() => byId("samples").replaceChildren("The samples can’t be had now."));
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

async function offerSamples(give) {
  const buttons = (await samples()).map((sample) => {
    const path = `samples/${encodeURIComponent(sample.name)}`;
    const choose = async () => {
      mark(button);
      const response = await fetch(path);
      if (response.ok) give(await response.blob(), sample.name);
    };
    const preview = make("img", { src: `${path}/preview`, alt: "", width: sample.width, height: sample.height });
    const button = make("button", { type: "button", onclick: choose, "aria-label": `Sample ${sample.name}` }, preview);
    return button;
  });
  byId("samples").replaceChildren(...buttons);
}

function mark(chosen) {
  for (const button of byId("samples").children) button.toggleAttribute("data-chosen", button === chosen);
}

async function asJpeg(file) {
  const head = new Uint8Array(await file.slice(0, 3).arrayBuffer());
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return [file, ""];
  try {
    const image = await createImageBitmap(file);
    const canvas = make("canvas", { width: image.width, height: image.height });
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff"; // below what is transparent
    context.fillRect(0, 0, image.width, image.height);
    context.drawImage(image, 0, 0);
    const jpeg = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
    if (jpeg) return [jpeg, "It was no JPEG, so it was made one first."];
  } catch {
    // The server says best what is wrong with it.
  }
  return [file, ""];
}
