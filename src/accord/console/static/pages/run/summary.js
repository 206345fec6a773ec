// The panel of the run itself: what came of it, its input, its events, and whether its journal holds.

import { address, get } from "../../core/api.js";
import { asked } from "../../core/asked.js";
import { h } from "../../core/dom.js";
import { agentName, clock, count, duration, moment, number, plain, short, words } from "../../core/format.js";
import { setQuery } from "../../core/router.js";
import { button, facts, failure, link, problems } from "../../parts/basic.js";
import { icon } from "../../parts/icon.js";
import { proven } from "../../parts/proven.js";
import { badge } from "../../parts/state.js";
import { Events } from "./events.js";
import { Explained } from "./explained.js";
import { markdown } from "./markdown.js";
import { tabs } from "./tabs.js";
import { time } from "./time.js";
import { looksWritten, value } from "./values.js";

const FORKS = 10;

export function RunPanel({ model, bind }, self) {
  const forks = asked(self, () => get("/v1/runs", { origin: model.run, limit: FORKS }), { every: 10_000 });
  return ({ query, onselect, onevent }) => {
    const { doc } = model;
    const open = query.get("view") ?? "result";
    return h("section.panel", { "aria-label": "The run" },
      tabs([["result", "Result"], ["input", "Input"], ["events", "Events", number(model.last)], ["proof", "Proof"]], open, (name) => setQuery({ view: name === "result" ? undefined : name, kind: undefined }), "What is shown of the run"),
      h("div.panel-body", { key: open, role: "tabpanel" },
        { result: () => result(model, doc, onselect, forks), input: () => h("div.stack", value(doc.input, { label: "Input", name: `${model.run}-input` }), doc.input_labels.length > 0 && facts([["Labels", doc.input_labels.join(", ")]])), events: () => h(Events, { key: `events ${model.run}`, model, query, bind, onselect, onevent }), proof: () => h(Proof, { key: model.run, model }) }[open]()));
  };
}

function result(model, doc, onselect, forks) {
  const failed = [...model.states.values()].filter((one) => one.state === "failed");
  const isOne = failed.length === 1 && doc.problem && failed[0].problem && isToldBy(doc.problem, failed[0].problem);
  const toTask = (name) => h("button.event-link", { type: "button", onclick: () => onselect(name) }, name);
  return h("div.stack",
    model.live && !model.ended && h(Explained, { key: "why", model }),
    doc.problem && h("div.failure", h("div", h("h4", "Why it failed"), problems({ problems: [doc.problem] }), isOne && h("p", "It failed at ", h("span.failed-tasks", toTask(failed[0].task)), "."))),
    failed.length > 0 && !isOne && h("ul.failed-tasks", failed.slice(0, 12).map((one) => h("li", { key: one.task }, toTask(one.task), one.problem && !isToldBy(doc.problem, one.problem) && h("span.hint", ` ${plain(one.problem.message)}`)))),
    forked(model, forks.value),
    doc.output !== undefined ? rest(model) : !doc.problem && h("p.hint", model.ended ? "It has no output." : "Its output is here once it has completed."),
    doc.repaired.length > 0 && h("div", h("h4", "Repaired results"), h("ul", doc.repaired.map((one) => h("li", { key: one.task }, h("button.event-link", { type: "button", onclick: () => onselect(one.task) }, one.task), h("span.hint", ` by ${agentName(one.by)}, ${count(one.changes.length, "change")}`))))),
    facts([
      ["Template", doc.template], ["Suggested by", doc.suggested_by], ["Started by", doc.by], ["Started", h("time", { datetime: doc.started_at, title: moment(doc.started_at) }, clock(doc.started_at))], ["Last event", time(model.now.at)],
      ["Took", model.ended && duration(doc.took_s * 1000)], ["Rested for", doc.paused_s > 0 && duration(doc.paused_s * 1000)],
      ["Cost", Number(doc.spent) > 0 && `${doc.spent}${doc.max_cost ? ` of ${doc.max_cost}` : ""}`], ["Deadline", doc.deadline_at && moment(doc.deadline_at)],
      ["Part of", doc.parent && link(`/runs/${doc.parent.run}?task=${doc.parent.task}`, doc.parent.run)], ["Forked from", doc.origin && link(`/runs/${doc.origin.run}?at=${doc.origin.sequence}`, doc.origin.run)],
      ["Acknowledged", doc.acknowledged && `${moment(doc.acknowledged.at)} by ${doc.acknowledged.by}${doc.acknowledged.note ? `: ${doc.acknowledged.note}` : ""}`],
      ["Labels", doc.labels.join(", ")], ["Signed by", doc.signed_by], ["Done anew", doc.epoch > 0 && `${doc.epoch}×`],
    ]));
}

// The reason of the run is that of the task that it failed by: it is said once.
const isToldBy = (reason, one) => reason?.code === one.code && reason.message.includes(one.message);

// What became of it elsewhere: the runs that were forked from it, the newest first.
function forked(model, found) {
  if (!found?.runs.length) return null;
  return h("div", h("h4", found.next ? link(address("/runs", { origin: model.run }), "Forks") : "Forks"),
    h("ul.forks", found.runs.map((one) => h("li", { key: one.run }, badge(one.state), link(`/runs/${one.run}`, one.title || one.template, { class: "cut grow", title: one.run }), h("code.hint", short(one.run)), h("span.hint", `after event ${number(one.origin.sequence)}`), link(address("/runs/compare", { a: model.run, b: one.run }), "compare", { "aria-label": `Compare with the fork ${short(one.run)}` })))));
}

// What somebody is to read in an output: its texts with headings or lists, by their names.
function textsOf(output) {
  if (typeof output !== "object" || output === null || Array.isArray(output)) return [];
  return Object.entries(output).filter(([, one]) => typeof one === "string" && looksWritten(one));
}

// The reports of a run that has completed, to be read before anything else.
export function reports(model) {
  const { output } = model.doc;
  const texts = textsOf(output);
  return texts.length > 0 && h("section.card.reports", { "aria-label": "What it says" },
    texts.map(([name, text]) => h("article.report", { key: name, "aria-label": name, tabindex: "0" }, h("h2", words(name)), h("div.prose", markdown(text.slice(0, 100_000), pictures(output))))));
}

// The output, but for the reports, which are above.
function rest({ doc: { output }, run }) {
  const read = textsOf(output).map(([name]) => name);
  const others = read.length ? Object.fromEntries(Object.entries(output).filter(([name]) => !read.includes(name))) : output;
  return h("div.stack", read.length > 0 && h("p.hint", `${read.map(words).join(" and ")} ${read.length > 1 ? "are" : "is"} above; this is the rest.`), value(others, { label: "Output", name: `${run}-output`, whole: output }));
}

// The charts that came with a report: `{name, svg}` in a list of the output. As an image an SVG runs nothing and fetches
// nothing.
function pictures(output) {
  const charts = Object.values(output).filter(Array.isArray).flat().filter((one) => typeof one?.svg === "string");
  const urls = new Map(charts.map((one) => [`${one.name}.svg`, `data:image/svg+xml,${encodeURIComponent(one.svg)}`]));
  return (name) => urls.get(name) ?? null;
}

function Proof({ model }, self) {
  let found = null, failed = null, busy = false;
  const look = async () => {
    busy = true;
    self.update();
    try { found = await get(`${model.path}/proof`); failed = null; } catch (error) { failed = error; }
    busy = false;
    self.update();
  };
  return () => h("div.stack.proof",
    h("p.hint", "Every event's place in the chain, every signature, every contract and every state is examined again, as anybody could who has the exported run and the orchestrator's key."),
    h("div.panel-actions", button(found ? "Examine again" : "Examine now", look, { icon: "shield", kind: "primary", small: true, busy }), link(`${model.path}/export`, [icon("download", { size: 16 }), "Export"], { class: "button small", download: `${model.run}.tar` })),
    failed && failure(failed, look),
    found && h("div.verdict", { class: found.holds ? "holds" : "broken", role: "status" }, icon(found.holds ? "shield" : "warning", { size: 26 }), h("div", h("strong", found.holds ? "Everything holds" : count(found.problems.length, "fault")),
      h("p", `${count(found.events, "event")}, ${count(found.statements, "signed statement")}, ${count(found.payloads, "payload")}${found.unproven ? `, ${number(found.unproven)} left out` : ""}`))),
    found && !found.holds && problems(found),
    found && facts([["Head of the chain", h("code.digest", found.head)], ["Key", found.key && h("code.digest", found.key)], ["Signers", found.signers.map((one) => agentName(one)).join(", ")], ["Runs", number(found.runs.length)]]),
    found && certificate(found.certificate));
}

/** What was proven of the graph before the run began, check by check. */
const certificate = (one) => one === null
  ? h("p.hint", "No certificate: nothing says what was proven, and the run does not go on.")
  : h("div.stack.certificate", h("h3", "Proven before it began"),
    proven(one.facts),
    facts([["Graph", h("code.digest", one.graph)], ["Policies", h("code.digest", one.policy)], ["Contracts", number(one.contracts.length)], ["Verified by", `Accord ${one.verifier}`]]));
