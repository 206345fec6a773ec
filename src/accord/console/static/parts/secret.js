// What is shown once and never again: the text of a key, the secret of an endpoint.

import { h } from "../core/dom.js";
import { button } from "./basic.js";
import { dialog } from "./dialog.js";
import { toast } from "./toast.js";

export function showSecret({ title, text, secret }) {
  const copy = () => navigator.clipboard.writeText(secret).then(() => toast("Copied"), () => document.getElementById("secret").select());
  dialog({
    title, keeps: true,
    body: () => h("div.form-field", h("p", text), h("label", { for: "secret" }, "It is shown this once"), h("input.secret", { id: "secret", type: "text", readonly: true, value: secret, spellcheck: "false", autofocus: true, onfocus: (event) => event.target.select() })),
    actions: (close) => [navigator.clipboard && button("Copy", copy, { icon: "copy" }), button("I have kept it", close, { kind: "primary" })],
  });
}
