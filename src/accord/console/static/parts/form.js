// A form made from a JSON Schema: for the input of a template, an approval, a signal.
//
//   const form = new FormState(schema, first)        form.value() is what is filled in, without what is empty
//   h(Form, { form })                                 form.check() tells what a browser can tell to be wrong at its
//                                                   field, and is whether nothing is
//   form.refuse(error.problems)                       puts the server's problems to the fields that they name
//
// What a schema says that no field can show is filled in as JSON, and judged by the server, as everything is.

import { frame, h } from "../core/dom.js";
import { store } from "../core/store.js";
import { button, iconButton } from "./basic.js";

export class FormState {
  constructor(schema, first) {
    this.root = schema ?? {};
    this.value_ = first !== undefined ? structuredClone(first) : initial(this.root, this.root);
    this.refused = store([]);
    this.changed = store(0);
    this.broken = new Map();
  }
  value() { return clean(this.value_); }
  get(path) { return path.reduce((value, name) => value?.[name], this.value_); }
  set(path, value) {
    this.refused.set([]);
    if (!path.length) this.value_ = value;
    else {
      let at = this.value_ ??= {};
      path.slice(0, -1).forEach((name, n) => { at = at[name] ??= typeof path[n + 1] === "number" ? [] : {}; });
      at[path.at(-1)] = value;
    }
    this.changed.set(this.changed.get() + 1);
  }
  refuse(problems) { this.refused.set(problems); }
  problemsAt(path) {
    const pointer = pointerOf(path);
    const told = this.refused.get().filter((one) => [pointer, `/input${pointer}`, `/value${pointer}`].includes(one.place?.pointer)).map((one) => one.message);
    return this.broken.has(pointer) ? [this.broken.get(pointer), ...told] : told;
  }
  // Problems that no field shows.
  others() { return this.refused.get().filter((one) => !one.place?.pointer); }
  check() {
    this.refuse(missing(this.root, this.root, this.value(), []).map((path) => ({ message: `${path.join(".")} is needed`, place: { pointer: pointerOf(path) } })));
    return !this.refused.get().length && !this.broken.size;
  }
}

const pointerOf = (path) => path.map((name) => `/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

function clean(value) {
  if (Array.isArray(value)) return value.map(clean);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined).map(([name, one]) => [name, clean(one)]));
}

// What the schema says in the end: references of this document are followed, parts of `allOf` put together.
export function resolved(schema, root, depth = 0) {
  if (schema === true || schema === undefined || depth > 20) return {};
  if (schema === false) return { not: {} };
  if (schema.$ref?.startsWith("#")) {
    const target = schema.$ref.slice(1).split("/").slice(1).reduce((at, name) => at?.[name.replaceAll("~1", "/").replaceAll("~0", "~")], root);
    const { $ref, ...rest } = schema;
    return { ...resolved(target, root, depth + 1), ...rest };
  }
  if (schema.allOf) {
    const { allOf, ...rest } = schema;
    return allOf.map((one) => resolved(one, root, depth + 1)).reduceRight((all, one) => ({
      ...one, ...all, properties: { ...one.properties, ...all.properties }, required: [...(one.required ?? []), ...(all.required ?? [])],
    }), rest);
  }
  const either = schema.anyOf ?? schema.oneOf;
  if (either) {
    const real = either.filter((one) => one.type !== "null");
    if (real.length === 1) { const { anyOf, oneOf, ...rest } = schema; return { ...resolved(real[0], root, depth + 1), ...rest, nullable: real.length < either.length }; }
  }
  return schema;
}

function kindOf(schema) {
  const types = [schema.type].flat().filter((one) => one && one !== "null");
  if (schema.const !== undefined) return "const";
  if (schema.enum) return "enum";
  if (types.length > 1 || schema.anyOf || schema.oneOf) return "json";
  if (types[0] === "object" || (!types[0] && schema.properties)) return schema.properties ? "object" : "json";
  if (types[0] === "array") return schema.items && !schema.prefixItems ? "array" : "json";
  return types[0] ?? "json";
}

function initial(schema, root) {
  const found = resolved(schema, root);
  if (found.default !== undefined) return structuredClone(found.default);
  if (found.const !== undefined) return found.const;
  if (kindOf(found) !== "object") return undefined;
  const required = new Set(found.required ?? []);
  return Object.fromEntries(Object.entries(found.properties)
    .map(([name, one]) => [name, required.has(name) || resolved(one, root).default !== undefined ? initial(one, root) : undefined]));
}

// The paths of what is needed and not there.
function missing(schema, root, value, path) {
  const found = resolved(schema, root);
  if (kindOf(found) !== "object" || typeof value !== "object" || value === null) return [];
  const required = (found.required ?? []).filter((name) => value[name] === undefined).map((name) => [...path, name]);
  return [...required, ...Object.entries(found.properties).flatMap(([name, one]) => missing(one, root, value[name], [...path, name]))];
}

export function Form(props, self) {
  self.onmount((element) => {
    const first = () => element.querySelector(".wrong :is(input, select, textarea, button)")?.focus();
    const refused = (problems) => { self.update(); if (problems.length) frame(first); };
    const ends = [props.form.changed.watch(self.update), props.form.refused.watch(refused)];
    return () => ends.forEach((end) => end());
  });
  return ({ form }) => h("div.form", field(form, form.root, [], { top: true }),
    form.others().length > 0 && h("ul.problems", { role: "alert" }, form.others().map((one) => h("li", one.message))));
}

function field(form, schema, path, { name = "", required = false, top = false } = {}) {
  const found = resolved(schema, form.root);
  const kind = kindOf(found);
  const draw = { object: group, array: list, enum: choice, const: fixed, boolean: check, string: text, number: numeric, integer: numeric }[kind] ?? raw;
  const told = { form, schema: found, path, name, title: found.title ?? name, required, id: `field${pointerOf(path).replaceAll("/", "-")}`, top };
  if (draw === group && top) return group(told);
  return draw(told);
}

// A field with its title, what it is for, and what is wrong with it.
function labelled(told, control, { aside } = {}) {
  const wrong = told.form.problemsAt(told.path);
  const { description } = told.schema;
  return h("div.form-field", { key: pointerOf(told.path), class: wrong.length && "wrong" },
    h("div.form-label", h("label", { for: told.id }, told.title || "Value", told.required && h("span.needed", { title: "needed" }, " *")), aside),
    description && h("p.hint", { id: `${told.id}-hint` }, description),
    control,
    wrongOf(told));
}

function wrongOf(told) {
  const wrong = told.form.problemsAt(told.path);
  return wrong.length > 0 && h("p.field-problem", { id: `${told.id}-problem`, role: "alert" }, wrong.join("; "));
}

// What a field is described by: what it is for, and what is wrong with it.
function describedBy(told) {
  const ids = [told.schema.description && `${told.id}-hint`, told.form.problemsAt(told.path).length && `${told.id}-problem`];
  return ids.filter(Boolean).join(" ") || null;
}

// The same of fields that belong together.
const fieldset = (told, kind, title, ...inner) =>
  h(`fieldset.form-group${kind}`, { key: pointerOf(told.path), class: told.form.problemsAt(told.path).length && "wrong", "aria-describedby": describedBy(told) },
    h("legend", title), told.schema.description && h("p.hint", { id: `${told.id}-hint` }, told.schema.description), inner, wrongOf(told));

function attributes(told, more = {}) {
  return { id: told.id, required: told.required, "aria-describedby": describedBy(told), "aria-invalid": told.form.problemsAt(told.path).length ? "true" : null, ...more };
}

function group(told) {
  const { form, schema, path, top, title } = told;
  const required = new Set(schema.required ?? []);
  const inner = Object.entries(schema.properties).map(([name, one]) => field(form, one, [...path, name], { name, required: required.has(name) }));
  if (top) return h("div.form-group", inner.length ? inner : h("p.hint", "Nothing is to be filled in."));
  return fieldset(told, "", title, inner);
}

function list(told) {
  const { form, schema, path, title } = told;
  const items = form.get(path) ?? [];
  const put = (value) => form.set(path, value);
  return fieldset(told, ".form-list", [title, told.required && h("span.needed", " *")],
    items.map((_, n) => h("div.form-item", { key: n }, field(form, schema.items, [...path, n], { name: `${n + 1}`, required: true }),
      iconButton("close", `Remove ${title} ${n + 1}`, () => put(items.filter((_, other) => other !== n))))),
    button("Add", () => put([...items, initial(schema.items, form.root) || undefined]), { icon: "plus", small: true }));
}

function choice(told) {
  const { form, schema, path } = told;
  const values = schema.enum;
  const current = values.findIndex((one) => JSON.stringify(one) === JSON.stringify(form.get(path)));
  const set = (event) => form.set(path, event.target.value === "" ? undefined : values[Number(event.target.value)]);
  return labelled(told, h("select", attributes(told, { value: current < 0 ? "" : String(current), onchange: set }),
    (!told.required || current < 0) && h("option", { value: "" }, "–"), values.map((one, n) => h("option", { key: n, value: String(n) }, String(one)))));
}

const fixed = (told) => labelled(told, h("output", attributes(told), JSON.stringify(told.schema.const)));

function check(told) {
  const { form, path, title, schema } = told;
  if ((told.required || !path.length) && schema.default === undefined) return either(told);
  return h("div.form-field", { key: pointerOf(path) },
    h("label.form-check", h("input", attributes(told, { type: "checkbox", required: null, checked: form.get(path) === true, onchange: (event) => form.set(path, event.target.checked) })), title || "Yes"),
    schema.description && h("p.hint", { id: `${told.id}-hint` }, schema.description));
}

// Yes or no has to be said: what nobody has touched is no answer.
function either(told) {
  const { form, path, title, id } = told;
  const one = (value, words) => h("label.form-check", h("input", { type: "radio", name: id, checked: form.get(path) === value, onchange: () => form.set(path, value) }), words);
  return fieldset(told, ".form-either", [title || "Yes or no", h("span.needed", { title: "needed" }, " *")], h("div.form-choices", one(true, "Yes"), one(false, "No")));
}

const INPUTS = { date: "date", email: "email", uri: "url", password: "password" };

function text(told) {
  const { form, schema, path } = told;
  const set = (event) => form.set(path, event.target.value === "" && !told.required ? undefined : event.target.value);
  const long = (schema.maxLength ?? 0) > 200 || schema.format === "multiline" || String(form.get(path) ?? "").includes("\n");
  const shared = attributes(told, { value: form.get(path) ?? "", oninput: set, placeholder: schema.examples?.[0] ?? null, minlength: schema.minLength, maxlength: schema.maxLength });
  return labelled(told, long ? h("textarea", { rows: schema.format === "multiline" || String(form.get(path) ?? "").includes("\n") ? 5 : 2, ...shared }) : h("input", { type: INPUTS[schema.format] ?? "text", autocomplete: "off", ...shared }));
}

function numeric(told) {
  const { form, schema, path } = told;
  const set = (event) => form.set(path, event.target.value === "" ? undefined : event.target.valueAsNumber);
  const step = [schema.type].flat().includes("integer") ? 1 : "any";
  return labelled(told, h("input", attributes(told, { type: "number", step, min: schema.minimum, max: schema.maximum, value: form.get(path) ?? "", oninput: set })));
}

function raw(told) {
  const { form, path } = told;
  const pointer = pointerOf(path);
  const set = (event) => {
    form.broken.delete(pointer);
    try {
      form.set(path, event.target.value.trim() === "" ? undefined : JSON.parse(event.target.value));
    } catch (error) {
      form.broken.set(pointer, `${told.title || "the value"} is no JSON: ${error.message}`);
      form.changed.set(form.changed.get() + 1);
    }
  };
  const value = form.get(path);
  const first = value === undefined || value === false ? "" : JSON.stringify(value, null, 2);
  return labelled(told, h("textarea.code", attributes(told, { rows: 4, spellcheck: "false", oninput: set, ref: (element) => { if (element && !element.value) element.value = first; } })),
    { aside: h("span.hint", "JSON") });
}
