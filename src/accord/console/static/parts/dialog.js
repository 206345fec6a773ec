// Dialogs: one at a time, over the page; Escape closes it, and the focus goes back to where it was.
//
//   dialog({ title: "Cancel 3 runs?", body: (close) => …, actions: (close) => [button("Cancel them", …)] })
//   if (await confirmed({ title, text, yes: "Cancel run", kind: "danger" })) …

import { h } from "../core/dom.js";
import { store } from "../core/store.js";
import { button, iconButton } from "./basic.js";

const open = store(null);

// `keeps`: neither Escape nor a click beside it closes it, only its own buttons: what it shows is shown once.
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

// A yes with a note, which may be empty; null where somebody thinks better of it.
export function noted({ title, text, asks, yes }) {
  let note = "", answer = false;
  return new Promise((resolve) => dialog({
    title,
    body: () => h("form.pile", { id: "note-form", onsubmit: (event) => { event.preventDefault(); answer = true; close(); } }, h("p", text),
      h("div.form-field", h("label", { for: "note" }, asks), h("textarea", { id: "note", rows: 3, maxlength: 4000, autofocus: true, oninput: (event) => { note = event.target.value; } }))),
    actions: () => [button("Not now", close, { kind: "quiet" }), button(yes, null, { kind: "primary", type: "submit", form: "note-form" })],
    onclose: () => resolve(answer ? note : null),
  }));
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
    // What is long is read from its beginning.
    const focused = document.activeElement;
    if (focused?.matches("textarea")) { focused.setSelectionRange(0, 0); focused.scrollTop = 0; }
    // What had the focus may be gone, as a button that has done what it was for: then it is the page's.
    return () => (before?.isConnected && before !== document.body ? before : document.getElementById("main"))?.focus();
  });
  return ({ asked }) =>
    h("dialog.dialog", {
      class: asked.wide && "wide", "aria-labelledby": "dialog-title",
      oncancel: (event) => { event.preventDefault(); if (!asked.keeps) close(); },
      onclick: (event) => event.target === self.element && !asked.keeps && close(),
    },
      h("div.dialog-inner",
        h("header.dialog-head", h("h2", { id: "dialog-title" }, asked.title), !asked.keeps && iconButton("close", "Close", close)),
        h("div.dialog-body", asked.body?.(close)),
        asked.actions && h("footer.dialog-foot", asked.actions(close))));
}
