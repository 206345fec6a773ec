// A new run: an objective in words, or a template with a form. The plan is shown, with its reasons, before it starts.

import { at, get, post } from "../core/api.js";
import { h } from "../core/dom.js";
import { number } from "../core/format.js";
import { go, setQuery } from "../core/router.js";
import { may } from "../core/session.js";
import { button, card, coded, empty, failure, loading, problems, say, sheet } from "../parts/basic.js";
import { ChangePlan } from "../parts/change-plan.js";
import { Drawing } from "../parts/drawing.js";
import { expected } from "../parts/expected.js";
import { findings } from "../parts/findings.js";
import { Form, FormState } from "../parts/form.js";
import { icon } from "../parts/icon.js";
import { json } from "../parts/json.js";
import { Learnt } from "../parts/learnt.js";
import { bounded, proven } from "../parts/proven.js";
import { toast } from "../parts/toast.js";
import { allTemplates } from "./templates.js";

const EXAMPLES = 8;

export default function New({ query }, self) {
  let templates = null, chosen = null, form = null, wanted = "", loadFailed = null;
  let learns = false, plan = null, changedTo = null, graph = null, failed = null, lacking = null, lackingOf = null, told = {}, busy = "", task = null, title = "", labels = "", words = query.get("objective") ?? "";

  // What is planned is about what was asked for then: whatever is changed takes it away.
  function changed() { [plan, changedTo, graph, failed, task] = [null, null, null, null, null]; self.update(); }

  async function choose(reference) {
    wanted = reference;
    [chosen, form, loadFailed] = [null, null, null];
    changed();
    if (!reference) return;
    const [name, version = "*"] = reference.split("@");
    try {
      const found = await get(at`/v1/templates/${name}/${version}`);
      if (wanted !== reference) return;
      chosen = found;
      form = new FormState(found.document.input ?? {});
      form.changed.watch(() => { if (plan || failed) changed(); });
    } catch (error) { if (wanted === reference) loadFailed = error; }
    self.update();
  }

  async function planned(body, refuse) {
    [plan, changedTo, graph, failed, task, busy] = [null, null, null, null, null, "plan"];
    self.update();
    try {
      plan = await post("/v1/plans", body, { once: false });
      say(plan.ok ? "The plan is ready" : "The plan does not hold");
      draw();
    } catch (error) {
      failed = error;
      [lacking, lackingOf, told] = [error.wanting && new FormState(error.wanting.schema), body.template, body.input ?? {}];
      refuse?.(error);
    }
    busy = "";
    self.update();
    self.element.querySelector(".plan-of, .not-known, .failure")?.scrollIntoView({ block: "nearest" });
  }
  // What was made for words, or changed, comes with its drawing; that of a template is its own.
  function draw() {
    const shown = current();
    graph = shown?.drawing ?? null;
    if (!shown || graph) return;
    const [name, version] = shown.template.split("@");
    get(at`/v1/templates/${name}/${version}/graph`).then((found) => { if (current() === shown) graph = found; self.update(); }, () => {});
  }
  const current = () => (changedTo ? changedTo.plan : plan);
  function change(found) {
    [changedTo, task] = [found, null];
    draw();
    self.update();
  }
  const planWords = () => words.trim() && planned({ objective: words.trim() });
  const mean = (template) => words.trim() && planned({ objective: words.trim(), template });
  function planForm() {
    if (!form.check()) { failed = null; self.update(); return; }
    planned({ template: chosen.template, input: form.value() }, (error) => { form.refuse(error.problems); if (!form.others().length && error.status === 422) failed = null; });
  }
  async function start() {
    busy = "start";
    self.update();
    try {
      const names = labels.split(/[\s,]+/).filter(Boolean);
      const meant = { objective: plan.objective, template: plan.template };
      const what = changedTo ? { document: changedTo.text } : isMeant(plan) ? meant : { digest: plan.digest };
      const run = await post("/v1/runs", { ...what, input: plan.input, title: title.trim() || plan.objective || "", labels: names });
      if (changedTo && teaches()) await post("/v1/planner/examples", { objective: plan.objective, template: changedTo.plan.template.split("@")[0], how: "corrected", run: run.run }, { once: false }).catch(() => toast("The planner could not keep the example"));
      toast("Started");
      go(`/runs/${run.run}`);
      return;
    } catch (error) { failed = error; }
    busy = "";
    self.update();
  }

  self.onmount(() => {
    get("/v1/planner").then((found) => { learns = found.learns_from_you; self.update(); }, () => {});
    allTemplates().then((all) => { templates = all; self.update(); }, (error) => { loadFailed = error; self.update(); });
    const onkeydown = (event) => { if ((event.ctrlKey || event.metaKey) && event.key === "Enter") { event.preventDefault(); if (plan && !changedTo && plan.ok) start(); else if (!isByTemplate(now)) planWords(); else if (form) planForm(); } };
    addEventListener("keydown", onkeydown);
    return () => removeEventListener("keydown", onkeydown);
  });

  let now = query;
  return (props) => {
    now = props.query;
    if (!may("run")) return h("div", sheet("New run"), empty("Your role may not start runs", { text: "Ask somebody who is an operator, or more.", icon: "shield" }));
    const byTemplate = isByTemplate(now);
    const reference = byTemplate ? now.get("template") ?? newest(templates)[0]?.template ?? "" : "";
    if (reference !== wanted) choose(reference);
    const to = (mode) => { changed(); setQuery({ by: mode === "template" ? "template" : undefined, template: undefined }); };
    return h("div",
      sheet("New run", { under: "What it would do is shown before anything starts." }),
      h("div.choice-of", { role: "group", "aria-label": "How it is said" }, [["words", "In words"], ["template", "From a template"]].map(([name, text]) =>
        h("button.button", { key: name, type: "button", "aria-pressed": String(byTemplate === (name === "template")), onclick: () => to(name) }, text))),
      loadFailed && failure(loadFailed, () => choose(wanted)),
      h("div.new", card(null, {}, h("div.card-body.pile.asked", byTemplate ? byForm(reference) : byWords()))),
      busy === "plan" && loading(6),
      failed && (failed.wanting ? (failed.wanting.document ? doubted(failed) : incomplete(failed)) : notKnown(failed) ? honest(failed) : failure(failed)),
      plan && shown(),
      learns && h("div.new", h(Learnt)));
  };

  function byWords() {
    const phrases = phrasesOf(templates);
    return h("form.pile", { onsubmit: (event) => { event.preventDefault(); planWords(); } },
      h("div.form-field", h("label", { for: "objective" }, "What is to be done?"),
        h("textarea", { id: "objective", rows: 2, value: words, maxlength: 4000, autofocus: true, placeholder: phrases[0] ?? "", oninput: (event) => { words = event.target.value; if (plan || failed) changed(); } })),
      phrases.length > 0 && !plan && !failed && h("div.phrases", h("span.hint", "It is understood like this:"), phrases.map((phrase) => h("button.button.small.quiet", { key: phrase, type: "button", onclick: () => take(phrase) }, phrase))),
      h("div.form-actions", button("Show the plan", null, { type: "submit", kind: "primary", icon: "graph", busy: busy === "plan" }), h("span.hint", h("kbd", "Ctrl"), " ", h("kbd", "Enter"))));
  }

  // A phrase is taken over, and its first gap selected.
  function take(phrase) {
    words = phrase;
    changed();
    const area = self.element.querySelector("#objective");
    area.value = phrase;
    area.focus();
    const gap = /\{[^}]*\}/.exec(phrase);
    if (gap) area.setSelectionRange(gap.index, gap.index + gap[0].length);
  }

  function byForm(reference) {
    return h("form.pile", { novalidate: true, onsubmit: (event) => { event.preventDefault(); planForm(); } },
      h("div.form-field", h("label", { for: "template" }, "Template"),
        h("select", { id: "template", value: chosen?.template ?? reference, onchange: (event) => setQuery({ template: event.target.value }) }, (templates ?? []).map((one) => h("option", { key: one.template, value: one.template }, one.template))),
        chosen && h("p.hint", coded(chosen.description))),
      !chosen ? !loadFailed && loading(3) : h(Form, { key: chosen.digest, form }),
      h("div.form-actions", button("Show the plan", null, { type: "submit", kind: "primary", icon: "graph", busy: busy === "plan", disabled: !chosen || busy === "plan" }), h("span.hint", h("kbd", "Ctrl"), " ", h("kbd", "Enter"))));
  }

  // It is clear what is meant: only what was not said is asked for.
  function incomplete(error) {
    const submit = (event) => {
      event.preventDefault();
      if (lacking.check()) planned({ objective: words.trim(), ...(lackingOf && { template: lackingOf }), input: { ...told, ...lacking.value() } });
    };
    return h("section.not-known", { role: "status" }, icon("hand", { size: 28 }),
      h("form.pile", { novalidate: true, onsubmit: submit }, h("h2", "Something is still to be said"), h("p", "This is what is meant: ", h("strong", error.wanting.template), "."), problems(error),
        h(Form, { form: lacking }),
        h("div.form-actions", button("Show the plan", null, { type: "submit", kind: "primary", icon: "graph", busy: busy === "plan" }))));
  }

  // What may be meant is planned when somebody says that it is.
  function doubted(error) {
    const { template, document, input } = error.wanting;
    return h("section.not-known", { role: "status" }, icon("hand", { size: 28 }),
      h("div.pile", h("h2", "Is this what is meant?"), h("p", "It is not sure enough to be planned without asking."), problems(error),
        h("ul.reasons", Object.entries(document.tasks).map(([name, one]) => h("li", { key: name }, h("strong", name), " ", h("span.hint", `uses ${one.uses}`)))), json(input, { label: "Input" }),
        h("div.form-actions", button("Yes, show the plan", () => planned({ objective: words.trim(), template, input: told }), { kind: "primary", icon: "graph", busy: busy === "plan" }))));
  }

  function honest(error) {
    return h("section.not-known", { role: "status" }, icon("hand", { size: 28 }),
      h("div.pile", h("h2", "I do not know what is meant"), h("p", "There is no plan that I would stand for, so there is none. Nothing is guessed."), problems(error),
        error.several.length > 0 && h("div.phrases", h("span.hint", "Which one is meant?"), error.several.map((name) => h("button.button.small", { key: name, type: "button", onclick: () => mean(name) }, name))),
        newest(templates).length > 0 && h("div.form-field", h("label", { for: "meant" }, "What you mean"),
          h("select", { id: "meant", value: "", onchange: (event) => event.target.value && mean(event.target.value) }, h("option", { value: "" }, "choose a template"), newest(templates).map((one) => h("option", { key: one.template, value: one.template }, one.template))), kept()),
        h("div.phrases", h("span.hint", "What is understood:"), phrasesOf(templates).map((phrase) => h("button.button.small", { key: phrase, type: "button", onclick: () => take(phrase) }, phrase)))));
  }

  function known(one) { return plan.objective !== null && (templates ?? []).some((other) => other.template === one.template); }

  // Whoever chooses, or corrects, teaches; it is said where that is asked for.
  function teaches() { return learns && plan !== null && plan.objective !== null && (changedTo !== null || isMeant(plan)); }
  function kept() { return learns && h("p.hint", "If you start it, the planner keeps these words as an example, without what goes into the input. What it has learnt is below, and can be forgotten."); }

  function shown() {
    const shown = current() ?? plan, { report } = shown, startable = Boolean(current()?.ok) && (!changedTo || may("publish"));
    const about = shown.tasks.find((one) => one.task === task);
    const errors = report.findings.filter((one) => one.severity === "error"), open = report.findings.filter((one) => one.severity === "warning"), proofs = report.findings.filter((one) => one.severity === "proof");
    return h("section.plan-of.pile", { "aria-label": "The plan" },
      h("div.two",
        h("div.pile",
          card(`Plan: ${shown.template}`, { aside: plan.objective && h("span.hint", `confidence ${Math.round(plan.confidence * 100)} %`) },
            shown.suggested && h("div.card-body", h("div.judgement.tone-waiting", { role: "status" }, icon("info", { size: 24 }), h("div.pile", h("strong", "A language model has suggested it: look at it before you start it"), h("p.hint", suggestedBy(shown.suggested))))),
            graph ? h(Drawing, { graph, selected: task, onselect: (name) => { task = name === task ? null : name; self.update(); }, label: "The tasks of the plan" }) : h("div.card-body", loading(3)),
            h("ol.plan-tasks", shown.tasks.map((one) => h("li", { key: one.task, class: one === about && "selected" }, h("div", h("strong", one.task), " ", h("span.hint", coded(one.does)), one.each && h("span.hint", ", for each of ", h("code", one.each)), one.condition && h("span.hint", ", if ", h("code", one.condition))),
              one.why && h("p", one.why),
              one.after.length > 0 && h("ul.reasons", one.after.map((need) => h("li", { key: need.task }, "after ", h("strong", need.task), h("span.hint", " ", h("code", need.why))))))))),
          card("What it is given", {}, h("div.card-body.pile", json(plan.input, { label: "Input" }))),
          h(ChangePlan, { key: plan.digest, plan, onchange: change })),
        h("div.pile",
          card("Start it", {}, shown.warnings.length > 0 && h("div.card-body", h("div.judgement.tone-waiting", { role: "status" }, icon("warning", { size: 24 }), h("div.pile", h("strong", "It would wait: somebody is missing"), problems({ problems: shown.warnings })))), h("form.card-body.pile", { onsubmit: (event) => { event.preventDefault(); if (startable) start(); } },
            h("div.form-field", h("label", { for: "title" }, "Title"), h("input", { id: "title", type: "text", value: title, placeholder: plan.objective ?? plan.template, maxlength: 4000, autocomplete: "off", oninput: (event) => { title = event.target.value; } })),
            h("div.form-field", h("label", { for: "labels" }, "Labels"), h("input", { id: "labels", type: "text", value: labels, placeholder: "none", autocomplete: "off", "aria-describedby": "labels-hint", oninput: (event) => { labels = event.target.value; } }), h("p.hint", { id: "labels-hint" }, "Of all that it is given, with commas between: they raise what the template says.")),
            teaches() && kept(),
            h("div.form-actions", button("Start the run", null, { type: "submit", kind: "primary", icon: "play", busy: busy === "start", disabled: !startable || busy === "start" })))),
          shown.estimate && expected(shown.estimate),
          (plan.reasons.length > 0 || plan.alternatives.length > 0) && card("Why this plan", {}, h("div.card-body.pile",
            h("ul.reasons", plan.reasons.map((one) => h("li", { key: one }, coded(one)))),
            plan.alternatives.length > 0 && [h("h3", "What else was considered"), h("ul.reasons", plan.alternatives.map((one) => h("li", { key: one.template + one.phrase }, h("strong", one.template), h("span.hint", ` “${one.phrase}”, ${Math.round(one.score * 100)} %: `), coded(one.why_not), known(one) && [" ", h("button.button.small.quiet", { type: "button", onclick: () => mean(one.template) }, "I mean this one")]))), kept()])),
          card("Verification", {}, h("div.card-body.pile",
            h("div.judgement", { class: errors.length ? "tone-failed" : "tone-done" }, icon(errors.length ? "warning" : "check", { size: 24 }),
              h("div.pile", h("strong", errors.length ? "It does not hold: it cannot start" : "It holds"), h("p", `${number(report.proven)} of ${number(report.edges)} inputs are proven to fit.`))),
            errors.length > 0 && findings(errors), open.length > 0 && [h("h3", "Not proven"), findings(open)],
            report.bounds && h("details", h("summary", "At most"), bounded(report.bounds)),
            report.facts.length > 0 && h("details", h("summary", "Checks"), proven(report.facts)),
            proofs.length > 0 && h("details", h("summary", `${number(proofs.length)} proven`), findings(proofs)))))));
  }
}

// Somebody has said which template the words mean.
const isMeant = (plan) => plan.way === "named" && plan.objective !== null;

const isByTemplate = (query) => query.get("by") === "template" || query.has("template");
const notKnown = (error) => /^ACC(80\d|81\d|15[0-7])$/.test(error.code ?? "");
const suggestedBy = ({ model, rounds, input_tokens, output_tokens, cost }) => `${model}, in ${rounds} ${rounds === 1 ? "round" : "rounds"}: ${number(input_tokens)} tokens read, ${number(output_tokens)} written${cost ? `, ${cost} USD` : ""}`;

// The newest version of each template.
const newest = (templates) => (templates ?? []).filter((one, n, all) => all.findIndex((other) => other.name === one.name) === n);

// Some phrases of all that is on offer: what was published last before what is built in, one of each before a second one.
function phrasesOf(templates) {
  const offered = newest(templates).filter((one) => one.examples.length > 0).sort((one, other) => (other.published_at ?? "").localeCompare(one.published_at ?? ""));
  const own = [...offered.filter((one) => one.origin === "published"), ...offered.filter((one) => one.origin !== "published")];
  const most = Math.max(0, ...own.map((one) => one.examples.length));
  return [...new Set(Array.from({ length: most }, (_, n) => own.map((one) => one.examples[n])).flat().filter(Boolean))].slice(0, EXAMPLES);
}
