// API keys: who gets in with one, until when; made, and revoked.

import { at, get, post, remove } from "../../core/api.js";
import { asked } from "../../core/asked.js";
import { h } from "../../core/dom.js";
import { number } from "../../core/format.js";
import { session } from "../../core/session.js";
import { Ago, button, card, empty, failure, loading, pill, problems } from "../../parts/basic.js";
import { closeDialog, confirmed, dialog } from "../../parts/dialog.js";
import { icon } from "../../parts/icon.js";
import { showSecret } from "../../parts/secret.js";
import { toast, toastFailure } from "../../parts/toast.js";

const ROLES = [["viewer", "viewer: looks"], ["operator", "operator: starts and controls runs, too"], ["author", "author: publishes templates, too"], ["admin", "admin: may do everything"]];
const LASTS = [["30", "30 days"], ["90", "90 days"], ["365", "a year"], ["", "until it is revoked"]];
const DAY_MS = 86_400_000;

export function ApiKeys(props, self) {
  const keys = asked(self, () => get("/v1/access/keys", { limit: 1000 }), { every: 15_000 });
  return () => card("API keys", { aside: h("span.line", keys.value && h("span.hint.num", number(keys.value.keys.length)), button("New key", () => make(keys.look), { icon: "plus", small: true })) }, list());

  function list() {
    if (!keys.value) return h("div.card-body", keys.failed ? failure(keys.failed, keys.look) : loading(2));
    if (!keys.value.keys.length) return empty("There is no API key", { icon: "key" });
    const all = [...keys.value.keys].sort((one, other) => Boolean(one.revoked_at) - Boolean(other.revoked_at));
    return h("ul.lines", all.map((one) => h("li", { key: one.id }, icon("key", { size: 17 }),
      h("span.grow", h("strong.cut", one.name), h("span.hint", `${one.role}, issued `, h(Ago, { time: one.issued_at }), ` by ${one.issued_by}`, one.expires_at && !one.revoked_at && [", until ", h(Ago, { time: one.expires_at })])),
      one.revoked_at ? pill("revoked") : button("Revoke", () => revoke(one, keys.look), { small: true, kind: "danger", title: `Revoke the key ${one.name}` }))));
  }
}

function make(look) {
  let refused = null, body;
  function Body(props, self) {
    body = self;
    return () => h("form.pile", { id: "key-form", onsubmit: (event) => { event.preventDefault(); send(new FormData(event.target)); } },
      h("div.form-field", h("label", { for: "key-name" }, "Whom or what it is for", h("span.needed", " *")), h("input", { id: "key-name", name: "name", type: "text", required: true, maxlength: 64, autofocus: true, autocomplete: "off", spellcheck: "false" })),
      h("div.form-field", h("label", { for: "key-role" }, "Role"), h("select", { id: "key-role", name: "role" }, ROLES.map(([role, words]) => h("option", { key: role, value: role }, words)))),
      h("div.form-field", h("label", { for: "key-lasts" }, "It holds for"), h("select", { id: "key-lasts", name: "days" }, LASTS.map(([days, words]) => h("option", { key: days, value: days }, words)))),
      refused && h("div.failure", { role: "alert" }, problems(refused)));
  }
  async function send(form) {
    const days = Number(form.get("days"));
    try {
      const made = await post("/v1/access/keys", { name: form.get("name").trim(), role: form.get("role"), expires_at: days ? new Date(Date.now() + days * DAY_MS).toISOString() : null });
      closeDialog();
      look();
      showSecret({ title: `The key of ${made.key.name}`, text: `Whoever has it is ${made.key.role}. The server keeps only its digest.`, secret: made.text });
    } catch (error) { refused = error; body.update(); }
  }
  dialog({ title: "A new API key", body: () => h(Body), actions: (close) => [button("Not now", close, { kind: "quiet" }), button("Make it", null, { kind: "primary", type: "submit", form: "key-form" })] });
}

async function revoke(one, look) {
  const own = session.get()?.principal?.name === one.name ? " It is the one that you are signed in with." : "";
  if (!(await confirmed({ title: `Revoke the key ${one.name}?`, text: `Nobody gets in with it any more, at once and for good.${own}`, yes: "Revoke it", kind: "danger" }))) return;
  await remove(at`/v1/access/keys/${one.id}`).then(() => toast(`${one.name} is revoked`), toastFailure);
  look();
}
