// Sends a picture as it is, two in a form, and one in JSON; prints the answers. schema.d.ts is made by openapi-typescript.
import createClient from "openapi-fetch";
import type { paths } from "./schema";

declare const process: { argv: string[] };
declare function require(name: string): { readFileSync(path: string): Uint8Array<ArrayBuffer> & { toString(form: string): string } };

const [url, path] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: url });
const bytes = require("fs").readFileSync(path);
const file = new Blob([bytes], { type: "image/jpeg" });

function form(): FormData {
  const data = new FormData();
  for (const name of ["a.jpg", "b.jpg"]) data.append("images", file, name);
  return data;
}

async function main(): Promise<void> {
  const raw = await client.POST("/detect", {
    headers: { "Content-Type": "application/octet-stream" },
    body: "",
    bodySerializer: () => file,
  });
  const several = await client.POST("/detect", { body: { images: ["a", "b"] }, bodySerializer: form });
  const json = await client.POST("/detect", { body: { image: bytes.toString("base64"), threshold: 0.5 } });
  const broken = await client.POST("/detect", { body: { images: ["?", "?"] } });
  if (!broken.error?.results || raw.error || several.error || json.error) throw new Error("they are not as documented");
  console.log(JSON.stringify({ raw: raw.data, form: several.data, json: json.data, broken: broken.error.results.length }));
}

main();
