// Two runs: what they were given, where they parted, and for each task what is different. Handy for a run and its fork,
// or for the same template today and yesterday.

import { address, at, get } from "../core/api.js";
import { h } from "../core/dom.js";
import { agentName, count, duration, number, short, words } from "../core/format.js";
import { setQuery } from "../core/router.js";
import { ENDED } from "../core/runs.js";
import { Ago, button, card, empty, facts, failure, iconButton, link, loading, pill, sheet } from "../parts/basic.js";
import { places } from "../parts/differences.js";
import { icon } from "../parts/icon.js";
import { badge, mark } from "../parts/state.js";
import { Table } from "../parts/table.js";
import { notThere } from "../parts/unknown.js";

const OFFERED = 20;

export default function CompareRuns(props, self) {
  let wanted = null, found = null, failed = null, offered = null;

  async function look(a, b) {
    const mine = `${a} ${b}`;
    if (mine === wanted) return;
    [wanted, found, failed, offered] = [mine, null, null, null];
    try {
      if (a && b) {
        const diff = await get(at`/v1/runs/${a}/diff`, { other: b });
        if (mine === wanted) found = diff;
      } else if (a || b) {
        const near = await nearTo(a || b);
        if (mine === wanted) offered = near;
      }
    } catch (error) { if (mine === wanted) failed = error; }
    self.update();
  }

  return ({ query }) => {
    const a = query.get("a") ?? "", b = query.get("b") ?? "";
    look(a, b);
    return h("div",
      h("nav.crumbs", { "aria-label": "Where this is" }, link("/runs", "Runs")),
      sheet("Compare runs", { under: found ? summary(found) : " " }),
      failed ? failure(failed, () => { wanted = null; look(a, b); }) :
        !a && !b ? empty("Choose two runs", { text: "Select two in the list of runs, or open one and choose Compare.", icon: "runs", action: link("/runs", "All runs", { class: "button" }) }) :
        !a || !b ? choice(offered, a || b, !a) : !found ? loading(8) : body(found, query));
  };
}

// Tasks in the order in which they began, the items of one behind it and one after another.
function together(tasks) {
  const nodeOf = (one) => one.task.replace(/\[\d+\]$/, ""), itemOf = (one) => Number(/\[(\d+)\]$/.exec(one.task)?.[1] ?? -1);
  const place = new Map([...new Set(tasks.map(nodeOf))].map((name, n) => [name, n]));
  return [...tasks].sort((one, other) => place.get(nodeOf(one)) - place.get(nodeOf(other)) || itemOf(one) - itemOf(other));
}

// Runs that somebody may want to compare this one with: its origin, its forks, and others of its template.
async function nearTo(run) {
  const one = await get(at`/v1/runs/${run}/summary`);
  const [forks, same] = await Promise.all([
    get("/v1/runs", { origin: run, limit: OFFERED }), get("/v1/runs", { template: one.template.split("@")[0], limit: OFFERED })]);
  const origin = one.origin && await get(at`/v1/runs/${one.origin.run}/summary`).catch(() => null);
  const all = new Map([origin, ...forks.runs, ...same.runs].filter((other) => other && other.run !== run).map((other) => [other.run, other]));
  const why = (other) => (other.run === one.origin?.run ? "its original" : other.origin?.run === run ? "a fork of it" : "");
  return { one, others: [...all.values()].map((other) => ({ ...other, why: why(other) })) };
}

function choice(offered, run, isSecond) {
  if (!offered) return loading(6);
  return card(`Compare ${offered.one.title || offered.one.template} with …`, { aside: h("code.hint", { title: run }, short(run)) },
    offered.others.length ? h("ul.needs", offered.others.map((one) => h("li", { key: one.run },
      h("a", { href: address("/runs/compare", isSecond || one.why === "its original" ? { a: one.run, b: run } : { a: run, b: one.run }) },
        mark(one.state, { label: words(one.state) }), h("span.grow", h("strong.cut", one.title || one.template), h("span.hint.cut", [one.why, one.template].filter(Boolean).map((text) => `${text} · `), h("span.whole", short(one.run)))), h("span.hint", h(Ago, { time: one.started_at })))))) :
      empty("There is no other run of this template", { text: "Fork it, or select two runs in the list.", icon: "runs", action: link("/runs", "All runs", { class: "button" }) }));
}

// -- what is different -------------------------------------------------------------------------------------------

// What one has taken over from the other was given to nobody there, with no input: that is no difference.
const isGivenApart = (one) => one.input.length > 0 || one.agents[0].join() !== one.agents[1].join();
const differs = (one, found) => one.parted || one.output.length > 0 || one.states[0] !== one.states[1] ||
  (isGivenApart(one) && !found.taken_over.includes(one.task.replace(/\[\d+\]$/, "")));

function summary(found) {
  const parted = found.tasks.filter((one) => differs(one, found)).length;
  if (!parted && !found.given.length) return "Both have done the same: only times and costs may differ.";
  return [found.given.length && `${count(found.given.length, "thing")} that they were given`, parted && count(parted, "task")].filter(Boolean).join(" and ").concat((parted || found.given.length) === 1 ? " is different." : " are different.");
}

function body(found, query) {
  const parted = found.tasks.filter((one) => one.parted);
  const chosen = found.tasks.find((one) => one.task === query.get("task"));
  const all = query.get("all") === "true";
  const tasks = together(found.tasks);
  const rows = all ? tasks : tasks.filter((one) => differs(one, found));
  return h("div.pile",
    query.get("task") && !chosen && notThere(["task"], "Neither run has a task ", h("code", query.get("task")), ": none is chosen."),
    h("div.run-sides", side("First", found.before, found), h("div.swap", iconButton("swap", "Change sides", () => setQuery({ a: found.after.run, b: found.before.run }))), side("Second", found.after, found)),
    found.given.length > 0 && card("What they were given", {}, h("ul.lines.given", found.given.map((one) => h("li", { key: one.what }, h("div.grow", h("span", one.words), one.differences.length > 0 && places(one.differences)))))),
    parted[0] && card("Where they parted first", { class: "card parted" }, h("div.card-body", parting(parted[0], found))),
    h("div.apart", { class: chosen && "with-task" },
      card("Tasks", { aside: h("div.choice-of", { role: "group", "aria-label": "Which tasks are shown" }, [[false, "That differ"], [true, "All"]].map(([value, title]) =>
        h("button.button.small", { key: title, type: "button", "aria-pressed": String(all === value), onclick: () => setQuery({ all: value || undefined }) }, title))) },
        rows.length ? h(Table, { label: "Tasks", rows, keyOf: (one) => one.task, hrefOf: (one) => `?${with_(query, "task", one.task)}`, columns: COLUMNS.filter((one) => (one.name !== "cost" || found.tasks.some((task) => task.cost[0] ?? task.cost[1])) && !(chosen && BESIDE.includes(one.name))) }) :
          empty(all ? "Neither has begun a task" : "No task is different", { icon: "check" })),
      chosen && panel(chosen, found)));
}

const with_ = (query, name, given) => { const next = new URLSearchParams(query); next.set(name, given); return next; };

function side(which, one, found) {
  const fork = found.origin && found.origin !== one.run;
  return h("section.card.side-of", { "aria-label": `${which} run` },
    h("header.card-head", h("h2", link(`/runs/${one.run}`, one.title || one.template, { title: one.run })), badge(one.state)),
    h("div.card-body",
      h("p.line", h("span.hint", which), h("code.hint", { title: one.run }, short(one.run)), fork && pill("fork", { title: `of ${found.origin}, after its event ${found.shared}` })),
      fork && h("p.hint", found.taken_over.length ? `Forked after event ${number(found.shared)} of the other; it took over ${count(found.taken_over.length, "task")}.` : `Forked after event ${number(found.shared)} of the other; it took over nothing.`),
      facts([["Template", one.template], [ENDED.includes(one.state) ? "Took" : "So far", duration(1000 * one.took_s)], ["Attempts", number(one.attempts)], ["Cost", [found.before, found.after].some(({ cost }) => Number(cost) > 0) && one.cost], ["Events", number(one.events)]])));
}

// Where the two went different ways in a task; the events lead to the runs as they were then.
function parting(one, { before, after }) {
  const { parted } = one;
  const said = parted.words.startsWith(`${one.task}:`) ? parted.words.slice(one.task.length + 1).trim() : parted.words;
  const event = (run, sequence, which) => sequence !== null && link(address(`/runs/${run}`, { at: sequence, task: one.task }), `${which} run, event ${number(sequence)}`, { class: "event-link" });
  return h("div.pile.parting", { key: one.task },
    h("p", h("strong", one.task), ": ", said),
    h("p.line.hint", event(before.run, parted.before, "first"), event(after.run, parted.after, "second")),
    parted.differences.length > 0 && places(parted.differences));
}

function panel(one, found) {
  return h("section.card.apart-task", { "aria-label": `What is different in ${one.task}` },
    h("header.card-head", h("h2", one.task), iconButton("close", "Close the task", () => setQuery({ task: undefined }))),
    h("div.card-body.pile",
      one.parted ? parting(one, found) : h("p.hint", "Both have done the same; only times and costs may differ."),
      valuesOf("Input", one.input), valuesOf("Output", one.output),
      h("table.figures", h("thead", h("tr", ["", "First", "Second"].map((name) => h("th", { key: name, scope: "col" }, name)))),
        h("tbody", FIGURES.map(([name, told]) => { const [a, b] = told(one); return h("tr", { key: name, class: a !== b && "on" }, h("th", { scope: "row" }, name), h("td", a), h("td", b)); }))),
      h("p.line", link(address(`/runs/${found.before.run}`, { task: one.task }), "Open in the first"), link(address(`/runs/${found.after.run}`, { task: one.task }), "Open in the second"))));
}

const valuesOf = (title, all) => all.length > 0 && h("div", h("h3", title), places(all));

const agents = (names) => names.map((name) => agentName(name)).join(", ") || "–";
const FIGURES = [
  ["State", (one) => one.states.map(words)], ["Agent", (one) => one.agents.map(agents)], ["Attempts", (one) => one.attempts.map(number)],
  ["Took", (one) => one.took_s.map((value) => (value === null ? "–" : duration(1000 * value)))], ["Cost", (one) => one.cost.map((value) => value ?? "–")],
];

// Both where they are not the same, and one where they are.
const both = ([a, b], draw = (value) => value) => (a === b ? h("span", draw(a)) : h("span.both", h("span", draw(a)), icon("arrow", { size: 14, label: "in the second" }), h("strong", draw(b))));
const ONE_SIDED = { added: "only second", removed: "only first" };
const places_ = (all) => (all.length ? h("span.toned-text.tone-waiting", (all[0].pointer === "" && ONE_SIDED[all[0].kind]) || count(all.length, "place")) : h("span.hint", "same"));

// What the panel of a task says, too.
const BESIDE = ["agent", "attempts", "took", "cost"];

const COLUMNS = [
  { name: "task", title: "Task", width: "minmax(8rem, 2fr)", draw: (one) => [h("span.cut", { title: one.task }, one.task)] },
  { name: "state-both", title: "State", width: "minmax(13rem, 1.6fr)", draw: (one) => both(one.states, (state) => h("span.inline-mark", mark(state, { size: 14 }), words(state))) },
  { name: "input", title: "Input", width: "5.5rem", draw: (one) => places_(one.input) },
  { name: "output", title: "Output", width: "5.5rem", draw: (one) => places_(one.output) },
  { name: "agent", title: "Agent", width: "minmax(6rem, 1.4fr)", draw: (one) => both(one.agents.map(agents)) },
  { name: "attempts", title: "Attempts", width: "5rem", draw: (one) => h("span.num", both(FIGURES[2][1](one))) },
  { name: "took", title: "Took", width: "minmax(6.5rem, 1.2fr)", draw: (one) => h("span.num", both(FIGURES[3][1](one))) },
  { name: "cost", title: "Cost", width: "minmax(4rem, 0.8fr)", draw: (one) => h("span.num", both(FIGURES[4][1](one))) },
];
