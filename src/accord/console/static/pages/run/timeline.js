// The timeline: what each task did when. Rows are drawn as far as they are seen; what is open is read group by group.

import { get } from "../../core/api.js";
import { frame, h } from "../../core/dom.js";
import { agentName, duration } from "../../core/format.js";
import { failure, iconButton, loading } from "../../parts/basic.js";
import { mark } from "../../parts/state.js";
import { shownState } from "./model.js";

const ROW = 26, SPARE = 6, AT_LEAST_MS = 900;
const WORDS = {
  waiting: "waits for what comes before it", queued: "queued: no agent yet", retry_wait: "waits before the next attempt", running: "at work", paused: "held by a pause",
  answer: "waits for a person or a signal", timer: "waits for a time", items: "its items are under way",
};
const LEGEND = [["waiting", "Waiting"], ["queued", "Queued"], ["running", "Running"], ["retry_wait", "Before a retry"], ["paused", "Paused"], ["answer", "For an answer"], ["items", "Items"]];

export function Timeline({ model, bind }, self) {
  let page = null, failed = null, busy = false, again = false, zoom = 1, top = 0, high = 400, took = 0, timer, given = null, revealed = null;
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
    const look = () => { if (Math.abs(body.scrollTop - top) > ROW * 2 || body.clientHeight !== high) { [top, high] = [body.scrollTop, body.clientHeight]; self.update(); } };
    body.addEventListener("scroll", () => frame(look), { passive: true });
    const seen = new ResizeObserver(look);
    seen.observe(body);
    if (model.graph) load();
    const tick = setInterval(() => !document.hidden && model.live && !model.ended && self.update(), 1000);
    return () => { clearTimeout(timer); clearInterval(tick); seen.disconnect(); };
  });

  const rows = () => page.tracks.flatMap((track) => [track, ...(groups.get(track.task)?.tracks ?? []).map((one) => ({ ...one, inner: true }))]);

  // The row of what is selected comes into sight.
  function reveal() {
    const place = rows().findIndex((one) => one.task === given.selected);
    const body = self.element?.querySelector(".tracks");
    if (place < 0 || !body) return;
    const at = place * ROW;
    if (at < body.scrollTop || at + 2 * ROW > body.scrollTop + body.clientHeight) body.scrollTop = Math.max(0, at - body.clientHeight / 2);
    revealed = given.selected;
  }

  return (props) => {
    given = props;
    const tracks = page ? rows() : [];
    if (page && props.selected !== revealed) frame(reveal);
    const zero = page && new Date(page.started_at).getTime();
    const until = page ? Math.max(page.until_s, model.live && !model.ended ? (Date.now() - zero) / 1000 : 0, 0.001) : 1;
    const first = Math.max(0, Math.floor(top / ROW) - SPARE), end = Math.min(tracks.length, first + Math.ceil(high / ROW) + 2 * SPARE);
    if (page?.next && end >= tracks.length) more(page);
    for (const [name, found] of groups) if (found.next && end >= tracks.length) more(found, name);
    return h("section.timeline", { "aria-label": "Timeline" },
      h("div.timeline-bar",
        h("div.legend", LEGEND.filter(([kind]) => page?.tracks.some((one) => one.spans.some((span) => span.kind === kind)) || kind === "running").map(([kind, word]) =>
          h("span.legend-part", { key: kind, title: WORDS[kind] }, h("span.swatch", { class: `span-${kind}` }), word)),
          page?.critical.length > 0 && h("span.legend-part", { key: "critical", title: "The chain of tasks that the run took as long for as it did" }, h("span.swatch.critical"), "Critical path", h("span.hint.num", along(page)))),
        h("span.grow"),
        iconButton("minus", "Less of the time line", () => { zoom = Math.max(1, zoom / 1.6); self.update(); }, { disabled: zoom <= 1 }),
        iconButton("plus", "More of the time line", () => { zoom = Math.min(200, zoom * 1.6); self.update(); })),
      failed && failure(failed, load),
      h("div.tracks", { tabindex: "0", role: "region", "aria-label": "What each task did when" },
        !page && !failed ? loading(5) :
        h("div.tracks-in", { style: { height: `${tracks.length * ROW + 26}px`, width: `calc(var(--names) + (100% - var(--names)) * ${zoom})` } },
          h("div.axis", ticks(until, zoom).map((at) => h("span.tick", { key: at, style: { left: `${(100 * at) / until}%` } }, seconds(at)))),
          tracks.slice(first, end).map((track, n) => row(track, { page, until, props, place: first + n, model })))));
  };
}

function row(track, { page, until, props, place, model }) {
  const { selected, onselect, critical } = props;
  const state = track.inner || track.task.startsWith("undo:") ? (track.state === "active" ? "running" : track.state) : shownState(model.states.get(track.task));
  const step = page.critical.find((one) => one.task === track.task || one.item === track.task);
  const place_ = (from, to) => ({ left: `${(100 * from) / until}%`, width: `max(2px, ${(100 * Math.max(0, (to ?? until) - from)) / until}%)` });
  return h("div.track", { key: track.task, class: [selected === track.task && "selected", critical.has(track.task) && "critical", track.inner && "inner"], style: { top: `${place * ROW + 26}px` }, dataset: { task: track.task } },
    h("button.track-name", { type: "button", onclick: () => onselect(track.task), title: track.task, "aria-label": `${track.task}, ${state}${critical.has(track.task) ? ", on the critical path" : ""}` },
      mark(state, { size: 14 }), h("span.cut", track.inner ? track.task.slice(track.task.lastIndexOf("[")) : track.task), track.items && h("span.hint.num", track.items)),
    h("div.track-line", { onclick: () => onselect(track.task) },
      step && h("span.step", { style: place_(step.from_s, step.until_s) }),
      track.spans.map((span, n) => span.kind === "running" && track.attempts.length ? null :
        h("span.span", { key: `${span.kind} ${n}`, class: `span-${span.kind}`, style: place_(span.from_s, span.until_s), title: `${WORDS[span.kind]}: ${length(span, until)}` })),
      track.attempts.map((one) => h("span.span.attempt", {
        key: one.attempt, class: [`attempt-${one.state}`, one.purpose === "diagnose" && "diagnosis"], style: place_(one.from_s, one.until_s),
        title: `attempt ${one.attempt}${one.purpose === "diagnose" ? ", a diagnosis" : ""}: ${one.state}, ${agentName(one.agent)}, ${length(one, until)}`,
      }, track.attempts.length > 1 && h("span.attempt-number", one.attempt)))));
}

const length = (span, until) => duration(1000 * ((span.until_s ?? until) - span.from_s)) + (span.until_s === null ? " so far" : "");

// Round times, about eight of them on what is seen.
function ticks(until, zoom) {
  const rough = until / (8 * zoom);
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * unit).find((one) => one >= rough);
  return Array.from({ length: Math.min(2000, Math.floor(until / step) + 1) }, (_, n) => n * step).filter((at) => at < until * (1 - 0.12 / zoom) || at === 0);
}

const seconds = (at) => (at === 0 ? "0" : duration(at * 1000));

// "of 12.4 s: running 9.1 s, queued 2.0 s"
function along(page) {
  const parts = Object.entries(page.critical_s).sort((one, other) => other[1] - one[1]).slice(0, 3);
  return parts.map(([kind, value]) => `${(LEGEND.find(([name]) => name === kind)?.[1] ?? kind).toLowerCase()} ${duration(value * 1000)}`).join(", ");
}
