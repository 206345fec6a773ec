// Two versions of a template: what is different, as graphs and as text.

import { at, get } from "../core/api.js";
import { h } from "../core/dom.js";
import { count } from "../core/format.js";
import { setQuery } from "../core/router.js";
import { document as asYaml, lineDiff } from "../core/yaml.js";
import { button, card, empty, failure, link, loading, sheet } from "../parts/basic.js";
import { Drawing } from "../parts/drawing.js";
import { FIRST } from "./template.js";
import { allTemplates } from "./templates.js";

const TONES = { added: ["done", "added"], removed: ["failed", "removed"], changed: ["waiting", "changed"] };
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
      const diff = await get("/v1/templates/diff", { before, after });
      const sides = await Promise.all([diff.before, diff.after].map(async (one) => {
        const [name, version] = one.template.split("@");
        const [whole, graph] = await Promise.all([get(at`/v1/templates/${name}/${version}`), get(at`/v1/templates/${name}/${version}/graph`)]);
        return { ...one, graph, text: asYaml(whole.document, FIRST) };
      }));
      if (mine === wanted) found = { diff, sides };
    } catch (error) { if (mine === wanted) failed = error; }
    self.update();
  }

  return ({ query }) => {
    const [before, after] = [query.get("before") ?? "", query.get("after") ?? ""];
    look(before, after);
    const view = query.get("view") ?? "graph";
    return h("div",
      h("nav.crumbs", { "aria-label": "Where this is" }, link("/templates", "Templates")),
      sheet("Compare templates", { under: found ? summary(found.diff) : " ", aside: h("div.choice-of", { role: "group", "aria-label": "How it is shown" }, [["graph", "As graphs"], ["text", "As text"]].map(([name, title]) =>
        h("button.button.small", { key: name, type: "button", "aria-pressed": String(view === name), onclick: () => setQuery({ view: name === "graph" ? undefined : name }) }, title))) }),
      h("div.inline.compare-of", choose("before", "Before", before), button("", () => setQuery({ before: after, after: before }), { icon: "retry", "aria-label": "Change sides", title: "Change sides" }), choose("after", "After", after)),
      failed ? failure(failed, () => { wanted = null; look(before, after); }) : !before || !after ? empty("Choose two versions", { text: "Of one template, or of two.", icon: "templates" }) : !found ? loading(8) :
        view === "text" ? lines(found) : graphs(found));
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

function graphs({ diff, sides }) {
  const tones = (kinds) => new Map(kinds.flatMap((kind) => diff.tasks[kind].map((task) => [task, TONES[kind]])));
  const about = (which, kinds, one) => card(`${which}: ${one.template}`, { key: which, aside: h("span.legend-of", kinds.filter((kind) => diff.tasks[kind].length).map((kind) => h("span", { key: kind, class: `tone-${TONES[kind][0]}` }, h("i"), kind))) },
    h(Drawing, { graph: one.graph, tones: tones(kinds), label: `The tasks of ${one.template}` }));
  return h("div.pile", about("Before", ["removed", "changed"], sides[0]), about("After", ["added", "changed"], sides[1]),
    card("What differs", {}, diff.changes.length ? h("ul.lines.places", diff.changes.map((one) => h("li", { key: one.pointer, class: `tone-${TONES[one.kind]?.[0] ?? "off"}` }, h("span.kind", one.kind), h("code.grow", one.pointer), value(one)))) : empty("They say the same", { icon: "check" })));
}

const shown = (one) => { const text = JSON.stringify(one); return text.length > 90 ? `${text.slice(0, 89)}…` : text; };
const value = (one) => h("span.values", one.before !== undefined && h("del", shown(one.before)), one.after !== undefined && h("ins", shown(one.after)));

function lines({ sides }) {
  const [before, after] = sides.map((one) => one.text);
  if (before.split("\n").length + after.split("\n").length > MOST_LINES) return empty("They are too long to be compared by lines", { text: "As graphs, every place that differs is listed." });
  const all = lineDiff(before, after);
  const near = all.map((_, n) => all.slice(Math.max(0, n - AROUND), n + AROUND + 1).some((one) => one.kind !== "same"));
  const parts = [];
  all.forEach((one, n) => {
    if (near[n]) parts.push(h("tr", { key: n, class: `line-${one.kind}` }, h("td.num", one.before ?? ""), h("td.num", one.after ?? ""), h("td.sign", { "aria-label": one.kind === "same" ? null : one.kind }, { added: "+", removed: "−", same: "" }[one.kind]), h("td", h("code", one.text))));
    else if (near[n - 1] || n === 0) parts.push(h("tr.line-gap", { key: n }, h("td", { colspan: 4 }, "⋯")));
  });
  return card(null, {}, near.includes(true) ? h("div.plan-scroll", { tabindex: "0", role: "region", "aria-label": "Lines that differ" }, h("table.diff", h("thead.unseen", h("tr", ["Line before", "Line after", "Change", "Text"].map((one) => h("th", { key: one, scope: "col" }, one)))), h("tbody", parts))) : empty("They say the same", { icon: "check" }));
}
