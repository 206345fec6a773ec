// Boxes: the tasks of a graph that is not a map, and their edges, as SVG.

import { h } from "../../core/dom.js";
import { agentName, duration, elapsed, number, plain, worked } from "../../core/format.js";
import { mark, toneOf } from "../../parts/state.js";
import { TONES, percent, shownState } from "./model.js";
import { cut, inLines } from "../../parts/words.js";

const ENDS = ["completed", "failed", "cancelled", "skipped"];
const KINDS = { approval: "asks a person", signal: "waits for a signal", timer: "waits for a time", run: "another run" };

// All edges, then all boxes. `critical` is a set of tasks.
export function boxes(model, { selected, critical, onselect, onfold, now }) {
  const near = new Set();
  for (const one of model.graph.edges) if (one.source === selected || one.target === selected) near.add(`${one.source} ${one.target}`);
  return [
    h("g.edges", { key: "edges" }, model.graph.edges.map((one) => edge(one, model, near, critical))),
    h("g.boxes", { key: "boxes" }, model.graph.tasks.map((one) => box(one, model, { selected, critical, onselect, now }))),
    h("g.folds", { key: "folds" }, model.graph.tasks.filter((one) => one.for_each && model.states.get(one.task)?.item_count).map((one) => fold(one, onfold))),
  ];
}

function edge(one, model, near, critical) {
  const source = model.states.get(one.source), target = model.states.get(one.target);
  const name = `${one.source} ${one.target}`;
  const classes = [near.has(name) && "near", critical.has(one.source) && critical.has(one.target) && "critical", source?.state === "completed" && "over", target && ["running", "assigned"].includes(shownState(target)) && source?.state === "completed" && "flows"];
  return h("path.edge", { key: name, d: curve(one.points, model, one), class: classes, "marker-end": near.has(name) ? "url(#arrow-near)" : "url(#arrow)" }, h("title", `${one.source} → ${one.target}: ${one.reason}`));
}

// A line through the points of the layout that leaves and arrives sideways.
function curve(points, model, { source, target }) {
  const way = points?.length >= 4 ? points : straight(model.tasks.get(source).box, model.tasks.get(target).box);
  let path = `M${way[0]} ${way[1]}`;
  for (let n = 2; n < way.length; n += 2) {
    const [a, b, c, d] = [way[n - 2], way[n - 1], way[n], way[n + 1]];
    const end = n + 2 === way.length ? c - 5 : c;
    const bend = (end - a) / 2;
    path += b === d ? `L${end} ${d}` : `C${a + bend} ${b} ${end - bend} ${d} ${end} ${d}`;
  }
  return path;
}

const straight = (from, to) => [from.x + from.width, from.y + from.height / 2, to.x, to.y + to.height / 2];

function box(one, model, { selected, critical, onselect, now }) {
  const state = model.states.get(one.task);
  const shown = shownState(state);
  const { x, y, width, height } = one.box;
  const open = one.columns > 0;
  const tags = badges(one, state, width), progress = model.progressOf(one.task);
  const on = selected === one.task || (open && selected?.startsWith(`${one.task}[`));
  return h("g.node", {
    key: one.task, transform: `translate(${x} ${y})`, class: [`tone-${toneOf(shown)}`, `is-${shown}`, on && "selected", critical.has(one.task) && "critical", one.for_each && "group"],
    dataset: { task: one.task, state: state?.state ?? "pending" }, role: "button", tabindex: on || (!selected && one === model.graph.tasks[0]) ? "0" : "-1",
    "aria-label": spoken(one, state, shown, progress), "aria-pressed": String(!!on), onclick: (event) => !event.detail && onselect(one.task),
  },
    one.for_each && !open && h("rect.behind", { x: 4, y: 4, width, height, rx: 9 }),
    h("rect.plate", { width, height, rx: 9 }),
    h("rect.edge-of", { width: 4, height: height - 16, x: 0, y: 8, rx: 2 }),
    h("g.node-mark", mark(shown, { size: 17 })),
    h("text.name", { x: 37, y: 23 }, cut(one.task, tags.left - 42, "name")),
    farName(one.task, width - 49 - (width - tags.left > 14 ? 42 : 0)),
    h("text.what", { x: 37, y: 40 }, cut(progress ? said(progress) : line(one, state, shown, { now, rests: model.rests }), width - 47, "what")),
    tags.drawn,
    one.for_each && !open && state?.item_count > 0 && meter(state, width, height),
    progress && !state.item_count && far(progress, width, height),
    h("title", progress ? `${agentName(state.agent)}: ${said(progress)}` : one.description || one.task));
}

// From afar the name is all that there is, on two lines where it has to.
const farName = (name, room) => inLines(name, room, "far").map((line, n, all) => h("text.name-far", { key: n, class: all.length > 1 && "two", x: 43, y: all.length > 1 ? 22 + 23 * n : 35 }, line));

// What opens a group, and folds it.
function fold({ task, box, columns }, onfold) {
  const open = columns > 0;
  return h("g.fold", {
    key: task, transform: `translate(${box.x + box.width - 30} ${box.y + 8})`, role: "button", tabindex: "0", "aria-label": `${open ? "Fold" : "Show"} the items of ${task}`, "aria-expanded": String(open),
    dataset: { task }, onclick: (event) => !event.detail && onfold(task),
  }, h("rect", { width: 22, height: 22, rx: 6 }), h("path", { d: open ? "M6 13l5-5 5 5" : "M6 9l5 5 5-5" }));
}

// What has ended took as long as the panel and commands say; an agent at work has been so since it had begun, or, where it
// never said so, since it had the task.
const since = (from, until, now) => duration(elapsed(from, until ?? now));
const byAgent = (state, rests, now) => (state.ended_at ? duration(worked(state.started_at, state.ended_at, rests)) : since(state.began_at ?? state.assigned_at, null, now));

// What stands under the name: what matters most about the task now.
function line(one, state, shown, { now, rests }) {
  if (state?.problem) return plain(state.problem.message);
  if (state?.waits) return { approval: "waits for approval", review: "waits for a review", signal: `waits for ${one.what || "a signal"}`, time: "waits for its time" }[state.waits];
  if (state?.item_count) return itemsLine(state);
  if (state?.adopted) return "taken over";
  if (shown === "queued" && state.again_at && elapsed(now, state.again_at) > 0) return `tried again in ${duration(elapsed(now, state.again_at))}`;
  if (shown === "queued") return state.attempts ? "no agent yet for its next attempt" : `no agent yet · ${since(state.started_at, null, now)}`;
  if (shown === "assigned") return `${agentName(state.agent)} has it · ${since(state.assigned_at, null, now)}`;
  if (state?.agent) return `${agentName(state.agent)} · ${byAgent(state, rests, now)}`;
  return KINDS[one.kind] ? (one.what || KINDS[one.kind]) : one.what;
}

// "3 of 8, 1 failed, 2 running, 2 queued", "8 of 8 items": those that are done are counted as tasks are.
function itemsLine(state) {
  const counts = new Map(tally(state));
  const done = (counts.get("completed") ?? 0) + (counts.get("skipped") ?? 0);
  const others = ["failed", "running", "assigned", "waiting", "queued"].filter((name) => counts.get(name)).map((name) => `${number(counts.get(name))} ${name}`);
  return [`${number(done)} of ${number(state.item_count)}${others.length ? "" : " items"}`, ...others].join(", ");
}

// How far its agent says it is, and in its words.
const said = (progress) => [percent(progress), progress.message].filter(Boolean).join(" · ");

const far = ({ fraction }, width, height) => h("g.far", h("rect.room", { x: 13, y: height - 8, width: width - 26, height: 3, rx: 1.5 }),
  h("rect", { x: 13, y: height - 8, width: Math.max(1, (width - 26) * Math.min(1, fraction)), height: 3, rx: 1.5 }));

// What stands at the right of the name, and where that begins.
function badges(one, state, width) {
  const told = [];
  if (state?.attempts > 1) told.push([`×${state.attempts}`, `${state.attempts} attempts`, "tries"]);
  if (state?.undo) told.push(["undone", `its compensation is ${state.undo}`, "undo"]);
  let left = width - (one.for_each ? 36 : 10);
  const drawn = told.map(([text, title, kind]) => {
    const wide = 10 + text.length * 6.2;
    left -= wide + 3;
    return h("g.tag", { key: kind, class: kind, transform: `translate(${left} 10)` }, h("g.tag-in", h("rect", { width: wide, height: 17, rx: 8.5 }), h("text", { x: wide / 2, y: 12.2 }, text)), h("title", title));
  });
  return { left, drawn };
}

// How many items have ended how, as parts of a line: what is under way, or waits, leaves it empty.
function meter(state, width, height) {
  const counts = tally(state).filter(([name]) => ENDS.includes(name));
  const room = width - 26;
  let x = 13;
  return h("g.meter", h("rect.room", { x: 13, y: height - 17, width: room, height: 6, rx: 3 }),
    counts.map(([name, count]) => {
      const wide = (room * count) / state.item_count;
      const part = h("rect", { key: name, x, y: height - 17, width: Math.max(1, wide), height: 6, class: `tone-${TONES[name]}` }, h("title", `${number(count)} ${name}`));
      x += wide;
      return part;
    }));
}

// How many of all items stand how.
export function tally({ items = {}, item_count }) {
  const pending = item_count - Object.values(items).reduce((sum, one) => sum + one, 0);
  const counts = { ...items, pending };
  return [...ENDS, "running", "assigned", "waiting", "queued", "pending"].filter((name) => counts[name]).map((name) => [name, counts[name]]);
}

function spoken(one, state, shown, progress) {
  const items = state?.item_count ? `, ${state.item_count} items: ${tally(state).map(([name, count]) => `${count} ${name}`).join(", ")}` : "";
  return `${one.task}, ${shown}${state?.attempts > 1 ? `, ${state.attempts} attempts` : ""}${progress ? `, ${said(progress)}` : ""}${items}`;
}
