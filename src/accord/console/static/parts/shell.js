// The shell: where one can go, who one is, whether all this is live; and in the middle the page.

import { reached } from "../core/api.js";
import { readQuery } from "../core/choices.js";
import { command } from "../core/commands.js";
import { h } from "../core/dom.js";
import { live } from "../core/feed.js";
import { key } from "../core/keys.js";
import { go, place } from "../core/router.js";
import { may, session, signOut } from "../core/session.js";
import { store } from "../core/store.js";
import { empty, failure, iconButton, link, loading, say, spoken } from "./basic.js";
import { Dialogs } from "./dialog.js";
import { icon } from "./icon.js";
import { keys, openHelp, openPalette } from "./palette.js";
import { Toasts } from "./toast.js";
import { unknownNames, unknownValues } from "./unknown.js";

// Numbers beside places, by their names in NAV: what waits for somebody.
export const marks = store({});

let nav = [];

// nav: [{ name, title, href, icon, keys, group }], in the order in which they are shown.
export function setNav(places) {
  nav = places;
  for (const one of places) {
    key(one.keys, `Go to ${one.title.toLowerCase()}`, () => go(one.href), { group: "Go to" });
    command({ id: `go-${one.name}`, title: `Go to ${one.title.toLowerCase()}`, icon: one.icon, keys: one.keys, run: () => go(one.href), when: () => !one.right || may(one.right) });
  }
}

const THEMES = ["system", "light", "dark"];
const theme = store(localStorage.getItem("accord.theme") ?? "system");

function nextTheme() {
  const next = THEMES[(THEMES.indexOf(theme.get()) + 1) % THEMES.length];
  theme.set(next);
  if (next === "system") {
    localStorage.removeItem("accord.theme");
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem("accord.theme", next);
    document.documentElement.dataset.theme = next;
  }
  say(`Colours: ${next}`);
}

export function startShell() {
  key("ctrl+k", "Go to, or do, by name", openPalette, { group: "Everywhere" });
  key("?", "What keys do", openHelp, { group: "Everywhere" });
  key("t", "Light, dark, or as the system", nextTheme, { group: "Everywhere" });
  command({ id: "theme", title: "Light, dark, or as the system", icon: "sun", keys: "t", run: nextTheme });
  command({ id: "help", title: "What keys do", icon: "keyboard", keys: "?", run: () => setTimeout(openHelp) });
  command({ id: "sign-out", title: "Sign out", icon: "out", run: signOut });
}

export function Shell(props, self) {
  let open = false;
  const at = place.use(self), who = session.use(self), state = reached.use(self), feed = live.use(self), told = spoken.use(self), numbers = marks.use(self), colours = theme.use(self);
  self.onmount(() => place.watch(() => { open = false; }));
  const toggle = () => { open = !open; self.update(); };
  return () => h("div.shell", { class: open && "nav-open" },
    h("a.skip", { href: "#main", onclick: (event) => { event.preventDefault(); document.getElementById("main").focus(); } }, "To the page"),
    h("header.topbar", iconButton("menu", "Places", toggle, { "aria-expanded": String(open), "aria-controls": "nav" }), brand(), connection(state(), feed()), iconButton("search", "Go to, or do", openPalette)),
    h("nav.side", { id: "nav", "aria-label": "Places" },
      brand(),
      h("button.jump", { type: "button", onclick: openPalette }, icon("search", { size: 16 }), h("span.grow", "Go to …"), keys("ctrl+k")),
      h("ul", nav.filter((one) => !one.right || may(one.right)).map((one) => h("li", { key: one.name, class: one.apart && "apart" },
        h("a", { href: one.href, "aria-current": isAt(at(), one) ? "page" : null }, icon(one.icon), h("span.grow", one.title),
          numbers()[one.name] > 0 && h("span.count", { "aria-label": `${numbers()[one.name]} waiting` }, numbers()[one.name]))))),
      h("div.side-foot",
        connection(state(), feed()),
        h("div.who", icon("user"), h("div.grow", h("strong", who()?.principal.name), h("span", who()?.principal.role)),
          iconButton({ system: "screen", light: "sun", dark: "moon" }[colours()], `Colours: ${colours()}`, nextTheme),
          iconButton("keyboard", "What keys do", openHelp),
          iconButton("out", "Sign out", signOut)))),
    h("div.veil", { onclick: toggle }),
    h("main", { id: "main", tabindex: "-1" }, h(Page, { key: at().page?.pattern ?? "none", at: at() })),
    h(Dialogs), h(Toasts),
    h("div.unseen", { "aria-live": "polite", id: "spoken" }, told()));
}

const brand = () => h("a.brand", { href: "/", "aria-label": "Accord, overview" },
  h("svg", { viewBox: "0 0 32 32", width: 26, height: 26, "aria-hidden": "true" }, h("rect", { width: 32, height: 32, rx: 8 }), h("path", { d: "M9 22 16 8l7 14" }), h("circle", { cx: 16, cy: 19, r: 2.6 })), h("span", "Accord"));

const isAt = (at, one) => (at.page?.nav ?? "") === one.name;

function connection(state, feed) {
  const [kind, text] = state === "no" ? ["lost", "Not reached"] : feed === "live" ? ["live", "Live"] : feed === "none" ? ["live", "Connected"] : ["waiting", "Connecting"];
  return h("div.connection", { class: kind }, h("span.dot"), text);
}

// The page that the address names, as soon as its module is there.
function Page(props, self) {
  let component = null, failed = null;
  const { page } = props.at;
  const load = () => {
    failed = null;
    page.load().then((module) => { component = module.default; self.update(); }, (error) => { failed = error; self.update(); });
  };
  self.onmount(() => { document.title = page ? `${page.title} · Accord` : "Accord"; if (page) say(page.title); });
  if (page) load();
  return ({ at }) => {
    if (!page) return h("div.page", empty("There is nothing here", { text: `Nothing of the console is at ${at.path}.`, action: link("/", "To the overview") }));
    if (failed) return h("div.page", failure({ message: "The page cannot be loaded." }, load));
    if (!component) return h("div.page", loading(6));
    const { query, names, values } = readQuery(at.query, page.query);
    return h("div.page", { class: `page-${page.name}` }, unknownNames([...names], Object.keys(page.query ?? {})), unknownValues(values), h(component, { key: at.path, params: at.params, query, hash: at.hash }));
  };
}
