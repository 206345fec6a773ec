// The system: who works on the store, who owns which partition, what waits on the bus, what is held back.

import { get, post, remove } from "../core/api.js";
import { asked } from "../core/asked.js";
import { command } from "../core/commands.js";
import { h } from "../core/dom.js";
import { agentName, count, moment, number } from "../core/format.js";
import { setQuery } from "../core/router.js";
import { may } from "../core/session.js";
import { Ago, button, card, empty, facts, failure, link, loading, pill, sheet } from "../parts/basic.js";
import { confirmed, dialog } from "../parts/dialog.js";
import { icon } from "../parts/icon.js";
import { mark } from "../parts/state.js";
import { toast, toastFailure } from "../parts/toast.js";
import { notThere } from "../parts/unknown.js";
import { ApiKeys } from "./system/api-keys.js";
import { Webhooks } from "./system/webhooks.js";

const EVERY_MS = 2000;
const OWNERS = 6;

export default function System(props, self) {
  const cluster = asked(self, () => get("/v1/cluster"), { every: EVERY_MS });
  const ready = asked(self, () => get("/v1/health/ready"), { every: EVERY_MS });
  const holds = asked(self, () => get("/v1/holds"), { every: EVERY_MS });

  const canHold = () => may("control") && holds.value && !holds.value.some((each) => each.scope === "everything");
  self.onmount(() => command({ id: "hold-everything", title: "Hold everything", icon: "pause", run: holdAll, when: canHold }));

  return ({ query }) => {
    const one = cluster.value, chosen = query.get("partition");
    return h("div",
      one && chosen && !one.partitions.some((each) => String(each.partition) === chosen) && notThere(["partition"], "There is no partition ", h("code", chosen), ": none is chosen."),
      sheet("System", { under: one ? h("span", `${one.organisation} · Accord ${one.release} · `, one.members.length === 1 ? "one process works on the store" : `${one.members.length} processes work on the store`) : " ",
        aside: may("control") && button("Hold everything", holdAll, { icon: "pause", kind: "danger", disabled: holds.value?.some((each) => each.scope === "everything") }) }),
      cluster.failed && failure(cluster.failed, cluster.look),
      !one ? !cluster.failed && loading(6) : h("div.pile",
        h("div.tiles", tile("Health", health(ready)), tile("Runs under way", number(one.runs)), tile("Waiting tasks", number(one.waiting)),
          tile("Bus messages", onBus(one)), tile("Store", one.store), tile("Bus", one.bus)),
        h("div.two",
          card("Partitions", { aside: h("span.hint", owned(one)) }, h("div.card-body.pile", partitions(one, chosen))),
          h("div.pile",
            card("Processes", {}, h("ul.lines", one.members.map((member, n) => h("li", { key: member.name }, h("span.owner-mark", { class: `owner-${n % OWNERS}` }), h("span.grow.cut", { title: member.name }, member.name), member.here && pill("this one", { title: "the process that has answered this page" }), !member.serves && pill("a command"), h("span.num.hint", count(member.partitions, "partition")))))),
            card("Holds in force", {}, holdList(holds)))),
        may("administer") && h("div.two.even", h(ApiKeys), h(Webhooks))));
  };

  function holdAll() {
    dialog({
      title: "Hold everything?",
      body: () => h("div.form-field", h("p", "No task is assigned any more, whatever it belongs to, until somebody lifts the hold. What is under way goes on."), h("label", { for: "hold-reason" }, "Why"), h("textarea", { id: "hold-reason", rows: 3, maxlength: 4000, autofocus: true })),
      actions: (close) => [button("Not now", close, { kind: "quiet" }), button("Hold everything", async () => {
        const reason = document.getElementById("hold-reason").value;
        close();
        await post("/v1/holds", { scope: "everything", reason }).then(() => toast("Everything is held"), toastFailure);
        holds.look();
      }, { kind: "danger", icon: "pause" })],
    });
  }

  async function lift(one) {
    const name = subjectOf(one);
    if (!(await confirmed({ title: `Lift the hold of ${name}?`, text: one.quarantine ? "It is in quarantine: it gets tasks again as soon as the hold is lifted." : "It gets tasks again at once.", yes: "Lift it" }))) return;
    await remove("/v1/holds", { scope: one.scope, subject: one.subject ?? "" }).then(() => toast(`Lifted the hold of ${name}`), toastFailure);
    holds.look();
  }

  function holdList(holds) {
    if (!holds.value) return h("div.card-body", holds.failed ? failure(holds.failed, holds.look) : loading(2));
    if (!holds.value.length) return empty("Nothing is held", { text: "All tasks are assigned as agents have room.", icon: "play" });
    return h("ul.lines", holds.value.map((one) => h("li", { key: `${one.scope} ${one.subject ?? ""}` }, mark(one.quarantine ? "quarantined" : "held"),
      h("span.grow", h("strong.cut", { title: one.subject ?? "" }, one.scope === "agent" ? link(`/agents/${encodeURIComponent(one.subject)}`, subjectOf(one)) : subjectOf(one)), h("span.hint", `${one.quarantine ? "quarantined" : "held"} by ${one.by}, `, h(Ago, { time: one.at }), one.reason && `: ${one.reason}`)),
      may("control") && button("Lift", () => lift(one), { small: true, title: `Lift the hold of ${subjectOf(one)}` }))));
  }
}

const subjectOf = (one) => ({ agent: agentName(one.subject ?? ""), template: `template ${one.subject}` })[one.scope] ?? "everything";

const tile = (title, value) => h("div.tile", h("span.hint", title), h("strong", value));

function health(ready) {
  if (ready.failed) return h("span.tone-failed.toned-text", { role: "alert", title: ready.failed.problems.map((one) => one.message).join("; ") }, icon("warning", { size: 18 }), ready.failed.problems[0].message);
  return ready.value ? h("span.tone-done.toned-text", icon("check", { size: 18 }), "Ready") : "–";
}

const onBus = (one) => {
  const counts = one.partitions.map((each) => each.queued).filter((each) => each !== null);
  return counts.length ? number(counts.reduce((sum, each) => sum + each, 0)) : "the bus does not say";
};

const owned = (one) => {
  const shared = one.partitions.filter((each) => !each.reserved);
  return `${shared.filter((each) => each.owner).length} of ${shared.length} owned`;
};

// A square for each partition, in the colour of its owner; one is chosen to read about it.
function partitions(one, chosen) {
  const places = new Map(one.members.map((member, n) => [member.name, n % OWNERS]));
  const about = one.partitions.find((each) => String(each.partition) === chosen);
  return [
    h("div.partitions", { role: "group", "aria-label": "Partitions" }, one.partitions.map((each) => h("button.partition", {
      key: each.partition, type: "button", "aria-pressed": String(each === about), onclick: () => setQuery({ partition: each === about ? undefined : String(each.partition) }),
      class: [each.owner ? `owner-${places.get(each.owner)}` : "free", each.reserved && "reserved", each.queued > 0 && "queued"],
      "aria-label": `Partition ${each.partition}, ${each.owner ? `owned by ${each.owner}` : "free"}${each.queued ? `, ${each.queued} waiting` : ""}${each.reserved ? ", for commands" : ""}`,
    }, each.queued > 0 ? number(each.queued) : ""))),
    about ? facts([["partition", h("strong.num", about.partition)], ["owner", about.owner ?? "nobody: it is free"], ["claimed", count(about.epoch, "time")], ["lease until", about.until && moment(about.until)], ["waiting on the bus", about.queued === null ? "the bus does not say" : number(about.queued)], ["reserved", about.reserved && "for commands that run beside servers"]])
      : h("p.hint", "Each square is a partition in the colour of its owner; a number is what waits on the bus for it. Dashed ones are for commands that run beside servers. Choose one to read about it."),
  ];
}
