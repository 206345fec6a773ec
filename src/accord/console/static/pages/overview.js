// What is happening right now, and why: what is under way, what waits for people, what is wrong, who is there.

import { address, at, get } from "../core/api.js";
import { h } from "../core/dom.js";
import { feed } from "../core/feed.js";
import { agentName, ago, count, duration, number } from "../core/format.js";
import { OPEN, RunList, eachOf } from "../core/runs.js";
import { Ago, Ticking, card, empty, failure, link, loading, pill, sheet } from "../parts/basic.js";
import { icon } from "../parts/icon.js";
import { sparkline } from "../parts/sparkline.js";
import { badge, mark } from "../parts/state.js";
import { progress } from "./runs.js";

const EVERY_MS = 5000;
const RATE_MS = 2000;
const RATES = 60;
const SHOWN = 12;
const OVERDUE_MS = 60_000;
const MOST_TASKS = 500;

export default function Overview(props, self) {
  const update = () => self.update();
  const open = new RunList({ state: OPEN }, update, { limit: 200 });
  const agents = new Map();
  let waiting = null, incidents = null, failed = null, problem = null, agentsKnown = false;
  const rate = new Rate(update);
  const reasons = new Map();

  // Why each run that is shown is where it is: asked again as soon as something has happened in it.
  async function explain() {
    const due = open.runs.slice(0, SHOWN).filter((run) => run.tasks_total <= MOST_TASKS && reasons.get(run.run)?.at !== run.updated_at);
    await eachOf(due, async (run) => {
      const { summary } = await get(at`/v1/runs/${run.run}/explanation`);
      // The state is said beside it already.
      reasons.set(run.run, { at: run.updated_at, summary: summary.replace(/^It is [a-z ]+: /, "") });
    });
    if (due.length) update();
  }

  self.onmount(() => {
    let timer, stopped = false;
    async function look() {
      try {
        const day = new Date(Math.floor(Date.now() / 60_000) * 60_000 - 24 * 3_600_000).toISOString();
        const [approvals, opened, ended] = await Promise.all([
          get("/v1/approvals", { limit: 100 }), get("/v1/incidents", { state: "open", limit: 100 }), get("/v1/runs", { state: ["failed"], since: day, limit: 50 }),
        ]);
        [waiting, incidents, failed, problem] = [approvals, opened, ended, null];
        await explain();
      } catch (error) { problem = error; }
      if (stopped) return;
      update();
      timer = setTimeout(look, document.hidden ? 60_000 : EVERY_MS);
    }
    look();
    const stopAgents = feed("/v1/agents/feed", {}, { agents: (messages) => {
      for (const one of messages) for (const agent of one.agents) agents.set(agent.agent, agent);
      agentsKnown ||= messages.some((one) => one.complete);
      update();
    } });
    rate.start();
    return () => { stopped = true; clearTimeout(timer); open.close(); stopAgents(); rate.stop(); };
  });

  return () => {
    const runs = open.runs;
    const asks = new Map((waiting?.approvals ?? []).map((one) => [one.run, one]));
    const stuck = runs.filter(stuckWhy);
    return h("div",
      sheet("Overview", { under: headline(runs, open, waiting, incidents, stuck) }),
      problem && failure(problem),
      h("div.overview",
        h("div.overview-main",
          needs(waiting, incidents, failed, stuck),
          card("Under way", { aside: link(address("/runs", { state: OPEN }), runs.length > SHOWN ? `All ${number(runs.length)}${open.hasMore ? "+" : ""}` : "All runs") }, underWay(runs, open, asks, reasons))),
        h("div.overview-side",
          card("Hand-offs", { aside: h("span.hint", "results accepted") },
            h("div.card-body", h("div.rate", h("strong.num", rate.now === null ? "–" : number(rate.now)), h("span.hint", "per second")),
              sparkline(rate.values, `Hand-offs per second in the last ${RATES * (RATE_MS / 1000)} seconds`, { width: 260, height: 48 }))),
          card("Agents", { aside: h("span.hint.num", agentsKnown ? `${present(agents).length} of ${agents.size} present` : "") }, agentList(agents, agentsKnown)))));
  };
}

// -- what is happening -------------------------------------------------------------------------------------------

function headline(runs, list, waiting, incidents, stuck) {
  if (list.busy && !runs.length) return " ";
  const parts = [
    runs.length ? `${count(runs.length, "run")}${list.hasMore ? " or more" : ""} under way` : "Nothing is under way",
    waiting?.approvals.length && `${count(waiting.approvals.length, "answer")} awaited from people`,
    incidents?.incidents.length && `${count(incidents.incidents.length, "incident")} open`,
    stuck.length && `${number(stuck.length)} may be stuck`,
  ].filter(Boolean);
  return `${parts.join(", ")}.`;
}

// Why a run may be stuck; nothing where it is not: every run that goes on has a wake-up that is not overdue.
function stuckWhy(run) {
  if (run.left) return "no process works on it";
  const overdue = run.wake_at ? Date.now() - new Date(run.wake_at).getTime() : 0;
  return overdue > OVERDUE_MS ? `it should have been looked at ${duration(overdue)} ago` : null;
}

function needs(waiting, incidents, failed, stuck) {
  if (!waiting) return card("Needs somebody", {}, h("div.card-body", loading(3)));
  const items = [
    ...waiting.approvals.map((one) => need(`${one.run}/${one.task}`, "waiting", `/runs/${one.run}?task=${encodeURIComponent(one.task)}`, one.question || one.signal || one.task, `${WORDS[one.kind]} in ${one.title || one.template}`, one.since)),
    ...incidents.incidents.slice(0, 20).map((one) => need(`i${one.incident}`, "open", `/incidents/${one.incident}`, one.problem?.message ?? one.code, `incident ${one.incident}, ${one.severity}`, one.at)),
    ...stuck.map((run) => need(`s${run.run}`, "waiting", `/runs/${run.run}`, run.title || run.template, stuckWhy(run), run.updated_at)),
    ...failed.runs.slice(0, 10).map((run) => need(run.run, "failed", `/runs/${run.run}`, run.title || run.template, `failed, ${count(run.tasks_failed, "task")} of ${run.tasks_total}`, run.updated_at)),
  ];
  return card("Needs somebody", { aside: items.length > 0 && pill(number(items.length)) },
    items.length ? h("ul.needs", items) : empty("Nobody is needed", { text: "No question is open, no incident, and no run of the last day has failed.", icon: "check" }));
}

const WORDS = { approval: "approval", review: "review of a result", signal: "signal" };

const need = (key, state, href, title, why, since) =>
  h("li", { key }, h("a", { href }, mark(state, { size: 18 }), h("span.grow", h("strong.cut", title), h("span.hint.cut", why)), h("span.hint", h(Ago, { time: since }))));

function underWay(runs, list, asks, reasons) {
  if (!runs.length && list.busy) return h("div.card-body", loading(4));
  if (list.failed) return h("div.card-body", failure(list.failed, () => list.page()));
  if (!runs.length) return empty("Nothing is under way", { text: "Runs that are started are here as long as they go on.", icon: "runs" });
  return h("ul.under-way", runs.slice(0, SHOWN).map((run) => h("li", { key: run.run },
    h("a", { href: `/runs/${run.run}` },
      badge(run.state), h("span.grow", h("strong.cut", run.title || run.template), h("span.hint.cut", { title: why(run, asks, reasons) }, why(run, asks, reasons))),
      progress(run), h("span.hint.num.since", h(Ticking, { draw: (now) => h("span", duration(now - new Date(run.started_at))) }))))));
}

// What a run waits for, as far as it is known already.
function why(run, asks, reasons) {
  const asked = asks.get(run.run);
  if (asked) return `waits for ${WORDS[asked.kind]}: ${asked.question || asked.signal || asked.task}`;
  if (run.left) return "no process works on it";
  return reasons.get(run.run)?.summary ?? `${run.template}, last event ${ago(run.updated_at)}`;
}

// -- agents ------------------------------------------------------------------------------------------------------

const present = (agents) => [...agents.values()].filter((one) => one.instances?.length);

function agentList(agents, known) {
  if (!known) return h("div.card-body", loading(4));
  if (!agents.size) return empty("No agent is known", { text: "accord agent FILE.py --connect …", icon: "agents" });
  const ranked = [...agents.values()].sort((one, other) => weight(other) - weight(one) || one.agent.localeCompare(other.agent));
  return h("ul.agent-list", ranked.slice(0, 14).map((one) => h("li", { key: one.agent }, agentLine(one))),
    ranked.length > 14 && h("li.hint", { key: "more" }, link("/agents", `and ${number(ranked.length - 14)} more`)));
}

const loadOf = (agent) => Math.max(0, ...(agent.instances ?? []).map((one) => one.load));
const weight = (agent) => (agent.instances?.length ? 1 + loadOf(agent) : 0) + (agent.held ? 3 : 0);

function agentLine(agent) {
  const here = agent.instances?.length ?? 0;
  const state = agent.held ? "held" : here ? "present" : "absent";
  const load = loadOf(agent);
  return h("a", { href: `/agents/${encodeURIComponent(agent.agent)}` }, mark(state, { label: state }), h("span.grow.cut", { title: agent.agent }, agentName(agent.agent)),
    here > 1 && pill(`×${here}`),
    here > 0 && h("span.load", { role: "img", "aria-label": `load ${Math.round(load * 100)} %`, title: `load ${Math.round(load * 100)} %` }, h("span", { style: { width: `${Math.round(load * 100)}%` } })));
}

// -- how much ----------------------------------------------------------------------------------------------------

// Hand-offs per second, from the counter of the server's metrics.
class Rate {
  constructor(onchange) {
    this.onchange = onchange;
    this.values = [];
    this.now = null;
  }
  start() { this.look(); this.timer = setInterval(() => document.hidden || this.look(), RATE_MS); }
  stop() { clearInterval(this.timer); }
  async look() {
    const text = await get("/metrics", {}, { as: "text" }).catch(() => "");
    const total = [...text.matchAll(/^accord_hand_offs_total(?:\{[^}]*\})? ([0-9.e+]+)$/gm)].reduce((sum, one) => sum + Number(one[1]), 0);
    const at = performance.now();
    if (text && this.last) {
      this.now = Math.max(0, Math.round((total - this.last.total) / ((at - this.last.at) / 1000)));
      this.values = [...this.values.slice(1 - RATES), this.now];
      this.onchange();
    }
    if (text) this.last = { total, at };
  }
}
