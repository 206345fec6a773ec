// Why a run, or a task of it, is where it is, in words: what it waits for, and who could do it.

import { at, get } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { agentName } from "../../core/format.js";

const LOOK_EVERY_MS = 3000;

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

// Who could do it, and why they do not.
function waits({ waits: all }) {
  const who = all.flatMap((one) => one.who);
  return who.length > 0 && h("ul", who.map((one) => h("li.hint", { key: one.agent }, `${agentName(one.agent)} ${one.words}`)));
}
