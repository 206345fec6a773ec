// One agent: what it offers, where it runs, how well it works, under which keys; and to hold it, or not to trust it.

import { at, get } from "../core/api.js";
import { asked } from "../core/asked.js";
import { hold, keyState, lift, quarantine, revoke, stateOf } from "../core/agents.js";
import { command } from "../core/commands.js";
import { h } from "../core/dom.js";
import { feed } from "../core/feed.js";
import { agentName, ago, count, duration, number } from "../core/format.js";
import { key } from "../core/keys.js";
import { may } from "../core/session.js";
import { Ago, button, card, empty, facts, failure, link, loading, pill, sheet } from "../parts/basic.js";
import { dialog } from "../parts/dialog.js";
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
  const name = () => agentName(agent.value?.agent ?? params.agent);
  const held = () => agent.value?.held;

  const done = (text) => (answer) => { toast(text); agent.look(); incidents.look(); return answer; };
  const acts = {
    hold: { title: "Drain", icon: "pause", keys: "d", fits: () => !held(), run: () => withReason({ title: `Drain ${name()}?`, text: "It gets no new task until its hold is lifted. What it has under way goes on, and then it is idle.", yes: "Drain it", act: (reason) => hold(agent.value.agent, reason).then(done(`${name()} is held`)) }) },
    quarantine: { title: "Quarantine", icon: "shield", kind: "danger", keys: "q", fits: () => !held(), run: () => withReason({ title: `Put ${name()} into quarantine?`, text: "It is suspected: it gets nothing more until its hold is lifted, and an incident is filed.", yes: "Quarantine it", kind: "danger", needed: true, act: (reason) => quarantine(agent.value.agent, reason).then(done(`${name()} is in quarantine`)) }) },
    lift: { title: "Lift the hold", icon: "play", kind: "primary", keys: "l", fits: held, run: () => lift(agent.value.agent).then(done(`${name()} gets tasks again`), toastFailure) },
  };
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
    const state = stateOf(one);
    return h("div", back,
      sheet(agentName(one.agent), {
        under: h("span.line", badge(state, { text: state === "tripped" ? "taken out of something" : state }), h("code", one.agent), one.description && h("span", one.description)),
        aside: Object.entries(acts).filter(([, act]) => can(act)).map(([id, act]) => button(act.title, act.run, { key: id, icon: act.icon, kind: act.kind, keys: act.keys })),
      }),
      agent.failed && failure(agent.failed, agent.look),
      h("div.two",
        h("div.pile",
          card("How it does", {}, h("div.card-body.pile", work(one), (one.taken_out ?? []).map((out) => h("div.judgement.tone-failed", { key: out.capability }, icon("warning", { size: 22 }), h("div.pile", h("strong", `Taken out of ${out.capability}`), h("p", `It failed again and again. It is tried ${out.on_trial ? "now" : ago(out.until)}.`), out.problem && h("p.hint", out.problem.message)))))),
          h("h2.section", count(one.card.capabilities.length, "capability", "capabilities")),
          one.card.capabilities.map((offer) => offered(offer, one)),
          card("Incidents", { href: `/incidents?agent=${encodeURIComponent(one.agent)}` }, filed(incidents))),
        h("div.pile",
          card("Instances", { aside: h("span.hint.num", number(one.instances.length)) }, instances(one)),
          card("Keys", {}, h("ul.lines", [...one.keys].reverse().map((each) => keyLine(each, one)))))));
  };

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
  if (!one.work) return h("p.hint", "It has done nothing for this process since that began.");
  const { held, succeeded, failed, latency_ms: latency, trust } = one.work;
  return h("div.pile", facts([
    ["under way", h("strong.num", number(held))], ["results", h("strong.num", number(succeeded))], ["errors", h("strong.num", { class: failed && "bad" }, number(failed))], ["latency", latency !== null && h("strong.num", duration(latency))],
  ]), Object.keys(trust).length > 0 && h("div", h("h3", "Confidence in its results"), h("ul.trusts", Object.entries(trust).map(([name, value]) => h("li", { key: name }, h("code.grow.cut", name), meter(value, `${Math.round(value * 100)} %`), h("span.num", `${Math.round(value * 100)} %`))))));
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
      h("span.grow", h("code.cut", { title: each.instance }, each.instance.split("#").at(-1)), h("span.hint", `room for ${each.concurrency}, and ${each.queue} in its queue; `, `${each.queued} queued`)), meter(each.load, `load ${Math.round(each.load * 100)} %`), each.draining && pill("draining"))))));
}

function filed(incidents) {
  if (!incidents.value) return h("div.card-body", incidents.failed ? failure(incidents.failed, incidents.look) : loading(2));
  if (!incidents.value.incidents.length) return empty("None is about it", { icon: "shield" });
  return h("ul.lines", incidents.value.incidents.map((each) => h("li", { key: each.incident }, mark(each.state, { label: each.state }), h("span.grow.cut", link(`/incidents/${each.incident}`, messageOf(each), { title: messageOf(each) })), severity(each.severity), h("code", codeOf(each)), h("span.hint", h(Ago, { time: each.at })))));
}
