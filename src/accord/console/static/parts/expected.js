// What a plan is expected to take and to cost, by the runs that have ended so far: figures, and the tasks on one scale.

import { h } from "../core/dom.js";
import { count, duration, number } from "../core/format.js";
import { card } from "./basic.js";

const TASKS = 12;
const RESTS = {
  runs: (one) => `as ${count(one.known, "run")} before`,
  task: (one) => `by ${count(one.known, "attempt")} at it`,
  capability: (one) => `by ${count(one.known, "attempt")} at its capability`,
  declared: () => "as the template says",
  none: () => "nobody has done it yet",
};

const time = (seconds) => duration(seconds * 1000);
const from = (of, told) => (told(of.p10) === told(of.p90) ? "" : `${told(of.p10)} to ${told(of.p90)}`);

export function expected(estimate) {
  const { time_s: took, cost, completes, unknown = [], tasks = [], runs = 0 } = estimate;
  const known = tasks.filter((one) => one.time_s ?? one.each_s);
  const most = Math.max(...known.map((one) => (one.time_s ?? one.each_s).p90), 0.001);
  return card("What to expect", { aside: h("span.hint", runs && known.length ? `by what tasks took in ${count(runs, "run")} here` : "no earlier runs") }, h("div.card-body.pile.expected",
    took && h("div.line", figure("Time", `about ${time(took.p50)}`, from(took, time)), cost ? figure("Cost", `about ${cost.p50}`, from(cost, String)) : figure("Cost", "not known", "no agent has told one"),
      (completes ?? 1) < 1 && figure("Succeeds", `${Math.round(completes * 100)} %`, "of such runs")),
    took && h("p.hint", "Four of five such runs stay between the two."),
    unknown.length > 0 && h("p", took ? "On top comes what nobody has done yet: " : "How long it takes is not known. Nobody has done yet: ", unknown.slice(0, TASKS).map((name, n) => [n > 0 && ", ", h("strong", { key: name }, name)]), unknown.length > TASKS && ` and ${number(unknown.length - TASKS)} more`, "."),
    tasks.some((one) => one.declared) && h("p.hint", "Some costs are the most that contracts allow: no agent has told one."),
    known.length > 0 && h("ol.expected-tasks", known.slice(0, TASKS).map((one) => row(one, most))),
    known.length > TASKS && h("p.hint", `and ${count(known.length - TASKS, "more task")}`)));
}

const figure = (name, value, under) => h("div.expected-figure", h("span.hint", name), h("strong", value), under && h("span.hint", under));

function row(one, most) {
  const of = one.time_s ?? one.each_s, share = (value) => `${(100 * value) / most}%`;
  const under = [from(of, time), one.cost && `cost ${one.cost.p50}`, RESTS[one.basis](one)].filter(Boolean).join(", ");
  return h("li", { key: one.task }, h("span.expected-name", one.task), h("span", `about ${time(of.p50)}${one.time_s ? "" : " each"}`), h("span.range", { "aria-hidden": "true" },
    h("span", { style: { left: share(of.p10), width: share(of.p90 - of.p10) } }), h("i", { style: { left: share(of.p50) } })),
  h("span.hint", under));
}
