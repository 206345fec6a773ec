// What may be chosen where there is a fixed choice: filters, and what an address says; `places.js` has the parameters.

export const AGENT_STATES = ["present", "absent", "draining", "quarantined", "held", "tripped", "revoked"];
export const INCIDENT_STATES = ["open", "acknowledged", "resolved"];
export const SEVERITIES = ["critical", "high", "medium", "low"];
export const ORIGINS = ["built in", "published"];
export const ASKS = ["approval", "review", "signal"];
export const SINCE = ["1h", "24h", "7d", "30d"];
export const YES_OR_NO = ["true", "false"];
export const LEVELS = ["debug", "info", "warning", "error"];
export const EVENT_KINDS = ["run.", "task.", "attempt.", "signal."];
export const RUN_TABS = ["result", "input", "events", "proof"];
export const ORDERS = ["now"];
export const TASK_TABS = ["why", "values", "items", "log", "lineage"];

// A whole number from 1 on, and any text.
export const NUMBER = "number";
export const TEXT = null;

const fits = (choice, value) => (choice === NUMBER ? /^[1-9]\d{0,14}$/.test(value) : choice === TEXT || choice.includes(value));

// What an address says, as far as a page knows it: `known` is { name: a list of values, NUMBER or TEXT }. Gives what is
// known of the query, the names that are not, and of those that are the values that are not, each with the choice.
export function readQuery(query, known = {}) {
  const found = { query: new URLSearchParams(), names: new Set(), values: [] };
  for (const [name, value] of query) {
    if (!(name in known)) found.names.add(name);
    else if (fits(known[name], value)) found.query.append(name, value);
    else found.values.push({ name, value, choice: known[name] });
  }
  return found;
}
