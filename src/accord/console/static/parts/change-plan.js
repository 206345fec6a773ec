// A plan's graph as text, to be changed before it starts: what is written is planned and verified as it is written.

import { at, get, post } from "../core/api.js";
import { h } from "../core/dom.js";
import { keep } from "../core/files.js";
import { may } from "../core/session.js";
import { document as asYaml, FIRST } from "../core/yaml.js";
import { button, card, failure, loading } from "./basic.js";
import { caretTo, editor, opener } from "./editor.js";
import { findings } from "./findings.js";

const WAIT_MS = 400;

// A version that is published keeps its text: what is changed is a draft of it.
const draft = (document) => (document.version.includes("-") ? document : { ...document, version: `${document.version}-draft` });

// `onchange({ text, plan })` is told of each change: `plan` is null until it is known, and where there is none.
export function ChangePlan({ plan, onchange }, self) {
  let text = null, failed = null, problems = [], judging = false, timer, number = 0;

  async function open() {
    try { text = asYaml(draft(plan.document ?? (await get(at`/v1/templates/${plan.template.split("@")[0]}/${plan.template.split("@")[1]}`)).document), FIRST); failed = null; }
    catch (error) { failed = error; }
    self.update();
  }
  function written(now) {
    text = now;
    judging = true;
    clearTimeout(timer);
    timer = setTimeout(judge, WAIT_MS);
    onchange({ text, plan: null });
    self.update();
  }
  async function judge() {
    const mine = ++number;
    let found = null, wrong = null;
    try { found = await post("/v1/plans", { document: text, input: plan.input }, { once: false }); } catch (error) { wrong = error; }
    if (mine !== number) return;
    [judging, failed, problems] = [false, wrong?.status === 422 ? null : wrong, wrong?.status === 422 ? wrong.problems : found?.report.findings.filter((one) => one.severity === "error") ?? []];
    onchange({ text, plan: found });
    self.update();
  }
  self.onmount(() => () => clearTimeout(timer));

  return () => card("Change it", { aside: text !== null && h("span.line", opener("plan-file", "Open a file", written), button("Save as a file", () => keep(text, `${plan.template.split("@")[0]}.yaml`, "application/yaml"), { small: true, icon: "download" })) },
    text === null
      ? h("div.card-body.pile", failed ? failure(failed, open) : h("p.hint", "The graph as text: it is verified as you write, and the run gets what is written."), button("Change the graph", open, { icon: "graph", small: true }))
      : [editor({ id: "plan-text", label: "The plan, in YAML", text, problems, rows: 18, oninput: written }),
        h("div.card-body.pile", { "aria-live": "polite" },
          !may("publish") && h("p.hint", "Your role may not start what it has changed: save it, and ask somebody who is an author, or more."),
          judging ? loading(1) : failed ? failure(failed, judge) : problems.length > 0 ? findings(problems, { severity: "error", goTo: (place) => caretTo(self.element.querySelector("#plan-text"), place) }) : h("p.hint", "It holds."))]);
}
