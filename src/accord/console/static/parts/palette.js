// The command palette: everything that can be done or gone to, by its name.

import { commandsNow, searches } from "../core/commands.js";
import { h } from "../core/dom.js";
import { keysNow } from "../core/keys.js";
import { closeDialog, dialog } from "./dialog.js";
import { icon } from "./icon.js";

const WAIT_MS = 150;

export const openPalette = () => dialog({ title: "Go to, or do", wide: false, body: () => h(Palette) });

function Palette(props, self) {
  let text = "", chosen = 0, found = [], timer, asked = 0;
  const offered = () => [...commandsNow().filter((one) => fits(one.title, text)), ...found];
  const search = (event) => {
    [text, chosen] = [event.target.value, 0];
    self.update();
    clearTimeout(timer);
    timer = setTimeout(look, WAIT_MS);
  };
  async function look() {
    const mine = ++asked;
    if (text.trim().length < 2) { found = []; self.update(); return; }
    const answers = await Promise.all(searches.map((one) => one(text.trim()).catch(() => [])));
    if (mine !== asked) return;
    found = answers.flat();
    self.update();
  }
  const take = (one) => { closeDialog(); one.run(); };
  const pressed = (event) => {
    const all = offered();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" && all[chosen]) { event.preventDefault(); take(all[chosen]); }
    if (!step) return;
    event.preventDefault();
    chosen = (chosen + step + all.length) % Math.max(1, all.length);
    self.update();
    queueMicrotask(() => self.element.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" }));
  };
  self.onmount(() => () => clearTimeout(timer));
  return () => {
    const all = offered();
    return h("div.palette",
      h("input", {
        type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": "palette-list", "aria-autocomplete": "list", autofocus: true,
        "aria-activedescendant": all[chosen] ? `palette-${chosen}` : null, "aria-label": "What to go to, or do", placeholder: "A page, a run, an action …",
        oninput: search, onkeydown: pressed, autocomplete: "off", spellcheck: "false",
      }),
      h("ul", { id: "palette-list", role: "listbox", "aria-label": "What fits" }, all.map((one, n) =>
        h("li", { key: one.id, id: `palette-${n}`, role: "option", "aria-selected": String(n === chosen), onclick: () => take(one), onpointermove: () => { if (chosen !== n) { chosen = n; self.update(); } } },
          icon(one.icon ?? "chevron", { size: 16 }), h("span.grow", one.title), one.note && h("span.note", one.note), one.keys && keys(one.keys)))),
      !all.length && h("p.hint", "Nothing fits."));
  };
}

const fits = (title, text) => text.toLowerCase().split(/\s+/).every((word) => title.toLowerCase().includes(word));

export const keys = (text) => h("span.keys", text.split(" ").map((one, n) => h("kbd", { key: n }, NAMES[one] ?? one)));

const NAMES = { "ctrl+k": "Ctrl K", Enter: "↵", Escape: "Esc" };

// What keys do now, on `?`.
export function openHelp() {
  const groups = Map.groupBy ? Map.groupBy(keysNow(), (one) => one.group) : grouped(keysNow());
  dialog({
    title: "Keys", wide: true,
    body: () => h("div.help", [...groups].map(([group, all]) => h("section", { key: group }, h("h3", group),
      h("dl", all.map((one) => h("div", { key: one.keys }, h("dt", keys(one.keys)), h("dd", one.words))))))),
  });
}

function grouped(all) {
  const groups = new Map();
  for (const one of all) groups.set(one.group, [...(groups.get(one.group) ?? []), one]);
  return groups;
}
