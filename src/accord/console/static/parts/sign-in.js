// Signing in: with an API key, or a token of the identity provider.

import { h } from "../core/dom.js";
import { signIn } from "../core/session.js";
import { problems } from "./basic.js";
import { icon } from "./icon.js";

export function SignIn(props, self) {
  let failed = props.problem ?? null, busy = false;
  async function submit(event) {
    event.preventDefault();
    const input = self.element.querySelector("input[name=credential]");
    [busy, failed] = [true, null];
    self.update();
    try {
      await signIn({ credential: input.value.trim() });
    } catch (error) {
      failed = error;
      busy = false;
      self.update();
      input.select();
    }
  }
  self.onmount((element) => { document.title = "Sign in · Accord"; element.querySelector("input[name=credential]").focus(); });
  return () => h("main.sign-in",
    h("form.sign-in-box", { onsubmit: submit },
      h("svg.logo", { viewBox: "0 0 32 32", width: 44, height: 44, "aria-hidden": "true" }, h("rect", { width: 32, height: 32, rx: 8 }), h("path", { d: "M9 22 16 8l7 14" }), h("circle", { cx: 16, cy: 19, r: 2.6 })),
      h("h1", "Sign in to Accord"),
      h("input.unseen", { type: "text", name: "username", value: "accord", autocomplete: "username", tabindex: "-1", "aria-hidden": "true" }),
      h("label", { for: "credential" }, "API key, or a token of your identity provider"),
      h("input", { id: "credential", name: "credential", type: "password", autocomplete: "current-password", required: true, spellcheck: "false", "aria-describedby": failed ? "sign-in-problem" : null }),
      failed && h("div", { id: "sign-in-problem", role: "alert" }, problems(failed)),
      h("button.button.primary.large", { type: "submit", disabled: busy, "aria-busy": busy || null }, busy ? "Signing in …" : "Sign in"),
      h("div.sign-in-hint", icon("info", { size: 18 }),
        h("div", h("p", "On the machine of the server, no key has to be typed:"), h("pre", "accord console"), h("p", "An admin makes keys for others, on the page System.")))));
}
