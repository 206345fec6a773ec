// The panel of a task: how it is and why, its attempts, its values, its items, what stands behind it.

import { at, get } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { count, duration, number } from "../../core/format.js";
import { setQuery } from "../../core/router.js";
import { may } from "../../core/session.js";
import { button, facts, failure, iconButton, link, loading, pill, problems } from "../../parts/basic.js";
import { badge, mark } from "../../parts/state.js";
import { LineageOf, attempt } from "./attempts.js";
import { tally } from "./boxes.js";
import { answer, forkFrom, retryTask, rollBack } from "./controls.js";
import { Explained } from "./explained.js";
import { itemState, shownState } from "./model.js";
import { tabs } from "./tabs.js";
import { time } from "./time.js";
import { value } from "./values.js";

const SETTLED = ["completed", "failed", "skipped", "cancelled"];
const ITEMS_MOST = 400, AT_LEAST_MS = 600;

export function TaskPanel({ model, task, bind }, self) {
  let found = null, failed = null, timer = null, asked = 0;

  async function look() {
    const mine = ++asked;
    const when = model.at;
    try {
      const next = await get(at`/v1/runs/${model.run}/tasks/${task}`, { at: when ?? undefined });
      if (mine !== asked) return;
      [found, failed] = [next, null];
    } catch (error) {
      if (mine !== asked) return;
      failed = error;
    }
    self.update();
  }
  const soon = () => { timer ??= setTimeout(() => { timer = null; look(); }, AT_LEAST_MS); };
  bind({ changed: (what) => (what === "all" ? look() : what.has(task.replace(/\[\d+\]$/, "")) && soon()) });
  self.onmount(() => { look(); return () => { clearTimeout(timer); asked++; }; });

  return ({ query, onselect, onevent, approvals }) => {
    const node = task.replace(/\[\d+\]$/, "");
    const drawn = model.tasks.get(node), state = model.states.get(node);
    const shown = found ? (task === node ? shownState(state) : itemState(found.state)) : "pending";
    const asks = approvals.find((one) => one.task === task);
    const open = query.get("tab") ?? "why";
    return h("section.panel", { "aria-label": `Task ${task}` },
      h("header.panel-head", h("div.grow", h("p.hint", task === node ? kindOf(drawn) : link(`?${with_(query, "task", node)}`, node)), h("h2", task), drawn?.description && task === node && h("p.quiet", drawn.description)),
        iconButton("close", "Close the task", () => onselect(null))),
      h("div.panel-state", badge(shown), state && task === node && took(state, model.time), found?.epoch > 0 && pill(`done anew ${found.epoch === 1 ? "once" : `${found.epoch} times`}`)),
      asks && h("div.asks", h("div.grow", h("strong", asks.question || `It waits for the signal ${asks.signal}`)), may("approve") && button("Answer", () => answer(model, asks), { kind: "primary", small: true })),
      found?.problem && h("div.failure", h("div", problems({ problems: [found.problem] }))),
      h("div.panel-actions", actions(model, task, found, shown)),
      tabs([["why", "Why"], ["values", "Values"], found?.items.length > 0 && ["items", `Items`], ["lineage", "Lineage"]], open, (name) => setQuery({ tab: name === "why" ? undefined : name }), "What is shown of the task"),
      failed ? failure(failed, look) : !found ? loading(4) : h("div.panel-body", { key: open, role: "tabpanel" },
        { why: () => whyTab(found, { model, node, drawn, state, onselect, onevent, task }), values: () => valuesTab(found, task), items: () => itemsTab(found, onselect), lineage: () => h(LineageOf, { key: `${task} ${model.sequence}`, model, task, onselect }) }[open]?.() ?? whyTab(found, { model, node, drawn, state, onselect, onevent, task })));
  };
}

const with_ = (query, name, given) => { const next = new URLSearchParams(query); next.set(name, given); return next; };

const KINDS = { agent: "Done by an agent", approval: "Asks a person", signal: "Waits for a signal", timer: "Waits for a time", run: "Done by another run" };
const kindOf = (drawn) => drawn && `${KINDS[drawn.kind]}${drawn.what ? ` · ${drawn.what}` : ""}`;

function took(state, now) {
  if (!state.started_at) return h("span.quiet", "has not begun");
  const end = state.ended_at ? new Date(state.ended_at) : now;
  return h("span.quiet.num", `${state.ended_at ? "took" : "for"} ${duration(end - new Date(state.started_at))}`);
}

function actions(model, task, found, shown) {
  if (!found || !model.live) return null;
  const begun = found.state !== "pending";
  const name = task.replace(/\[\d+\]$/, "");
  return [
    may("control") && ["failed", "cancelled"].includes(found.state) && button("Retry", () => retryTask(model, task), { key: "retry", icon: "retry", small: true }),
    may("control") && begun && button("Roll back here", () => rollBack(model, task), { key: "rollback", icon: "undo", small: true }),
    may("run") && button("Fork from here", () => forkFrom(model, name), { key: "fork", icon: "fork", small: true }),
  ];
}

function whyTab(found, { model, node, drawn, state, onselect, onevent, task }) {
  const before = model.graph.edges.filter((one) => one.target === node), after = model.graph.edges.filter((one) => one.source === node);
  const attempts = [...found.attempts].reverse();
  const named = (name) => h("button.event-link", { type: "button", onclick: () => onselect(name) }, mark(shownState(model.states.get(name)), { size: 13 }), name);
  return h("div.stack",
    found.misfits.length > 0 && h("div.failure", h("div", h("h4", "Inputs that broke a contract"), problems({ problems: found.misfits }))),
    state?.item_count > 0 && task === node && h("p", tally(state).map(([name, many]) => h("span.legend-part", { key: name }, mark(name, { size: 14 }), name, h("span.num", number(many)))), h("span.hint", ` of ${count(state.item_count, "item")}`)),
    attempts.length ? attempts.map((one, n) => attempt(one, { task, last: n === 0, progress: model.progress.get(task), now: model.time, onevent })) :
      found.items.length ? null : h("p.hint", drawn?.kind === "agent" && "It was given to no agent yet."),
    model.live && !SETTLED.includes(found.state) && h(Explained, { key: `why ${task}`, model, task }),
    found.waiting && facts([["Waits for", found.waiting.for_ ?? found.waiting.for], ["Since", found.waiting.since && time(found.waiting.since)], ["Until", found.waiting.until && time(found.waiting.until)]]),
    state?.subrun && task === node && h("p", "Done by ", link(`/runs/${state.subrun}`, state.subrun)),
    (before.length > 0 || after.length > 0) && h("div.needs", before.length > 0 && h("div", h("h4", "Behind"), h("ul", before.map((one) => h("li", { key: one.source }, named(one.source), h("span.hint", ` ${one.reason}`))))),
      after.length > 0 && h("div", h("h4", "Before"), h("ul", after.map((one) => h("li", { key: one.target }, named(one.target)))))),
    facts([["Started", state?.started_at && task === node && time(state.started_at)], ["Ended", state?.ended_at && task === node && time(state.ended_at)], ["Confidence", found.confidence !== null && found.confidence.toFixed(2)], ["Fault", found.fault], ["Labels", found.labels.join(", ")], ["Compensation", state?.undo && task === node && state.undo]]));
}

function valuesTab(found, task) {
  const last = found.attempts.at(-1);
  return h("div.stack",
    last && h("h4", "Input"), last && value(last.input, { label: "Input", document: last.input_document, name: `${task}-input` }),
    h("h4", "Output"),
    found.output_document ? value(found.output, { label: "Output", document: found.output_document, name: `${task}-output` }) :
      found.items.length ? h("p.hint", "Its output is the list of its items' outputs.") : h("p.hint", "It has no output."));
}

function itemsTab(found, onselect) {
  const order = { failed: 0, active: 1, waiting: 2 };
  const items = [...found.items].sort((one, other) => (order[one.state] ?? 9) - (order[other.state] ?? 9));
  return h("div.stack",
    h("div.items", items.slice(0, ITEMS_MOST).map((one) => h("button.item", { key: one.task, type: "button", onclick: () => onselect(one.task), title: `${one.task}: ${one.state}`, "aria-label": `${one.task}, ${one.state}` }, mark(itemState(one.state), { size: 15 }), h("span.num", one.task.slice(one.task.lastIndexOf("[") + 1, -1))))),
    items.length > ITEMS_MOST && h("p.hint", `${number(items.length - ITEMS_MOST)} more: those that failed, or are under way, come first.`));
}
