// All templates, by name, with how many runs each has; the way to publish one.

import { get, pages } from "../core/api.js";
import { asked } from "../core/asked.js";
import { ORIGINS } from "../core/choices.js";
import { h } from "../core/dom.js";
import { count, number } from "../core/format.js";
import { may } from "../core/session.js";
import { Ago, coded, empty, failure, link, loading, pill, sheet } from "../parts/basic.js";
import { Filters } from "../parts/filters.js";
import { icon } from "../parts/icon.js";
import { Table } from "../parts/table.js";

export async function allTemplates() {
  const found = [];
  for await (const page of pages("/v1/templates", { limit: 500 })) found.push(...page.templates);
  return found;
}

export const hrefOf = (one) => `/templates/${encodeURIComponent(one.name)}/${encodeURIComponent(one.version)}`;

export default function Templates(props, self) {
  const templates = asked(self, allTemplates, { every: 10_000 });
  return ({ query }) => {
    const all = templates.value ?? [];
    const text = (query.get("text") ?? "").toLowerCase(), origin = query.get("origin");
    const fitting = all.filter((one) => (!text || [one.name, one.description, ...one.examples, ...one.tasks].some((part) => part.toLowerCase().includes(text))) && (!origin || one.origin === origin));
    const rows = byName(fitting);
    return h("div",
      sheet("Templates", { under: templates.value ? `${count(byName(all).length, "template")}, ${count(all.length, "version")}` : " ", aside: may("publish") && h("a.button.primary", { href: "/templates/publish" }, icon("plus", { size: 16 }), h("span", "Publish one")) }),
      h(Filters, { query, search: "text", placeholder: "Search name, words, tasks", fields: [{ name: "origin", title: "From", kind: "one", options: ORIGINS }] }),
      templates.failed && failure(templates.failed, templates.look),
      !templates.value ? !templates.failed && loading(6) : !rows.length ? empty(all.length ? "No template fits" : "There is no template", { icon: all.length ? "filter" : "templates" }) :
        h(Table, { label: "Templates", rows, columns: COLUMNS, keyOf: (one) => one.name, hrefOf }));
  };
}

// The newest version of each, with all versions.
function byName(all) {
  const found = new Map();
  for (const one of all) {
    if (!found.has(one.name)) found.set(one.name, { ...one, versions: [] });
    found.get(one.name).versions.push(one.version);
  }
  return [...found.values()];
}

const COLUMNS = [
  { name: "template", title: "Template", width: "minmax(9rem, 1.2fr)", draw: (one) => link(hrefOf(one), one.name) },
  { name: "description", title: "What it does", width: "minmax(12rem, 3fr)", draw: (one) => h("span.quiet", { title: one.description }, coded(one.description)) },
  { name: "versions", title: "Versions", width: "8rem", draw: (one) => [h("code", one.version), " ", one.versions.length > 1 && pill(`${one.versions.length}`, { title: one.versions.join(", ") })] },
  { name: "tasks", title: "Tasks", width: "4rem", end: true, draw: (one) => h("span.num", number(one.tasks.length)) },
  { name: "published", title: "Published", width: "7rem", end: true, draw: (one) => (one.published_at ? h(Ago, { time: one.published_at }) : h("span.hint", one.origin)) },
];
