// A conversion's report in a window over the page. The server's own page is shown; it is fetched with the token, which no link can carry.

import { report } from "./api.js";
import { byId } from "./elements.js";

const STYLE = /<style>([^<]*)<\/style>/g; // which the page's policy would refuse inside a document
let url = "";

/** Opens the report of a job; Refused with the reason if there is none. */
export async function openReport(token, id) {
  const html = await report(token, id);
  const page = new DOMParser().parseFromString(html.replace(STYLE, ""), "text/html"); // runs nothing
  const sheet = new CSSStyleSheet(); // of its own: the page's style is not the report's
  sheet.replaceSync([...html.matchAll(STYLE)].map(([, text]) => text).join("\n"));
  const place = byId("report-sheet");
  const shadow = place.shadowRoot ?? place.attachShadow({ mode: "open" });
  shadow.adoptedStyleSheets = [sheet];
  shadow.replaceChildren(...page.body.children);
  if (url) URL.revokeObjectURL(url);
  url = URL.createObjectURL(new Blob([html], { type: "text/html" }));
  byId("report-title").textContent = page.title;
  Object.assign(byId("report-file"), { href: url, download: `report-${id}.html` });
  byId("report").showModal();
  place.scrollTop = 0;
}

byId("report-close").addEventListener("click", () => byId("report").close());
byId("report").addEventListener("click", (event) => event.target === byId("report") && byId("report").close());
