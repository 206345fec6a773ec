// What runs wait for from people: each with its question and a form made from the schema of its answer.

import { address, at, get, post } from "../core/api.js";
import { asked } from "../core/asked.js";
import { h } from "../core/dom.js";
import { count, questionOf } from "../core/format.js";
import { key } from "../core/keys.js";
import { setQuery } from "../core/router.js";
import { OPEN } from "../core/runs.js";
import { may } from "../core/session.js";
import { Ago, button, coded, empty, failure, link, loading, pill, say, sheet } from "../parts/basic.js";
import { Filters } from "../parts/filters.js";
import { Form, FormState } from "../parts/form.js";
import { icon } from "../parts/icon.js";
import { json } from "../parts/json.js";
import { mark } from "../parts/state.js";
import { toast } from "../parts/toast.js";
import { notThere } from "../parts/unknown.js";
import { Basis } from "./run/basis.js";

const WORDS = { approval: "Approval", review: "Review of a result", signal: "Signal" };
const EVERY_MS = 3000;

export default function Approvals({ query }, self) {
  let now = query, cursor = -1;
  const open = asked(self, () => get("/v1/approvals", { kind: now.getAll("kind"), template: now.get("template"), limit: 100 }), { every: EVERY_MS });
  const nameOf = (one) => `${one.run}/${one.task}`;
  const move = (by) => {
    const all = open.value?.approvals ?? [];
    cursor = Math.max(0, Math.min(all.length - 1, cursor + by));
    self.element.querySelectorAll(".ask-head")[cursor]?.focus();
  };
  self.onmount(() => {
    const ends = [key("j", "Next question", () => move(1)), key("k", "Question before", () => move(-1))];
    return () => ends.forEach((end) => end());
  });
  let filtered = "";
  return (props) => {
    now = props.query;
    const filter = JSON.stringify([now.getAll("kind"), now.get("template")]);
    if (filtered && filter !== filtered) open.look();
    filtered = filter;
    const all = open.value?.approvals ?? [];
    const chosen = now.get("open"), isFiltered = now.has("kind") || now.has("template");
    return h("div",
      open.value && !open.value.next && chosen && !all.some((one) => nameOf(one) === chosen) && notThere(["open"], "The question ", h("code", chosen), " is not among these: it was answered, or waits no longer. ", h("a", { href: `/runs/${chosen.split("/")[0]}` }, "Its run"), " tells what became of it."),
      sheet("Approvals", { under: open.value ? (all.length ? `${count(all.length, "question waits", "questions wait")}${open.value.next ? ", and more," : ""} for an answer` : isFiltered ? "No question fits" : "Nothing waits for an answer") : " " }),
      h(Filters, { query: now, fields: [
        { name: "kind", title: "Kind", kind: "many", options: Object.entries(WORDS) },
        { name: "template", title: "Template", kind: "text", list: [...new Set(all.map((one) => one.template))], placeholder: "name, or name@version" },
      ] }),
      open.failed && failure(open.failed, open.look),
      !open.value ? !open.failed && loading(5) : !all.length ? isFiltered ? empty("No question fits", { text: "Nothing waits for an answer that fits all of these filters.", icon: "filter" }) : empty("Nobody is asked anything", { text: "As soon as a run waits for an approval, a review or a signal, it is here.", icon: "approvals", action: h("a.button", { href: address("/runs", { state: OPEN }) }, "What is under way") }) :
        h("ul.asks-list", all.map((one) => h(Ask, { key: nameOf(one), one, isOpen: chosen === nameOf(one), toggle: () => setQuery({ open: chosen === nameOf(one) ? undefined : nameOf(one) }), answered: (taken) => { if (taken) setQuery({ open: undefined }); open.look(); } }))));
  };
}

function Ask({ one }, self) {
  const form = new FormState(one.schema);
  let busy = false, failed = null, result;
  async function answer() {
    if (!form.check()) { failed = null; self.update(); return; }
    [busy, failed] = [true, null];
    self.update();
    let taken = false;
    try {
      await post(at`/v1/runs/${one.run}/signals`, { task: one.task, value: form.value() });
      taken = true;
      toast(one.kind === "signal" ? `Sent ${one.signal}` : `Answered: ${questionOf(one)}`);
      say("Answered");
    } catch (error) {
      form.refuse(error.problems);
      failed = form.others().length ? { problems: form.others() } : null;
    }
    busy = false;
    self.update();
    now.answered(taken);
  }
  // A result that is to be reviewed is shown with the question.
  async function show() {
    if (one.kind !== "review" || result !== undefined) return;
    result = null;
    const task = await get(at`/v1/runs/${one.run}/tasks/${one.task}`).catch(() => null);
    result = task?.attempts?.at(-1)?.output ?? null;
    self.update();
  }
  let now;
  return (props) => {
    now = props;
    if (props.isOpen) show();
    const id = `ask-${one.run}-${one.task}`.replace(/[^\w-]/g, "-");
    return h("li.card.ask", { class: props.isOpen && "open" },
      h("button.ask-head", { type: "button", "aria-expanded": String(props.isOpen), "aria-controls": id, onclick: props.toggle },
        mark("waiting", { size: 20 }),
        h("span.grow", h("strong", coded(questionOf(one))), h("span.hint", `${WORDS[one.kind]} · task ${one.task} of ${one.title || one.template}`)),
        h("span.ask-times", h("span.hint", "asked ", h(Ago, { time: one.since })), one.until && h("span.hint", "too late ", h(Ago, { time: one.until }))),
        icon(props.isOpen ? "down" : "chevron", { size: 18 })),
      props.isOpen && h("div.ask-body", { id },
        h("div.links", link(`/runs/${one.run}?task=${encodeURIComponent(one.task)}`, "See the run at this task"), link(`/templates/${one.template.replace("@", "/")}?task=${encodeURIComponent(one.task.replace(/\[\d+\]$/, ""))}`, one.template), pill(`for ${one.role}s`)),
        h(Basis, { run: one.run, task: one.task }),
        result !== undefined && result !== null && h("div", h("h3", "The result"), json(result, { label: "Result" })),
        may("approve") ? h("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); answer(); } },
          h(Form, { form }), failed && failure(failed),
          h("div.form-actions", button("Answer", null, { kind: "primary", icon: "check", type: "submit", busy }))) :
          h("p.hint", `Your role may look, and not answer: ask somebody who is ${one.role}, or more.`)));
  };
}

