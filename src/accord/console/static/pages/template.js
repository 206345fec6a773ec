// One version of a template: what it takes, its graph and each of its tasks, its text, its other versions with their runs.

import { address, at, get } from "../core/api.js";
import { asked } from "../core/asked.js";
import { h } from "../core/dom.js";
import { count, number } from "../core/format.js";
import { go, setQuery } from "../core/router.js";
import { may } from "../core/session.js";
import { document as asYaml, FIRST } from "../core/yaml.js";
import { Ago, button, card, coded, empty, facts, failure, link, loading, pill, sheet } from "../parts/basic.js";
import { Drawing } from "../parts/drawing.js";
import { icon } from "../parts/icon.js";
import { copy, json } from "../parts/json.js";
import { schemaView } from "../parts/schema.js";
import { mark } from "../parts/state.js";
import { notThere } from "../parts/unknown.js";
import { allTemplates, hrefOf } from "./templates.js";

export default function Template({ params }, self) {
  // Without a version it is the newest of all.
  const path = at`/v1/templates/${params.name}/${params.version ?? "*"}`;
  const template = asked(self, async () => {
    const found = await get(path);
    if (!params.version) go(hrefOf(found) + location.search, { replace: true });
    return found;
  });
  const graph = asked(self, () => get(`${path}/graph`));
  const versions = asked(self, async () => counted((await allTemplates()).filter((one) => one.name === params.name)), { every: 10_000 });

  return ({ query }) => {
    const one = template.value;
    const back = h("nav.crumbs", { "aria-label": "Where this is" }, link("/templates", "Templates"));
    if (!one) return h("div", back, sheet(params.name), template.failed ? failure(template.failed, template.look) : loading(8));
    const { document } = one;
    const chosen = query.get("task");
    return h("div", back,
      chosen && !document.tasks[chosen] && notThere(["task"], h("code", one.template), " has no task ", h("code", chosen), ": none is chosen."),
      sheet(one.name, {
        under: h("span.line", pill(one.version), h("span", coded(one.description))),
        aside: may("run") && h("a.button.primary", { href: address("/new", { template: one.template }) }, icon("play", { size: 16 }), h("span", "Run it")),
      }),
      h("div.two",
        h("div.pile",
          card("Graph", { aside: h("span.hint", count(one.tasks.length, "task")) },
            graph.failed ? h("div.card-body", failure(graph.failed, graph.look)) : !graph.value ? h("div.card-body", loading(4)) :
              h(Drawing, { graph: graph.value, selected: chosen, onselect: (task) => setQuery({ task: task === chosen ? undefined : task }), label: `The tasks of ${one.template}` }),
            chosen && document.tasks[chosen] && taskOf(chosen, document.tasks[chosen], graph.value)),
          card("Text", { aside: navigator.clipboard && button("Copy", () => copy(asYaml(document, FIRST)), { icon: "copy", small: true, kind: "quiet" }) }, h("div.card-body", h("pre.source", { tabindex: "0", role: "region", "aria-label": "The text of the template" }, asYaml(document, FIRST))))),
        h("div.pile",
          card("Versions", {}, versionList(versions, one)),
          card("What it takes", {}, h("div.card-body", document.input ? schemaView(document.input, "What it takes") : h("p.hint", "Nothing."))),
          one.examples.length > 0 && card("How it is said", {}, h("ul.lines", one.examples.map((phrase) => h("li", { key: phrase }, h("span.grow", `“${phrase}”`))))),
          card("About", {}, h("div.card-body", facts([["origin", one.origin], ["published", one.published_at && h(Ago, { time: one.published_at })], ["digest", h("code.root", one.digest)]]))))));
  };
}

function taskOf(name, task, graph) {
  const before = graph?.edges.filter((one) => one.target === name) ?? [];
  return h("div.card-body.pile.task-of", h("h3", name), task.description && h("p", coded(task.description)),
    before.length > 0 && h("ul.reasons", before.map((one) => h("li", { key: one.source }, "after ", h("strong", one.source), one.reason && h("span.hint", " ", one.reason === "needs" ? "said by its needs" : h("code", one.reason))))),
    json(task, { label: `Task ${name}` }));
}

// How many runs each version has, by state.
const counted = (all) => Promise.all(all.map(async (one) => ({ ...one, counts: (await get("/v1/runs/counts", { template: one.template })).states })));

const SHOWN = ["running", "completed", "failed"];

function versionList(versions, shown) {
  if (!versions.value) return h("div.card-body", versions.failed ? failure(versions.failed, versions.look) : loading(2));
  return h("ul.lines", versions.value.map((one) => h("li", { key: one.version, class: one.version === shown.version && "current" },
    h("span.grow", h("span.line", link(hrefOf(one), one.version, { "aria-current": one.version === shown.version ? "page" : null }),
      one.version !== shown.version && link(address("/templates/compare", { before: older(one, shown), after: older(one, shown) === one.template ? shown.template : one.template }), "compare", { class: "hint", "aria-label": `Compare ${one.version} with ${shown.version}` })),
      h("span.hint", one.published_at ? ["published ", h(Ago, { time: one.published_at })] : one.origin)),
    h("a.counts", { href: address("/runs", { template: one.template }), "aria-label": `${number(total(one.counts))} runs of ${one.version}` },
      SHOWN.filter((state) => one.counts[state]).map((state) => h("span", { key: state, title: state }, mark(state, { size: 14, label: state }), h("span.num", number(one.counts[state])))),
      !total(one.counts) && h("span.hint", "no runs"), total(one.counts) > 0 && !SHOWN.some((state) => one.counts[state]) && h("span.hint", count(total(one.counts), "run"))))));
}

const total = (counts) => Object.values(counts).reduce((sum, one) => sum + one, 0);
// Versions come with the newest first; of two, the one that was published first is before.
const older = (one, shown) => ((one.published_at ?? "") < (shown.published_at ?? "") ? one.template : shown.template);
