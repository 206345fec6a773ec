// Values: JSON as a tree, and words as words; what is long is cut, and can be had whole.

import { h } from "../../core/dom.js";
import { keep } from "../../core/files.js";
import { bytes } from "../../core/format.js";
import { button, link } from "../../parts/basic.js";
import { json } from "../../parts/json.js";
import { markdown } from "./markdown.js";

const MOST_CHARS = 20_000, MOST_MEMBERS = 400;

// value(found, { label, document }): `document` is where the exact bytes are, as the API says it; `whole` is what can be
// had of it, where that is more than is shown; `leads` is a link that stands below.
export function value(found, { label, document: where, name = "value", whole = found, leads } = {}) {
  if (found?.$erased) return h("p.hint", `Erased: ${bytes(found.$erased.len)}, SHA-256 ${found.$erased.sha256.slice(0, 12)}…`);
  const { shown, cut } = shortened(found);
  const large = where?.length_bytes > MOST_CHARS;
  return h("div.value",
    typeof found === "string" && looksWritten(found) ? h("div.prose", markdown(shown)) : json(shown, { label: label ?? "Value" }),
    (cut || large) && h("p.hint", "Not all of it is shown. "),
    h("div.value-foot",
      where && h("span.hint.num", { title: `SHA-256 ${where.sha256}` }, `${bytes(where.length_bytes)} · ${where.sha256.slice(0, 12)}…`),
      button("Download", () => save(whole, name), { icon: "download", kind: "quiet", small: true }),
      where?.href && link(where.href, "Exact bytes", { download: `${where.sha256}.json` }), leads));
}

// A text of several lines with headings or lists is read as Markdown.
export const looksWritten = (text) => text.includes("\n") && /^(#{1,6} |[-*] |\d+\. |```|\|)/m.test(text);

function shortened(found) {
  let cut = false, left = MOST_MEMBERS * 20;
  const walk = (one) => {
    if (typeof one === "string") {
      if (one.length <= MOST_CHARS) return one;
      cut = true;
      return `${one.slice(0, MOST_CHARS)}…`;
    }
    if (typeof one !== "object" || one === null) return one;
    const pairs = Object.entries(one).slice(0, MOST_MEMBERS);
    if (pairs.length < Object.keys(one).length) cut = true;
    const kept = [];
    for (const [name, inner] of pairs) {
      if (left-- <= 0) { cut = true; break; }
      kept.push([name, walk(inner)]);
    }
    return Array.isArray(one) ? kept.map(([, inner]) => inner) : Object.fromEntries(kept);
  };
  return { shown: walk(found), cut };
}

function save(found, name) {
  if (typeof found === "string") keep(found, `${name}.md`);
  else keep(JSON.stringify(found, null, 2), `${name}.json`, "application/json");
}
