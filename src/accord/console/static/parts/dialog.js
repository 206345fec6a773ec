// Dialogs: one at a time, over the page; Escape closes it, and the focus goes back to where it was.
//
//   dialog({ title: "Cancel 3 runs?", body: (close) => …, actions: (close) => [button("Cancel them", …)] })
//   if (await confirmed({ title, text, yes: "Cancel run", kind: "danger" })) …

import { h } from "../core/dom.js";
import { store } from "../core/store.js";
import { button, iconButton } from "./basic.js";

const open = store(null);

export function dialog(asked) {
  open.get()?.onclose?.();
  open.set({ id: Math.random(), ...asked });
  return () => close(asked);
}

function close() {
  const one = open.get();
  open.set(null);
  one?.onclose?.();
}

export const closeDialog = close;

export function confirmed({ title, text, yes, kind = "primary", body }) {
  return new Promise((resolve) => {
    let answer = false;
    dialog({
      title,
      body: () => [text && h("p", text), body],
      actions: () => [
        button("Back", close, { kind: "quiet" }),
        button(yes, () => { answer = true; close(); }, { kind, autofocus: true }),
      ],
      onclose: () => resolve(answer),
    });
  });
}

export function Dialogs(props, self) {
  const current = open.use(self);
  return () => h("div", current() && h(Dialog, { key: current().id, asked: current() }));
}

function Dialog(props, self) {
  self.onmount((element) => {
    const before = document.activeElement;
    element.showModal();
    (element.querySelector("[autofocus]") ?? element.querySelector(".dialog-body :is(input, select, textarea, button)"))?.focus();
    return () => before?.isConnected && before.focus();
  });
  return ({ asked }) =>
    h("dialog.dialog", {
      class: asked.wide && "wide", "aria-labelledby": "dialog-title",
      oncancel: (event) => { event.preventDefault(); close(); },
      onclick: (event) => event.target === self.element && close(),
    },
      h("div.dialog-inner",
        h("header.dialog-head", h("h2", { id: "dialog-title" }, asked.title), iconButton("close", "Close", close)),
        h("div.dialog-body", asked.body?.(close)),
        asked.actions && h("footer.dialog-foot", asked.actions(close))));
}
