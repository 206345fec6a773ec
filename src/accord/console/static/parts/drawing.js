// The graph of a template: boxes and edges where the server has placed them. Each task is a button; `tones` tells what
// is different about some: Map(task → [tone, word]).
//
//   h(Drawing, { graph, tones, selected, onselect, label: "The tasks of cloth@1.0.0" })

import { h } from "../core/dom.js";

const KINDS = { approval: "asks a person", signal: "waits for a signal", timer: "waits for a time", run: "another template" };
const MOST_HIGH = 420;
const MAP_MARGIN = 14, MARGIN = 10;

export function Drawing() {
  return ({ graph, tones = new Map(), selected, onselect, label }) => {
    const isMap = graph.placement === "map";
    const margin = isMap ? MAP_MARGIN : MARGIN;
    const boxes = new Map(graph.tasks.map((one) => [one.task, one.box]));
    const [wide, high] = [graph.width + 2 * margin, graph.height + 2 * margin];
    return h("figure.plan", { class: isMap && "is-map" },
      h("div.plan-scroll", { tabindex: "0", role: "group", "aria-label": label },
        h("svg", { viewBox: `${-margin} ${-margin} ${wide} ${high}`, style: { width: `${wide}px`, "min-width": `${Math.min(wide, wide * 0.62)}px`, "max-height": `${Math.max(MOST_HIGH, high * 0.62)}px` }, role: "presentation" },
          h("g", graph.edges.map((one) => h("path.plan-edge", { key: `${one.source} ${one.target}`, d: curve(one, boxes), class: (one.source === selected || one.target === selected) && "near" }, h("title", `${one.source} → ${one.target}: ${one.reason}`)))),
          h("g", graph.tasks.map((one) => (isMap ? cell : box)(one, { tone: tones.get(one.task), selected: one.task === selected, onselect }))))));
  };
}

const acts = (one, { tone, selected, onselect }) => ({
  key: one.task, class: [tone && `tone-${tone[0]}`, tone && "toned", selected && "selected"], role: "button", tabindex: "0", dataset: { task: one.task },
  "aria-label": `${one.task}${tone ? `, ${tone[1]}` : ""}`, "aria-pressed": String(selected), onclick: () => onselect?.(one.task),
  onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); event.stopPropagation(); onselect?.(one.task); } },
});

function box(one, state) {
  const { x, y, width, height } = one.box;
  const chars = Math.floor((width - 24) / 7.4);
  return h("g.plan-task", { ...acts(one, state), transform: `translate(${x} ${y})` },
    one.for_each && h("rect.behind", { x: 5, y: 5, width, height, rx: 9 }),
    h("rect.plate", { width, height, rx: 9 }),
    h("rect.stripe", { width: 4, height: height - 16, x: 0, y: 8, rx: 2 }),
    h("text.name", { x: 14, y: 23 }, cut(one.task, chars)),
    h("text.what", { x: 14, y: 40 }, cut(state.tone ? state.tone[1] : what(one), chars + 3)),
    one.for_each && h("text.what", { x: 14, y: 58 }, "once for each item"),
    h("title", one.description || one.task));
}

const cell = (one, state) => h("g.plan-task", acts(one, state), h("rect.plate", { ...one.box, rx: 3 }), h("title", one.task));

const what = (one) => one.what || KINDS[one.kind] || "";
const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function curve({ source, target, points }, boxes) {
  const [from, to] = [boxes.get(source), boxes.get(target)];
  const way = points?.length >= 4 ? points : [from.x + from.width, from.y + from.height / 2, to.x, to.y + to.height / 2];
  let path = `M${way[0]} ${way[1]}`;
  for (let n = 2; n < way.length; n += 2) {
    const [a, b, c, d] = [way[n - 2], way[n - 1], way[n], way[n + 1]];
    path += b === d ? `L${c} ${d}` : `C${a + (c - a) / 2} ${b} ${c - (c - a) / 2} ${d} ${c} ${d}`;
  }
  return path;
}
