// The graph of a template: boxes and edges where the server has placed them. Each task is a button; `tones` tells what
// is different about some, edges too: Map(task, or "source target" → [tone, word, sign]).
//
//   h(Drawing, { graph, tones, selected, onselect, label: "The tasks of cloth@1.0.0" })

import { h } from "../core/dom.js";
import { cut } from "./words.js";

const KINDS = { approval: "asks a person", signal: "waits for a signal", timer: "waits for a time", run: "another template" };
const MOST_HIGH = 420;
const MAP_MARGIN = 14, MARGIN = 10;

export function Drawing(props, self) {
  // What is higher than its place begins at its first task, or at the one that is chosen.
  self.onmount((element) => {
    const scroll = element.querySelector(".plan-scroll"), task = element.querySelector(".plan-task.selected") ?? element.querySelector(".plan-task");
    if (!task || scroll.scrollHeight <= scroll.clientHeight) return;
    const [at, place] = [task.getBoundingClientRect(), scroll.getBoundingClientRect()];
    scroll.scrollTop = at.top + at.height / 2 - place.top - place.height / 2;
  });
  return ({ graph, tones = new Map(), selected, onselect, label }) => {
    const isMap = graph.placement === "map";
    const margin = isMap ? MAP_MARGIN : MARGIN;
    const boxes = new Map(graph.tasks.map((one) => [one.task, one.box]));
    const [wide, high] = [graph.width + 2 * margin, graph.height + 2 * margin];
    return h("figure.plan", { class: isMap && "is-map" },
      h("div.plan-scroll", { tabindex: "0", role: "group", "aria-label": label },
        h("svg", { viewBox: `${-margin} ${-margin} ${wide} ${high}`, style: { width: `${wide}px`, "min-width": `${Math.min(wide, wide * 0.75)}px`, "max-height": `${Math.max(MOST_HIGH, high * 0.75)}px` }, role: "presentation" },
          h("g", graph.edges.map((one) => edge(one, boxes, tones.get(`${one.source} ${one.target}`), one.source === selected || one.target === selected))),
          h("g", graph.tasks.map((one) => (isMap ? cell : box)(one, { tone: tones.get(one.task), selected: one.task === selected, onselect }))))));
  };
}

const acts = (one, { tone, selected, onselect }) => ({
  key: one.task, class: [tone && `toned tone-${tone[0]} is-${tone[1]}`, selected && "selected"], role: "button", tabindex: "0", dataset: { task: one.task },
  "aria-label": `${one.task}${tone ? `, ${tone[1]}` : ""}`, "aria-pressed": String(selected), onclick: () => onselect?.(one.task),
  onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); event.stopPropagation(); onselect?.(one.task); } },
});

function box(one, state) {
  const { x, y, width, height } = one.box;
  return h("g.plan-task", { ...acts(one, state), transform: `translate(${x} ${y})` },
    one.for_each && h("rect.behind", { x: 5, y: 5, width, height, rx: 9 }),
    h("rect.plate", { width, height, rx: 9 }),
    h("rect.stripe", { width: 4, height: height - 16, x: 0, y: 8, rx: 2 }),
    h("text.name", { x: 14, y: 23 }, cut(one.task, width - 24 - (state.tone ? 20 : 0), "name")),
    h("text.what", { x: 14, y: 40 }, cut(state.tone ? [state.tone[1], what(one)].filter(Boolean).join(" · ") : what(one), width - 24, state.tone ? "strong" : "what")),
    state.tone && sign(state.tone, width - 16, 17),
    one.for_each && h("text.what", { x: 14, y: 58 }, "once for each item"),
    h("title", one.description || one.task));
}

// What kind of difference it is, as a sign: nobody has to tell colours apart.
const sign = ([tone, word, text], x, y) => h("g.plan-sign", { class: `tone-${tone}`, transform: `translate(${x} ${y})` }, h("circle", { r: 8 }), h("text", { y: 4.2 }, text), h("title", word));

function edge(one, boxes, tone, near) {
  const way = wayOf(one, boxes);
  const path = h("path.plan-edge", { d: curve(way), class: [near && "near", tone && `toned tone-${tone[0]} is-${tone[1]}`] }, h("title", `${one.source} → ${one.target}${tone ? `, ${tone[1]}` : ""}: ${one.reason}`));
  return h("g", { key: `${one.source} ${one.target}` }, path, tone && sign(tone, ...middle(way)));
}

// The middle of the part of a line that is the longest.
function middle(way) {
  let best = [way[0], way[1]], longest = -1;
  for (let n = 2; n < way.length; n += 2) {
    const length = Math.hypot(way[n] - way[n - 2], way[n + 1] - way[n - 1]);
    if (length > longest) [longest, best] = [length, [(way[n] + way[n - 2]) / 2, (way[n + 1] + way[n - 1]) / 2]];
  }
  return best;
}

const cell = (one, state) => h("g.plan-task", acts(one, state), h("rect.plate", { ...one.box, rx: 3 }), h("title", one.task));

const what = (one) => one.what || KINDS[one.kind] || "";

function wayOf({ source, target, points }, boxes) {
  const [from, to] = [boxes.get(source), boxes.get(target)];
  return points?.length >= 4 ? points : [from.x + from.width, from.y + from.height / 2, to.x, to.y + to.height / 2];
}

function curve(way) {
  let path = `M${way[0]} ${way[1]}`;
  for (let n = 2; n < way.length; n += 2) {
    const [a, b, c, d] = [way[n - 2], way[n - 1], way[n], way[n + 1]];
    path += b === d ? `L${c} ${d}` : `C${a + (c - a) / 2} ${b} ${c - (c - a) / 2} ${d} ${c} ${d}`;
  }
  return path;
}
