// A feed of the server (server-sent events): what comes within one frame is given at once.
//
//   const close = feed("/v1/events", { state: ["failed"] }, { runs: (messages) => … })
//
// It connects again by itself, from the last event on, for as long as it is open.

import { address, get, reached } from "./api.js";
import { frame } from "./dom.js";
import { store } from "./store.js";

// How the newest feed is: "live", "connecting"; "none" where no page follows anything.
export const live = store("none");
let open_ = 0;

const AGAIN_MS = [500, 1000, 2000, 5000];

export function feed(path, query, takers, { onopen, lastId } = {}) {
  let source, closed = false, failures = 0, timer, id = lastId;
  let held = new Map();

  const take = (name) => (event) => {
    if (event.lastEventId) id = event.lastEventId;
    if (!held.size) frame(flush);
    if (!held.has(name)) held.set(name, []);
    held.get(name).push(JSON.parse(event.data));
  };
  function flush() {
    const now = held;
    held = new Map();
    if (!closed) for (const [name, messages] of now) takers[name](messages);
  }
  function open() {
    // A browser's own second try has the last id in a header; a source that we make anew says it in its address.
    source = new EventSource(address(path, { ...query, after: id ?? query.after }));
    source.onopen = () => { failures = 0; live.set("live"); reached.set("yes"); onopen?.(); };
    source.onerror = () => { live.set("connecting"); source.close(); again(); };
    for (const name of Object.keys(takers)) source.addEventListener(name, take(name));
  }
  async function again() {
    if (closed) return;
    timer = setTimeout(open, AGAIN_MS[Math.min(failures++, AGAIN_MS.length - 1)]);
    // An EventSource does not tell why it failed: whether the session is over, or the server away, is asked.
    await get("/v1/session").catch(() => {});
    if (reached.get() === "out") close();
  }
  function close() {
    if (!closed && --open_ === 0) live.set("none");
    closed = true;
    clearTimeout(timer);
    source?.close();
  }
  open_++;
  live.set("connecting");
  open();
  return close;
}
