// Publish a template: what is written is judged as it is written, with the lines where something is wrong.

import { post } from "../core/api.js";
import { h } from "../core/dom.js";
import { number } from "../core/format.js";
import { go } from "../core/router.js";
import { may } from "../core/session.js";
import { button, card, empty, failure, link, sheet } from "../parts/basic.js";
import { caretTo, editor, opener } from "../parts/editor.js";
import { findings } from "../parts/findings.js";
import { icon } from "../parts/icon.js";
import { toast } from "../parts/toast.js";
import { hrefOf } from "./templates.js";

const WAIT_MS = 400;
const YAML = { type: "application/yaml" };
const FIRST = `accord: template/1
name: greeting
version: 1.0.0
description: Says hello.
input: {type: object, required: [name], properties: {name: {type: string}}}
tasks:
  greet: {uses: text.greet@^1, with: {name: "\${input.name}"}}
output: "\${tasks.greet.output}"
`;

export default function Publish(props, self) {
  let text = "", judged = null, failed = null, busy = false, timer, number_ = 0;

  async function judge() {
    clearTimeout(timer);
    const mine = ++number_;
    if (!text.trim()) { [judged, failed] = [null, null]; self.update(); return; }
    try {
      const found = await post("/v1/templates/judgements", text, YAML);
      if (mine === number_) [judged, failed] = [found, null];
    } catch (error) { if (mine === number_) [judged, failed] = [null, error]; }
    if (mine === number_) self.update();
  }
  function typed(now) {
    text = now;
    judged = null;
    clearTimeout(timer);
    timer = setTimeout(judge, WAIT_MS);
    self.update();
  }
  async function publish() {
    if (busy || !judged?.ok) return;
    busy = true;
    self.update();
    try {
      const one = await post("/v1/templates", text, YAML);
      toast(`Published ${one.template}`);
      go(hrefOf(one));
    } catch (error) { failed = error; }
    busy = false;
    self.update();
  }
  self.onmount(() => () => clearTimeout(timer));

  return () => {
    if (!may("publish")) return h("div", sheet("Publish a template"), empty("Your role may not publish", { text: "Ask somebody who is an author, or more.", icon: "shield" }));
    return h("div",
      h("nav.crumbs", { "aria-label": "Where this is" }, link("/templates", "Templates")),
      sheet("Publish a template", { under: "Nothing is published that does not hold: it is judged as you write.",
        aside: button(judged?.template && judged.ok ? `Publish ${judged.template}` : "Publish", publish, { kind: "primary", icon: "check", disabled: !judged?.ok || busy, busy: busy || null }) }),
      h("div.two.even",
        card("Text", { aside: h("span.line", opener("template-file", "Open a file", typed), !text && button("An example", () => typed(FIRST), { small: true, kind: "quiet" })) },
          editor({ id: "template-text", label: "The template, in YAML", text, problems: judged?.problems, placeholder: "Paste YAML, or open a file", oninput: typed })),
        card("What is said of it", {}, h("div.card-body.pile", { "aria-live": "polite" }, failed && failure(failed, judge), verdict(text, judged, failed, (place) => caretTo(self.element.querySelector("#template-text"), place))))));
  };
}

function verdict(text, judged, failed, goTo) {
  if (!text.trim()) return empty("Nothing is written yet", { text: "All that is wrong is told at once, with its line and the way out.", icon: "templates" });
  if (failed) return null;
  if (!judged) return h("p.hint", "It is being judged …");
  const { ok, problems, warnings, edges, proven, template } = judged;
  return h("div.pile",
    h("div.judgement", { class: ok ? "tone-done" : "tone-failed" }, icon(ok ? "check" : "warning", { size: 26 }),
      h("div.pile", h("strong", ok ? `${template} holds` : `${number(problems.length)} ${problems.length === 1 ? "thing is" : "things are"} wrong`), edges > 0 && h("p", `${number(proven)} of ${number(edges)} inputs always fit the contracts of those who may get them.`))),
    problems.length > 0 && findings(problems, { severity: "error", goTo }),
    warnings.length > 0 && [h("h3", "Not proven"), findings(warnings, { severity: "warning", goTo })]);
}
