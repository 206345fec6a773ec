// Webhooks: which other systems are told of what; added, and removed.

import { at, get, post, remove } from "../../core/api.js";
import { asked } from "../../core/asked.js";
import { h } from "../../core/dom.js";
import { Ago, button, card, empty, failure, loading, pill, problems } from "../../parts/basic.js";
import { closeDialog, confirmed, dialog } from "../../parts/dialog.js";
import { icon } from "../../parts/icon.js";
import { showSecret } from "../../parts/secret.js";
import { toast, toastFailure } from "../../parts/toast.js";

const KINDS = ["run.*", "run.completed", "run.failed", "incident.*", "incident.opened", "agent.quarantined"];

export function Webhooks(props, self) {
  const hooks = asked(self, () => get("/v1/webhooks", { limit: 1000 }), { every: 15_000 });
  return () => card("Webhooks", { aside: button("New webhook", () => add(hooks.look), { icon: "plus", small: true }) }, list());

  function list() {
    if (!hooks.value) return h("div.card-body", hooks.failed ? failure(hooks.failed, hooks.look) : loading(2));
    if (!hooks.value.webhooks.length) return empty("There is no webhook", { text: "One tells another system of what happens to runs, incidents and agents.", icon: "signal" });
    return h("ul.lines", hooks.value.webhooks.map((one) => h("li", { key: one.id }, icon("signal", { size: 17 }),
      h("span.grow", h("strong.cut", { title: one.url }, one.url), h("span.hint", one.types.length ? one.types.join(", ") : "everything", one.templates.length > 0 && ` of ${one.templates.join(", ")}`, ", since ", h(Ago, { time: one.added_at }), ` by ${one.added_by}`), one.problem && h("span.hint", `last given up: ${one.problem}`)),
      one.given_up > 0 && pill(`${one.given_up} given up`), button("Remove", () => drop(one, hooks.look), { small: true, kind: "danger", title: `Tell ${one.url} nothing any more` }))));
  }
}

const parts = (text) => text.split(/[\s,]+/).filter(Boolean);

function add(look) {
  let refused = null, body;
  function Body(props, self) {
    body = self;
    return () => h("form.pile", { id: "hook-form", onsubmit: (event) => { event.preventDefault(); send(new FormData(event.target)); } },
      h("div.form-field", h("label", { for: "hook-url" }, "Where events are posted to", h("span.needed", " *")), h("input", { id: "hook-url", name: "url", type: "url", required: true, maxlength: 2000, autofocus: true, autocomplete: "off", placeholder: "https://" })),
      h("div.form-field", h("label", { for: "hook-types" }, "Of what it is told"), h("input", { id: "hook-types", name: "types", type: "text", autocomplete: "off", spellcheck: "false", placeholder: "everything", "aria-describedby": "hook-kinds" }), h("p.hint", { id: "hook-kinds" }, "With commas between, as ", KINDS.flatMap((one, n) => [n > 0 && ", ", h("code", { key: one }, one)]))),
      h("div.form-field", h("label", { for: "hook-templates" }, "Of runs of which templates"), h("input", { id: "hook-templates", name: "templates", type: "text", autocomplete: "off", spellcheck: "false", placeholder: "all" })),
      refused && h("div.failure", { role: "alert" }, problems(refused)));
  }
  async function send(form) {
    try {
      const added = await post("/v1/webhooks", { url: form.get("url").trim(), types: parts(form.get("types")), templates: parts(form.get("templates")) });
      closeDialog();
      look();
      showSecret({ title: "The secret of the webhook", text: `What ${added.webhook.url} is told is signed with it: so it knows that it is from here.`, secret: added.secret });
    } catch (error) { refused = error; body.update(); }
  }
  dialog({ title: "A new webhook", body: () => h(Body), actions: (close) => [button("Not now", close, { kind: "quiet" }), button("Add it", null, { kind: "primary", type: "submit", form: "hook-form" })] });
}

async function drop(one, look) {
  if (!(await confirmed({ title: "Remove the webhook?", text: `${one.url} is told nothing any more.`, yes: "Remove it", kind: "danger" }))) return;
  await remove(at`/v1/webhooks/${one.id}`).then(() => toast("The webhook is removed"), toastFailure);
  look();
}
