// Agents as pages need them: followed, and told what to do.

import { at, post, remove } from "./api.js";
import { feed } from "./feed.js";
import { agentName } from "./format.js";

// All agents, and how they are from now on; `onchange` is called when there is something new. Close it at the end.
export class AgentList {
  constructor(onchange) {
    this.known = new Map();
    this.complete = false;
    this.close = feed("/v1/agents/feed", {}, { agents: (messages) => {
      for (const one of messages) {
        for (const agent of one.agents) this.known.set(agent.agent, agent);
        this.complete ||= one.complete;
      }
      onchange();
    } });
  }
  get all() { return [...this.known.values()].sort((one, other) => agentName(one.agent).localeCompare(agentName(other.agent))); }
}

// present, draining, absent, held, or taken out of something: the state that matters most.
export function stateOf(agent) {
  if (agent.held) return "held";
  if (!agent.instances?.length) return "absent";
  if (agent.instances.every((one) => one.draining)) return "draining";
  return agent.taken_out?.length ? "tripped" : "present";
}

export const loadOf = (agent) => Math.max(0, ...(agent.instances ?? []).map((one) => one.load));
export const queuedOf = (agent) => (agent.instances ?? []).reduce((sum, one) => sum + one.queued, 0);
export const heldOf = (agent) => agent.work?.held ?? 0;

// How far its results are relied on: the least of its capabilities; null where nothing is known.
export const trustOf = (agent) => {
  const values = Object.values(agent.work?.trust ?? {});
  return values.length ? Math.min(...values) : null;
};

export const hold = (agent, reason) => post("/v1/holds", { scope: "agent", subject: agent, reason });
export const lift = (agent) => remove("/v1/holds", { scope: "agent", subject: agent });
export const quarantine = (agent, reason) => post("/v1/quarantine", { agent, reason });
export const revoke = (key, reason) => remove(at`/v1/keys/${key}`, { reason });

const SOON_MS = 14 * 86_400_000;

// What a key is now, and whether somebody has to look after it.
export function keyState(key, now = Date.now()) {
  if (key.revoked_at) return "revoked";
  const ends = key.retires_at ?? key.expires_at;
  if (ends && new Date(ends) <= now) return key.retires_at ? "retired" : "expired";
  if (ends && new Date(ends) - now < SOON_MS) return "expiring";
  return "valid";
}
