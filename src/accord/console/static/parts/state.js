// States: a colour, a shape and a word each, so that none of them is needed to tell one from another.

import { h } from "../core/dom.js";
import { words } from "../core/format.js";

// tone: the colour, of tokens.css; shape: what is drawn in a circle of 16.
const STATES = {
  // runs
  running: { tone: "running", shape: "ring" },
  paused: { tone: "paused", shape: "pause" },
  cancelling: { tone: "stopping", shape: "ring" },
  rolling_back: { tone: "stopping", shape: "back" },
  failing: { tone: "failed", shape: "ring" },
  completed: { tone: "done", shape: "check" },
  failed: { tone: "failed", shape: "cross" },
  cancelled: { tone: "off", shape: "slash" },
  // tasks and attempts
  pending: { tone: "off", shape: "none" },
  active: { tone: "running", shape: "ring" },
  working: { tone: "running", shape: "ring" },
  expanded: { tone: "running", shape: "ring" },
  ready: { tone: "queued", shape: "dot" },
  queued: { tone: "queued", shape: "dot" },
  assigned: { tone: "running", shape: "half" },
  waiting: { tone: "waiting", shape: "hand" },
  succeeded: { tone: "done", shape: "check" },
  rejected: { tone: "failed", shape: "slash" },
  expired: { tone: "failed", shape: "hand" },
  skipped: { tone: "off", shape: "skip" },
  undone: { tone: "off", shape: "back" },
  // agents
  present: { tone: "done", shape: "check" },
  absent: { tone: "off", shape: "dot" },
  draining: { tone: "waiting", shape: "half" },
  quarantined: { tone: "failed", shape: "slash" },
  held: { tone: "paused", shape: "pause" },
  revoked: { tone: "failed", shape: "cross" },
  tripped: { tone: "stopping", shape: "warn" },
  // incidents
  open: { tone: "failed", shape: "warn" },
  acknowledged: { tone: "waiting", shape: "half" },
  resolved: { tone: "done", shape: "check" },
};

const SHAPES = {
  ring: "M8 3.2a4.8 4.8 0 1 1-4.8 4.8",
  pause: "M6 5v6M10 5v6",
  back: "M7 5L4.500 7.500 7 10M4.500 7.500h5a2 2 0 0 1 0 4H8",
  check: "M4.500 8.300l2.400 2.400 4.600-5",
  cross: "M5.300 5.300l5.400 5.400M10.700 5.300l-5.400 5.400",
  slash: "M4.800 11.200l6.400-6.400",
  none: "",
  dot: "M8 7.900v.2",
  half: "M8 4a4 4 0 0 1 0 8z",
  hand: "M8 4.500V8l2.300 1.600",
  skip: "M4.500 5l3 3-3 3M8.500 5l3 3-3 3",
  warn: "M8 4.300v4.400M8 11.200v.2",
};

export const toneOf = (state) => STATES[state]?.tone ?? "off";

// The shape alone; who uses it says the state in words as well.
export function mark(state, { size = 16, label } = {}) {
  const { tone, shape } = STATES[state] ?? { tone: "off", shape: "dot" };
  const told = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  return h(
    "svg.mark", { viewBox: "0 0 16 16", width: size, height: size, class: [`tone-${tone}`, `shape-${shape}`], ...told },
    h("circle", { cx: 8, cy: 8, r: 7 }),
    h("path", { d: SHAPES[shape] }),
  );
}

// Shape and word.
export const badge = (state, { text = words(state) } = {}) =>
  h("span.badge", { class: `tone-${toneOf(state)}`, dataset: { state } }, mark(state), h("span", text));
