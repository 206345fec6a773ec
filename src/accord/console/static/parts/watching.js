// What is followed as long as somebody is signed in, whatever page they are on: how many things wait for people.

import { get } from "../core/api.js";
import { marks } from "./shell.js";

const EVERY_MS = 10_000;

export function startWatching() {
  let timer, stopped = false;
  async function look() {
    try {
      const [approvals, incidents] = await Promise.all([get("/v1/approvals", { limit: 100 }), get("/v1/incidents", { limit: 100, state: "open" })]);
      if (!stopped) marks.set({ approvals: approvals.approvals.length, incidents: incidents.incidents.length });
    } catch { /* the shell says that the server is not reached */ }
    if (!stopped) timer = setTimeout(look, document.hidden ? EVERY_MS * 6 : EVERY_MS);
  }
  look();
  return () => { stopped = true; clearTimeout(timer); };
}
