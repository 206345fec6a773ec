// Filters of a list, kept in the address: what is chosen is seen as chips, and taken away with a click.
//
//   h(Filters, { fields: [{ name: "state", title: "State", kind: "many", options: ["running", …] },
//                         { name: "template", title: "Template", kind: "text", list: [...] },
//                         { name: "since", title: "Started", kind: "one", options: [["1h", "in the last hour"], …] }],
//                query, search: "text" })

import { h } from "../core/dom.js";
import { words } from "../core/format.js";
import { key } from "../core/keys.js";
import { setQuery } from "../core/router.js";
import { iconButton } from "./basic.js";
import { icon } from "./icon.js";
import { mark } from "./state.js";

const WAIT_MS = 250;

export function Filters(props, self) {
  let timer, draft = null;
  self.onmount((element) => {
    const unbind = key("/", "Search", () => element.querySelector("input[type=search]")?.focus());
    return () => { unbind(); clearTimeout(timer); };
  });
  const typed = (name) => (event) => {
    clearTimeout(timer);
    draft = event.target.value;
    timer = setTimeout(() => setQuery({ [name]: draft }), WAIT_MS);
  };
  const clear = (names) => { draft = null; clearTimeout(timer); setQuery(Object.fromEntries(names.map((name) => [name, undefined]))); };
  return ({ fields, query, search, placeholder = "Search" }) =>
    h("div.filters", { role: "search" },
      search && h("label.search", icon("search", { size: 16 }), h("span.unseen", placeholder),
        h("input", { type: "search", placeholder, value: draft ?? query.get(search) ?? "", oninput: typed(search), onblur: () => (draft = null) }),
        h("kbd", { "aria-hidden": "true" }, "/")),
      fields.map((field) => h(Field, { key: field.name, field, query })),
      [...query.keys()].some((name) => name === search || fields.some((field) => field.name === name)) &&
        h("button.button.quiet.small.clear", { type: "button", onclick: () => clear([...fields.map((field) => field.name), search]) }, "Clear filters"));
}

// A choice that opens: several values, one, or a text with proposals.
function Field(props, self) {
  let open = false;
  const set = (value) => { open = value; self.update(); };
  self.onmount((element) => {
    const outside = (event) => open && !element.contains(event.target) && set(false);
    addEventListener("pointerdown", outside);
    element.addEventListener("focusout", (event) => event.relatedTarget && outside({ target: event.relatedTarget }));
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !open) return;
      event.stopPropagation();
      set(false);
      element.querySelector("button").focus();
    });
    return () => removeEventListener("pointerdown", outside);
  });
  return ({ field, query }) => {
    const values = query.getAll(field.name);
    const id = `filter-${field.name}`;
    return h("div.field-filter", { class: values.length && "chosen" },
      h("button.button.small", { type: "button", "aria-expanded": String(open), "aria-controls": id, onclick: () => set(!open) },
        field.title, values.length > 0 && h("span.value", told(field, values)), icon("down", { size: 14 })),
      values.length > 0 && iconButton("close", `Remove the filter ${field.title}`, () => setQuery({ [field.name]: undefined })),
      open && h("div.menu", { id }, choices(field, values, set)));
  };
}

function told(field, values) {
  if (values.length > 2) return `${values.length} of ${field.options.length}`;
  return values.map((value) => titleOf(field, value)).join(", ");
}

const pairs = (field) => (field.options ?? []).map((one) => (Array.isArray(one) ? one : [one, words(one)]));
const titleOf = (field, value) => pairs(field).find(([name]) => name === value)?.[1] ?? value;

function choices(field, values, set) {
  if (field.kind === "text") return h(TextChoice, { field, value: values[0] ?? "", set });
  const many = field.kind === "many";
  return h("div.choices", { role: "group", "aria-label": field.title },
    pairs(field).map(([value, title]) =>
      h("label.choice", { key: value },
        h("input", {
          type: many ? "checkbox" : "radio", name: field.name, checked: values.includes(value),
          onchange: (event) => {
            if (!many) { setQuery({ [field.name]: value }); set(false); return; }
            setQuery({ [field.name]: event.target.checked ? [...values, value] : values.filter((one) => one !== value) });
          },
        }),
        field.marked && mark(value), h("span", title))));
}

function TextChoice(props, self) {
  self.onmount((element) => { const input = element.querySelector("input"); input.value = props.value; input.focus(); });
  return ({ field, set }) =>
    h("form.text-choice", {
      onsubmit: (event) => {
        event.preventDefault();
        setQuery({ [field.name]: self.element.querySelector("input").value.trim() });
        set(false);
      },
    },
      h("input", { type: "text", "aria-label": field.title, list: `list-${field.name}`, placeholder: field.placeholder ?? field.title, autocomplete: "off" }),
      h("datalist", { id: `list-${field.name}` }, (field.list ?? []).map((one) => h("option", { key: one, value: one }))),
      h("button.button.small.primary", { type: "submit" }, "Filter"));
}
