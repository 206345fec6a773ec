// Runs as lists need them: read, followed, and told what to do.

import { at, get, post } from "./api.js";
import { feed } from "./feed.js";

export const OPEN = ["running", "paused", "cancelling", "rolling_back", "failing"];
export const ENDED = ["completed", "failed", "cancelled"];
const ROUND_MS = 30_000;

export const STATES = [...OPEN, ...ENDED];

// The runs of a query, the newest first, and how they are from now on. `onchange` is called when there is something new.
//
//   const list = new RunList({ state: ["running"], text: "…" }, () => self.update());
//   list.runs, list.busy, list.failed, list.more(), list.close()
export class RunList {
  constructor(query, onchange, { limit = 100 } = {}) {
    this.query = query;
    this.limit = limit;
    this.onchange = onchange;
    this.known = new Map();
    this.runs = [];
    this.busy = false;
    this.failed = null;
    this.next = undefined;
    this.closed = false;
    this.begin();
  }

  async begin() {
    await this.page();
    if (this.closed) return;
    // From a moment before the page was read: what has happened since is told, perhaps once more.
    const after = this.read;
    this.rounds = setInterval(() => document.hidden || this.lookAgain(), ROUND_MS);
    this.stop = feed("/v1/events", { template: this.query.template, parent: this.query.parent, after }, { runs: (all) => this.told(all) });
  }

  // The next page; nothing where there is none, or one is on its way.
  async page() {
    if (this.busy || this.next === null) return;
    this.busy = true;
    this.onchange();
    try {
      this.read ??= new Date(Date.now() - 5000).toISOString();
      const page = await get("/v1/runs", { ...this.query, limit: this.limit, after: this.next });
      if (this.closed) return;
      for (const run of page.runs) this.known.set(run.run, run);
      this.next = page.next;
      this.failed = null;
    } catch (error) {
      this.failed = error;
    }
    this.busy = false;
    this.sorted();
  }

  get hasMore() { return this.next !== null; }

  told(messages) {
    let unknown = false;
    for (const { runs } of messages) {
      for (const run of runs) {
        const known = this.known.get(run.run);
        if (!known && !this.admits(run)) continue;
        if (!known && !this.isSimple) { unknown = true; continue; }
        if (!known && this.next && run.run < this.runs.at(-1)?.run) continue;
        if (known && known.updated_at > run.updated_at) continue;
        if (this.admits(run)) this.known.set(run.run, { ...known, wake_at: null, ...run });
        else this.known.delete(run.run);
      }
    }
    if (unknown) this.lookAgain();
    this.sorted();
  }

  // What the feed does not tell is asked: which of the new runs are sought, and which of all that no process works on.
  lookAgain() {
    clearTimeout(this.again);
    this.again = setTimeout(async () => {
      const page = await get("/v1/runs", { ...this.query, limit: this.limit }).catch(() => null);
      if (!page || this.closed) return;
      for (const run of page.runs) this.known.set(run.run, run);
      this.sorted();
    }, 700);
  }

  get isSimple() { return !["text", "since", "agent", "label", "origin"].some((name) => this.query[name]); }

  admits(run) {
    const { state, acknowledged } = this.query;
    return (!state?.length || state.includes(run.state)) && (acknowledged === undefined || String(run.acknowledged) === acknowledged);
  }

  // Ids sort by time of creation.
  sorted() {
    this.runs = [...this.known.values()].sort((one, other) => (one.run < other.run ? 1 : -1));
    if (!this.closed) this.onchange();
  }

  close() {
    this.closed = true;
    clearTimeout(this.again);
    clearInterval(this.rounds);
    this.stop?.();
  }
}

// What can be done with a run, by the state that it is in.
export const CONTROLS = {
  pause: { title: "Pause", done: "Paused", icon: "pause", fits: (run) => ["running", "failing", "rolling_back"].includes(run.state), act: (run) => post(at`/v1/runs/${run.run}/pause`, {}) },
  resume: { title: "Resume", done: "Resumed", icon: "play", fits: (run) => run.state === "paused", act: (run) => post(at`/v1/runs/${run.run}/resume`) },
  cancel: { title: "Cancel", done: "Cancelled", icon: "stop", kind: "danger", asks: true, fits: (run) => OPEN.includes(run.state) && run.state !== "cancelling", act: (run) => post(at`/v1/runs/${run.run}/cancel`, {}) },
  retry: { title: "Retry", done: "Restarted", icon: "retry", fits: (run) => run.tasks_failed > 0 || ["failed", "cancelled"].includes(run.state), act: retryFailed },
  acknowledge: { title: "Acknowledge", done: "Acknowledged", icon: "hand", notes: true, fits: (run) => run.state === "failed" && !run.acknowledged, act: (run, note) => post(at`/v1/runs/${run.run}/acknowledge`, { note }) },
};

// Every task that has failed is tried again, and with it what was cancelled because of it; where none has failed, what was
// cancelled. What an earlier one of them has taken along is refused, and that is no failure.
export async function retryFailed(run) {
  const { tasks } = await get(at`/v1/runs/${run.run}/tasks`, { state: ["failed", "cancelled"], limit: 1000 });
  const failed = tasks.filter((task) => task.state === "failed");
  let begun = false;
  for (const { task } of failed.length ? failed : tasks) {
    try {
      await post(at`/v1/runs/${run.run}/retry`, { task });
      begun = true;
    } catch (error) {
      if (!begun || error.status !== 409) throw error;
    }
  }
}

const AT_ONCE = 6;

// Does it with each of many, a few at once; `step` is told how many are done. Gives those that failed: [item, error].
export async function eachOf(items, act, step) {
  const left = [...items], failed = [];
  let done = 0;
  const work = async () => {
    for (let one = left.shift(); one; one = left.shift()) {
      await act(one).catch((error) => failed.push([one, error]));
      step?.(++done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return failed;
}
