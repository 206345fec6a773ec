// Toasts: what was done, or could not be. They go by themselves, but those that tell of a failure.

import { h } from "../core/dom.js";
import { store } from "../core/store.js";
import { iconButton, problems } from "./basic.js";
import { icon } from "./icon.js";

const shown = store([]);
const FOR_MS = 6000;
let number = 0;

function put(toast) {
  const one = { id: ++number, ...toast };
  shown.set([...shown.get().slice(-3), one]);
  if (toast.kind !== "failed") setTimeout(() => drop(one.id), FOR_MS);
  return one.id;
}

const drop = (id) => shown.set(shown.get().filter((one) => one.id !== id));

// toast("Paused 12 runs", { undo: ["Resume", resume] })
export const toast = (text, { action } = {}) => put({ kind: "done", text, action });

export const toastFailure = (error, text = "") => put({ kind: "failed", text, error });

export function Toasts(props, self) {
  const toasts = shown.use(self);
  return () => h("div.toasts", { role: "status", "aria-live": "polite" }, toasts().map((one) =>
    h("div.toast", { key: one.id, class: one.kind },
      icon(one.kind === "failed" ? "warning" : "check"),
      h("div.toast-text", one.text && h("strong", one.text), one.error && problems(one.error)),
      one.action && h("button.button.small", { type: "button", onclick: () => { drop(one.id); one.action[1](); } }, one.action[0]),
      iconButton("close", "Dismiss", () => drop(one.id)))));
}
