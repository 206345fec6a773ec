// Why a run, or a task of it, is where it is, in words: what it waits for, and who could do it.

import { at, get } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { agentName, named, number } from "../../core/format.js";
import { may } from "../../core/session.js";
import { link } from "../../parts/basic.js";

const LOOK_EVERY_MS = 3000;
const MOST = 4;
const HELD = ["held", "quarantined"];

export function Explained({ model, task }, self) {
  let found = null, seen = null;
  async function look() {
    if (seen === model.sequence || !model.live) return;
    seen = model.sequence;
    found = await get(at`/v1/runs/${model.run}/explanation`, { task }).catch(() => null);
    self.update();
  }
  self.onmount(() => {
    look();
    const timer = setInterval(look, LOOK_EVERY_MS);
    return () => clearInterval(timer);
  });
  return () => h("div.explained", found && model.live && [h("p", found.summary), waits(found)]);
}

// What it waits for, and who could do that and why they do not: once where it is the same of several.
function waits({ summary, waits: all }) {
  const groups = new Map();
  for (const one of all) {
    const name = `${one.kind} ${one.agent ?? ""} ${one.who.map((who) => who.words).join()}`;
    groups.has(name) ? groups.get(name).push(one) : groups.set(name, [one]);
  }
  return h("ul.could", [...groups].slice(0, MOST).map(([name, [first, ...others]]) => h("li", { key: name },
    !summary.includes(first.words) && h("p", first.words, others.length > 0 && `, and ${number(others.length)} more like it`),
    first.who.length > 0 && h("ul", first.who.map((one) => h("li.hint", { key: one.agent }, h("span", named(one.words)), HELD.includes(one.why) && [" ", link(`/agents/${encodeURIComponent(agentName(one.agent))}`, may("control") ? "Lift it on its page" : "Its page")]))))));
}
