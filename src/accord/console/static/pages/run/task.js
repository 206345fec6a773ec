// The panel of a task: how it is and why, its attempts, its values, its items, what stands behind it.

import { address, at, get } from "../../core/api.js";
import { command } from "../../core/commands.js";
import { h } from "../../core/dom.js";
import { agentName, count, duration, elapsed, number, questionOf, short, worked } from "../../core/format.js";
import { key } from "../../core/keys.js";
import { setQuery } from "../../core/router.js";
import { may } from "../../core/session.js";
import { button, coded, facts, failure, iconButton, link, loading, pill, problems } from "../../parts/basic.js";
import { badge, mark } from "../../parts/state.js";
import { notThere } from "../../parts/unknown.js";
import { LineageOf, attempt } from "./attempts.js";
import { tally } from "./boxes.js";
import { answer, forkFrom, retryTask, rollBack } from "./controls.js";
import { Explained } from "./explained.js";
import { logOf } from "./log.js";
import { percent, shownState } from "./model.js";
import { tabs } from "./tabs.js";
import { time } from "./time.js";
import { value } from "./values.js";

const TABS = [["why", "Why"], ["values", "Values"], ["items", "Items"], ["log", "Logs"], ["lineage", "Lineage"]];
const SETTLED = ["completed", "failed", "skipped", "cancelled"];
const ITEMS_MOST = 400, AT_LEAST_MS = 600, LONG_MS = 1000;

export function TaskPanel({ model, task, bind }, self) {
  let found = null, before = null, failed = null, timer = null, asked = 0;

  async function look() {
    const mine = ++asked;
    const when = model.at;
    try {
      const next = await get(at`/v1/runs/${model.run}/tasks/${task}`, { at: when ?? undefined });
      if (mine !== asked) return;
      [found, failed] = [next, null];
      if (isTakenOver()) before ??= await there(model.doc.origin, task);
    } catch (error) {
      if (mine !== asked) return;
      failed = error;
    }
    self.update();
  }
  const isTakenOver = () => model.doc.origin && model.states.get(nodeOf(task))?.adopted;
  const soon = () => { timer ??= setTimeout(() => { timer = null; look(); }, AT_LEAST_MS); };
  bind({ changed: (what) => (what === "all" ? look() : what.has(nodeOf(task)) && soon()) });
  self.onmount(() => {
    look();
    const ends = Object.entries(ACTS).flatMap(([name, one]) => [
      key(one.keys, `${one.title}: this task`, () => one.fits(model, found) && one.act(model, task), { group: "Task" }),
      command({ id: `task-${name}`, title: `${one.title}: this task`, icon: one.icon, keys: one.keys, run: () => one.act(model, task), when: () => one.fits(model, found) }),
    ]);
    return () => { clearTimeout(timer); asked++; ends.forEach((end) => end()); };
  });

  return ({ query, onselect, onevent, approvals }) => {
    const node = nodeOf(task);
    const drawn = model.tasks.get(node), state = model.states.get(node);
    const shown = shownState(task === node ? state : found);
    const asks = approvals.find((one) => one.task === task);
    const names = found?.items.length > 0 ? TABS : TABS.filter(([name]) => name !== "items");
    const wanted = query.get("tab") ?? "why", open = names.some(([name]) => name === wanted) ? wanted : "why";
    return h("section.panel", { "aria-label": `Task ${task}` },
      h("header.panel-head", h("div.grow", h("p.hint", task === node ? kindOf(drawn) : link(`?${with_(query, "task", node)}`, node)), h("h2", task), drawn?.description && task === node && h("p.quiet", drawn.description)),
        iconButton("close", "Close the task", () => onselect(null))),
      h("div.panel-state", badge(shown), isTakenOver() ? takenOver(model.doc.origin, task) : took(task === node ? state : found, model, found), found?.epoch > 0 && pill(`done anew ${found.epoch === 1 ? "once" : `${found.epoch} times`}`)),
      SETTLED.includes(found?.state) ? null : told(model.progressOf(task)),
      asks && h("div.asks", h("div.grow", h("strong", coded(questionOf(asks)))), may("approve") && button("Answer", () => answer(model, asks), { kind: "primary", small: true })),
      found?.problem && h("div.failure", h("div", problems({ problems: [found.problem] }))),
      h("div.panel-actions", actions(model, task, found)),
      found && wanted !== open && notThere(["tab"], `${task} has no items: why it is as it is is shown.`),
      tabs(names, open, (name) => setQuery({ tab: name === "why" ? undefined : name, level: undefined, attempt: undefined }), "What is shown of the task"),
      failed ? failure(failed, look) : !found ? loading(4) : h("div.panel-body", { key: open, role: "tabpanel" },
        { why: () => whyTab(found, { model, node, drawn, state, before, onselect, onevent, task }), values: () => valuesTab(found, task), items: () => itemsTab(found, onselect), log: () => logOf({ model, task, attempts: found.attempts, query }), lineage: () => h(LineageOf, { key: `${task} ${model.sequence}`, model, task, onselect }) }[open]()));
  };
}

const with_ = (query, name, given) => { const next = new URLSearchParams(query); next.set(name, given); return next; };

const KINDS = { agent: "Done by an agent", approval: "Asks a person", signal: "Waits for a signal", timer: "Waits for a time", run: "Done by another run" };
const kindOf = (drawn) => drawn && `${KINDS[drawn.kind]}${drawn.what ? ` · ${drawn.what}` : ""}`;

// How far its agent says it is.
const told = (progress) => progress && h("div.told", h("progress", { value: progress.fraction, max: 1, "aria-label": "How far the agent says it is" }), h("strong.num", percent(progress)), progress.message && h("span", progress.message));

// A fork has taken over what its origin had made: how it was done is told there, as it was when the fork was made.
const takenOver = ({ run, sequence }, task) => h("span.quiet", "taken over from run ", link(address(`/runs/${run}`, { task, at: sequence }), short(run), { title: run }));
const there = ({ run, sequence }, task) => get(at`/v1/runs/${run}/tasks/${task}`, { at: sequence }).catch(() => null);

// The attempts by which it was done before it was taken over: in short, they are read where they were made.
const doneThere = (before) => before?.attempts.length > 0 && h("ul.lines", before.attempts.map((one) => h("li", { key: one.attempt }, mark(one.state === "succeeded" ? "completed" : one.state, { size: 14 }),
  h("span.grow", `There: attempt ${one.attempt}: ${one.state}, ${agentName(one.agent)}`), h("span.hint.num", one.took_s !== null && duration(1000 * one.took_s)))));

function took(state, model, found) {
  if (!state) return null;
  if (!state.started_at) return h("span.quiet", "has not begun");
  const mine = found?.attempts.filter((one) => elapsed(state.started_at, one.assigned_at) >= 0) ?? [];
  const waits = [["backoff_s", "before it was tried again"], ["queued_s", "for an agent"], ["at_agent_s", "at the agent"]].map(([name, words]) => [1000 * mine.reduce((sum, one) => sum + one[name], 0), words]).filter(([ms]) => ms > LONG_MS);
  const waited = waits.map(([ms, words]) => `, ${duration(ms)} ${words}`).join("");
  return h("span.quiet.num", `${state.ended_at ? "took" : "for"} ${duration(worked(state.started_at, state.ended_at ?? model.time, model.rests))}${found?.epoch > 0 ? " in this round" : ""}${waited}`);
}

// What can be done with a task, by whom and when.
const ACTS = {
  retry: { title: "Retry", icon: "retry", keys: "y", fits: (model, found) => may("control") && model.live && ["failed", "cancelled"].includes(found?.state), act: retryTask },
  rollback: { title: "Roll back here", icon: "undo", keys: "b", fits: (model, found) => may("control") && model.live && found && found.state !== "pending", act: rollBack },
  fork: { title: "Fork from here", icon: "fork", keys: "e", fits: (model, found) => may("run") && model.live && found, act: (model, task) => forkFrom(model, nodeOf(task)) },
};
const nodeOf = (task) => task.replace(/\[\d+\]$/, "");
const actions = (model, task, found) => Object.entries(ACTS).filter(([, one]) => one.fits(model, found)).map(([name, one]) =>
  button(one.title, () => one.act(model, task), { key: name, icon: one.icon, keys: one.keys, small: true }));

function whyTab(found, { model, node, drawn, state, before: made, onselect, onevent, task }) {
  const before = model.graph.edges.filter((one) => one.target === node), after = model.graph.edges.filter((one) => one.source === node);
  const attempts = [...found.attempts].reverse();
  const named = (name) => h("button.event-link", { type: "button", onclick: () => onselect(name) }, mark(shownState(model.states.get(name)), { size: 13 }), name);
  return h("div.stack",
    found.misfits.length > 0 && h("div.failure", h("div", h("h4", "Inputs that broke a contract"), problems({ problems: found.misfits }))),
    state?.item_count > 0 && task === node && h("p", tally(state).map(([name, many]) => h("span.legend-part", { key: name }, mark(name, { size: 14 }), name, h("span.num", number(many)))), h("span.hint", ` of ${count(state.item_count, "item")}`)),
    attempts.length ? attempts.map((one, n) => attempt(one, { task, last: n === 0, problem: found.problem, now: model.time, onevent })) :
      found.items.length ? null : state?.adopted ? doneThere(made) : h("p.hint", drawn?.kind === "agent" && "It was given to no agent yet."),
    model.live && !SETTLED.includes(found.state) && h(Explained, { key: `why ${task}`, model, task }),
    found.answer && answered(found.answer, onevent),
    found.waiting && facts([["Waits for", found.waiting.for_ ?? found.waiting.for], ["Since", found.waiting.since && time(found.waiting.since)], ["Until", found.waiting.until && time(found.waiting.until)]]),
    found.calls.length > 0 && calls(found.calls),
    state?.subrun && task === node && h("p", "Done by ", link(`/runs/${state.subrun}`, state.subrun)),
    (before.length > 0 || after.length > 0) && h("div.needs", before.length > 0 && h("div", h("h4", "Comes after"), h("ul", before.map((one) => h("li", { key: one.source }, named(one.source), h("span.hint", ` ${one.reason}`))))),
      after.length > 0 && h("div", h("h4", "Comes before"), h("ul", after.map((one) => h("li", { key: one.target }, named(one.target)))))),
    facts([["Started", found.started_at && time(found.started_at)], ["Ended", found.ended_at && time(found.ended_at)], ["Confidence", found.confidence !== null && String(Number(found.confidence.toFixed(3)))], ["Fault", found.fault], ["Labels", found.labels.join(", ")], ["Compensation", state?.undo && task === node && state.undo]]));
}

// Who has answered what it asked, and what.
const answered = (one, onevent) => h("div.answered", h("h4", one.question ? "What was answered" : "What it was sent"), one.question && h("p.question", coded(one.question)),
  h("p", h("strong", one.by), typeof one.value?.approved === "boolean" ? (one.value.approved ? " approved" : " rejected it") : one.question ? " answered" : " sent it", " ", time(one.at), " ", h("button.event-link", { type: "button", onclick: () => onevent(one.event), title: "Show the run as it was then" }, `#${one.event}`)),
  value(one.value, { label: "Answer", name: "answer" }));

// What its agents have asked for while they worked.
const calls = (made) => h("div", h("h4", "Asked for while it worked"), h("ul.calls", made.map((one) => h("li", { key: one.run },
  mark(one.state === "running" ? "running" : one.state, { size: 13 }), " ", h("span", one.wanted), " ", link(`/runs/${one.run}`, one.run.slice(-6)),
  one.problem && h("span.hint", ` ${one.problem.message}`)))));

function valuesTab(found, task) {
  const last = found.attempts.at(-1);
  return h("div.stack",
    last && h("h4", "Input"), last && value(last.input, { label: "Input", document: last.input_document, name: `${task}-input` }),
    h("h4", "Output"),
    found.output_document ? value(found.output, { label: "Output", document: found.output_document, name: `${task}-output` }) :
      found.items.length ? h("p.hint", "Its output is the list of its items' outputs: ", h("button.event-link", { type: "button", onclick: () => setQuery({ tab: "items" }) }, "its items"), ".") : h("p.hint", "It has no output."));
}

function itemsTab(found, onselect) {
  const order = { failed: 0, running: 1, assigned: 2, waiting: 3, queued: 4 };
  const items = [...found.items].sort((one, other) => (order[one.standing] ?? 9) - (order[other.standing] ?? 9));
  return h("div.stack",
    h("table.items", h("thead", h("tr", ["Item", "State", "Took", "Agent"].map((name) => h("th", { key: name, scope: "col" }, name)))),
      h("tbody", items.slice(0, ITEMS_MOST).map((one) => h("tr", { key: one.task },
        h("td", h("button.item.num", { type: "button", onclick: () => onselect(one.task), "aria-label": `${one.task}, ${one.standing}` }, one.task.slice(one.task.lastIndexOf("[")))),
        h("td", h("span.inline-mark", mark(one.standing, { size: 14 }), one.standing)), h("td.num", one.took_s === null ? "–" : duration(1000 * one.took_s)), h("td", one.agent ? agentName(one.agent) : "–"))))),
    items.length > ITEMS_MOST && h("p.hint", `${number(items.length - ITEMS_MOST)} more: those that failed, or are under way, come first.`));
}
