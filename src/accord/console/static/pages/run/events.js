// The events of the journal, page by page; an event leads to the run as it was then.

import { get } from "../../core/api.js";
import { EVENT_KINDS } from "../../core/choices.js";
import { h } from "../../core/dom.js";
import { duration, elapsed, number, plain } from "../../core/format.js";
import { setQuery } from "../../core/router.js";
import { button, failure, loading } from "../../parts/basic.js";
import { json } from "../../parts/json.js";

const PAGE = 100;

export function Events({ model, bind }, self) {
  let events = [], first = null, failed = null, busy = false, open = new Set(), timer = null;

  // The newest first: pages are read from the end on.
  async function before() {
    if (busy || first === 0) return;
    busy = true;
    try {
      const end = first ?? model.last;
      const start = Math.max(0, end - PAGE);
      const page = await get(`${model.path}/events`, { after: start, limit: Math.max(1, end - start) });
      events = [...events, ...page.events.reverse()];
      first = start;
      failed = null;
    } catch (error) { failed = error; }
    busy = false;
    self.update();
  }

  async function newer() {
    const last = events[0]?.sequence ?? 0;
    if (busy || model.last <= last) return;
    busy = true;
    const page = await get(`${model.path}/events`, { after: last, limit: 1000 }).catch(() => null);
    busy = false;
    if (page) events = [...page.events.reverse(), ...events];
    self.update();
  }

  bind({ changed: () => { timer ??= setTimeout(() => { timer = null; newer(); }, 500); } });
  self.onmount(() => { before(); return () => clearTimeout(timer); });

  return ({ query, onselect, onevent }) => {
    const kind = query.get("kind") ?? "";
    const zero = model.doc.started_at;
    const shown = events.filter((one) => !kind || one.event.startsWith(kind));
    return h("div.events",
      h("label.events-kind", h("span.unseen", "Kind of event"), h("select", { value: kind, onchange: (event) => setQuery({ kind: event.target.value || undefined }) },
        h("option", { value: "" }, "All kinds"), EVENT_KINDS.map((one) => h("option", { key: one, value: one }, `${one}*`)))),
      failed && failure(failed, before),
      !events.length && !failed ? loading(6) : h("ol.event-list", { reversed: true }, shown.map((one) => h("li", { key: one.sequence, class: one.sequence === model.at && "on", dataset: { event: one.sequence } },
        h("div.event-row",
          h("button.event-link.num", { type: "button", onclick: () => onevent(one.sequence), title: "Show the run as it was then" }, `#${one.sequence}`),
          h("code.grow", one.event.replace(/@\d+$/, "")),
          h("span.num.quiet.event-time", duration(elapsed(zero, one.at))),
          h("button.event-link", { type: "button", "aria-expanded": String(open.has(one.sequence)), "aria-label": `Members of event ${one.sequence}`, onclick: () => { open.has(one.sequence) ? open.delete(one.sequence) : open.add(one.sequence); self.update(); } }, open.has(one.sequence) ? "less" : "more"),
          one.task && h("button.event-link.event-task.cut", { type: "button", title: one.task, onclick: () => onselect(one.task) }, one.task)),
        one.problem?.message && h("p.event-problem", `${one.problem.code} ${plain(one.problem.message)}`),
        open.has(one.sequence) && json(one, { label: `Event ${one.sequence}` })))),
      first > 0 && button(`${number(first)} earlier events`, before, { kind: "quiet", small: true, busy }));
  };
}
