// A text with numbered lines: those where something is wrong are marked, and the caret is brought to them.

import { h } from "../core/dom.js";

export const editor = ({ id, label, text, problems = [], placeholder, rows = 26, oninput }) => {
  const wrong = new Set(problems.map((one) => one.place?.line).filter(Boolean));
  return h("div.editor",
    h("div.gutter", { "aria-hidden": "true" }, text.split("\n").map((_, n) => h("span", { key: n, class: wrong.has(n + 1) && "wrong" }, n + 1))),
    h("textarea.code", { id, "aria-label": label, value: text, spellcheck: "false", wrap: "off", placeholder, rows, oninput: (event) => oninput(event.target.value), onscroll: (event) => along(event.target) }));
};

// The caret goes to where something is wrong.
export function caretTo(area, place) {
  const lines = area.value.split("\n");
  const start = lines.slice(0, place.line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  area.focus();
  area.setSelectionRange(start + Math.max(0, (place.column ?? 1) - 1), start + (lines[place.line - 1]?.length ?? 0));
  area.scrollTop = Math.max(0, (place.line - 6) * 20);
  along(area);
}

// A button that opens a file of text.
export const opener = (id, text, take) =>
  h("label.button.small", { for: id }, text, h("input.unseen", { id, type: "file", accept: ".yaml,.yml,.json", onchange: async (event) => { const [file] = event.target.files; if (file) take(await file.text()); } }));

// Line numbers go along with the text.
function along(area) {
  const gutter = area.parentElement?.querySelector(".gutter");
  if (gutter) gutter.scrollTop = area.scrollTop;
}
