// Addresses and pages. A page is a module of `pages/`, loaded when it is first gone to:
//
//   page("/runs", () => import("../pages/runs.js"), { title: "Runs", nav: "runs", name: "runs" })
//
// Its default export is a component; it is given { params, query, go }. What is in the query is the page's own: filters,
// what is selected. setQuery() changes it in place, so that an address always leads to what is seen.

import { store } from "./store.js";

const table = [];

// Where we are: { path, params, query, page }.
export const place = store(null);

export function page(pattern, load, facts = {}) {
  const names = [];
  const text = pattern.replace(/:(\w+)/g, (_, name) => (names.push(name), "([^/]+)"));
  table.push({ pattern, expression: new RegExp(`^${text}/?$`), names, load, ...facts });
}

export function resolve(path) {
  for (const one of table) {
    const match = one.expression.exec(path);
    const values = match?.slice(1).map(decoded);
    if (values && !values.includes(null)) return { page: one, params: Object.fromEntries(one.names.map((name, n) => [name, values[n]])) };
  }
  return { page: null, params: {} };
}

// A part of a path; null where it is no text, `%` for example.
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

// Go to an address of the console.
export function go(href, { replace = false } = {}) {
  const url = new URL(href, location.href);
  const before = place.get()?.path;
  history[replace ? "replaceState" : "pushState"](null, "", url);
  arrive();
  if (place.get().path !== before) {
    scrollTo(0, 0);
    document.getElementById("main")?.focus({ preventScroll: true });
  }
}

// Change members of the query; undefined, "" and [] take one away.
export function setQuery(changes, { replace = true } = {}) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    query.delete(name);
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined && one !== null && one !== "") query.append(name, one);
  }
  const text = query.toString();
  go(location.pathname + (text ? `?${text}` : ""), { replace });
}

export function arrive() {
  const path = location.pathname;
  place.set({ path, ...resolve(path), query: new URLSearchParams(location.search), hash: location.hash });
}

export function startRouter() {
  addEventListener("popstate", arrive);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (!resolve(link.pathname).page) return;
    event.preventDefault();
    go(link.href);
  });
  arrive();
}
