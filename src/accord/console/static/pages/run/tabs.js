// Tabs: one of them is shown; arrows go from one to the next.

import { h } from "../../core/dom.js";

export function tabs(all, open, onopen, label) {
  const step = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const at = all.findIndex(([name]) => name === open);
    const next = all[(at + by + all.length) % all.length][0];
    onopen(next);
    event.currentTarget.querySelector(`[data-tab="${next}"]`)?.focus();
  };
  return h("div.tabs", { role: "tablist", "aria-label": label, onkeydown: step },
    all.map(([name, title, many]) => h("button.tab", { key: name, type: "button", role: "tab", "aria-selected": String(name === open), tabindex: name === open ? "0" : "-1", dataset: { tab: name }, onclick: () => onopen(name) }, title, many !== undefined && h("span.num.hint", many))));
}
