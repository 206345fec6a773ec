// All agents, live: who is there, how much they have to do, how well they do it; as a table, and as a picture.

import { asked } from "../core/asked.js";
import { AGENT_STATES } from "../core/choices.js";
import { AgentList, failedAfter, loadOf, stateOf, trustOf, trustWords, underWayOf, workingWords } from "../core/agents.js";
import { get } from "../core/api.js";
import { h } from "../core/dom.js";
import { agentName, count, duration, moment, number, roughly } from "../core/format.js";
import { go, setQuery } from "../core/router.js";
import { empty, link, loading, pill, sheet } from "../parts/basic.js";
import { Filters } from "../parts/filters.js";
import { badge, mark } from "../parts/state.js";
import { Table } from "../parts/table.js";

const MOST_LINES = 40;

export default function Agents(props, self) {
  let list = null;
  const keys = asked(self, keyAges, { every: 60_000 });
  self.onmount(() => {
    list = new AgentList(() => self.update());
    return () => list.close();
  });
  return ({ query }) => {
    const all = list?.all ?? [];
    const rows = all.filter((one) => fits(one, query)).map((one) => ({ ...one, key: keys.value?.get(one.agent) }));
    const view = query.get("view") === "picture" ? "picture" : "table";
    return h("div",
      sheet("Agents", { under: list?.complete ? headline(all) : " ", aside: h("div.choice-of", { role: "group", "aria-label": "How they are shown" }, [["table", "Table"], ["picture", "Picture"]].map(([name, title]) =>
        h("button.button.small", { key: name, type: "button", "aria-pressed": String(view === name), onclick: () => setQuery({ view: name === "table" ? undefined : name }) }, title))) }),
      h(Filters, { query, search: "text", placeholder: "Search name or capability", fields: [
        { name: "state", title: "State", kind: "many", options: AGENT_STATES, marked: true },
        { name: "capability", title: "Capability", kind: "text", list: [...new Set(all.flatMap((one) => one.capabilities))], placeholder: "name, or name@version" },
      ] }),
      !list?.complete ? loading(8) : !rows.length ? nothing(all) : view === "table"
        ? h(Table, { label: "Agents", rows, columns: COLUMNS, keyOf: (one) => one.agent, hrefOf: hrefOf })
        : h(Topology, { agents: rows }));
  };
}

const hrefOf = (one) => `/agents/${encodeURIComponent(one.agent)}`;

// The newest key of each agent that is not revoked.
async function keyAges() {
  const found = new Map();
  for (let after; ;) {
    const page = await get("/v1/keys", { limit: 1000, after });
    for (const one of page.keys) if (!one.revoked_at) found.set(one.agent, one);
    if (!page.next) return found;
    after = page.next;
  }
}

function fits(one, query) {
  const text = (query.get("text") ?? "").toLowerCase(), states = query.getAll("state"), capability = query.get("capability");
  return (!text || [one.agent, one.description, ...one.capabilities].some((part) => part.toLowerCase().includes(text)))
    && (!states.length || states.includes(stateOf(one)))
    && (!capability || one.capabilities.some((name) => name === capability || name.startsWith(`${capability}@`)));
}

function headline(all) {
  const here = all.filter((one) => one.instances?.length);
  const parts = [`${number(here.length)} of ${count(all.length, "agent")} present`, count(here.reduce((sum, one) => sum + one.instances.length, 0), "instance"), count(all.reduce((sum, one) => sum + underWayOf(one), 0), "task") + " under way"];
  const [held, out] = [all.filter((one) => one.held).length, all.filter((one) => one.taken_out?.length).length];
  return `${[...parts, held && `${held} held`, out && `${out} taken out of something`].filter(Boolean).join(", ")}.`;
}

const nothing = (all) => all.length
  ? empty("No agent fits", { text: "None fits all of these filters.", icon: "filter" })
  : empty("No agent is known", { text: "An agent is a Python file with functions: accord agent FILE.py --connect URL", icon: "agents" });

export const meter = (value, label) => h("span.load", { role: "img", "aria-label": label, title: label }, h("span", { style: { width: `${Math.round(value * 100)}%` } }));

const COLUMNS = [
  { name: "state", title: "State", width: "7.5rem", draw: (one) => badge(stateOf(one), { text: stateOf(one) === "tripped" ? "taken out" : stateOf(one) }) },
  { name: "agent", title: "Agent", width: "minmax(7rem, 1.2fr)", draw: (one) => [link(hrefOf(one), agentName(one.agent), { title: one.agent }), one.instances?.length > 1 && pill(`×${one.instances.length}`, { title: `${one.instances.length} instances` })] },
  { name: "capabilities", title: "Capabilities", width: "minmax(7rem, 1.6fr)", draw: (one) => h("span.quiet", { title: one.capabilities.join(", ") }, one.capabilities.join(", ")) },
  { name: "busy", title: "At work", width: "5.5rem", draw: (one) => (one.instances?.length ? h("span.with-meter", meter(loadOf(one), workingWords(one)), h("span.num.hint", `${number(one.running)}/${number(one.present?.concurrency ?? 0)}`)) : "–") },
  { name: "queued", title: "Queued", width: "3.5rem", end: true, draw: (one) => h("span.num", { title: one.present && `of ${number(one.present.queue)} that it takes` }, one.instances?.length ? number(one.queued) : "–") },
  { name: "latency", title: "Latency", width: "5.5rem", end: true, draw: (one) => latency(one.work) },
  { name: "trust", title: "Trust", width: "5rem", end: true, draw: (one) => h("span.num", { title: trustWords(one) }, trustOf(one) === null ? "–" : trustOf(one).toFixed(2)) },
  { name: "errors", title: "Errors", width: "3rem", end: true, draw: (one) => h("span.num", { class: one.work?.failed && "bad" }, one.work ? number(one.work.failed) : "–") },
  { name: "key", title: "Key", width: "5.5rem", end: true, draw: (one) => keyAge(one.key) },
];

// Of results; where there is none, of failures, which is said: who fails fast is not quick.
function latency(work) {
  if (work?.latency_ms != null) return h("span.num", { title: ["How long its work takes: smoothed, the last results count most", failedAfter(work)].filter(Boolean).join("; ") }, duration(work.latency_ms));
  return work?.failed_latency_ms != null ? h("span.hint.num", { title: `${failedAfter(work)}; it has brought no result` }, `${duration(work.failed_latency_ms)} to fail`) : h("span.num", "–");
}

// How old it is; when it ends, where that is soon.
function keyAge(key) {
  if (!key) return h("span.hint", "none");
  const ends = key.retires_at ?? key.expires_at, left = ends && new Date(ends) - Date.now();
  const title = `since ${moment(key.valid_from)}, ${ends ? `until ${moment(ends)}` : "without an end"}`;
  if (ends && left < 14 * 86_400_000) return h("span.bad", { title }, left <= 0 ? "has ended" : `ends in ${roughly(left)}`);
  return h("span.num", { title }, `${roughly(Date.now() - new Date(key.valid_from))} old`);
}

// -- the picture -------------------------------------------------------------------------------------------------

const ROW = 34, TOP = 30;
const ROOMY = { left: 20, process: 210, right: 560, agent: 280, wide: 860, most: 22 };
const NARROW = { left: 0, process: 118, right: 178, agent: 172, wide: 352, most: 12 };

// Processes on the left, agents on the right, a line for each instance: as thick as what it can do at a time, as dark as what it works on of that.
function Topology(props, self) {
  const cluster = asked(self, () => get("/v1/cluster"), { every: 5000 });
  const narrow = matchMedia("(max-width: 700px)");
  self.onmount(() => {
    narrow.addEventListener("change", self.update);
    return () => narrow.removeEventListener("change", self.update);
  });
  return ({ agents }) => {
    const { left, process: processWide, right, agent: agentWide, wide, most } = narrow.matches ? NARROW : ROOMY;
    const here = agents.filter((one) => one.instances?.length);
    const shown = [...here].sort((one, other) => loadOf(other) - loadOf(one)).slice(0, MOST_LINES);
    if (!shown.length) return empty("Nobody is there", { text: "Agents that are present are drawn here, with the processes that they are connected to.", icon: "agents" });
    const processes = [...new Set([...(cluster.value?.members ?? []).filter((one) => one.serves).map((one) => one.name), ...shown.flatMap((one) => one.instances.map((each) => each.process))])].sort();
    const high = TOP + Math.max(shown.length, processes.length * 2) * ROW + 10;
    const yOf = new Map(processes.map((name, n) => [name, TOP + (high - TOP) * ((n + 0.5) / processes.length)]));
    const counts = new Map(processes.map((name) => [name, shown.filter((one) => one.instances.some((each) => each.process === name)).length]));
    return h("figure.card.topology",
      h("div.plan-scroll", { tabindex: "0", role: "group", "aria-label": "Processes and agents" },
        h("svg", { viewBox: `0 0 ${wide} ${high}`, role: "presentation" },
          h("text.head", { x: left, y: 18 }, "Processes"), h("text.head", { x: right, y: 18 }, "Agents"),
          shown.flatMap((agent, n) => agent.instances.map((one) => h("path.wire", {
            key: one.instance, d: wire(left + processWide, yOf.get(one.process), right - 4, TOP + (n + 0.5) * ROW), class: one.running > 0 && "busy",
            style: { "stroke-width": `${Math.min(5, 0.6 + 0.5 * Math.log2(1 + one.concurrency))}px`, opacity: String(0.35 + 0.65 * (one.running / Math.max(1, one.concurrency))) },
          }, h("title", `${agentName(agent.agent)}: ${one.running} of ${one.concurrency} at work, ${one.queued} of ${one.queue} queued`)))),
          processes.map((name) => h("g.process", { key: name, transform: `translate(${left} ${yOf.get(name) - 24})` }, h("rect", { width: processWide, height: 48, rx: 9 }), h("text.name", { x: 14, y: 21 }, cutName(name, most)), h("text.what", { x: 14, y: 37 }, count(counts.get(name), "agent")), h("title", name))),
          shown.map((agent, n) => h("g.agent", { key: agent.agent, role: "link", tabindex: "0", "aria-label": `${agentName(agent.agent)}, ${stateOf(agent)}`, onclick: () => go(hrefOf(agent)), onkeydown: (event) => event.key === "Enter" && go(hrefOf(agent)), transform: `translate(${right} ${TOP + n * ROW})` },
            h("rect", { width: agentWide, height: ROW - 6, y: 3, rx: 7 }), h("g", { transform: "translate(9 9)" }, mark(stateOf(agent))),
            h("text.name", { x: 33, y: 22 }, cutName(agentName(agent.agent), most)), h("text.what", { x: agentWide - 12, y: 22, "text-anchor": "end" }, [agent.instances.length > 1 && `×${agent.instances.length}`, `${agent.running}/${agent.present?.concurrency ?? 0}`].filter(Boolean).join("  ")), h("title", agent.agent))))),
      h("figcaption.hint", `A line is an instance: as thick as its room, as dark as its load.${here.length > shown.length ? ` The ${MOST_LINES} that work most, of ${here.length}.` : ""}`));
  };
}

const wire = (a, b, c, d) => `M${a} ${b}C${(a + c) / 2} ${b} ${(a + c) / 2} ${d} ${c} ${d}`;
const cutName = (name, most) => (name.length > most ? `${name.slice(0, most / 2 - 2)}…${name.slice(2 - most / 2)}` : name);
