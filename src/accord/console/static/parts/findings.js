// What a server has found wrong with something that was written: with the line where it stands, and the way out.

import { h } from "../core/dom.js";
import { coded } from "./basic.js";
import { icon } from "./icon.js";

const PLACES = { error: ["failed", "warning"], warning: ["waiting", "info"], proof: ["done", "check"] };

// findings: [{ code, message, place, hint, severity, example }]; `goTo(place)` makes the place a button.
export const findings = (all, { severity, goTo } = {}) => h("ul.findings", all.map((one, n) => {
  const [tone, name] = PLACES[one.severity ?? severity ?? "error"];
  const where = placed(one.place);
  return h("li", { key: `${one.code}${n}`, class: `tone-${tone}` }, icon(name, { size: 17 }),
    h("div.grow", h("p", h("code", one.code), " ", coded(one.message)),
      one.example !== undefined && h("p.hint", "For example: ", h("code", JSON.stringify(one.example))),
      one.hint && h("p.hint", coded(one.hint))),
    where && (goTo && one.place.line ? h("button.button.quiet.small", { type: "button", onclick: () => goTo(one.place) }, where) : h("code.hint.place", where)));
}));

const placed = (place) => (place?.line ? `line ${place.line}${place.column ? `:${place.column}` : ""}` : place?.pointer || "");
