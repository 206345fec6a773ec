// A run as its page has it: the graph with the states of its tasks, as they are or as they were; kept true by the feed.
// Whoever draws it is told what has changed; every number comes from the server.

import { at, get } from "../../core/api.js";
import { feed, live } from "../../core/feed.js";

const LOOK_AGAIN_MS = 4000;
const PLAY_STEPS = 150, PLAY_EVERY_MS = 120;
const ENDED = ["completed", "failed", "cancelled"];

export class RunModel {
  // `onchange(what)` is called with "all", or a set of the tasks that have changed; `onprogress()` when an agent has said
  // how far it is.
  constructor(run, onchange, onprogress) {
    this.run = run;
    this.onchange = onchange;
    this.onprogress = onprogress;
    this.at = null;
    // An event that was asked for, and that the run has not.
    this.missed = null;
    this.open = [];
    this.doc = this.graph = this.failed = null;
    // When the run rested, as the server tells it.
    this.rests = [];
    this.last = 0;
    this.states = new Map();
    this.items = new Map();
    this.progress = new Map();
    this.playing = this.closed = false;
  }

  get path() { return at`/v1/runs/${this.run}`; }
  get live() { return this.at === null; }
  // What is "now" for whoever looks: in the past, the time of the event.
  get time() { return this.live ? Date.now() : new Date(this.now.at).getTime(); }
  get ended() { return ENDED.includes(this.state); }
  get state() { return this.now?.state ?? this.graph?.state; }
  // As lists have it, for what can be done with it.
  get summary() { return { run: this.run, state: this.state, tasks_failed: this.now?.failed ?? 0, acknowledged: !!this.doc?.acknowledged }; }

  // What the address says: which groups are open, and as of which event.
  show({ at: event, open }) {
    const asked = `${event} ${open.join()}`;
    if (asked === this.asked || this.closed) return;
    this.asked = asked;
    this.at = event;
    this.missed = null;
    this.open = open;
    this.load();
  }

  // Reads all of it anew, and once more where that was asked meanwhile.
  async load() {
    if (this.loading) { this.again = true; return; }
    this.loading = true;
    this.stop?.();
    this.stop = null;
    const when = this.at ?? undefined;
    try {
      const [graph, doc] = await Promise.all([
        get(`${this.path}/graph`, { at: when, open: this.open }), get(this.path, { at: when }),
      ]);
      if (this.closed) return;
      this.take(graph, doc);
    } catch (error) {
      // What was asked for is not there: it is shown as it is now.
      if (error.status === 404 && this.at !== null) [this.missed, this.at, this.again] = [this.at, null, true];
      else this.failed = error;
      this.playing = false;
    }
    this.loading = false;
    if (this.again) { this.again = false; this.load(); return; }
    if (!this.failed) live.set("live");
    if (this.live && !this.failed) this.follow();
    this.onchange("all");
  }

  take(graph, doc) {
    this.failed = null;
    this.graph = graph;
    this.doc = doc;
    this.now = { state: graph.state, at: doc.updated_at, done: doc.tasks.filter((one) => ["completed", "skipped"].includes(one.state)).length, failed: doc.tasks.filter((one) => one.state === "failed").length };
    this.rests = graph.rests;
    this.sequence = graph.sequence;
    this.last = Math.max(this.last, graph.last);
    this.states = new Map(graph.states.map((one) => [one.task, one]));
    this.items = new Map(Object.entries(graph.items).map(([name, states]) => [name, [...states]]));
    this.tasks = new Map(graph.tasks.map((one) => [one.task, one]));
    this.onchange("all");
  }

  // -- live ------------------------------------------------------------------------------------------------------

  follow() {
    clearTimeout(this.timer);
    if (this.ended) { this.lookAgain(); return; }
    this.stop = feed(`${this.path}/changes`, { after: this.sequence, open: this.open }, {
      changes: (all) => this.changed(all),
      progress: (all) => { for (const one of all) this.progress.set(one.task, one); this.onprogress(); },
      end: () => this.load(),
    });
  }

  changed(messages) {
    const touched = new Set();
    for (const one of messages) {
      if (one.sequence <= this.sequence) continue;
      this.sequence = one.sequence;
      this.now = { state: one.state, at: one.at, done: one.tasks_done, failed: one.tasks_failed };
      this.rests = one.rests;
      for (const state of one.states) {
        const before = this.states.get(state.task);
        this.states.set(state.task, state);
        if (before?.assigned_at !== state.assigned_at) this.progress.delete(state.task);
        touched.add(state.task);
        if (this.open.includes(state.task) && before?.item_count !== state.item_count) this.stale = true;
      }
      for (const [item, state] of Object.entries(one.items)) this.setItem(item, state);
    }
    this.last = Math.max(this.last, this.sequence);
    if (this.stale) { this.stale = false; this.load(); }
    else this.onchange(touched);
  }

  // How far the agent says it is that works on a task, or on an item of one: { fraction, message }; nothing of the past.
  progressOf(task) {
    const one = this.live && !this.ended ? this.progress.get(task) : null;
    return one && (!this.states.has(task) || this.states.get(task).live > 0) ? one : null;
  }

  setItem(item, state) {
    const [, name, index] = /^(.*)\[(\d+)\]$/.exec(item);
    const known = this.items.get(name);
    if (known && Number(index) < known.length) known[Number(index)] = state;
  }

  // A run that has ended may be taken up again, by anybody.
  lookAgain() {
    this.timer = setTimeout(async () => {
      const now = document.hidden ? null : await get(`${this.path}/summary`).catch(() => null);
      if (this.closed || !this.live) return;
      if (now && now.updated_at !== this.doc.updated_at) this.load();
      else this.lookAgain();
    }, LOOK_AGAIN_MS);
  }

  // -- time ------------------------------------------------------------------------------------------------------

  // Goes through the events from where it is, or from the first one on; `go` is told each number, and null at the end.
  play(go) {
    this.playing = !this.playing;
    if (!this.playing) { clearTimeout(this.player); return this.onchange("all"); }
    const step = Math.max(1, Math.round(this.last / PLAY_STEPS));
    let next = this.at === null || this.at >= this.last ? 1 : this.at;
    const on = () => {
      if (!this.playing || this.closed) return;
      if (this.loading) { this.player = setTimeout(on, 20); return; }
      if (next >= this.last) { this.playing = false; go(this.ended ? this.last : null); return; }
      go(next);
      next += step;
      this.player = setTimeout(on, PLAY_EVERY_MS);
    };
    on();
  }

  close() {
    this.closed = true;
    this.playing = false;
    clearTimeout(this.timer);
    clearTimeout(this.player);
    this.stop?.();
  }
}

// How a task, or an item, is shown: as the server says that it stands.
export const shownState = (one) => one?.standing ?? "pending";

export const percent = ({ fraction }) => `${Math.round(100 * fraction)} %`;

// What goes on comes first, then what somebody may have to look at, what goes on next, and at last what is over.
const BY_STATE = ["running", "assigned", "waiting", "failed", "queued", "pending", "completed", "cancelled", "skipped"];
export const rankOf = (shown) => BY_STATE.indexOf(shown);

export const TONES = {
  pending: "off", queued: "queued", assigned: "running", running: "running", waiting: "waiting", completed: "done", failed: "failed", skipped: "off", cancelled: "off",
};
