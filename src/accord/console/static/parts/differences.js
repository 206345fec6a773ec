// Places in which two values differ, as the API tells them: what was there, and what is.

import { h } from "../core/dom.js";

const MOST = 90;
const TONES = { added: "done", removed: "failed", changed: "waiting" };

export const shown = (value) => { const text = JSON.stringify(value); return text.length > MOST ? `${text.slice(0, MOST - 1)}…` : text; };

// A list of them, by JSON pointer.
export const places = (all) => h("ul.lines.places", all.map((one) => h("li", { key: one.pointer, class: `tone-${TONES[one.kind] ?? "off"}` },
  h("span.kind", one.kind), h("code.grow", one.pointer || "the whole value"),
  h("span.values", one.before !== undefined && h("del", { title: JSON.stringify(one.before).slice(0, 2000) }, shown(one.before)), one.after !== undefined && h("ins", { title: JSON.stringify(one.after).slice(0, 2000) }, shown(one.after))))));
