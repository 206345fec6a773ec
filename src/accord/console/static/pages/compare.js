// Two versions of a template: what is different, in one graph and as text.

import { at, get } from "../core/api.js";
import { h } from "../core/dom.js";
import { count } from "../core/format.js";
import { setQuery } from "../core/router.js";
import { document as asYaml, FIRST, lineDiff } from "../core/yaml.js";
import { button, card, empty, failure, link, loading, sheet } from "../parts/basic.js";
import { places, shown } from "../parts/differences.js";
import { Drawing } from "../parts/drawing.js";
import { notThere } from "../parts/unknown.js";
import { allTemplates } from "./templates.js";

const TONES = { added: ["done", "added", "+"], removed: ["failed", "removed", "−"], changed: ["waiting", "changed", "≠"] };
const AROUND = 3;
const MOST_LINES = 4000;

export default function Compare(props, self) {
  let wanted = null, found = null, failed = null, templates = [];
  self.onmount(() => { allTemplates().then((all) => { templates = all; self.update(); }, () => {}); });

  async function look(before, after) {
    const mine = `${before} ${after}`;
    if (mine === wanted) return;
    [wanted, found, failed] = [mine, null, null];
    if (!before || !after) return;
    try {
      const [diff, graph] = await Promise.all([get("/v1/templates/diff", { before, after }), get("/v1/templates/diff/graph", { before, after })]);
      const texts = await Promise.all([diff.before, diff.after].map(async (one) => {
        const [name, version] = one.template.split("@");
        return asYaml((await get(at`/v1/templates/${name}/${version}`)).document, FIRST);
      }));
      if (mine === wanted) found = { diff, graph, texts };
    } catch (error) { if (mine === wanted) failed = error; }
    self.update();
  }

  return ({ query }) => {
    const [before, after] = [query.get("before") ?? "", query.get("after") ?? ""];
    look(before, after);
    const view = query.get("view") ?? "graph";
    return h("div",
      h("nav.crumbs", { "aria-label": "Where this is" }, link("/templates", "Templates")),
      sheet("Compare templates", { under: found ? summary(found.diff) : " ", aside: h("div.choice-of", { role: "group", "aria-label": "How it is shown" }, [["graph", "As a graph"], ["text", "As text"]].map(([name, title]) =>
        h("button.button.small", { key: name, type: "button", "aria-pressed": String(view === name), onclick: () => setQuery({ view: name === "graph" ? undefined : name }) }, title))) }),
      h("div.inline.compare-of", choose("before", "Before", before), button("", () => setQuery({ before: after, after: before }), { icon: "swap", "aria-label": "Change sides", title: "Change sides" }), choose("after", "After", after)),
      failed ? failure(failed, () => { wanted = null; look(before, after); }) : !before || !after ? empty("Choose two versions", { text: "Of one template, or of two.", icon: "templates" }) : !found ? loading(8) :
        view === "text" ? lines(found) : graphOf(found, query.get("task")));
  };

  function choose(name, title, value) {
    const names = [...new Set([value, ...templates.map((one) => one.template)].filter(Boolean))];
    return h("label.grow", h("span.hint", title), h("select", { value, onchange: (event) => setQuery({ [name]: event.target.value }) }, h("option", { value: "" }, "–"), names.map((one) => h("option", { key: one, value: one }, one))));
  }
}

function summary({ tasks, changes }) {
  if (!changes.length) return "They say the same.";
  const parts = Object.entries(tasks).filter(([, names]) => names.length).map(([kind, names]) => `${count(names.length, "task")} ${kind}`);
  return `${parts.length ? parts.join(", ") : "No task is different"}; ${count(changes.length, "place")} of the text ${changes.length === 1 ? "differs" : "differ"}.`;
}

function graphOf({ diff, graph }, chosen) {
  const differ = [...graph.tasks.map((one) => [one.task, one.change]), ...graph.edges.map((one) => [`${one.source} ${one.target}`, one.change])].filter(([, change]) => change !== "same");
  const tones = new Map(differ.map(([name, change]) => [name, TONES[change]]));
  const kinds = Object.keys(TONES).filter((kind) => differ.some(([, change]) => change === kind));
  const task = graph.tasks.find((one) => one.task === chosen);
  return h("div.pile",
    chosen && !task && notThere(["task"], "Neither version has a task ", h("code", chosen), ": none is chosen."),
    card("Both in one graph", { aside: h("span.legend-of", kinds.map((kind) => h("span", { key: kind, class: `tone-${TONES[kind][0]}` }, h("i", { "aria-hidden": "true" }, TONES[kind][2]), kind))) },
      h(Drawing, { graph, tones, selected: chosen, onselect: (name) => setQuery({ task: name === chosen ? undefined : name }), label: `The tasks of ${diff.before.template} and ${diff.after.template}` }),
      task ? changesOf(task, graph) : h("p.hint.card-body", "Choose a task to see what has changed in it.")),
    diff.changes.length > 0 && card("What it means", {}, meaning(diff.evolution)),
    card("What differs", {}, diff.changes.length ? places(diff.changes) : empty("They say the same", { icon: "check" })));
}

const SAID = { same: "It is the same in both.", added: "Only the version after has it.", removed: "Only the version before has it.", changed: "" };

// What has changed in a task, and in what it comes after and before.
function changesOf(task, graph) {
  const edges = graph.edges.filter((one) => one.change !== "same" && (one.source === task.task || one.target === task.task));
  return h("section.card-body.pile.task-of", { "aria-label": `What has changed in ${task.task}` },
    h("h3.line", task.task, TONES[task.change] && h("span.change", { class: `tone-${TONES[task.change][0]}` }, h("i", { "aria-hidden": "true" }, TONES[task.change][2]), task.change)),
    SAID[task.change] && h("p", SAID[task.change]),
    task.differences?.length > 0 && places(task.differences),
    edges.length > 0 && h("ul.edges-of", edges.map((one) => h("li", { key: `${one.source} ${one.target}`, class: `tone-${TONES[one.change][0]}` },
      h("span.change", h("i", { "aria-hidden": "true" }, TONES[one.change][2]), one.change), h("span", one.target === task.task ? ["after ", h("strong", one.source)] : ["before ", h("strong", one.target)]),
      h("span.hint", one.was && [h("code", one.was), " → "], one.reason === "needs" ? "said by its needs" : h("code", one.reason))))));
}

const PARTIES = { callers: "Whoever starts it", readers: "Whoever reads its output", runs: "Runs in flight" };

function meaning({ effects, deserves, step, has, enough }) {
  const word = (safe) => (safe === null ? "not proven" : safe ? "safe" : "not safe");
  return h("div.means", h("ul.lines", effects.map((one) => h("li", { key: one.party }, h("span.kind", PARTIES[one.party]), h("span.grow", h("span", h("strong", { class: one.safe ? "good" : one.safe === null ? "" : "bad" }, word(one.safe)), `: ${one.why}`)), one.example !== undefined && h("code", shown(one.example))))),
    h("p.card-body", step === "none" ? "It needs no new version." : `It deserves ${deserves} (${step}); `, step !== "none" && (enough ? "its version says so." : `it has ${has}, which is too low.`)));
}

function lines({ texts: [before, after] }) {
  if (before.split("\n").length + after.split("\n").length > MOST_LINES) return empty("They are too long to be compared by lines", { text: "As a graph, every place that differs is listed." });
  const all = lineDiff(before, after);
  const near = all.map((_, n) => all.slice(Math.max(0, n - AROUND), n + AROUND + 1).some((one) => one.kind !== "same"));
  const parts = [];
  all.forEach((one, n) => {
    if (near[n]) parts.push(h("tr", { key: n, class: `line-${one.kind}` }, h("td.num", one.before ?? ""), h("td.num", one.after ?? ""), h("td.sign", { "aria-label": one.kind === "same" ? null : one.kind }, { added: "+", removed: "−", same: "" }[one.kind]), h("td", h("code", one.text))));
    else if (near[n - 1] || n === 0) parts.push(h("tr.line-gap", { key: n }, h("td", { colspan: 4 }, "⋯")));
  });
  return card(null, {}, near.includes(true) ? h("div.plan-scroll", { tabindex: "0", role: "region", "aria-label": "Lines that differ" }, h("table.diff", h("thead.unseen", h("tr", ["Line before", "Line after", "Change", "Text"].map((one) => h("th", { key: one, scope: "col" }, one)))), h("tbody", parts))) : empty("They say the same", { icon: "check" }));
}
