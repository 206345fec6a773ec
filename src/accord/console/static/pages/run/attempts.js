// Attempts of a task: to whom it was given and why, what came of it, and why that was not taken.

import { at, get } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { agentName, count, duration, elapsed, moment, number, plain, words } from "../../core/format.js";
import { facts, link, pill, problems } from "../../parts/basic.js";
import { icon } from "../../parts/icon.js";
import { badge } from "../../parts/state.js";
import { time } from "./time.js";
import { value } from "./values.js";

const PASSED = { full: "without room", barred: "barred by policy", out: "out after failing again and again", failed: "failed at it before", avoided: "made what is to be judged", busy: "with a copy of it", held: "held back", quarantined: "quarantined" };
const DECIDED = { wanted: "The result goes back to the agent that made it", only: "Nobody else could have it", load: "It has less to do", speed: "It is faster", trust: "Its results can be relied on more", drawn: "Others are as good, and one was drawn" };

// A reason that stands above it, as `problem` of the task, is not said again.
export function attempt(one, { task, last, problem, now, onevent }) {
  const took = elapsed(one.began_at ?? one.assigned_at, one.ended_at ?? now);
  return h("details.attempt-card", { key: one.attempt, open: last, dataset: { attempt: one.attempt } },
    h("summary", h("strong.num", `Attempt ${one.attempt}`), badge(one.state === "working" ? "running" : one.state, { text: one.state }), one.purpose === "diagnose" && pill("diagnosis"), h("span.grow"), h("span.quiet", agentName(one.agent)), h("span.num.quiet", duration(took))),
    h("div.attempt-body",
      why("Why it was wanted", one.wanted_because && h("p", plain(one.wanted_because))),
      why("Why this agent", grounds(one)),
      refused(one, last ? problem : null),
      facts([
        ["Agent", link(`/agents/${encodeURIComponent(one.agent)}`, agentName(one.agent), { title: one.agent })],
        ["Capability", one.capability],
        ["Contract", h("span", h("code", { title: one.contract }, one.contract.slice(0, 12)), contract(one))],
        ["Waited", [one.backoff_s > 0 && `${duration(1000 * one.backoff_s)} before it was tried again`, `${duration(1000 * one.queued_s)} for an agent`, one.at_agent_s > 0 && `${duration(1000 * one.at_agent_s)} at the agent`].filter(Boolean).join(", ")],
        ["Assigned", h("span", time(one.assigned_at), " ", one.assigned_event && toEvent(one.assigned_event, onevent))],
        ["Begun", one.began_at && time(one.began_at)],
        ["Ended", one.ended_at && h("span", time(one.ended_at), " ", one.ended_event && toEvent(one.ended_event, onevent))],
        ["Confidence", one.confidence !== null && String(Number(one.confidence.toFixed(3)))],
        ["Cost", one.cost],
        ["Fault", one.fault && words(one.fault)],
        ["Damaged on the way", one.damaged > 0 && number(one.damaged)],
        ["Labels", one.labels.join(", ")],
        ["Not shown to the agent", one.cut.join(", ")],
      ]),
      signature(one),
      h("h4", "Input"), value(one.input, { label: "Input", document: one.input_document, name: `${task}-input` }),
      one.output_document && h("h4", one.state === "succeeded" ? "Output" : "What it answered"),
      one.output_document && value(one.output, { label: "Output", document: one.output_document, name: `${task}-output` })));
}

// A single problem without a place or a way out stands in the sentence already.
const told = (all) => all.length > 1 || (all.length === 1 && (all[0].hint || all[0].place?.pointer));
const why = (title, body) => body && h("div.why", h("h4", title), body);
const toEvent = (number_, onevent) => h("button.event-link", { type: "button", onclick: () => onevent(number_), title: "Show the run as it was then" }, `#${number_}`);

// Why this agent: what decided, the figures that spoke for it, who came next, who was passed over.
function grounds(one) {
  const { chosen } = one;
  if (!chosen) return one.chosen_because && h("p", one.chosen_because);
  return h("div.grounds",
    h("p", h("strong", DECIDED[chosen.decided] ?? chosen.decided), ` — ${chosen.compared} of ${chosen.peers} could have it${chosen.sampled ? ", not all were looked at" : ""}.`),
    h("table.figures", h("thead", h("tr", ["Agent", "Held", "Queued", "Each takes", "Trust", "Expected"].map((name) => h("th", { scope: "col", key: name }, name)))),
      h("tbody", figures(one.agent, chosen.figures, true), chosen.next && figures(chosen.next.agent, chosen.next.figures, false))),
    h("p.hint", "Expected: what it would hold, shared by its places, and tried as often as its results can be relied on."),
    chosen.passed?.length > 0 && h("ul.passed", chosen.passed.map((passed, n) => h("li", { key: n }, h("strong", `${passed.count} ${PASSED[passed.why] ?? passed.why}`), `: ${passed.agents.map((agent) => agentName(agent)).join(", ")}${passed.count > passed.agents.length ? ", …" : ""}${passed.policy ? ` (${passed.policy})` : ""}`))));
}

const figures = (agent, of, on) => h("tr", { class: on && "on", key: agent }, h("th", { scope: "row" }, agentName(agent)),
  h("td.num", of.held + (of.others ?? 0)), h("td.num", of.queued ?? 0), h("td.num", duration(of.latency_ms)), h("td.num", (of.trust ?? 1).toFixed(2)), h("td.num", duration(of.expected_ms)));

// Whether the answer was what the contract says; nothing where there is none yet, or it was not judged by it.
const contract = (one) => (one.state === "succeeded" ? h("span.hint", " kept by the result") : one.fault ? h("strong.bad", " broken") : null);

function refused(one, problem) {
  if (one.refused) {
    const above = problem && `: ${problem.code} ${problem.message}`;
    return h("div.refused", { role: "group", "aria-label": "Why its result was not taken" }, icon("warning", { size: 18 }), h("div", h("h4", "Why its result was not taken"), h("p", above && one.refused.why.endsWith(above) ? `${one.refused.why.slice(0, -above.length)}, for the reason above` : plain(one.refused.why)),
      told(one.problems) && problems(one), one.refused.then && h("p.then", h("strong", "Then: "), one.refused.then.startsWith("the task failed") ? "the task failed" : one.refused.then)));
  }
  return one.problems.length > 0 && h("div.refused", icon("warning", { size: 18 }), h("div", h("h4", "What was wrong"), problems(one)));
}

// What the statement says of itself; whether it holds was verified at the gate, and is verified again by the proof.
function signature(one) {
  if (!one.statement) return null;
  const head = part(one.statement, 0), claims = part(one.statement, 1);
  return h("details.signature", h("summary", icon("shield", { size: 16 }), h("span", one.fault ? "Signed by the agent; the contract is broken" : "Signed by the agent, verified at the gate"), h("code", head?.alg ?? "")),
    facts([["Key", head?.kid && h("code", { title: head.kid }, head.kid.slice(0, 16))], ["Signed by", claims?.iss], ["Statement", claims?.jti && h("code", claims.jti)], ["Signed at", claims?.iat && moment(claims.iat * 1000)]]),
    h("pre.statement", { tabindex: "0" }, one.statement));
}

function part(statement, place) {
  try {
    const text = statement.split(".")[place].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(text), (char) => char.charCodeAt(0))));
  } catch { return null; }
}

// -- lineage -----------------------------------------------------------------------------------------------------

export function LineageOf({ model, task }, self) {
  let found = null, failed = null;
  const look = () => get(at`/v1/runs/${model.run}/tasks/${task}/lineage`).then((one) => { found = one; failed = null; }, (error) => { failed = error; }).then(() => self.update());
  self.onmount(() => { look(); });
  return ({ onselect }) => h("div.lineage",
    failed ? h("p.hint", failed.message) : !found ? h("p.hint", "Looking …") : [
      h("p.hint", found.agents.length > 0 ? `Behind its output are ${count(found.agents.length, "agent")} and ${count(found.keys.length, "key")}.` : "No agent stands behind its output."),
      found.lineages.map((lineage) => h("section", { key: lineage.run }, lineage.run !== model.run && h("h4", link(`/runs/${lineage.run}`, lineage.run)),
        h("ul.sources", lineage.sources.map((one) => h("li", { key: one.name },
          h("div", one.task && lineage.run === model.run ? h("button.event-link", { type: "button", onclick: () => onselect(one.task) }, one.name) : h("code", one.name), " ", pill(one.kind)),
          h("p.hint", [one.agent && agentName(one.agent), one.capability, one.by && `by ${one.by}`, one.statement && `statement ${one.statement.slice(0, 10)}…`, one.value && `value ${one.value.slice(0, 10)}…`].filter(Boolean).join(" · ")),
          one.expressions?.length > 0 && h("p", one.expressions.map((text, n) => h("code", { key: n }, text)))))))),
    ]);
}
