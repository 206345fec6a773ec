// One agent: what it offers, where it runs, how well it works, under which keys; and to hold it, or not to trust it.

import { address, at, get } from "../core/api.js";
import { asked } from "../core/asked.js";
import { hold, keyState, lift, quarantine, revoke, stateOf, underWayOf } from "../core/agents.js";
import { command } from "../core/commands.js";
import { h } from "../core/dom.js";
import { feed } from "../core/feed.js";
import { agentName, ago, count, duration, moment, number } from "../core/format.js";
import { key } from "../core/keys.js";
import { OPEN } from "../core/runs.js";
import { may } from "../core/session.js";
import { Ago, button, card, empty, facts, failure, link, loading, pill, sheet } from "../parts/basic.js";
import { confirmed, dialog } from "../parts/dialog.js";
import { icon } from "../parts/icon.js";
import { json } from "../parts/json.js";
import { schemaView } from "../parts/schema.js";
import { badge, mark } from "../parts/state.js";
import { toast, toastFailure } from "../parts/toast.js";
import { codeOf, messageOf, severity } from "./incidents.js";
import { meter } from "./agents.js";

export default function Agent({ params }, self) {
  const agent = asked(self, () => get(at`/v1/agents/${params.agent}`), { every: 10_000 });
  // An address may have the short name; incidents know the id.
  const incidents = asked(self, async () => get("/v1/incidents", { agent: (agent.value ?? await get(at`/v1/agents/${params.agent}`)).agent, limit: 20 }), { every: 10_000 });
  const has = asked(self, async () => tasksOf((agent.value ?? await get(at`/v1/agents/${params.agent}`)).agent), { every: 10_000 });
  const name = () => agentName(agent.value?.agent ?? params.agent);
  const held = () => agent.value?.held;

  const done = (text) => (answer) => { toast(text); agent.look(); incidents.look(); return answer; };
  const acts = {
    hold: { title: "Hold", icon: "pause", keys: "h", fits: () => !held(), run: () => withReason({ title: `Hold ${name()}?`, text: "It is drained: it gets no new task until its hold is lifted. What it has under way goes on, and then it is idle.", yes: "Hold it", act: (reason) => hold(agent.value.agent, reason).then(done(`${name()} is held`)) }) },
    quarantine: { title: "Quarantine", icon: "shield", kind: "danger", keys: "q", fits: () => !agent.value?.hold?.quarantine, run: () => withReason({ title: `Put ${name()} into quarantine?`, text: "It is suspected: it gets nothing more until its hold is lifted, and an incident is filed.", yes: "Quarantine it", kind: "danger", needed: true, act: (reason) => quarantine(agent.value.agent, reason).then(done(`${name()} is in quarantine`)) }) },
    lift: { title: "Lift the hold", icon: "play", kind: "primary", keys: "l", fits: held, run: async () => (await sure()) && lift(agent.value.agent).then(done(`${name()} gets tasks again`), toastFailure) },
  };
  const sure = () => !agent.value.hold?.quarantine || confirmed({ title: `Lift the quarantine of ${name()}?`, text: "It gets tasks again at once. What was refused before counts no more.", yes: "Lift it" });
  const can = (one) => may("control") && agent.value && one.fits();

  self.onmount(() => {
    const stop = feed("/v1/agents/feed", {}, { agents: (messages) => {
      for (const one of messages) for (const news of one.agents) if (news.agent === agent.value?.agent) agent.value = { ...agent.value, ...news };
      self.update();
    } });
    const ends = Object.entries(acts).flatMap(([id, one]) => [
      key(one.keys, one.title, () => can(one) && one.run()),
      command({ id: `agent-${id}`, title: `${one.title}: this agent`, icon: one.icon, keys: one.keys, run: one.run, when: () => can(one) }),
    ]);
    return () => { stop(); ends.forEach((end) => end()); };
  });

  return () => {
    const one = agent.value;
    const back = h("nav.crumbs", { "aria-label": "Where this is" }, link("/agents", "Agents"));
    if (!one) return h("div", back, sheet(agentName(params.agent)), agent.failed ? failure(agent.failed, agent.look) : loading(8));
    const isRevoked = one.revoked, state = stateOf(one);
    return h("div", back,
      sheet(agentName(one.agent), {
        under: h("span.line", badge(state, { text: state === "tripped" ? "taken out of something" : state }), h("code", one.agent), one.description && h("span", one.description)),
        aside: Object.entries(acts).filter(([id, act]) => id !== "lift" && can(act)).map(([id, act]) => button(act.title, act.run, { key: id, icon: act.icon, kind: act.kind, keys: act.keys })),
      }),
      agent.failed && failure(agent.failed, agent.look),
      isRevoked && h("section.judgement.tone-failed", { "aria-label": "Not believed" }, icon("shield", { size: 24 }), h("div", h("strong", "Its key is revoked"), h("p", "Nothing that it signs counts any more. A new key, once it is enrolled, lets it back in."))),
      one.hold && heldBack(one.hold),
      h("div.two",
        h("div.pile",
          card("How it does", { aside: link(address("/runs", { agent: one.agent }), "Its runs") }, h("div.card-body.pile", work(one), (one.taken_out ?? []).map((out) => h("div.judgement.tone-failed", { key: out.capability }, icon("warning", { size: 22 }), h("div.pile", h("strong", `Taken out of ${out.capability}`), h("p", `It failed again and again. It is tried ${out.on_trial ? "now" : ago(out.until)}.`), out.problem && h("p.hint", out.problem.message)))))),
          h("h2.section", count(one.card.capabilities.length, "capability", "capabilities")),
          one.card.capabilities.map((offer) => offered(offer, one)),
          card("Incidents", { href: `/incidents?agent=${encodeURIComponent(one.agent)}` }, filed(incidents))),
        h("div.pile",
          card("Under way", {}, underWay(has, one)),
          card("Instances", { aside: h("span.hint.num", number(one.instances.length)) }, instances(one)),
          card("Keys", {}, h("ul.lines", [...one.keys].reverse().map((each) => keyLine(each, one)))))));
  };

  // Why it gets nothing, since when and by whom, and what ends that.
  function heldBack(held) {
    return h("section.judgement.held-back", { "aria-label": "Its hold", class: held.quarantine ? "tone-failed" : "tone-paused" }, icon(held.quarantine ? "shield" : "pause", { size: 24 }),
      h("div.pile", h("strong", held.quarantine ? "It is in quarantine" : "It is held back"),
        h("p", held.quarantine ? "It is suspected, and gets no new task until somebody who has looked into it lifts the quarantine." : `It gets no new task until the hold is lifted. ${drained(agent.value)}`),
        facts([["Why", held.reason || "nobody has said"], ["By", held.by], ["Since", [h(Ago, { time: held.at }), h("span.hint", `, ${moment(held.at)}`)]]]),
        h("div.form-actions", may("control") ? button(held.quarantine ? "Lift the quarantine" : "Lift the hold", acts.lift.run, { icon: "play", kind: "primary", keys: "l", small: true }) : h("span.hint", "Whoever may control runs can lift it."),
          held.quarantine && link(`/incidents?agent=${encodeURIComponent(agent.value.agent)}`, "What was refused of it"))));
  }

  function keyLine(each, one) {
    const state = keyState(each);
    return h("li.key-line", { key: each.key }, h("span", { class: `tone-${{ valid: "done", expiring: "waiting" }[state] ?? "off"}` }, icon("key", { size: 18 })),
      h("span.grow", h("code.cut", { title: each.key }, each.key),
        h("span.hint", h("strong", { expiring: "ends soon" }[state] ?? state), ", since ", h(Ago, { time: each.valid_from }),
          each.revoked_at && [", revoked ", h(Ago, { time: each.revoked_at })], !each.revoked_at && (each.retires_at ?? each.expires_at) && [", ends ", h(Ago, { time: each.retires_at ?? each.expires_at })]),
        each.reason && h("span.hint", each.reason),
        each.doubtful_from && h("span.hint", "in other hands perhaps from ", h(Ago, { time: each.doubtful_from }), " on")),
      may("enrol") && !each.revoked_at && button("Revoke", () => withReason({
        title: `Revoke a key of ${agentName(one.agent)}?`, text: "Nothing is accepted under it any more, at once and for good: whoever holds it has to enrol another one.", yes: "Revoke it", kind: "danger",
        body: impactOf(each.key), act: (reason) => revoke(each.key, reason).then(done("The key is revoked")),
      }), { small: true, kind: "danger", title: `Revoke the key ${each.key}` }));
  }
}

// What rests on a key, said before it is revoked.
const impactOf = (kid) => h(Impact, { kid });
function Impact({ kid }, self) {
  const impact = asked(self, () => get(at`/v1/keys/${kid}/impact`));
  return () => h("p.hint", { role: "status" }, impact.value ? `${count(impact.value.runs?.length ?? 0, "run")} with results under it.` : impact.failed ? "What rests on it cannot be told." : "What rests on it is looked for …");
}

const RUNS_ASKED = 20;

// The tasks that it has, of the newest runs under way: what it works on, and what it was given and has not begun.
async function tasksOf(agent) {
  const { runs } = await get("/v1/runs", { agent, state: OPEN, limit: RUNS_ASKED });
  const all = await Promise.all(runs.map(async (run) => {
    const { waits } = await get(at`/v1/runs/${run.run}/explanation`);
    return waits.filter((one) => one.agent === agent).map((one) => ({ ...one, run }));
  }));
  return all.flat();
}

function underWay(has, one) {
  const tasks = has.value;
  if (!tasks) return h("div.card-body", has.failed ? failure(has.failed, has.look) : loading(2));
  const others = underWayOf(one) - tasks.length;
  if (!tasks.length && others <= 0) return empty("It has no task", { icon: "check" });
  return h("ul.lines", tasks.map(({ run, task, kind, attempt, since }) => h("li", { key: `${run.run} ${task} ${attempt}` }, mark(kind === "attempt" ? "running" : "assigned", { label: kind === "attempt" ? "at work" : "assigned" }),
    h("span.grow.cut", link(address(`/runs/${run.run}`, { task }), task), h("span.hint", ` ${run.title || run.template}`)), h("span.hint", h(Ago, { time: since })))),
    others > 0 && h("li.hint", { key: "others" }, `and ${number(others)} more in `, link(address("/runs", { agent: one.agent, state: OPEN }), "its runs under way")));
}

// How far the draining is.
function drained({ running, queued }) {
  return running + queued ? `What it has goes on: ${count(running, "task")} at work, ${number(queued)} queued.` : "It is drained: nothing is under way.";
}

function withReason({ title, text, yes, act, kind = "primary", needed = false, body }) {
  const close = dialog({
    title,
    body: () => h("form.pile", { id: "reason-form", onsubmit: (event) => { event.preventDefault(); go(); } }, h("p", text), body,
      h("div.form-field", h("label", { for: "reason" }, "Why", needed && h("span.needed", " *")), h("input", { id: "reason", type: "text", maxlength: 4000, required: needed, autofocus: true, autocomplete: "off" }))),
    actions: (close) => [button("Not now", close, { kind: "quiet" }), button(yes, null, { kind, type: "submit", form: "reason-form" })],
  });
  function go() {
    const reason = document.getElementById("reason").value;
    close();
    act(reason).catch(toastFailure);
  }
}

function work(one) {
  const counted = facts([["under way", h("strong.num", number(underWayOf(one)))]]);
  if (!one.work) return h("div.pile", counted, h("p.hint", "It has done nothing for this process since that began."));
  const { succeeded, failed, latency_ms: latency, trust } = one.work;
  return h("div.pile", facts([
    ["under way", h("strong.num", number(underWayOf(one)))], ["results", h("strong.num", number(succeeded))], ["errors", h("strong.num", { class: failed && "bad" }, number(failed))], ["latency", latency !== null && h("strong.num", { title: "How long its work takes: smoothed, the last results count most" }, duration(latency))], ["latency of errors", one.work.failed_latency_ms != null && h("strong.num", duration(one.work.failed_latency_ms))],
  ]), Object.keys(trust).length > 0 && h("div", h("h3", "Trust in its results"), h("ul.trusts", Object.entries(trust).map(([name, value]) => h("li", { key: name }, h("code.grow.cut", name), meter(value, `trust ${value.toFixed(2)}`), h("span.num", value.toFixed(2)))))));
}

function offered(offer, one) {
  const limits = Object.entries(offer.limits ?? {}).filter(([, value]) => value !== null);
  return card(offer.capability, { key: offer.capability, aside: one.contracts?.[offer.capability] && h("code.hint", { title: "the digest of its contract" }, one.contracts[offer.capability].slice(0, 12)) },
    h("div.card-body.pile", offer.description && h("p", offer.description),
      limits.length > 0 && facts(limits.map(([name, value]) => [name.replaceAll("_", " "), typeof value === "object" ? JSON.stringify(value) : String(value)])),
      h("div.sides", h("div", h("h3", "Takes"), schemaView(offer.input, `What ${offer.capability} takes`)), h("div", h("h3", "Gives"), schemaView(offer.output, `What ${offer.capability} gives`))),
      h("details", h("summary", "As JSON Schema"), json({ input: offer.input, output: offer.output }, { label: "Schemas" }))));
}

function instances(one) {
  if (!one.instances.length) return empty("No instance is present", { text: "It is known, and not connected to any process.", icon: "agents" });
  const processes = [...new Set(one.instances.map((each) => each.process))].sort();
  return processes.map((process) => h("div.process-group", { key: process }, h("p.hint.cut", { title: process }, "at ", h("code", process)),
    h("ul.lines", one.instances.filter((each) => each.process === process).map((each) => h("li", { key: each.instance }, mark(each.draining ? "draining" : "present", { label: each.draining ? "draining" : "present" }),
      h("span.grow", h("code.cut", { title: each.instance }, each.instance.split("#").at(-1)), h("span.hint", `${number(each.running)} of ${number(each.concurrency)} at work, ${number(each.queued)} of ${number(each.queue)} queued`)), meter(each.running / Math.max(1, each.concurrency), `${each.running} of ${each.concurrency} at work`), each.draining && pill("draining"))))));
}

function filed(incidents) {
  if (!incidents.value) return h("div.card-body", incidents.failed ? failure(incidents.failed, incidents.look) : loading(2));
  if (!incidents.value.incidents.length) return empty("None is about it", { icon: "shield" });
  return h("ul.lines", incidents.value.incidents.map((each) => h("li", { key: each.incident }, mark(each.state, { label: each.state }), h("span.grow.cut", link(`/incidents/${each.incident}`, messageOf(each), { title: messageOf(each) })), severity(each.severity), h("code", codeOf(each)), h("span.hint", h(Ago, { time: each.at })))));
}
