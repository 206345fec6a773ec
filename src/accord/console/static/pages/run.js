// A run: its graph and its timeline, live or as they were; what is selected, and what can be done.

import { address, get } from "../core/api.js";
import { command } from "../core/commands.js";
import { h } from "../core/dom.js";
import { count, duration, elapsed, number, questionOf, rested, short, worked } from "../core/format.js";
import { key } from "../core/keys.js";
import { go, setQuery } from "../core/router.js";
import { CONTROLS } from "../core/runs.js";
import { may } from "../core/session.js";
import { Ticking, bar, button, coded, failure, link, loading, pill, say, sheet } from "../parts/basic.js";
import { badge } from "../parts/state.js";
import { notThere } from "../parts/unknown.js";
import { answer, can, control, forkFrom, signal } from "./run/controls.js";
import { Graph } from "./run/graph.js";
import { RunModel } from "./run/model.js";
import { RunPanel, reports } from "./run/summary.js";
import { TaskPanel } from "./run/task.js";
import { Timeline } from "./run/timeline.js";
import { Travel } from "./run/travel.js";

export default () => ({ params, query }) => h(Run, { key: params.run, run: params.run, query });

const APPROVALS_EVERY_MS = 1500;
// What came of it, or why it failed, is seen before the graph where there is no room beside it.
const OVER = ["completed", "failed"];

function Run({ run }, self) {
  const watchers = new Set();
  const model = new RunModel(run, (what) => {
    for (const one of watchers) one.changed(what);
    if (what !== "all") approvalsSoon();
    else approvalsNow();
    self.update();
  }, self.update);
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

  // Who opens a task comes back to where that was when it is closed.
  let opener = null;
  const select = (task) => {
    if (task && !query.get("task")) opener = document.activeElement;
    setQuery({ task: task ?? undefined });
  };
  function comeBack(task) {
    if (document.activeElement !== document.body) return;
    const there = opener?.isConnected && opener !== document.body;
    (there ? opener : self.element.querySelector(`.graph-card [data-task="${CSS.escape(task)}"]`) ?? document.getElementById("main")).focus({ preventScroll: true });
  }
  // Where the panel is below the graph, whoever has opened a task would not see it.
  function bringPanel() {
    const panel = self.element.querySelector(".run-side");
    if (panel && panel.getBoundingClientRect().top > innerHeight * 0.6) panel.scrollIntoView({ block: "start", behavior: "smooth" });
  }
  const travel = (at) => setQuery({ at: at ?? undefined });
  const fold = (task) => {
    const open = model.open.includes(task) ? model.open.filter((one) => one !== task) : [...model.open, task];
    setQuery({ open, task });
  };
  const onevent = (number_) => { travel(number_); say(`The run as it was after event ${number_}`); };

  const canAnswer = () => may("approve") && model.live && approvals.length > 0;

  self.onmount(() => {
    const ends = [
      key("p", "Pause or resume", () => control(model, model.state === "paused" ? "resume" : "pause"), { group: "Run" }),
      key("w", "Answer what it asks", () => canAnswer() && answer(model, approvals[0]), { group: "Run" }),
      key("a", "Acknowledge that it has failed", () => control(model, "acknowledge"), { group: "Run" }),
      key("Escape", "Close the task", () => query.get("task") && select(null), { group: "Run" }),
      ...Object.entries(CONTROLS).map(([name, one]) => command({ id: `run-${name}`, title: `${one.title} this run`, icon: one.icon, run: () => control(model, name), when: () => can(model, name) })),
      command({ id: "run-compare", title: "Compare this run with …", icon: "compare", run: () => compareWith(model) }),
      command({ id: "run-answer", title: "Answer what this run asks", icon: "approvals", keys: "w", run: () => answer(model, approvals[0]), when: canAnswer }),
      command({ id: "run-signal", title: "Send this run a signal", icon: "signal", run: () => signal(model), when: () => canSignal(model) }),
      command({ id: "run-fork", title: "Fork this run", icon: "fork", run: () => forkFrom(model), when: () => may("run") }),
    ];
    return () => { model.close(); clearTimeout(timer); ends.forEach((end) => end()); };
  });

  return (props) => {
    query = props.query;
    const at = Number(query.get("at"));
    model.show({ at: Number.isInteger(at) && at > 0 ? at : null, open: query.getAll("open") });
    const selected = query.get("task");
    if (selected !== before) {
      const last = before;
      before = selected;
      requestAnimationFrame(() => { if (selected) { graph?.reveal(selected); if (opener) bringPanel(); } else comeBack(last); });
    }
    if (!model.graph) return h("div", model.failed ? [h("nav.crumbs", { "aria-label": "Where this is" }, link("/runs", "Runs")), sheet("Run", { under: h("code", run) }), failure(model.failed, () => model.load())] : loading(10));
    const known = selected && model.tasks.has(selected.replace(/\[\d+\]$/, ""));
    const shared = { model, selected, critical, onselect: select };
    const closed = model.open.filter((name) => !model.tasks.get(name)?.for_each);
    return h("div.run", { class: [known && "with-task", model.live && OVER.includes(model.state) && "is-over", !model.live && "in-past"] },
      selected && !known && notThere(["task", "tab"], "The run has no task ", h("code", selected), ": the run itself is shown."),
      closed.length > 0 && notThere(["open"], "There is nothing to open in ", h("code", closed.join(", ")), ": it is no task with items."),
      model.missed !== null && notThere(["at"], `The run has ${count(model.last, "event")}, and no event ${number(model.missed)}: it is shown as it is now.`),
      head(model),
      model.failed && failure(model.failed, () => { setQuery({ at: undefined }); model.load(); }),
      approvals.length > 0 && h("div.waiting-for", { role: "group", "aria-label": "It waits for somebody" }, approvals.slice(0, 5).map((one) => h("div.asks", { key: one.task },
        h("div.grow", h("strong", coded(questionOf(one))), h("p.hint", h("button.event-link", { type: "button", onclick: () => select(one.task) }, one.task), ` · ${one.kind}`)),
        may("approve") && button(one.kind === "signal" ? "Send" : "Answer", () => answer(model, one), { kind: "primary", small: true })))),
      model.live && !known && reports(model),
      h("div.run-body",
        h("div.run-main",
          h("section.card.graph-card", { "aria-label": "Graph" }, h(Graph, { ...shared, key: "graph", bind: bindGraph, onfold: fold }), h(Travel, { key: "travel", model, go: travel })),
          h("div.card.timeline-card", h(Timeline, { ...shared, key: "timeline", byState: query.get("order") === "now", bind: bindTimeline, onread: (page) => { critical = new Set(page.critical.map((one) => one.task)); self.update(); } }))),
        h("aside.card.run-side", { "aria-label": "Details" },
          known ? h(TaskPanel, { key: `task ${selected}`, model, task: selected, query, bind: bindPanel, approvals, onselect: select, onevent }) :
            h(RunPanel, { key: "run", model, query, bind: bindEvents, onselect: select, onevent }))));
  };
}

const compareWith = (model) => go(address("/runs/compare", { a: model.run }));

function head(model) {
  const { doc, now } = model;
  const total = model.graph.tasks.length;
  const parts = [["done", now.done], ["failed", now.failed]];
  return h("header.sheet-head.run-head",
    h("div.sheet-title", h("p.crumbs", link("/runs", "Runs"), " / ", h("code", { title: model.run }, model.run)), h("h1", { title: doc.title || doc.template }, doc.title || doc.template),
      h("div.run-facts", badge(model.state), !model.live && pill(`as it was after event ${number(model.sequence)}`, { class: "past-pill" }),
        doc.origin && link(`/runs/${doc.origin.run}?at=${doc.origin.sequence}`, `fork of ${short(doc.origin.run)}`, { class: "pill", title: `forked from ${doc.origin.run} after its event ${doc.origin.sequence}` }),
        doc.origin && link(address("/runs/compare", { a: doc.origin.run, b: model.run }), "compare with it", { class: "pill" }),
        doc.acknowledged && pill("acknowledged", { title: `by ${doc.acknowledged.by}` }),
        h("span.quiet", doc.template), h(Ticking, { key: "took", draw: (time) => h("span.quiet.num", took(model, time)) }),
        h("span.run-progress", bar(parts, total, `${now.done} of ${count(total, "task")} done${now.failed ? `, ${now.failed} failed` : ""}`), h("span.num.quiet", `${number(now.done)}/${number(total)}`)))),
    model.live && h("div.sheet-aside", controls(model)));
}

function took(model, time) {
  const { doc, rests } = model, until = model.live && !model.ended ? time : model.now.at;
  if (!model.live) return `${duration(elapsed(doc.started_at, until))} after the start`;
  const paused = rested(doc.started_at, until, rests);
  return `${model.ended ? "took" : "for"} ${duration(worked(doc.started_at, until, rests))}${paused ? `, paused ${duration(paused)}` : ""}`;
}

const canSignal = (model) => may("approve") && model.live && !model.ended && [...(model.tasks?.values() ?? [])].some((one) => one.kind === "signal");

function controls(model) {
  return [
    can(model, "pause") && button("Pause", () => control(model, "pause"), { key: "pause", icon: "pause", keys: "p" }),
    can(model, "resume") && button("Resume", () => control(model, "resume"), { key: "resume", icon: "play", kind: "primary", keys: "p" }),
    can(model, "retry") && button("Retry what failed", () => control(model, "retry"), { key: "retry", icon: "retry", kind: "primary" }),
    can(model, "acknowledge") && button("Acknowledge", () => control(model, "acknowledge"), { key: "acknowledge", icon: "hand", keys: "a" }),
    canSignal(model) && button("Signal", () => signal(model), { key: "signal", icon: "signal" }),
    may("run") && button("Fork", () => forkFrom(model), { key: "fork", icon: "fork" }),
    button("Compare", () => compareWith(model), { key: "compare", icon: "compare" }),
    can(model, "cancel") && button("Cancel", () => control(model, "cancel"), { key: "cancel", icon: "stop", kind: "danger" }),
  ];
}
