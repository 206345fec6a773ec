// A JSON value, readable: folded where it is long, its texts as texts.

import { h } from "../core/dom.js";
import { iconButton, pill } from "./basic.js";
import { toast } from "./toast.js";

const OPEN_TO = 40;
const STEP = 100;

export const copy = async (text) => {
  await navigator.clipboard.writeText(text);
  toast("Copied");
};

// json(value, { label: "Input" })
export const json = (value, { label = "value" } = {}) =>
  h("div.json", { role: "group", "aria-label": label },
    navigator.clipboard && iconButton("copy", `Copy ${label.toLowerCase()} as JSON`, () => copy(JSON.stringify(value, null, 2))),
    h(Value, { value, depth: 0 }));

// About how many lines it takes.
const sizeOf = (value) => (typeof value === "object" && value !== null ? Object.values(value).reduce((sum, one) => sum + sizeOf(one), 1) : 1 + (typeof value === "string" ? value.length / 100 : 0));

function Value({ value, depth, name }, self) {
  let open = depth === 0 || sizeOf(value) <= OPEN_TO;
  let shown = STEP;
  return ({ value, name, depth }) => {
    if (typeof value !== "object" || value === null) return h("div.json-line", name !== undefined && h("span.json-name", name), leaf(value));
    const entries = Object.entries(value);
    const [begin, end] = Array.isArray(value) ? "[]" : "{}";
    if (!entries.length) return h("div.json-line", name !== undefined && h("span.json-name", name), h("span.json-empty", begin + end));
    const head = h("button.json-fold", { type: "button", "aria-expanded": String(open), onclick: () => { open = !open; self.update(); } },
      name !== undefined && h("span.json-name", name), h("span.json-empty", begin), !open && pill(`${entries.length}`), !open && h("span.json-empty", end));
    return h("div.json-node", head, open && h("div.json-in",
      entries.slice(0, shown).map(([one, inner]) => h(Value, { key: one, name: one, value: inner, depth: depth + 1 })),
      entries.length > shown && h("button.button.quiet.small", { type: "button", onclick: () => { shown += STEP; self.update(); } }, `${entries.length - shown} more`)));
  };
}

function leaf(value) {
  if (typeof value === "string") return h("span.json-text", { class: value.includes("\n") && "lines" }, value === "" ? h("span.json-empty", "empty text") : value);
  return h("span.json-plain", String(value));
}
