// The minimap: all of the drawing, and the part of it that is seen; a click goes there.

import { TONES, shownState } from "./model.js";

export class Minimap {
  constructor(canvas, view) {
    this.canvas = canvas;
    this.view = view;
    this.tasks = [];
    this.places = new Map();
    this.changed = new Set();
    const go = (event) => {
      event.stopPropagation();
      if (event.type === "pointermove" && !event.buttons) return;
      const box = canvas.getBoundingClientRect();
      view.center((event.clientX - box.left - this.x) / this.k, (event.clientY - box.top - this.y) / this.k);
    };
    for (const kind of ["pointerdown", "pointermove"]) canvas.addEventListener(kind, go);
  }

  read(model) {
    this.bounds = model.graph;
    this.tasks = model.graph.tasks.map((one) => ({ task: one.task, box: one.box, tone: TONES[shownState(model.states.get(one.task))] ?? "off" }));
    this.places = new Map(this.tasks.map((one) => [one.task, one]));
    this.picture = null;
  }

  update(model, touched) {
    if (touched === "all") return;
    for (const task of touched) {
      const one = this.places.get(task);
      const tone = TONES[shownState(model.states.get(task))] ?? "off";
      if (!one || one.tone === tone) continue;
      one.tone = tone;
      this.changed.add(one);
    }
  }

  look() {
    const style = getComputedStyle(this.canvas);
    this.colours = Object.fromEntries(["off", "queued", "running", "waiting", "done", "failed", "paused", "accent", "text"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.picture = null;
  }

  draw(view) {
    const { canvas, bounds } = this;
    if (!bounds) return;
    const seen = bounds.width * view.k > view.width + 2 || bounds.height * view.k > view.height + 2;
    this.needed = seen;
    canvas.classList.toggle("needed", seen);
    if (!seen) return;
    const [wide, high] = [176, 110];
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== wide * ratio) [canvas.width, canvas.height] = [wide * ratio, high * ratio];
    this.k = Math.min((wide - 12) / bounds.width, (high - 12) / bounds.height);
    this.x = (wide - bounds.width * this.k) / 2;
    this.y = (high - bounds.height * this.k) / 2;
    const pen = canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (this.picture) this.paint(this.picture.getContext("2d"), this.changed);
    else this.picture = this.painted(ratio);
    this.changed.clear();
    pen.drawImage(this.picture, 0, 0);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const low = view.inside(0, 0), far = view.inside(view.width, view.height);
    const at = (value, most) => Math.max(1, Math.min(most - 1, value));
    const [a, b, c, d] = [at(low.x * this.k + this.x, wide), at(low.y * this.k + this.y, high), at(far.x * this.k + this.x, wide), at(far.y * this.k + this.y, high)];
    pen.strokeStyle = this.colours.accent;
    pen.lineWidth = 1.5;
    pen.strokeRect(a, b, c - a, d - b);
  }

  // The tasks are painted once, and each again when it has changed; not for every movement.
  painted(ratio) {
    const picture = new OffscreenCanvas(176 * ratio, 110 * ratio);
    const pen = picture.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.paint(pen, this.tasks);
    return picture;
  }

  paint(pen, tasks) {
    for (const { box, tone } of tasks) {
      pen.fillStyle = this.colours[tone];
      pen.globalAlpha = tone === "off" ? 0.4 : 0.9;
      pen.fillRect(box.x * this.k + this.x, box.y * this.k + this.y, Math.max(1, box.width * this.k), Math.max(1, box.height * this.k));
    }
  }
}
