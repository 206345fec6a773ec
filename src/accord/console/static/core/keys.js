// Keys: single ones ("/", "?"), and two after another ("g r"). None is taken while somebody types, but those with `ctrl+`.
//
//   self.onmount(() => key("g r", "Go to runs", () => go("/runs")))      until the page is left

const bound = new Map();
const WITHIN_MS = 1200;
let first = "", since = 0;

export function key(keys, words, run, { group = "This page" } = {}) {
  const one = { keys, words, run, group };
  bound.set(keys, [...(bound.get(keys) ?? []), one]);
  return () => bound.set(keys, (bound.get(keys) ?? []).filter((other) => other !== one));
}

// All keys that do something now, the newest meaning of each.
export const keysNow = () => [...bound.values()].map((all) => all.at(-1)).filter(Boolean);

const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]") &&
  !["checkbox", "radio", "range", "button"].includes(target.type);

export function startKeys() {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const control = event.ctrlKey || event.metaKey;
    const name = (control ? "ctrl+" : "") + (event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (!control && (event.altKey || typing(event.target) || document.querySelector("dialog[open]"))) return;
    const before = performance.now() - since < WITHIN_MS ? first : "";
    const found = bound.get(`${before} ${name}`)?.at(-1) ?? bound.get(name)?.at(-1);
    [first, since] = [found ? "" : name, performance.now()];
    if (!found) return;
    event.preventDefault();
    found.run(event);
  });
}
