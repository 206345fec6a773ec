// What is happening right now, and why: what is under way, what waits for people, what is wrong, who is there.

import { loadOf, stateOf, workingWords } from "../core/agents.js";
import { address, at, get } from "../core/api.js";
import { h } from "../core/dom.js";
import { feed } from "../core/feed.js";
import { agentName, ago, count, duration, named, number, plain, questionOf } from "../core/format.js";
import { CONTROLS, OPEN, RunList, eachOf } from "../core/runs.js";
import { may } from "../core/session.js";
import { Ago, button, card, coded, empty, failure, link, loading, pill, sheet } from "../parts/basic.js";
import { noted } from "../parts/dialog.js";
import { icon } from "../parts/icon.js";
import { sparkline } from "../parts/sparkline.js";
import { badge, mark } from "../parts/state.js";
import { toast, toastFailure } from "../parts/toast.js";
import { KNOWING, progress } from "./runs.js";

const EVERY_MS = 5000;
const RATE_MS = 2000;
const RATES = 60;
const SHOWN = 12;
const OVERDUE_MS = 60_000;
const MOST_TASKS = 500;
const FAILED = 10;
const INCIDENTS = 20;

export default function Overview(props, self) {
  const update = () => self.update();
  const open = new RunList({ state: OPEN }, update, { limit: 200 });
  const agents = new Map();
  let waiting = null, incidents = null, failed = null, problem = null, agentsKnown = false;
  const rate = new Rate(update);
  const reasons = new Map(), known = new Map();

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

  // Of runs that have failed those that nobody has put right by a fork that completed, with the reason of each.
  async function unanswered(runs) {
    const shown = runs.slice(0, FAILED);
    await eachOf(shown.filter((run) => known.get(run.run)?.at !== run.updated_at), async (run) => {
      const { problem: found } = await get(at`/v1/runs/${run.run}/result`);
      known.set(run.run, { at: run.updated_at, why: found && plain(found.message) });
    });
    await eachOf(shown.filter((run) => !known.get(run.run)?.mended), async (run) => {
      const { runs: forks } = await get("/v1/runs", { origin: run.run, state: "completed", limit: 1 });
      if (forks.length) known.set(run.run, { ...known.get(run.run), mended: true });
    });
    return runs.filter((run) => !known.get(run.run)?.mended).map((run) => ({ ...run, why: known.get(run.run)?.why }));
  }

  let timer, stopped = false;
  async function look() {
    clearTimeout(timer);
    try {
      const day = new Date(Math.floor(Date.now() / 60_000) * 60_000 - 24 * 3_600_000).toISOString();
      const [approvals, opened, ended] = await Promise.all([
        get("/v1/approvals", { limit: 100 }), get("/v1/incidents", { state: "open", limit: 100 }), get("/v1/runs", { state: ["failed"], acknowledged: false, since: day, limit: 50 }),
      ]);
      const left = await unanswered(ended.runs);
      [waiting, incidents, failed, problem] = [approvals, opened, left, null];
      await explain();
    } catch (error) { problem = error; }
    if (stopped) return;
    update();
    timer = setTimeout(look, document.hidden ? 60_000 : EVERY_MS);
  }

  // Somebody knows that it has failed: it is put away.
  async function acknowledge(run) {
    const note = await noted({ title: `Acknowledge that ${run.title || run.template} has failed?`, text: KNOWING, asks: "What do you know so far?", yes: "Acknowledge" });
    if (note === null) return;
    await CONTROLS.acknowledge.act(run, note).then(() => toast("Acknowledged"), toastFailure);
    look();
  }

  self.onmount(() => {
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
          needs(waiting, incidents, failed, stuck, acknowledge),
          card("Under way", { aside: link(address("/runs", { state: OPEN }), runs.length > SHOWN ? `All ${number(runs.length)}${open.hasMore ? "+" : ""}` : "All runs") }, underWay(runs, open, asks, reasons))),
        h("div.overview-side",
          card("Hand-offs", { aside: h("span.hint", "results accepted") },
            h("div.card-body", h("div.rate", h("strong.num", rate.now === null ? "–" : perSecond(rate.now)), h("span.hint", "per second")),
              sparkline(rate.values, `Hand-offs per second in the last ${RATES * (RATE_MS / 1000)} seconds`, { width: 260, height: 48 }))),
          card("Agents", { aside: h("span.hint.num", agentsKnown ? `${present(agents).length} of ${agents.size} present` : "") }, agentList(agents, agentsKnown)))));
  };
}

// -- what is happening -------------------------------------------------------------------------------------------

function headline(runs, list, waiting, incidents, stuck) {
  if (list.busy && !runs.length) return " ";
  const parts = [
    runs.length ? `${count(runs.length, "run")}${list.hasMore ? " or more" : ""} under way` : "Nothing is under way",
    waiting?.approvals.length && `${count(waiting.approvals.length, "answer")}${waiting.next ? " or more" : ""} awaited from people`,
    incidents?.incidents.length && `${count(incidents.incidents.length, "incident")}${incidents.next ? " or more" : ""} open`,
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

function needs(waiting, incidents, failed, stuck, acknowledge) {
  if (!waiting) return card("Needs somebody", {}, h("div.card-body", loading(3)));
  const items = [
    ...waiting.approvals.map((one) => need(`${one.run}/${one.task}`, "waiting", `/runs/${one.run}?task=${encodeURIComponent(one.task)}`, questionOf(one), `${WORDS[one.kind]} in ${one.title || one.template}`, one.since)),
    ...incidents.incidents.slice(0, INCIDENTS).map((one) => need(`i${one.incident}`, "open", `/incidents/${one.incident}`, one.problem?.message ?? one.code, `Incident ${one.incident}, ${one.severity}`, one.at)),
    ...stuck.map((run) => need(`s${run.run}`, "waiting", `/runs/${run.run}`, run.title || run.template, stuckWhy(run), run.updated_at)),
    ...failed.slice(0, FAILED).map((run) => need(run.run, "failed", `/runs/${run.run}`, titleOf(run), run.why ?? `${count(run.tasks_failed, "task")} failed, ${number(run.tasks_done)} of ${number(run.tasks_total)} done`, run.updated_at, may("control") && button("Acknowledge", () => acknowledge(run), { icon: "hand", small: true, title: `Acknowledge that ${run.title || run.template} has failed` }))),
  ];
  const more = waiting.next || incidents.next || incidents.incidents.length > INCIDENTS || failed.length > FAILED;
  return card("Needs somebody", { aside: items.length > 0 && pill(`${number(items.length)}${more ? " or more" : ""}`) },
    items.length ? h("ul.needs", items) : empty("Nobody is needed", { text: "No question is open, no incident, and no run of the last day has failed without somebody knowing it.", icon: "check" }));
}

const WORDS = { approval: "Approval", review: "Review of a result", signal: "Signal" };

const need = (key, state, href, title, why, since, aside) =>
  h("li", { key }, h("a", { href }, mark(state, { size: 18 }), h("span.grow", h("strong.cut", coded(named(title))), h("span.hint.cut", { title: why }, coded(named(why)))), h("span.hint", h(Ago, { time: since }))), aside);

function underWay(runs, list, asks, reasons) {
  if (!runs.length && list.busy) return h("div.card-body", loading(4));
  if (list.failed) return h("div.card-body", failure(list.failed, () => list.page()));
  if (!runs.length) return empty("Nothing is under way", { text: "Runs are here from their start to their end.", icon: "runs", action: may("run") && h("a.button", { href: "/new" }, icon("plus", { size: 16 }), h("span", "New run")) });
  return h("ul.under-way", runs.slice(0, SHOWN).map((run) => h("li", { key: run.run },
    h("a", { href: `/runs/${run.run}` },
      badge(run.state), h("span.grow", h("strong.cut", titleOf(run)), h("span.hint.cut", { title: why(run, asks, reasons) }, why(run, asks, reasons))),
      progress(run), h("span.hint.num.since", { title: "when it was started" }, h(Ago, { time: run.started_at }))))));
}

// A fork has the title of its origin.
const titleOf = (run) => `${run.title || run.template}${run.origin ? " (fork)" : ""}`;

// What a run waits for, as far as it is known already.
function why(run, asks, reasons) {
  const asked = asks.get(run.run);
  if (asked) return asked.kind === "signal" ? `waits for the signal ${asked.signal}` : `waits for ${WORDS[asked.kind].toLowerCase()}: ${asked.question || asked.task}`;
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

const weight = (agent) => (agent.instances?.length ? 1 + loadOf(agent) : 0) + (agent.held ? 3 : 0);

function agentLine(agent) {
  const here = agent.instances?.length ?? 0;
  const state = agent.held || agent.revoked ? stateOf(agent) : here ? "present" : "absent";
  const load = loadOf(agent);
  return h("a", { href: `/agents/${encodeURIComponent(agent.agent)}` }, mark(state, { label: state }), h("span.grow.cut", { title: agent.agent }, agentName(agent.agent)),
    here > 1 && pill(`×${here}`),
    agent.running > 0 && h("span.hint.num", { "aria-hidden": "true" }, `${number(agent.running)}/${number(agent.present?.concurrency ?? 0)}`),
    here > 0 && h("span.load", { role: "img", "aria-label": workingWords(agent), title: workingWords(agent) }, h("span", { style: { width: `${Math.round(load * 100)}%` } })));
}

// -- how much ----------------------------------------------------------------------------------------------------

// Few in a second are told by a decimal: "0.5".
const perSecond = (rate) => (rate < 10 ? String(Number(rate.toFixed(1))) : number(Math.round(rate)));

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
      this.now = Math.max(0, (total - this.last.total) / ((at - this.last.at) / 1000));
      this.values = [...this.values.slice(1 - RATES), this.now];
      this.onchange();
    }
    if (text) this.last = { total, at };
  }
}
