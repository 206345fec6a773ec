// Agents as pages need them: followed, and told what to do.

import { at, post, remove } from "./api.js";
import { feed } from "./feed.js";
import { agentName, duration } from "./format.js";

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

// revoked, present, draining, absent, quarantined, held, or taken out of something: the state that matters most.
export function stateOf(agent) {
  if (agent.revoked) return "revoked";
  if (agent.held) return agent.hold?.quarantine ? "quarantined" : "held";
  if (!agent.instances?.length) return "absent";
  if (agent.instances.every((one) => one.draining)) return "draining";
  return agent.taken_out?.length ? "tripped" : "present";
}

// What it works on, as a share of what it can at a time; what waits in its queue is no part of it.
export const loadOf = (agent) => (agent.present?.concurrency ? agent.running / agent.present.concurrency : 0);
export const workingWords = (agent) => `${agent.running} of ${agent.present?.concurrency ?? 0} at work, ${agent.queued} of ${agent.present?.queue ?? 0} queued`;
export const underWayOf = (agent) => (agent.running ?? 0) + (agent.queued ?? 0);

// How far its results are relied on: the least of its capabilities; null where nothing is known.
export const trustOf = (agent) => {
  const values = Object.values(agent.work?.trust ?? {});
  return values.length ? Math.min(...values) : null;
};
// Of which capability that is; nothing where there is but one.
export const trustWords = (agent) => {
  const all = Object.entries(agent.work?.trust ?? {});
  return all.length > 1 && `the least of its capabilities: ${all.map(([name, value]) => `${name} ${value.toFixed(2)}`).join(", ")}`;
};

// How long it takes until it fails, in words; "" where it never did.
export const failedAfter = (work) => (work?.failed_latency_ms != null ? `${duration(work.failed_latency_ms)} until it fails` : "");

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
