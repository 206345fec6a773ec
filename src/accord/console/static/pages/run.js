// A run: its graph and its timeline, live or as they were; what is selected, and what can be done.

import { get } from "../core/api.js";
import { command } from "../core/commands.js";
import { h } from "../core/dom.js";
import { count, duration, number } from "../core/format.js";
import { key } from "../core/keys.js";
import { setQuery } from "../core/router.js";
import { CONTROLS } from "../core/runs.js";
import { may } from "../core/session.js";
import { Ticking, bar, button, failure, link, loading, pill, say } from "../parts/basic.js";
import { badge } from "../parts/state.js";
import { answer, can, control, forkFrom, signal } from "./run/controls.js";
import { Graph } from "./run/graph.js";
import { RunModel } from "./run/model.js";
import { RunPanel } from "./run/summary.js";
import { TaskPanel } from "./run/task.js";
import { Timeline } from "./run/timeline.js";
import { Travel } from "./run/travel.js";

export default () => ({ params, query }) => h(Run, { key: params.run, run: params.run, query });

const APPROVALS_EVERY_MS = 1500;

function Run({ run }, self) {
  const watchers = new Set();
  const model = new RunModel(run, (what) => {
    for (const one of watchers) one.changed(what);
    if (what !== "all") approvalsSoon();
    else approvalsNow();
    self.update();
  });
  let approvals = [], critical = new Set(), timer = null, query = new URLSearchParams(), before = null, graph = null;

  // A part of the page that is told of changes, for as long as it is there.
  const binder = (slot) => (one) => { if (slots.has(slot)) watchers.delete(slots.get(slot)); slots.set(slot, one); watchers.add(one); };
  const slots = new Map();
  const bindGraph = (one) => { graph = one; binder("graph")(one); };
  const bindTimeline = binder("timeline"), bindPanel = binder("panel"), bindEvents = binder("events");

  async function approvalsNow() {
    clearTimeout(timer);
    timer = null;
    if (!model.graph) return;
    const waits = [...model.states.values()].some((one) => one.waits || one.items?.waiting);
    approvals = waits && model.live ? (await get("/v1/approvals", { run, limit: 50 }).catch(() => ({ approvals: [] }))).approvals : [];
    self.update();
  }
  const approvalsSoon = () => { timer ??= setTimeout(approvalsNow, APPROVALS_EVERY_MS); };

  const select = (task) => { setQuery({ task: task ?? undefined }); };
  const travel = (at) => setQuery({ at: at ?? undefined });
  const fold = (task) => {
    const open = model.open.includes(task) ? model.open.filter((one) => one !== task) : [...model.open, task];
    setQuery({ open, task });
  };
  const onevent = (number_) => { travel(number_); say(`The run as it was after event ${number_}`); };

  self.onmount(() => {
    const ends = [
      key("p", "Pause or resume", () => control(model, model.state === "paused" ? "resume" : "pause"), { group: "Run" }),
      key("Escape", "Close the task", () => query.get("task") && select(null), { group: "Run" }),
      ...Object.entries(CONTROLS).map(([name, one]) => command({ id: `run-${name}`, title: `${one.title} this run`, icon: one.icon, run: () => control(model, name), when: () => can(model, name) })),
      command({ id: "run-fork", title: "Fork this run", icon: "fork", run: () => forkFrom(model), when: () => may("run") }),
    ];
    return () => { model.close(); clearTimeout(timer); ends.forEach((end) => end()); };
  });

  return (props) => {
    query = props.query;
    const at = Number(query.get("at"));
    model.show({ at: Number.isInteger(at) && at > 0 ? at : null, open: query.getAll("open") });
    const selected = query.get("task");
    if (selected !== before) { before = selected; if (selected) requestAnimationFrame(() => graph?.reveal(selected)); }
    if (!model.graph) return h("div", model.failed ? failure(model.failed, () => model.load()) : loading(10));
    const known = selected && model.tasks.has(selected.replace(/\[\d+\]$/, ""));
    const shared = { model, selected, critical, onselect: select };
    return h("div.run", { class: [known && "with-task", !model.live && "in-past"] },
      head(model),
      model.failed && failure(model.failed, () => { setQuery({ at: undefined }); model.load(); }),
      approvals.length > 0 && h("div.waiting-for", { role: "group", "aria-label": "It waits for somebody" }, approvals.slice(0, 5).map((one) => h("div.asks", { key: one.task },
        h("div.grow", h("strong", one.question || `Waits for the signal ${one.signal}`), h("p.hint", h("button.event-link", { type: "button", onclick: () => select(one.task) }, one.task), ` · ${one.kind}`)),
        may("approve") && button(one.kind === "signal" ? "Send" : "Answer", () => answer(model, one), { kind: "primary", small: true })))),
      h("div.run-body",
        h("div.run-main",
          h("section.card.graph-card", { "aria-label": "Graph" }, h(Graph, { ...shared, key: "graph", bind: bindGraph, onfold: fold }), h(Travel, { key: "travel", model, go: travel })),
          h("div.card.timeline-card", h(Timeline, { ...shared, key: "timeline", bind: bindTimeline, onread: (page) => { critical = new Set(page.critical.map((one) => one.task)); self.update(); } }))),
        h("aside.card.run-side", { "aria-label": "Details" },
          known ? h(TaskPanel, { key: `task ${selected}`, model, task: selected, query, bind: bindPanel, approvals, onselect: select, onevent }) :
            h(RunPanel, { key: "run", model, query, bind: bindEvents, onselect: select, onevent }))));
  };
}

function head(model) {
  const { doc, now } = model;
  const total = model.graph.tasks.length;
  const parts = [["done", now.done - now.failed], ["failed", now.failed]];
  return h("header.sheet-head.run-head",
    h("div.sheet-title", h("p.crumbs", link("/runs", "Runs"), " / ", h("code", { title: model.run }, model.run)), h("h1", { title: doc.title || doc.template }, doc.title || doc.template),
      h("div.run-facts", badge(model.state), !model.live && pill(`as it was after event ${number(model.sequence)}`, { class: "past-pill" }),
        h("span.quiet", doc.template), h(Ticking, { key: "took", draw: (time) => h("span.quiet.num", took(model, time)) }),
        h("span.run-progress", bar(parts, total, `${now.done} of ${count(total, "task")} done${now.failed ? `, ${now.failed} failed` : ""}`), h("span.num.quiet", `${number(now.done)}/${number(total)}`)))),
    model.live && h("div.sheet-aside", controls(model)));
}

function took(model, time) {
  const { doc } = model;
  if (!model.live) return `${duration(1000 * doc.took_s)} after the start`;
  if (model.ended) return `took ${duration(1000 * doc.took_s)}`;
  return `for ${duration(time - new Date(doc.started_at))}`;
}

function controls(model) {
  const signals = [...model.tasks.values()].some((one) => one.kind === "signal");
  return [
    can(model, "pause") && button("Pause", () => control(model, "pause"), { key: "pause", icon: "pause", keys: "p" }),
    can(model, "resume") && button("Resume", () => control(model, "resume"), { key: "resume", icon: "play", kind: "primary", keys: "p" }),
    can(model, "retry") && button("Retry what failed", () => control(model, "retry"), { key: "retry", icon: "retry", kind: "primary" }),
    may("approve") && signals && !model.ended && button("Signal", () => signal(model), { key: "signal", icon: "signal" }),
    may("run") && button("Fork", () => forkFrom(model), { key: "fork", icon: "fork" }),
    can(model, "cancel") && button("Cancel", () => control(model, "cancel"), { key: "cancel", icon: "stop", kind: "danger" }),
  ];
}
