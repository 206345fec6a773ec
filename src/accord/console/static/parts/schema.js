// A JSON Schema as people read it: each member with its type, whether it is needed, and what it is for.

import { h } from "../core/dom.js";
import { pill } from "./basic.js";
import { resolved } from "./form.js";

const DEEPEST = 6;

export const schemaView = (schema, label) => h("div.schema", { role: "group", "aria-label": label }, members(schema ?? {}, schema ?? {}, 0) ?? h("p.hint", typeOf(resolved(schema, schema), schema)));

function members(schema, root, depth) {
  const found = resolved(schema, root);
  if (depth > DEEPEST) return h("p.hint", "…");
  if (found.properties && Object.keys(found.properties).length) {
    const needed = new Set(found.required ?? []);
    return h("ul.schema-members", Object.entries(found.properties).map(([name, one]) => member(name, one, root, depth, needed.has(name))));
  }
  if (found.items && found.type === "array") return members(found.items, root, depth + 1);
  return null;
}

function member(name, schema, root, depth, needed) {
  const found = resolved(schema, root);
  const inner = members(schema, root, depth + 1);
  return h("li", { key: name },
    h("div.schema-line", h("code.schema-name", name), h("span.schema-type", typeOf(found, root)), needed && pill("needed"), found.default !== undefined && h("span.hint", "if left out: ", h("code", JSON.stringify(found.default)))),
    (found.title && found.title !== name || found.description) && h("p.hint", [found.title !== name && found.title, found.description].filter(Boolean).join(". ")),
    bounds(found) && h("p.hint", bounds(found)),
    inner && (depth < 1 ? inner : h("details", h("summary", "its members"), inner)));
}

function typeOf(schema, root) {
  if (schema.const !== undefined) return `always ${JSON.stringify(schema.const)}`;
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" or ");
  const either = schema.anyOf ?? schema.oneOf;
  if (either) return either.map((one) => typeOf(resolved(one, root), root)).join(" or ");
  if (schema.type === "array" && schema.items) return `list of ${typeOf(resolved(schema.items, root), root)}`;
  const type = [schema.type ?? (schema.properties ? "object" : "anything")].flat().join(" or ");
  return schema.nullable ? `${type}, or null` : type;
}

const BOUNDS = { minimum: "at least", maximum: "at most", minLength: "characters at least", maxLength: "characters at most", minItems: "items at least", maxItems: "items at most", pattern: "like", format: "format" };
const bounds = (schema) => Object.entries(BOUNDS).filter(([name]) => schema[name] !== undefined).map(([name, words]) => `${words} ${schema[name]}`).join(", ");
