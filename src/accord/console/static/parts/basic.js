// What every page is made of: buttons, times, facts, empty places, failures, skeletons.

import { h } from "../core/dom.js";
import { ago, moment, plain } from "../core/format.js";
import { store } from "../core/store.js";
import { icon } from "./icon.js";

// button("Pause", pause, { icon: "pause", kind: "primary" | "danger" | "quiet", keys: "p", title, disabled, busy })
export function button(text, run, { icon: name, kind = "", keys, busy = false, small = false, ...more } = {}) {
  const attributes = { type: "button", onclick: run, "aria-busy": busy || null, disabled: busy, ...more };
  return h("button.button", { class: [kind, small && "small"], ...attributes },
    name && icon(name, { size: 16 }), text && h("span", text), keys && h("kbd", { "aria-hidden": "true" }, keys));
}

// A button that is an icon; what it does is said to those who cannot see it.
export const iconButton = (name, label, run, more = {}) =>
  h("button.icon-button", { type: "button", "aria-label": label, title: label, onclick: run, ...more }, icon(name));

export const link = (href, text, more = {}) => h("a", { href, ...more }, text);

// -- time --------------------------------------------------------------------------------------------------------

const now = store(Date.now());
setInterval(() => document.hidden || now.set(Date.now()), 1000);

// How long ago, kept true; the whole time is told on pointing at it.
export function Ago(props, self) {
  const current = now.use(self);
  return ({ time }) => (time ? h("time", { datetime: time, title: moment(time) }, ago(time, Math.max(current(), Date.now()))) : h("span", "–"));
}

// A component that is drawn again each second: for durations that go on.
export function Ticking(props, self) {
  now.use(self);
  return ({ draw }) => draw(Date.now());
}

// -- places ------------------------------------------------------------------------------------------------------

// A page: its title, what stands beside it, and its body.
export const sheet = (title, { aside, under } = {}, ...body) => [
  h("header.sheet-head", h("div.sheet-title", h("h1", title), under && h("p.under", under)), aside && h("div.sheet-aside", aside)),
  ...body,
];

export const card = (title, { aside, href, ...more } = {}, ...body) =>
  h("section.card", { "aria-label": typeof title === "string" ? title : null, ...more },
    title && h("header.card-head", h("h2", href ? link(href, title) : title), aside), ...body);

// facts([["started", …], ["by", …]]): what is empty is left out
export const facts = (pairs) =>
  h("dl.facts", pairs.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
    .map(([name, value]) => h("div", { key: name }, h("dt", name), h("dd", value))));

export const empty = (title, { text, action, icon: name = "info" } = {}) =>
  h("div.empty", icon(name, { size: 28 }), h("strong", title), text && h("p", text), action);

// A text of a program or of people, what is in backquotes as code.
export const coded = (text) => text.split(/(`[^`]*`)/).filter(Boolean).map((part, n) => (part[0] === "`" && part.length > 1 ? h("code", { key: n }, part.slice(1, -1)) : part));

// What went wrong, all of it, and the way out.
export const failure = (error, again) =>
  h("div.failure", { role: "alert" }, icon("warning", { size: 22 }),
    h("div", problems(error), again && button("Try again", again, { icon: "retry", small: true })));

export const problems = (error) =>
  h("ul.problems", (error.problems ?? [{ message: error.message }]).map((one) =>
    h("li", one.code && h("code", one.code), " ", h("span", coded(plain(one.message))), one.place?.pointer && h("code", ` ${one.place.pointer}`), one.hint && !CONTROLLED.test(one.hint) && h("p.hint", coded(one.hint)))));

// A way out that is a command although this console has a page or a control for it.
export const CONTROLLED = /\b(GET|POST) \/v1\/|\baccord (runs (list|show|resume|pause|retry|cancel|fork|signal|rollback|explain)|agents (list|show)|access keys|incidents|webhooks|templates)\b/;

// What is not there yet: lines of the height of what comes.
export const skeleton = (lines = 3) =>
  h("div.skeleton", { "aria-hidden": "true" }, Array.from({ length: lines }, (_, n) => h("div", { key: n, style: { width: `${92 - ((n * 17) % 40)}%` } })));

export const loading = (lines) => h("div", { role: "status" }, h("span.unseen", "Loading"), skeleton(lines));

// A bar of progress; parts: [[state, count], …]
export const bar = (parts, total, label) =>
  h("div.bar", { role: "img", "aria-label": label, title: label },
    parts.filter(([, value]) => value > 0).map(([tone, value]) => h("div", { key: tone, class: `tone-${tone}`, style: { width: `${(100 * value) / Math.max(1, total)}%` } })));

export const pill = (text, more = {}) => h("span.pill", more, text);

// -- told --------------------------------------------------------------------------------------------------------

// Said to those who listen, and shown to nobody.
export const spoken = store("");
export const say = (text) => spoken.set(text);
