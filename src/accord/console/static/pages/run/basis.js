// What whoever is asked decides on: what the task is for, what came right before it, what the run was given.

import { at, get } from "../../core/api.js";
import { asked } from "../../core/asked.js";
import { h } from "../../core/dom.js";
import { agentName, count, number } from "../../core/format.js";
import { failure, link, loading } from "../../parts/basic.js";
import { closeDialog } from "../../parts/dialog.js";
import { mark } from "../../parts/state.js";
import { value } from "./values.js";

export function Basis({ run, task }, self) {
  const found = asked(self, () => get(at`/v1/runs/${run}/tasks/${task}/basis`));
  return () => h("div.basis", found.failed ? failure(found.failed, found.look) : !found.value ? loading(3) : drawn(found.value));
}

function drawn({ run, description, input, item, before, more }) {
  return [
    description && h("p.basis-for", description),
    item !== undefined && part("The item", value(item, { label: "The item" })),
    before.length > 0 && h("div.basis-part", h("h3", "What came right before it"),
      before.map((one) => h(Before, { key: one.task, run, one, open: before.length <= OPEN })),
      more > 0 && h("p.hint", `${count(more, "task")} more: the run has them all.`)),
    input !== undefined && h("details.basis-part", { open: !before.length }, h("summary", h("h3", "What the run was given")), value(input, { label: "Input" })),
  ];
}

const OPEN = 3;
const part = (title, body) => h("div.basis-part", h("h3", title), body);

// One of them; where there are many, each is opened for itself.
const Before = () => ({ run, one, open }) => {
  const leads = link(`/runs/${run}?task=${encodeURIComponent(one.task)}`, `Open ${one.task}`, { onclick: closeDialog });
  return h("details.before", { open },
    h("summary", mark(one.state === "active" ? "running" : one.state, { size: 15 }), h("strong", one.task), h("span.hint", madeBy(one))),
    one.description && h("p.hint", one.description),
    one.output === undefined ? h("p.hint", one.state === "completed" ? "Its output is long: its own page has it. " : `It has no output: it is ${one.state}. `, leads) : value(one.output, { label: `Output of ${one.task}`, name: `${one.task}-output`, leads }));
};

const madeBy = ({ agent, confidence, items, output, state }) => [
  state !== "completed" && state, agent && `by ${agentName(agent)}`, confidence !== null && `confidence ${confidence.toFixed(2)}`,
  items > 0 && (Array.isArray(output) && output.length < items ? `the first ${number(output.length)} of ${count(items, "item")}` : count(items, "item")),
].filter(Boolean).join(" · ");
