// All runs: sought, filtered, followed, and many of them controlled at once.

import { address, get } from "../core/api.js";
import { asked as asking } from "../core/asked.js";
import { command } from "../core/commands.js";
import { h } from "../core/dom.js";
import { agentName, count, duration, elapsed, number, questionOf, short } from "../core/format.js";
import { key } from "../core/keys.js";
import { go, setQuery } from "../core/router.js";
import { CONTROLS, ENDED, RunList, STATES, eachOf } from "../core/runs.js";
import { may } from "../core/session.js";
import { Ago, Ticking, bar, button, empty, failure, link, loading, say, sheet } from "../parts/basic.js";
import { confirmed, noted } from "../parts/dialog.js";
import { Filters } from "../parts/filters.js";
import { icon } from "../parts/icon.js";
import { badge, mark } from "../parts/state.js";
import { Table } from "../parts/table.js";
import { toast, toastFailure } from "../parts/toast.js";

const SINCE = [["1h", "in the last hour"], ["24h", "in the last day"], ["7d", "in the last week"], ["30d", "in the last month"]];
const LABELS = ["public", "internal", "confidential", "personal"];
const KNOWN = [["false", "nobody knows yet"], ["true", "somebody knows"]];
const HOURS = { h: 1, d: 24 };
const QUESTIONS = 1000, QUESTIONS_EVERY_MS = 3000;

export default function Runs(props, self) {
  let list, asked = "", selected = new Set(), templates = [], agents = [], counts = null, timer, working = null;
  const open = asking(self, () => get("/v1/approvals", { limit: QUESTIONS }), { every: QUESTIONS_EVERY_MS });

  function look(query) {
    const wanted = queryOf(query);
    const text = JSON.stringify(wanted);
    if (text === asked) return;
    asked = text;
    list?.close();
    selected = new Set();
    list = new RunList(wanted, () => self.update());
    countAll();
  }

  async function countAll() {
    clearTimeout(timer);
    const mine = asked;
    const { state, ...rest } = JSON.parse(mine);
    const found = await get("/v1/runs/counts", rest).catch(() => null);
    if (mine !== asked) return;
    if (found) { counts = found.states; self.update(); }
    timer = setTimeout(countAll, document.hidden ? 30_000 : 3000);
  }

  async function act(name) {
    const { title, done, kind, asks, notes, fits, act } = CONTROLS[name];
    const chosen = list.runs.filter((run) => selected.has(run.run) && fits(run));
    if (!chosen.length || working) return;
    if (asks && !(await confirmed({ title: `${title} ${count(chosen.length, "run")}?`, text: "What is under way is stopped; what the template says is to be undone is undone.", yes: `${title} ${count(chosen.length, "run")}`, kind }))) return;
    const note = notes ? await noted({ title: `${title} ${count(chosen.length, "failed run")}?`, text: KNOWING, asks: "What do you know so far?", yes: `${title} ${count(chosen.length, "run")}` }) : undefined;
    if (note === null) return;
    working = { name, done: 0, total: chosen.length };
    self.update();
    const failed = await eachOf(chosen, (run) => act(run, note), (n) => { working.done = n; self.update(); });
    working = null;
    if (failed.length < chosen.length) toast(`${done} ${count(chosen.length - failed.length, "run")}`);
    for (const [run, error] of failed.slice(0, 3)) toastFailure(error, short(run.run));
    selected = new Set(failed.map(([run]) => run.run));
    say(`${done} ${count(chosen.length - failed.length, "run")}`);
    self.update();
  }

  self.onmount(() => {
    get("/v1/agents", { limit: 1000 }).then((found) => { agents = found.agents.map((one) => agentName(one.agent)); self.update(); }, () => {});
    get("/v1/templates").then((found) => { templates = [...new Set((found.templates ?? found).map((one) => one.name))]; self.update(); }, () => {});
    const ends = [
      ...Object.entries({ p: "pause", u: "resume", c: "cancel", y: "retry", a: "acknowledge" }).map(([name, what]) =>
        key(name, `${CONTROLS[what].title} what is selected`, () => may("control") && act(what))),
      key("Escape", "Select nothing", () => { selected = new Set(); self.update(); }),
      ...Object.entries(CONTROLS).map(([name, one]) =>
        command({ id: `runs-${name}`, title: `${one.title} the selected runs`, icon: one.icon, run: () => act(name), when: () => may("control") && selected.size > 0 })),
    ];
    return () => { list?.close(); clearTimeout(timer); asked = null; ends.forEach((end) => end()); };
  });

  return ({ query }) => {
    look(query);
    const { runs } = list;
    return h("div",
      sheet("Runs", { under: counts ? underTitle(counts, filtered(query)) : " " }),
      h(Tally, { counts, chosen: query.getAll("state") }),
      h(Filters, { query, search: "text", placeholder: "Search title, template, id", fields: [
        { name: "state", title: "State", kind: "many", options: STATES, marked: true },
        { name: "template", title: "Template", kind: "text", list: templates, placeholder: "name, or name@version" },
        { name: "agent", title: "Agent", kind: "text", list: agents, placeholder: "who was given work" },
        { name: "label", title: "Label", kind: "text", list: LABELS, placeholder: "of something that it holds" },
        { name: "since", title: "Started", kind: "one", options: SINCE },
        (query.has("acknowledged") || query.getAll("state").includes("failed")) && { name: "acknowledged", title: "Failure", kind: "one", options: KNOWN },
        ...["origin", "parent"].filter((name) => query.has(name)).map((name) => ({ name, title: { origin: "Forks of", parent: "Started by" }[name], kind: "text", options: [[query.get(name), short(query.get(name))]] })),
      ].filter(Boolean) }),
      selected.size > 0 && h("div.bulk", { role: "toolbar", "aria-label": "What is selected" },
        h("strong.num", `${number(selected.size)} selected`),
        working && h("div.bulk-progress", bar([["running", working.done]], working.total, `${working.done} of ${working.total}`), h("span.num", `${working.done} of ${working.total}`)),
        may("control") && Object.entries(CONTROLS).map(([name, one]) => {
          const fitting = runs.filter((run) => selected.has(run.run) && one.fits(run)).length;
          return button(`${one.title}${fitting && fitting < selected.size ? ` ${fitting}` : ""}`, () => act(name), { key: name, icon: one.icon, kind: one.kind ?? "", small: true, disabled: !fitting || !!working });
        }),
        selected.size === 2 && button("Compare", () => { const [b, a] = runs.filter((run) => selected.has(run.run)).map((run) => run.run); go(address("/runs/compare", { a, b })); }, { icon: "compare", small: true }),
        button("Select nothing", () => { selected = new Set(); self.update(); }, { kind: "quiet", small: true })),
      list.failed && failure(list.failed, () => list.page()),
      !runs.length && list.busy ? loading(8) : !runs.length && !list.failed ? nothing(query) :
        h(Table, {
          label: "Runs", rows: runs, columns: columns(byRun(open.value?.approvals ?? [])), keyOf: (run) => run.run, hrefOf: (run) => `/runs/${run.run}`, nameOf: titleOf,
          selected, onselect: may("control") ? (next) => { selected = next; self.update(); } : null,
          more: list.hasMore ? () => list.page() : null, busy: list.busy,
        }));
  };
}

function queryOf(query) {
  const since = /^(\d+)([hd])$/.exec(query.get("since") ?? "");
  const found = { state: query.getAll("state"), template: query.get("template"), text: query.get("text") };
  for (const name of ["agent", "label", "origin", "parent", "acknowledged"]) found[name] = query.get(name);
  // To the minute, so that the same filter is the same question.
  if (since) found.since = new Date(Math.floor(Date.now() / 60_000) * 60_000 - since[1] * HOURS[since[2]] * 3_600_000).toISOString();
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value && value.length));
}

export const KNOWING = "It is no longer among what needs somebody, until the run goes on or fails again. Who knows, and the note, are in the journal.";

const titleOf = (run) => run.title || run.template;

const FILTERS = ["template", "text", "agent", "label", "origin", "parent", "acknowledged", "since"];
const filtered = (query) => FILTERS.some((name) => query.get(name));

function underTitle(counts, isFiltered) {
  const under = STATES.slice(0, 5).reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  return `${count(under, "run")} under way, ${count(Object.values(counts).reduce((sum, one) => sum + one, 0), "run")} ${isFiltered ? "fit" : "in all"}`;
}

// How many are in each state; each is a filter.
function Tally() {
  return ({ counts, chosen }) => h("div.tally", { role: "group", "aria-label": "Runs by state" },
    STATES.filter((state) => counts?.[state] || chosen.includes(state) || ["running", "completed", "failed"].includes(state)).map((state) => {
      const on = chosen.includes(state);
      return h("button.tally-part", { key: state, type: "button", "aria-pressed": String(on), class: `tone-${state}`, onclick: () => setQuery({ state: on ? chosen.filter((one) => one !== state) : [...chosen, state] }) },
        mark(state), h("span", state.replace("_", " ")), h("strong.num", counts ? number(counts[state] ?? 0) : "–"));
    }));
}

const nothing = (query) => [...query.keys()].length
  ? empty("No run fits", { text: "None is in the journal that fits all of these filters.", icon: "filter", action: button("Clear filters", () => setQuery(Object.fromEntries([...query.keys()].map((name) => [name, undefined])))) })
  : empty("There are no runs yet", { text: "A run does what you ask for in words, or what a template says. What it would do is shown before it starts.", icon: "runs", action: may("run") && h("a.button.primary", { href: "/new" }, icon("plus", { size: 16 }), h("span", "New run")) });

// What each run asks.
const byRun = (all) => all.reduce((found, one) => found.set(one.run, [...(found.get(one.run) ?? []), one]), new Map());

const columns = (questions) => [
  { name: "state", title: "State", width: "7.25rem", draw: (run) => badge(run.state) },
  { name: "run-title", title: "Run", width: "minmax(10rem, 5fr)", draw: (run) => [
    h("div.run-name", link(`/runs/${run.run}`, titleOf(run), { title: titleOf(run) }), h("div.run-under", h("code.run-end", { title: run.run }, short(run.run)), waits(run, questions.get(run.run)))),
    run.origin && link(`/runs/${run.origin.run}`, "fork", { class: "pill", title: `forked from ${run.origin.run} after its event ${run.origin.sequence}` }),
    run.acknowledged && h("span.pill", { title: "somebody knows that it has failed" }, "acknowledged"),
    run.parent && h("span.pill", { title: `a task of ${run.parent}` }, "sub-run"), run.left && h("span.pill.left", { title: "no process works on it" }, "left"),
  ] },
  { name: "template", title: "Template", width: "minmax(7rem, 2fr)", draw: (run) => h("span.quiet", { title: run.template }, run.template) },
  { name: "tasks", title: "Tasks", width: "minmax(7rem, 1.2fr)", draw: (run) => progress(run) },
  { name: "took", title: "Duration", width: "5.25rem", end: true, draw: (run) => took(run) },
  { name: "updated", title: "Last event", width: "5.25rem", end: true, draw: (run) => h(Ago, { time: run.updated_at }) },
  { name: "started", title: "Started", width: "5.25rem", end: true, draw: (run) => h(Ago, { time: run.started_at }) },
];

// That it waits for somebody; the way to the answer.
function waits(run, questions) {
  if (!questions || ENDED.includes(run.state)) return null;
  const [first, ...others] = questions;
  const told = others.length ? `waits for ${number(questions.length)} answers` : WAITS[first.kind];
  return h("a.waits", { href: others.length ? `/runs/${run.run}` : address("/approvals", { open: `${run.run}/${first.task}` }), title: questions.map(questionOf).join("\n") }, mark("waiting", { size: 13 }), told);
}

const WAITS = { approval: "waits for an approval", review: "waits for a review", signal: "waits for a signal" };

// From its start to its end, or to now; the page of a run tells how long of that it rested.
const took = (run) => ENDED.includes(run.state) ? h("span.num", { title: "From its start to its end, pauses included" }, duration(elapsed(run.started_at, run.updated_at))) :
  h(Ticking, { draw: (now) => h("span.num", { title: "Since its start, pauses included" }, duration(elapsed(run.started_at, now))) });

export function progress(run) {
  const { tasks_total: total, tasks_done: done, tasks_failed: failed } = run;
  const words = `${done} of ${total} tasks done${failed ? `, ${failed} failed` : ""}`;
  const tone = run.state === "cancelled" ? "off" : "done";
  return h("div.progress", bar([[tone, done], ["failed", failed]], total, words), h("span.num", `${number(done)}/${number(total)}`));
}
