// The places of the console: its pages, and the way to them. A page that is added here is in the navigation, in the
// palette, and has its keys. `query` has what may stand in its address, and of fixed choices the values: of anything else it
// is said that the page knows it not, and the page never sees it.

import { get } from "./core/api.js";
import { AGENT_STATES, ASKS, EVENT_KINDS, INCIDENT_STATES, LEVELS, NUMBER, ORDERS, ORIGINS, RUN_TABS, SEVERITIES, SINCE, TASK_TABS, TEXT, YES_OR_NO } from "./core/choices.js";
import { searches } from "./core/commands.js";
import { agentName } from "./core/format.js";
import { go, page } from "./core/router.js";
import { STATES } from "./core/runs.js";
import { setNav } from "./parts/shell.js";

export function startPlaces() {
  page("/", () => import("./pages/overview.js"), { title: "Overview", nav: "overview", name: "overview" });
  page("/runs", () => import("./pages/runs.js"), { title: "Runs", nav: "runs", name: "runs", query: { state: STATES, template: TEXT, text: TEXT, agent: TEXT, label: TEXT, origin: TEXT, parent: TEXT, acknowledged: YES_OR_NO, since: SINCE } });
  page("/runs/compare", () => import("./pages/compare-runs.js"), { title: "Compare runs", nav: "runs", name: "compare-runs", query: { a: TEXT, b: TEXT, task: TEXT, all: YES_OR_NO } });
  page("/runs/:run", () => import("./pages/run.js"), { title: "Run", nav: "runs", name: "run", query: { task: TEXT, tab: TASK_TABS, view: RUN_TABS, at: NUMBER, open: TEXT, level: LEVELS, attempt: NUMBER, kind: EVENT_KINDS, order: ORDERS } });
  page("/new", () => import("./pages/new.js"), { title: "New run", nav: "new", name: "new", query: { objective: TEXT, by: ["words", "template"], template: TEXT } });
  page("/approvals", () => import("./pages/approvals.js"), { title: "Approvals", nav: "approvals", name: "approvals", query: { kind: ASKS, template: TEXT, open: TEXT } });
  page("/agents", () => import("./pages/agents.js"), { title: "Agents", nav: "agents", name: "agents", query: { text: TEXT, state: AGENT_STATES, capability: TEXT, view: ["table", "picture"] } });
  page("/agents/:agent", () => import("./pages/agent.js"), { title: "Agent", nav: "agents", name: "agent" });
  page("/templates", () => import("./pages/templates.js"), { title: "Templates", nav: "templates", name: "templates", query: { text: TEXT, origin: ORIGINS } });
  page("/templates/publish", () => import("./pages/publish.js"), { title: "Publish a template", nav: "templates", name: "publish" });
  page("/templates/compare", () => import("./pages/compare.js"), { title: "Compare templates", nav: "templates", name: "compare", query: { before: TEXT, after: TEXT, view: ["graph", "text"], task: TEXT } });
  page("/templates/:name", () => import("./pages/template.js"), { title: "Template", nav: "templates", name: "template", query: { task: TEXT } });
  page("/templates/:name/:version", () => import("./pages/template.js"), { title: "Template", nav: "templates", name: "template", query: { task: TEXT } });
  page("/incidents", () => import("./pages/incidents.js"), { title: "Incidents", nav: "incidents", name: "incidents", query: { state: INCIDENT_STATES, severity: SEVERITIES, agent: TEXT, code: TEXT, run: TEXT } });
  page("/incidents/:number", () => import("./pages/incident.js"), { title: "Incident", nav: "incidents", name: "incident" });
  page("/journal", () => import("./pages/journal.js"), { title: "Journal", nav: "journal", name: "journal", query: { run: TEXT } });
  page("/proposals", () => import("./pages/proposals.js"), { title: "Proposals", nav: "proposals", name: "proposals" });
  page("/system", () => import("./pages/system.js"), { title: "System", nav: "system", name: "system", query: { partition: TEXT } });

  searches.push(async (text) => (await get("/v1/runs", { text, limit: 8 })).runs.map((run) => (
    { id: run.run, title: run.title || run.template, note: run.state.replace("_", " "), icon: "runs", run: () => go(`/runs/${run.run}`) })));
  searches.push(async (text) => (await get("/v1/agents", { limit: 1000 })).agents.filter((one) => one.agent.includes(text.toLowerCase())).slice(0, 5).map((one) => (
    { id: one.agent, title: agentName(one.agent), note: "agent", icon: "agents", run: () => go(`/agents/${encodeURIComponent(one.agent)}`) })));
  searches.push(async (text) => (await get("/v1/templates", { limit: 500 })).templates.filter((one) => one.name.includes(text.toLowerCase())).slice(0, 5).map((one) => (
    { id: one.template, title: one.template, note: "template", icon: "templates", run: () => go(`/templates/${encodeURIComponent(one.name)}/${encodeURIComponent(one.version)}`) })));

  setNav([
    { name: "overview", title: "Overview", href: "/", icon: "overview", keys: "g o" },
    { name: "runs", title: "Runs", href: "/runs", icon: "runs", keys: "g r" },
    { name: "new", title: "New run", href: "/new", icon: "new", keys: "g n", right: "run" },
    { name: "approvals", title: "Approvals", href: "/approvals", icon: "approvals", keys: "g p" },
    { name: "agents", title: "Agents", href: "/agents", icon: "agents", keys: "g a", apart: true },
    { name: "templates", title: "Templates", href: "/templates", icon: "templates", keys: "g t" },
    { name: "incidents", title: "Incidents", href: "/incidents", icon: "incidents", keys: "g i", apart: true },
    { name: "journal", title: "Journal", href: "/journal", icon: "journal", keys: "g j" },
    { name: "proposals", title: "Proposals", href: "/proposals", icon: "proposals", keys: "g l" },
    { name: "system", title: "System", href: "/system", icon: "system", keys: "g s" },
  ]);
}
