// What stands in an address and leads to nothing here: it is said, with what is shown in its place, and taken out by a click.

import { h } from "../core/dom.js";
import { NUMBER } from "../core/choices.js";
import { setQuery } from "../core/router.js";
import { button } from "./basic.js";
import { icon } from "./icon.js";

const listed = (names) => names.map((name, n) => [n > 0 && ", ", h("code", { key: name }, name)]);

// A sentence about these parameters of the address.
export const notThere = (names, ...sentence) => h("div.unknown", { key: `unknown ${names.join()}`, role: "status" }, icon("warning", { size: 18 }),
  h("span.grow", sentence), button("Take it out", () => setQuery(Object.fromEntries(names.map((name) => [name, undefined]))), { small: true }));

// A filter that is misspelt would be no filter: names that a page does not know.
export const unknownNames = (names, known) => names.length > 0 && notThere(names,
  "The address says ", listed(names), ", which this page does not know: it is left out. ", known.length > 0 && ["It knows ", listed(known), "."]);

// And values that are none of those there are.
export const unknownValues = (values) => values.map(({ name, value, choice }) => notThere([name],
  "The address says ", h("code", `${name}=${value}`), choice === NUMBER ? ", which is no number from 1 on" : [", which is none of ", listed(choice)], ": the page is shown as without it."));
