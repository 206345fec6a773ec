// The places of the console: its pages, and the way to them. A page that is added here is in the navigation, in the
// palette, and has its keys.

import { get } from "./core/api.js";
import { searches } from "./core/commands.js";
import { go, page } from "./core/router.js";
import { setNav } from "./parts/shell.js";

export function startPlaces() {
  page("/", () => import("./pages/overview.js"), { title: "Overview", nav: "overview", name: "overview" });
  page("/runs", () => import("./pages/runs.js"), { title: "Runs", nav: "runs", name: "runs" });
  page("/runs/:run", () => import("./pages/run.js"), { title: "Run", nav: "runs", name: "run" });

  searches.push(async (text) => (await get("/v1/runs", { text, limit: 8 })).runs.map((run) => (
    { id: run.run, title: run.title || run.template, note: run.state.replace("_", " "), icon: "runs", run: () => go(`/runs/${run.run}`) })));

  setNav([
    { name: "overview", title: "Overview", href: "/", icon: "overview", keys: "g o" },
    { name: "runs", title: "Runs", href: "/runs", icon: "runs", keys: "g r" },
  ]);
}
