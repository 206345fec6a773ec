// What the planner has learnt from whoever looks, and for whoever may erase from everybody: each can be forgotten for good.

import { at, get, remove } from "../core/api.js";
import { asked } from "../core/asked.js";
import { h } from "../core/dom.js";
import { number } from "../core/format.js";
import { session } from "../core/session.js";
import { Ago, button, card, empty, failure, loading } from "./basic.js";
import { confirmed } from "./dialog.js";
import { toast, toastFailure } from "./toast.js";

const MOST = 200;

export function Learnt(props, self) {
  const found = asked(self, () => get("/v1/planner/examples", { limit: MOST }), { every: 15_000 });

  async function forget(one) {
    if (!(await confirmed({ title: "Forget this example?", text: "Its words are destroyed for good, and the next version of the planner's classifier is trained without them.", yes: "Forget it", kind: "danger" }))) return;
    await remove(at`/v1/planner/examples/${one.example}`).then(() => toast("Forgotten"), toastFailure);
    found.look();
  }

  return () => {
    const kept = found.value?.examples.filter((one) => one.words !== null) ?? [];
    return card("Learnt from use", { aside: found.value && h("span.hint.num", `${number(kept.length)}${found.value.next ? " and more" : ""}`) },
      !found.value ? h("div.card-body", found.failed ? failure(found.failed, found.look) : loading(2)) :
        !kept.length ? empty("Nothing yet", { text: "Words for which you choose a template, or correct a plan, are kept as examples of what they mean.", icon: "info" }) :
          h("ul.lines", kept.map((one) => h("li", { key: one.example },
            h("span.grow", h("span", `“${one.words}”`), h("span.hint", one.template ? ["means ", h("strong", one.template)] : "means nothing that is here", `, ${one.how}${one.by === session.get()?.principal.name ? "" : ` by ${one.by}`} `, h(Ago, { time: one.at }))),
            button("Forget", () => forget(one), { small: true, kind: "danger", title: `Forget “${one.words}”` })))));
  };
}
