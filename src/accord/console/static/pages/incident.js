// One incident: the evidence, whom it is about, what was done about it; and to do something.

import { at, get, post } from "../core/api.js";
import { asked } from "../core/asked.js";
import { command } from "../core/commands.js";
import { h } from "../core/dom.js";
import { agentName, bytes } from "../core/format.js";
import { key } from "../core/keys.js";
import { may } from "../core/session.js";
import { Ago, CONTROLLED, button, card, coded, empty, facts, failure, link, loading, sheet } from "../parts/basic.js";
import { dialog } from "../parts/dialog.js";
import { copy, json } from "../parts/json.js";
import { badge, mark } from "../parts/state.js";
import { toast, toastFailure } from "../parts/toast.js";
import { agentOf, codeOf, messageOf, severity } from "./incidents.js";

const ACTS = {
  acknowledge: { title: "Acknowledge", done: "Acknowledged", icon: "hand", keys: "a", asks: "You look after it. What do you know so far?", fits: (one) => one.state === "open" },
  resolve: { title: "Resolve", done: "Resolved", icon: "check", keys: "r", kind: "primary", asks: "What was it, and what was done?", fits: (one) => one.state !== "resolved" },
};

export default function Incident({ params }, self) {
  const incident = asked(self, () => get(at`/v1/incidents/${params.number}`), { every: 5000 });
  const can = (name) => may("control") && incident.value && ACTS[name].fits(incident.value);

  function act(name) {
    if (!can(name)) return;
    const { title, done, asks, kind, icon } = ACTS[name];
    dialog({
      title: `${title} incident ${params.number}`,
      body: () => h("div.form-field", h("label", { for: "note" }, asks), h("textarea", { id: "note", rows: 4, maxlength: 4000, autofocus: true })),
      actions: (close) => [button("Not now", close, { kind: "quiet" }), button(title, async () => {
        const note = document.getElementById("note").value;
        close();
        await post(at`/v1/incidents/${params.number}/${name}`, { note }).then((now) => { incident.value = now; toast(`${done} incident ${params.number}`); self.update(); }, toastFailure);
      }, { kind: kind ?? "primary", icon })],
    });
  }

  self.onmount(() => {
    const ends = Object.entries(ACTS).flatMap(([name, one]) => [
      key(one.keys, `${one.title} the incident`, () => act(name)),
      command({ id: `incident-${name}`, title: `${one.title} this incident`, icon: one.icon, keys: one.keys, run: () => act(name), when: () => can(name) }),
    ]);
    return () => ends.forEach((end) => end());
  });

  return () => {
    const one = incident.value;
    if (!one) return h("div", sheet(`Incident ${params.number}`), incident.failed ? failure(incident.failed, incident.look) : loading(6));
    const agent = agentOf(one);
    return h("div",
      h("nav.crumbs", { "aria-label": "Where this is" }, link("/incidents", "Incidents")),
      sheet(`Incident ${one.incident}`, {
        under: h("span.line", badge(one.state), severity(one.severity), h("span", h(Ago, { time: one.at }))),
        aside: Object.entries(ACTS).filter(([name]) => can(name)).map(([name, act_]) => button(act_.title, () => act(name), { key: name, icon: act_.icon, kind: act_.kind, keys: act_.keys })),
      }),
      incident.failed && failure(incident.failed, incident.look),
      h("div.two",
        h("div.pile",
          card("What happened", {}, h("div.card-body.pile",
            h("p.lead", coded(messageOf(one))),
            one.problem?.hint && !CONTROLLED.test(one.problem.hint) && h("p.hint", coded(one.problem.hint)),
            facts([
              ["code", h("code", codeOf(one))],
              ["place", one.problem?.place?.pointer && h("code", one.problem.place.pointer)],
              ["agent", agent ? link(`/agents/${encodeURIComponent(agent)}`, agentName(agent)) : null],
              ["is it proven to be its doing?", one.authentic === undefined ? null : one.authentic ? "yes, its signature holds" : "no, it only says so"],
              ["signed with a key of", one.signer && link(`/agents/${encodeURIComponent(one.signer)}`, agentName(one.signer))],
              ["run", one.run && link(`/runs/${one.run}${one.task ? `?task=${encodeURIComponent(one.task)}` : ""}`, one.run)],
              ["task", one.task], ["capability", one.capability], ["by", one.by], ["messages", one.count],
            ]))),
          evidence(one)),
        card("What was done about it", {}, one.steps.length
          ? h("ol.steps", one.steps.map((step, n) => h("li", { key: n }, mark(step.state, { size: 18, label: step.state }), h("div.grow", h("p", h("strong", step.state), ` by ${step.by}, `, h(Ago, { time: step.at })), step.note && h("p", step.note)))))
          : empty("Nothing yet", { text: "Acknowledge it to say that you look after it, and resolve it with what it was.", icon: "hand" }))));
  };
}

function evidence(one) {
  if (!one.statement) return null;
  const [head, claims] = one.statement.split(".").map(read);
  const payload = one.inline ? text(one.inline) : null;
  return card("Evidence", { aside: navigator.clipboard && button("Copy statement", () => copy(one.statement), { icon: "copy", small: true, kind: "quiet" }) },
    h("div.card-body.pile",
      h("p.hint", "The statement as it was sent. What it says is a claim until a signature proves it."),
      claims ? json(claims, { label: "Claims" }) : h("pre", one.statement),
      head && h("details", h("summary", "How it is signed"), json(head, { label: "Header" })),
      one.payload && h("p.hint", `Payload: ${bytes(one.sent_bytes ?? one.payload.len)}`),
      payload !== null && h("pre.payload", payload)));
}

// What is base64url of JSON; null where it is not.
function read(part) {
  try { return JSON.parse(text(part.replaceAll("-", "+").replaceAll("_", "/"))); } catch { return null; }
}

function text(base64) {
  try { return new TextDecoder().decode(Uint8Array.from(atob(base64), (one) => one.charCodeAt(0))); } catch { return null; }
}
