// Incidents: what was refused, how bad it is, and what has become of it.

import { get } from "../core/api.js";
import { INCIDENT_STATES, SEVERITIES } from "../core/choices.js";
import { h } from "../core/dom.js";
import { agentName, count, named } from "../core/format.js";
import { Ago, empty, failure, link, loading, sheet } from "../parts/basic.js";
import { Filters } from "../parts/filters.js";
import { badge } from "../parts/state.js";
import { Table } from "../parts/table.js";

const EVERY_MS = 4000;
const PAGE = 100;

export default function Incidents(props, self) {
  let wanted = null, found = [], next, failed = null, busy = false, known = false, timer, gone = false;

  function look(query) {
    const text = JSON.stringify(queryOf(query));
    if (text === wanted) return;
    [wanted, found, next, known] = [text, [], undefined, false];
    again();
  }
  async function again() {
    clearTimeout(timer);
    await page();
    if (!gone) timer = setTimeout(again, document.hidden ? 30_000 : EVERY_MS);
  }
  // The newest page, merged into what is known; or, with `after`, the one behind it.
  async function page(after) {
    const mine = wanted;
    if (after && busy) return;
    busy = true;
    try {
      const got = await get("/v1/incidents", { ...JSON.parse(mine), limit: PAGE, after });
      if (mine !== wanted || gone) return;
      const older = after ? found : found.filter((one) => got.next !== null && one.incident < got.next);
      found = [...new Map([...(after ? found : []), ...got.incidents, ...older].map((one) => [one.incident, one])).values()].sort((one, other) => other.incident - one.incident);
      if (after || next === undefined || !older.length) next = got.next;
      [failed, known] = [null, true];
    } catch (error) { if (mine === wanted) failed = error; }
    busy = false;
    self.update();
  }
  self.onmount(() => () => { gone = true; clearTimeout(timer); });

  return ({ query }) => {
    look(query);
    return h("div",
      sheet("Incidents", { under: known ? `${count(found.length, "incident")}${next ? " or more" : ""}${[...query.keys()].length ? " that fit" : ""}` : " " }),
      h(Filters, { query, fields: [
        { name: "state", title: "State", kind: "one", options: INCIDENT_STATES },
        { name: "severity", title: "Severity", kind: "one", options: SEVERITIES },
        { name: "agent", title: "Agent", kind: "text", list: [...new Set(found.map(agentOf).filter(Boolean))], placeholder: "spiffe://local/agent/…" },
        { name: "code", title: "Code", kind: "text", list: [...new Set(found.map(codeOf))], placeholder: "ACC312" },
        { name: "run", title: "Run", kind: "text", placeholder: "run_…" },
      ] }),
      failed && failure(failed, again),
      !known ? !failed && loading(6) : !found.length ? nothing(query) :
        h(Table, { label: "Incidents", rows: found, columns: COLUMNS, keyOf: (one) => one.incident, hrefOf: (one) => `/incidents/${one.incident}`, more: next ? () => page(next) : null, busy: busy && next }));
  };
}

const queryOf = (query) => Object.fromEntries(["state", "severity", "agent", "code", "run"].map((name) => [name, query.get(name)]).filter(([, value]) => value));

const nothing = (query) => [...query.keys()].length
  ? empty("No incident fits", { text: "None was recorded that fits all of these filters.", icon: "filter" })
  : empty("No incident was recorded", { text: "A message that is refused for a reason that matters to security is kept here, with the evidence.", icon: "shield" });

export const codeOf = (one) => one.problem?.code ?? one.code;
export const agentOf = (one) => one.claimed_agent ?? one.signer ?? one.agent ?? "";
/** Whether nothing proves that it is from whom it says. */
export const onlySaid = (one) => one.claimed_agent != null && one.authentic === false && one.signer !== one.claimed_agent;
export const messageOf = (one) => named(one.problem?.message ?? `${count(one.count, "more message")} refused within a minute`);

export const severity = (name) => h("span.severity", { class: `is-${name}` }, h("span.severity-bars", { "aria-hidden": "true" }, SEVERITIES.map((one, n) => h("i", { key: n, class: n >= SEVERITIES.indexOf(name) && "on" }))), name);

const COLUMNS = [
  { name: "state", title: "State", width: "8.2rem", draw: (one) => badge(one.state) },
  { name: "severity", title: "Severity", width: "6.5rem", draw: (one) => severity(one.severity) },
  { name: "message", title: "What happened", width: "minmax(12rem, 3fr)", draw: (one) => link(`/incidents/${one.incident}`, messageOf(one), { title: messageOf(one) }) },
  { name: "code", title: "Code", width: "5rem", draw: (one) => h("code", codeOf(one)) },
  { name: "agent", title: "Agent", width: "minmax(6rem, 1fr)", draw: (one) => h("span.quiet", { title: onlySaid(one) ? `It says that it is from ${agentOf(one)}; nothing proves it` : agentOf(one) }, agentOf(one) ? `${agentName(agentOf(one))}${onlySaid(one) ? " ?" : ""}` : "nobody proven") },
  { name: "at", title: "When", width: "6.5rem", end: true, draw: (one) => h(Ago, { time: one.at }) },
];
