// Proposals: what the system has learnt and would like to change. Nothing makes any yet.

import { h } from "../core/dom.js";
import { card, empty, link, sheet } from "../parts/basic.js";

export default function Proposals() {
  return () => h("div", sheet("Proposals", { under: "Changes that are proposed by programs, and decided by people." }),
    card(null, {}, empty("There are no proposals", {
      icon: "proposals",
      text: "This release makes none: nothing in it proposes changes to templates yet. Once something does, each proposal is here with its reasons and what it would change, and nothing changes before somebody has said yes.",
      action: link("/templates", "Compare versions of templates", { class: "button" }),
    })));
}
