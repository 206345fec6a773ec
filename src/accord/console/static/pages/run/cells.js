// Cells: the tasks of a map and the items of open groups, drawn on a canvas, ten thousand as well as ten. What has changed
// is drawn once in a frame.

import { TONES, shownState } from "./model.js";

const EDGES_MOST = 3000;

export class Cells {
  constructor(canvas) {
    this.canvas = canvas;
    this.cells = [];
    this.places = new Map();
    this.colours = {};
    this.touched = new Set();
    this.drawn = "";
  }

  // All cells of a run: { task, x, y, size, tone }, and what leads from one to another on a map.
  read(model) {
    const { graph, items } = model;
    const { size: cell, gap, head, pad } = graph.cells;
    this.isMap = graph.placement === "map";
    this.cells = [];
    this.places = new Map();
    const add = (task, x, y, size, state) => { this.places.set(task, this.cells.length); this.cells.push({ task, x, y, size, state }); };
    if (this.isMap) for (const one of graph.tasks) add(one.task, one.box.x, one.box.y, one.box.width, shownState(model.states.get(one.task)));
    else {
      for (const one of graph.tasks) {
        const states = items.get(one.task);
        if (!states || !one.columns) continue;
        states.forEach((state, n) => add(`${one.task}[${n}]`, one.box.x + pad + (n % one.columns) * (cell + gap), one.box.y + head + Math.floor(n / one.columns) * (cell + gap), cell, state));
      }
    }
    this.edges = this.isMap ? graph.edges : [];
    this.grid = null;
    this.drawn = "";
  }

  update(model, touched) {
    for (const task of touched) {
      const place = this.places.get(task);
      if (place !== undefined) this.now(this.cells[place], shownState(model.states.get(task)));
      const states = model.items.get(task);
      states?.forEach((state, n) => { const at = this.places.get(`${task}[${n}]`); if (at !== undefined) this.now(this.cells[at], state); });
    }
  }

  now(cell, state) {
    if (cell.state === state) return;
    cell.state = state;
    this.touched.add(cell);
  }

  // The cell at a point of the drawing.
  at(x, y) {
    this.grid ??= this.sorted();
    for (const one of this.grid.get(key(x, y)) ?? []) if (x >= one.x - 2 && x <= one.x + one.size + 2 && y >= one.y - 2 && y <= one.y + one.size + 2) return one;
    return null;
  }

  sorted() {
    const grid = new Map();
    for (const one of this.cells) {
      for (const place of new Set([key(one.x - 2, one.y - 2), key(one.x + one.size + 2, one.y - 2), key(one.x - 2, one.y + one.size + 2), key(one.x + one.size + 2, one.y + one.size + 2)])) {
        grid.has(place) ? grid.get(place).push(one) : grid.set(place, [one]);
      }
    }
    return grid;
  }

  look() {
    this.drawn = "";
    const style = getComputedStyle(this.canvas);
    for (const tone of new Set(Object.values(TONES))) this.colours[tone] = [style.getPropertyValue(`--${tone}`).trim(), style.getPropertyValue(`--${tone}-soft`).trim()];
    this.colours.line = style.getPropertyValue("--line-strong").trim();
    this.colours.accent = style.getPropertyValue("--accent").trim();
    this.colours.surface = style.getPropertyValue("--surface").trim();
    this.colours.text = style.getPropertyValue("--text").trim();
  }

  draw(view, { selected, matched } = {}) {
    const { canvas } = this;
    const ratio = devicePixelRatio || 1;
    const [wide, high] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
    if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const touched = this.touched;
    this.touched = new Set();
    // Where nothing lies below cells and nothing above, only those that have changed are drawn again.
    const plain = this.isMap && this.edges.length > EDGES_MOST && !selected && !matched;
    const drawn = plain ? [view.x, view.y, view.k, wide, high].join() : "";
    if (plain && drawn === this.drawn) { this.again(pen, view, touched); return; }
    this.drawn = drawn;
    pen.clearRect(0, 0, view.width, view.height);
    if (!this.cells.length) return;
    this.lines(pen, view, selected);
    const groups = this.seen(view, this.cells);
    for (const [state, cells] of groups) this.group(pen, view, state, cells, matched);
    const chosen = this.cells[this.places.get(selected)];
    if (chosen) ring(pen, view, chosen, this.colours.accent);
    if (view.k > 2.2 && this.isMap) this.names(pen, view, groups);
  }

  // Those of these cells that are in sight, by their states.
  seen(view, cells) {
    const groups = new Map();
    const low = view.inside(-4, -4), far = view.inside(view.width + 4, view.height + 4);
    for (const one of cells) {
      if (one.x > far.x || one.y > far.y || one.x + one.size < low.x || one.y + one.size < low.y) continue;
      groups.has(one.state) ? groups.get(one.state).push(one) : groups.set(one.state, [one]);
    }
    return groups;
  }

  again(pen, view, touched) {
    for (const [state, cells] of this.seen(view, touched)) {
      const size = Math.max(1.6, cells[0].size * view.k);
      for (const one of cells) pen.clearRect(one.x * view.k + view.x, one.y * view.k + view.y, size, size);
      this.group(pen, view, state, cells);
    }
  }

  // Cells of one state are drawn together. Large ones have a shape as well: a colour alone does not tell.
  group(pen, view, state, cells, matched) {
    const [tone, soft] = this.colours[TONES[state] ?? "off"];
    const full = ["completed", "failed", "running"].includes(state);
    const size = Math.max(1.6, cells[0].size * view.k);
    const round = Math.min(4, size / 4);
    const box = (one, inset = 0) => [one.x * view.k + view.x + inset, one.y * view.k + view.y + inset, size - 2 * inset, size - 2 * inset];
    pen.globalAlpha = matched ? 0.35 : 1;
    pen.fillStyle = full || size <= 5 ? tone : soft;
    if (size <= 5) {  // thousands of them: single squares are drawn faster than a path of all
      if (!full) pen.globalAlpha *= state === "pending" ? 0.35 : 0.8;
      for (const one of cells) pen.fillRect(...box(one));
    } else {
      const path = new Path2D();
      for (const one of cells) path.roundRect(...box(one, 0.5), round);
      pen.fill(path);
      if (!full) { pen.strokeStyle = tone; pen.lineWidth = 1; pen.stroke(path); }
    }
    if (size > 9) this.shapes(pen, state, cells, box, size, full ? this.colours.surface : tone);
    pen.globalAlpha = 1;
    if (!matched) return;
    const found = cells.filter((one) => matched(one.task));
    pen.fillStyle = tone;
    for (const one of found) { pen.fillRect(...box(one)); ring(pen, view, one, this.colours.text); }
  }

  shapes(pen, state, cells, box, size, colour) {
    const strokes = { completed: [[0.28, 0.52, 0.44, 0.68], [0.44, 0.68, 0.74, 0.34]], failed: [[0.3, 0.3, 0.7, 0.7], [0.7, 0.3, 0.3, 0.7]], running: [[0.38, 0.28, 0.7, 0.5], [0.7, 0.5, 0.38, 0.72]], waiting: [[0.5, 0.25, 0.5, 0.55], [0.5, 0.55, 0.68, 0.65]], skipped: [[0.3, 0.5, 0.7, 0.5]], cancelled: [[0.32, 0.68, 0.68, 0.32]], queued: [[0.5, 0.46, 0.5, 0.54]], assigned: [[0.36, 0.5, 0.64, 0.5]] }[state];
    if (!strokes) return;
    pen.strokeStyle = colour;
    pen.lineWidth = Math.max(1.2, size / 9);
    pen.lineCap = "round";
    pen.beginPath();
    for (const one of cells) {
      const [x, y] = box(one);
      for (const [a, b, c, d] of strokes) { pen.moveTo(x + a * size, y + b * size); pen.lineTo(x + c * size, y + d * size); }
    }
    pen.stroke();
  }

  lines(pen, view, selected) {
    if (!this.isMap) return;
    const middle = (task) => { const one = this.cells[this.places.get(task)]; return [(one.x + one.size / 2) * view.k + view.x, (one.y + one.size / 2) * view.k + view.y]; };
    const draw = (edges, colour, width, alpha) => {
      pen.beginPath();
      for (const { source, target } of edges) {
        const [a, b] = middle(source), [c, d] = middle(target);
        pen.moveTo(a, b);
        pen.bezierCurveTo(a + (c - a) / 2, b, a + (c - a) / 2, d, c, d);
      }
      pen.globalAlpha = alpha;
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.stroke();
      pen.globalAlpha = 1;
    };
    if (this.edges.length <= EDGES_MOST) draw(this.edges, this.colours.line, 1, this.edges.length > 600 ? 0.3 : 0.7);
    if (selected) draw(this.edges.filter((one) => one.source === selected || one.target === selected), this.colours.accent, 1.6, 1);
  }

  names(pen, view, groups) {
    pen.font = "11px ui-sans-serif, system-ui, sans-serif";
    pen.fillStyle = this.colours.text;
    pen.textAlign = "center";
    for (const cells of groups.values()) for (const one of cells) pen.fillText(cut(one.task, 9), (one.x + one.size / 2) * view.k + view.x, (one.y + one.size) * view.k + view.y + 11);
  }
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const key = (x, y) => `${Math.floor(x / 64)},${Math.floor(y / 64)}`;

function ring(pen, view, one, colour) {
  const size = Math.max(3, one.size * view.k);
  pen.strokeStyle = colour;
  pen.lineWidth = 2.2;
  pen.strokeRect(one.x * view.k + view.x - 2.5, one.y * view.k + view.y - 2.5, size + 5, size + 5);
}
