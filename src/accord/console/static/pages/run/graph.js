// The graph of a run: boxes with edges, or a map; moved, enlarged, searched, and gone through by keys.

import { frame, h } from "../../core/dom.js";
import { count, number } from "../../core/format.js";
import { key } from "../../core/keys.js";
import { iconButton } from "../../parts/basic.js";
import { icon } from "../../parts/icon.js";
import { mark } from "../../parts/state.js";
import { boxes } from "./boxes.js";
import { Cells } from "./cells.js";
import { Minimap } from "./minimap.js";
import { shownState } from "./model.js";
import { View, moved } from "./view.js";

const READABLE = 0.62, LEAST = 0.42, UNDER_MAP = 140;
const LEGEND = ["pending", "queued", "assigned", "running", "waiting", "completed", "failed", "skipped", "cancelled"];
const MEANS = { queued: "no agent has it yet, or it waits before it is tried again", assigned: "an agent has it, and has not said that it has begun", running: "at work", waiting: "waits for somebody, or for a time" };
const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

export function Graph({ model, bind }, self) {
  let drawn = null, cells = null, minimap = null, dirty = true, asked = false, found = "", matched = null, hovered = null, given = null;
  const view = new View(() => soon());

  function soon() {
    if (asked) return;
    asked = true;
    frame(paint);
  }

  // Once in a frame, whatever has happened in it.
  function paint() {
    asked = false;
    if (!self.element?.isConnected || !cells) return;
    if (dirty) { dirty = false; cells.read(model); minimap?.read(model); }
    self.element.querySelector(".world")?.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.k})`);
    self.element.querySelector(".drawing").dataset.far = view.k < READABLE ? "far" : "near";
    cells.draw(view, { selected: given.selected, matched });
    minimap?.draw(view);
  }

  function fit() {
    view.bounds = model.graph;
    // Words that cannot be read are no help: a long graph begins at its beginning.
    const isMap = model.graph.placement === "map";
    view.fit({ most: isMap ? 3 : 1.1, least: isMap ? 0.02 : LEAST });
  }

  // What is selected stays where it is, as far as it is seen.
  function zoom(factor) {
    const box = boxOf(given.selected);
    const [x, y] = box ? [(box.x + box.width / 2) * view.k + view.x, (box.y + box.height / 2) * view.k + view.y] : [];
    if (x > 0 && x < view.width && y > 0 && y < view.height) view.zoom(factor, x, y);
    else view.zoom(factor);
  }

  // At first what matters is seen: what is selected, else what has failed, else what is at work.
  function begin() {
    fit();
    const states = [...model.states.values()];
    paint();
    // The first task is in the middle of what is as high as it is; whoever looks for no other sees it.
    const { box } = model.graph.tasks[0];
    if (view.bounds.height * view.k > view.height) view.move(0, view.height / 2 - ((box.y + box.height / 2) * view.k + view.y));
    const first = given.selected ?? (states.find((one) => one.state === "failed") ?? states.find((one) => ["running", "assigned", "waiting"].includes(shownState(one))))?.task;
    reveal(first);
  }

  bind({
    // The model has changed: all of it, or these tasks.
    changed(what) {
      if (!model.graph) return;
      if (what === "all") {
        dirty = true;
        const name = `${model.graph.digest} ${model.open.join()} ${model.graph.width}`;
        view.bounds = model.graph;
        if (drawn === null && view.width > 1) begin();
        else if (drawn !== name) frame(() => reveal(given?.selected));
        drawn = name;
      } else cells?.update(model, what);
      minimap?.update(model, what);
      self.update();
      soon();
    },
    reveal,
  });

  // So that a task is seen, and is not under the minimap.
  function reveal(task) {
    const box = boxOf(task);
    if (box) view.reveal(box, { under: minimap?.needed ? UNDER_MAP : 40 });
  }

  function boxOf(task) {
    const one = model.tasks?.get(task);
    if (one) return one.box;
    const cell = cells?.cells[cells.places?.get(task)];
    return cell ? { x: cell.x, y: cell.y, width: cell.size, height: cell.size } : model.tasks?.get(task?.replace(/\[\d+\]$/, ""))?.box;
  }

  function pick(x, y, event) {
    const point = view.inside(x, y);
    const node = event.target.closest(".node");
    const fold = event.target.closest(".fold");
    if (fold) given.onfold(fold.dataset.task);
    else given.onselect(cells.at(point.x, point.y)?.task ?? node?.dataset.task ?? null);
  }

  // The next task in a direction: the nearest of those that lie more that way than aside.
  function step([dx, dy]) {
    const from = boxOf(given.selected);
    if (!from) { given.onselect(model.graph.tasks[0]?.task); return; }
    const items = given.selected?.endsWith("]") ? cells.cells : model.graph.tasks.map((one) => ({ task: one.task, ...one.box }));
    const middle = (box) => [box.x + (box.width ?? box.size) / 2, box.y + (box.height ?? box.size) / 2];
    const [x, y] = middle(from);
    let best = null, least = Infinity;
    for (const one of items) {
      if (one.task === given.selected) continue;
      const [a, b] = middle(one);
      const ahead = (a - x) * dx + (b - y) * dy, aside = Math.abs((a - x) * dy) + Math.abs((b - y) * dx);
      if (ahead <= 0.5 || aside > ahead * 4) continue;
      const cost = ahead + aside * 2;
      if (cost < least) [best, least] = [one, cost];
    }
    if (best) given.onselect(best.task);
  }

  function onkeydown(event) {
    if (event.target.matches("input")) return;
    if (ARROWS[event.key] && !event.altKey && !event.ctrlKey && !event.metaKey) { event.preventDefault(); step(ARROWS[event.key]); }
    else if (event.key === "Enter" || event.key === " ") {
      const on = event.target.closest?.(".node, .fold");
      if (!on) return;
      event.preventDefault();
      event.stopPropagation();
      (on.classList.contains("fold") ? given.onfold : given.onselect)(on.dataset.task);
    }
  }

  function find(text) {
    found = text.trim().toLowerCase();
    matched = found ? (task) => task.toLowerCase().includes(found) : null;
    self.update();
    soon();
  }

  function goToFound(event) {
    event.preventDefault();
    const names = [...model.tasks.keys(), ...(cells.places?.keys() ?? [])];
    const task = names.find((name) => name.toLowerCase() === found) ?? names.find(matched ?? (() => false));
    if (!task) return;
    given.onselect(task);
    const input = self.element.querySelector(".graph-find input");
    input.value = "";
    input.blur();
    find("");
  }

  function hover(event) {
    if (!cells) return;
    const box = self.element.querySelector(".drawing").getBoundingClientRect();
    const point = view.inside(event.clientX - box.left, event.clientY - box.top);
    const next = cells.at(point.x, point.y);
    if (next?.task !== hovered?.task) { hovered = next && { ...next, left: event.clientX - box.left, top: event.clientY - box.top }; self.update(); }
  }

  self.onmount((element) => {
    const surface = element.querySelector(".drawing");
    cells = new Cells(element.querySelector("canvas.cells"));
    minimap = new Minimap(element.querySelector("canvas.minimap"), view);
    view.onfirst = () => { if (model.graph) begin(); };
    const colours = () => { cells.look(); minimap.look(); soon(); };
    const theme = new MutationObserver(colours);
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", colours);
    colours();
    const ends = [
      moved(surface, view, pick),
      key("f", "All of the graph", fit, { group: "Graph" }),
      key("+", "Larger", () => zoom(1.3), { group: "Graph" }),
      key("-", "Smaller", () => zoom(1 / 1.3), { group: "Graph" }),
      key("/", "Find a task", () => element.querySelector(".graph-find input")?.focus(), { group: "Graph" }),
    ];
    soon();
    const tick = setInterval(() => !document.hidden && model.live && !model.ended && self.update(), 1000);
    return () => { clearInterval(tick); theme.disconnect(); system.removeEventListener("change", colours); ends.forEach((end) => end()); };
  });

  return (props) => {
    if (given && given.selected !== props.selected) soon();
    given = props;
    const { graph } = model;
    const isMap = graph.placement === "map";
    const names = matched ? [...model.tasks.keys()].filter(matched).length : 0;
    return h("div.graph", { onkeydown },
      h("div.graph-bar",
        h("form.graph-find", { role: "search", onsubmit: goToFound }, icon("search", { size: 15 }),
          h("input", { type: "search", "aria-label": "Find a task", placeholder: "Find a task", oninput: (event) => find(event.target.value) }),
          matched && h("span.hint.num", { role: "status" }, count(names, "task"))),
        h("span.grow"),
        iconButton("minus", "Smaller", () => zoom(1 / 1.3)), iconButton("plus", "Larger", () => zoom(1.3)), iconButton("fit", "All of the graph", fit)),
      h("div.drawing", { onpointermove: hover, onpointerleave: () => { hovered = null; self.update(); }, class: isMap && "is-map", dataset: { placement: graph.placement }, style: { "--need": isMap ? "100vh" : `${Math.round(graph.height + 90)}px` } },
        h("canvas.cells", { role: "img", "aria-label": isMap ? `A map of ${count(graph.tasks.length, "task")}` : "Items of open groups", tabindex: isMap ? "0" : null }),
        h("svg.boxes-layer", { role: "group", "aria-label": "The tasks of the run", class: matched && "searching" }, h("defs", arrow("arrow"), arrow("arrow-near")),
          h("g.world", !isMap && boxes(model, { ...props, now: model.time }))),
        hovered && h("div.hover", { style: { left: `${hovered.left + 14}px`, top: `${hovered.top + 10}px` } }, mark(hovered.state, { size: 14 }), h("strong", hovered.task), h("span", hovered.state)),
        h("canvas.minimap", { width: 176, height: 110, "aria-hidden": "true" })),
      h("div.legend", { "aria-label": "What the shapes mean", role: "group" }, legend(model).map(([state, many]) =>
        h("span.legend-part", { key: state, title: MEANS[state] }, mark(state, { size: 14 }), state, h("span.num", number(many))))));
  };
}

const arrow = (id) => h("marker", { id, viewBox: "0 0 8 8", refX: 5, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" }, h("path", { d: "M0 0.800L6.500 4 0 7.200z" }));

// The states that there are, with how many tasks are in each.
function legend(model) {
  const counts = new Map();
  for (const one of model.states.values()) { const state = shownState(one); counts.set(state, (counts.get(state) ?? 0) + 1); }
  return LEGEND.filter((state) => counts.has(state)).map((state) => [state, counts.get(state)]);
}
