// The timeline: what each task did when. Rows are drawn as far as they are seen; what is open is read group by group.

import { get } from "../../core/api.js";
import { frame, h } from "../../core/dom.js";
import { agentName, duration } from "../../core/format.js";
import { setQuery } from "../../core/router.js";
import { step, told } from "../../core/ticks.js";
import { button, failure, iconButton, loading } from "../../parts/basic.js";
import { mark } from "../../parts/state.js";
import { percent, rankOf, shownState } from "./model.js";

const FEW = 8;
const AT_WORK = ["running", "assigned"];
const ROW = 26, SPARE = 6, AT_LEAST_MS = 900, FOLDED = 0.08, TICK = 72;
const WORDS = {
  waiting: "waits for what comes before it", queued: "queued: no agent yet", assigned: "an agent has it, and has not begun, or has not said so", retry_wait: "waits before the next attempt", running: "at work", paused: "held by a pause",
  answer: "waits for a person or a signal", timer: "waits for a time", items: "its items are under way",
};
const LEGEND = [["waiting", "Waiting"], ["queued", "Queued"], ["assigned", "At the agent"], ["running", "Running"], ["retry_wait", "Before a retry"], ["succeeded", "Succeeded"], ["failed", "Failed"], ["paused", "Paused"], ["answer", "For an answer"], ["timer", "For a time"], ["items", "Items"]];
const IN_VAIN = ["failed", "rejected", "expired"];

export function Timeline({ model, bind }, self) {
  let page = null, failed = null, busy = false, again = false, zoom = 1, top = 0, high = 400, wide = 0, took = 0, timer, given = null, revealed;
  let groups = new Map();

  async function load() {
    if (busy) { again = true; return; }
    busy = true;
    const began = performance.now();
    try {
      const first = await read();
      const open = model.open.filter((name) => first.tracks.some((one) => one.task === name && one.items));
      const inner = new Map(await Promise.all(open.map(async (name) => [name, await read(name)])));
      [page, groups, failed] = [first, inner, null];
    } catch (error) { failed = error; }
    busy = false;
    took = performance.now() - began;
    page && given?.onread(page);
    self.update();
    if (again) { again = false; soon(); }
  }

  // A page of it: nobody looks at ten thousand rows at once, and whoever wants to scrolls to them.
  const read = (task, after) => get(`${model.path}/timeline`, { at: model.at ?? undefined, task, after, limit: 1000 });

  async function more(found, task) {
    if (!found.next || busy) return;
    busy = true;
    const next = await read(task, found.next).catch(() => null);
    busy = false;
    if (next) { found.tracks = [...found.tracks, ...next.tracks]; found.next = next.next; self.update(); }
  }

  // Read again after changes, and the more seldom the longer it takes.
  function soon() {
    if (timer) return;
    timer = setTimeout(() => { timer = null; load(); }, Math.max(AT_LEAST_MS, took * 6));
  }

  bind({ changed: (what) => (what === "all" ? load() : soon()) });

  self.onmount((element) => {
    const body = element.querySelector(".tracks");
    const look = () => {
      const line = body.clientWidth - parseFloat(getComputedStyle(body).getPropertyValue("--names"));
      if (Math.abs(body.scrollTop - top) <= ROW * 2 && body.clientHeight === high && line === wide) return;
      [top, high, wide] = [body.scrollTop, body.clientHeight, line];
      self.update();
    };
    body.addEventListener("scroll", () => frame(look), { passive: true });
    const seen = new ResizeObserver(look);
    seen.observe(body);
    if (model.graph) load();
    const tick = setInterval(() => !document.hidden && model.live && !model.ended && self.update(), 1000);
    return () => { clearTimeout(timer); clearInterval(tick); seen.disconnect(); };
  });

  const shownOf = (track) => shownState(model.states.get(track.task) ?? track);
  const ordered = (tracks) => (given.byState ? [...tracks].sort((one, other) => rankOf(shownOf(one)) - rankOf(shownOf(other))) : tracks);
  const rows = () => ordered(page.tracks).flatMap((track) => [track, ...(groups.get(track.task)?.tracks ?? []).map((one) => ({ ...one, inner: true }))]);

  function sort(byState) {
    self.element.querySelector(".tracks").scrollTop = 0;
    setQuery({ order: byState ? "now" : undefined });
  }

  // Of a run that has ended, what failed comes first; where nothing has, there is nothing to sort.
  function sorting() {
    const failed = [...model.states.values()].some((one) => one.state === "failed");
    return (given.byState || failed || !model.ended) && button(model.ended ? "What failed first" : "What runs now first", () => sort(!given.byState), { kind: "quiet", small: true, "aria-pressed": String(given.byState), title: "Else they are in the order of the graph" });
  }

  // The row of what is selected comes into sight; at first, where nothing is, that of what is at work.
  function reveal() {
    const body = self.element?.querySelector(".tracks");
    if (!body) return;
    const first = !given.selected && revealed === undefined && model.live && !model.ended && !body.scrollTop;
    const place = rows().findIndex((one) => (first ? AT_WORK.includes(shownOf(one)) : one.task === given.selected));
    if (place < 0 && (first || given.selected)) return;
    revealed = given.selected;
    if (place < 0) return;
    const at = place * ROW;
    if (at < body.scrollTop || at + 2 * ROW > body.scrollTop + body.clientHeight) body.scrollTop = Math.max(0, at - ROW * Math.floor(body.clientHeight / 2 / ROW));
  }

  return (props) => {
    given = props;
    const tracks = page ? rows() : [];
    if (page && props.selected !== revealed) frame(reveal);
    const zero = page && new Date(page.started_at).getTime();
    const until = page ? Math.max(page.until_s, model.live && !model.ended ? (Date.now() - zero) / 1000 : 0, 0.001) : 1;
    const scale = folded(page?.rests ?? [], until);
    const first = Math.max(0, Math.floor(top / ROW) - SPARE), end = Math.min(tracks.length, first + Math.ceil(high / ROW) + 2 * SPARE);
    if (page?.next && end >= tracks.length) more(page);
    for (const [name, found] of groups) if (found.next && end >= tracks.length) more(found, name);
    return h("section.timeline", { "aria-label": "Timeline" },
      h("div.timeline-bar",
        h("div.legend", LEGEND.filter(([kind]) => tracks.some((one) => isDrawn(kind, one))).map(([kind, word]) =>
          h("span.legend-part", { key: kind, title: WORDS[kind] }, h("span.swatch", { class: `span-${kind} attempt-${kind}` }), word)),
          page?.critical.length > 0 && h("span.legend-part", { key: "critical", title: "The chain of tasks that the run took as long for as it did" }, h("span.swatch.critical"), "Critical path", model.ended && h("span.hint.num", along(page)))),
        h("div.timeline-controls", tracks.length > FEW && sorting(),
          iconButton("minus", "Less of the time line", () => { zoom = Math.max(1, zoom / 1.6); self.update(); }, { disabled: zoom <= 1 }),
          iconButton("plus", "More of the time line", () => { zoom = Math.min(200, zoom * 1.6); self.update(); }))),
      failed && failure(failed, load),
      h("div.tracks", { tabindex: "0", role: "region", "aria-label": "What each task did when" },
        !page && !failed ? loading(5) :
        h("div.tracks-in", { style: { height: `${tracks.length * ROW + 26}px`, width: `calc(var(--names) + (100% - var(--names)) * ${zoom})` } },
          h("div.axis", ticks(scale, zoom, Math.max(2, wide / TICK)).map(([at, words]) => h("span.tick", { key: at, style: { left: `${100 * scale.at(at)}%` } }, words)),
            scale.folds.map((one) => h("span.fold-words", { key: `fold ${one.from}`, style: { left: `${50 * (scale.at(one.from) + scale.at(one.until))}%` }, title: `Nothing was done for ${duration(1000 * (one.until - one.from))}: it was paused, or had ended and was taken up again` }, `${duration(1000 * (one.until - one.from))} left out`))),
          scale.folds.map((one) => h("div.fold-band", { key: `band ${one.from}`, "aria-hidden": "true", style: { left: `calc(var(--names) + (100% - var(--names)) * ${scale.at(one.from)})`, width: `calc((100% - var(--names)) * ${scale.at(one.until) - scale.at(one.from)})` } })),
          tracks.slice(first, end).map((track, n) => row(track, { page, until, scale, props, place: first + n, model })))));
  };
}

function row(track, { page, until, scale, props, place, model }) {
  const { selected, onselect, critical } = props;
  const state = shownState(model.states.get(track.task) ?? track);
  const progress = model.progressOf(track.task);
  const step = page.critical.find((one) => one.task === track.task || one.item === track.task);
  const place_ = (from, to) => ({ left: `${100 * scale.at(from)}%`, width: `max(2px, ${100 * Math.max(0, scale.at(to ?? until) - scale.at(from))}%)` });
  return h("div.track", { key: track.task, class: [selected === track.task && "selected", critical.has(track.task) && "critical", track.inner && "inner"], style: { top: `${place * ROW + 26}px` }, dataset: { task: track.task } },
    h("button.track-name", { type: "button", onclick: () => onselect(track.task), title: track.task, "aria-label": `${track.task}, ${state}${critical.has(track.task) ? ", on the critical path" : ""}` },
      mark(state, { size: 14 }), h("span.cut", track.inner ? track.task.slice(track.task.lastIndexOf("[")) : track.task), track.items && h("span.hint.num", track.items), progress && h("span.hint.num.percent", percent(progress))),
    h("div.track-line", { onclick: () => onselect(track.task) },
      step && h("span.step", { style: place_(step.from_s, step.until_s) }),
      track.spans.map((span, n) => ["assigned", "running"].includes(span.kind) && track.attempts.length ? null :
        h("span.span", { key: `${span.kind} ${n}`, class: `span-${span.kind}`, style: place_(span.from_s, span.until_s), title: `${WORDS[span.kind]}: ${length(span, until)}` })),
      track.attempts.filter(began).map((one) => h("span.span.span-assigned", { key: `has ${one.attempt}`, style: place_(one.from_s, one.accepted_s ?? one.until_s), title: `${WORDS.assigned}: ${agentName(one.agent)}, ${length({ from_s: one.from_s, until_s: one.accepted_s ?? one.until_s }, until)}` })),
      track.attempts.filter((one) => one.accepted_s !== null || !began(one)).map((one) => h("span.span.attempt", {
        key: one.attempt, class: [`attempt-${one.state}`, one.purpose === "diagnose" && "diagnosis"], style: place_(one.accepted_s ?? one.from_s, one.until_s),
        title: `attempt ${one.attempt}${one.purpose === "diagnose" ? ", a diagnosis" : ""}: ${one.state}, ${agentName(one.agent)}, ${length({ ...one, from_s: one.accepted_s ?? one.from_s }, until)}${one.until_s === null && progress?.message ? `, ${progress.message}` : ""}`,
      }, track.attempts.length > 1 && h("span.attempt-number", one.attempt)))));
}

const length = (span, until) => duration(1000 * ((span.until_s ?? until) - span.from_s)) + (span.until_s === null ? " so far" : "");

// An attempt whose beginning is known, or still to come: until then the agent only has it.
const began = (one) => one.accepted_s !== null || one.until_s === null;

// Whether something in a row is drawn as this part of the legend says.
function isDrawn(kind, { spans, attempts }) {
  if (kind === "assigned") return attempts.some(began);
  if (kind === "succeeded") return attempts.some((one) => one.state === kind);
  if (kind === "failed") return attempts.some((one) => IN_VAIN.includes(one.state));
  if (kind === "running" && attempts.length) return attempts.some((one) => one.until_s === null && one.accepted_s !== null);
  return spans.some((one) => one.kind === kind);
}

// Where times are on the line, from 0 to 1: rests that would take most of it are folded to a small part of it.
export function folded(rests, until) {
  const busy = until - rests.reduce((sum, one) => sum + one.until_s - one.from_s, 0);
  const width = Math.max(busy, 0.001) * FOLDED;
  const folds = rests.filter((one) => one.until_s - one.from_s > 2 * width).map((one) => ({ from: one.from_s, until: one.until_s }));
  const saved = (at) => folds.reduce((sum, one) => sum + (at <= one.from ? 0 : at >= one.until ? one.until - one.from - width : (at - one.from) * (1 - width / (one.until - one.from))), 0);
  const whole = until - saved(until);
  return { folds, whole, until, at: (time) => (time - saved(time)) / whole };
}

// Round times, at most so many on what is seen; none in what is folded, nor where they would touch.
function ticks(scale, zoom, most) {
  const by = step(scale.whole / (most * zoom));
  const found = [];
  let last = -1;
  for (const [from, until] of unfolded(scale)) {
    for (let n = Math.ceil(from / by); n * by <= until && found.length < 2000; n++) {
      const x = scale.at(n * by);
      if ((x - last) * zoom < 0.9 / most || x > 1 - 0.7 / (most * zoom)) continue;
      found.push([n * by, told(n * by, by)]);
      last = x;
    }
    last = scale.at(until) + FOLDED;
  }
  return found;
}

// The parts of the line between what is folded.
function unfolded({ folds, until }) {
  const edges = [0, ...folds.flatMap((one) => [one.from, one.until]), until];
  return Array.from({ length: edges.length / 2 }, (_, n) => [edges[2 * n], edges[2 * n + 1]]);
}

// "of 12.4 s: running 9.1 s, queued 2.0 s"
function along(page) {
  const parts = Object.entries(page.critical_s).sort((one, other) => other[1] - one[1]).slice(0, 3);
  return parts.map(([kind, value]) => `${(LEGEND.find(([name]) => name === kind)?.[1] ?? kind).toLowerCase()} ${duration(value * 1000)}`).join(", ");
}
