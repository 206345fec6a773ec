// What of a drawing is seen: moved by dragging, made larger by the wheel or two fingers, and by keys.

const LEAST = 0.02, MOST = 4;
const PAD = 28, NARROW = 10, TIGHT = 0.9;

export class View {
  constructor(onchange) {
    this.onchange = onchange;
    this.x = this.y = 0;
    this.k = 1;
    this.width = this.height = 1;
    this.bounds = { width: 1, height: 1 };
  }

  // All of it, and never larger than it was drawn. What would be too small is as small as is allowed, and begins at its
  // beginning; unless a narrow margin, and a little less, let it be seen whole.
  fit({ most = 1, least = LEAST } = {}) {
    const within = (pad) => Math.min(most, (this.width - 2 * pad) / this.bounds.width, (this.height - 2 * pad) / this.bounds.height);
    const isTight = within(PAD) < least && within(NARROW) >= TIGHT * least;
    const pad = isTight ? NARROW : PAD;
    this.k = clamp(within(pad), isTight ? TIGHT * least : least, MOST);
    this.x = Math.max(pad, (this.width - this.bounds.width * this.k) / 2);
    this.y = (this.height - this.bounds.height * this.k) / 2;
    if (this.bounds.height * this.k > this.height) this.y = pad;
    this.onchange();
  }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const k = clamp(this.k * factor, LEAST, MOST);
    this.x = x - ((x - this.x) * k) / this.k;
    this.y = y - ((y - this.y) * k) / this.k;
    this.k = k;
    this.onchange();
  }

  move(x, y) { this.x += x; this.y += y; this.onchange(); }

  // So that this box is seen, moved no further than it takes.
  reveal(box, { pad = 40, under = pad } = {}) {
    const left = box.x * this.k + this.x, top = box.y * this.k + this.y;
    const right = left + box.width * this.k, bottom = top + box.height * this.k;
    const x = left < NARROW - 1 ? pad - left : right > this.width - NARROW + 1 ? this.width - pad - right : 0;
    const y = top < pad ? pad - top : bottom > this.height - under ? this.height - under - bottom : 0;
    if (x || y) this.move(x, y);
  }

  center(x, y) {
    this.x = this.width / 2 - x * this.k;
    this.y = this.height / 2 - y * this.k;
    this.onchange();
  }

  // Where a point of the screen is in the drawing.
  inside(x, y) { return { x: (x - this.x) / this.k, y: (y - this.y) / this.k }; }
}

const clamp = (value, least, most) => Math.max(least, Math.min(most, value));

// Moves the view as somebody drags, pinches and turns the wheel over an element; `onclick(x, y)` where they did not drag.
export function moved(element, view, onclick) {
  const fingers = new Map();
  let dragged = 0, spread = 0;
  const place = (event) => { const box = element.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  const distance = () => { const [[a, b], [c, d]] = [...fingers.values()]; return Math.hypot(a - c, b - d); };

  const down = (event) => {
    if (event.button || event.target.closest("button")) return;
    fingers.set(event.pointerId, place(event));
    dragged = 0;
    if (fingers.size === 2) spread = distance();
  };
  const drag = (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = place(event);
    fingers.set(event.pointerId, now);
    dragged += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (dragged < 4) return;
    if (!element.hasPointerCapture(event.pointerId)) element.setPointerCapture(event.pointerId);
    if (fingers.size === 1) view.move(now[0] - before[0], now[1] - before[1]);
    else if (fingers.size === 2) {
      const next = distance();
      const [[a, b], [c, d]] = [...fingers.values()];
      if (spread) view.zoom(next / spread, (a + c) / 2, (b + d) / 2);
      spread = next;
    }
  };
  const up = (event) => {
    if (!fingers.delete(event.pointerId)) return;
    if (event.type === "pointerup" && dragged < 4) onclick(...place(event), event);
  };
  const wheel = (event) => {
    event.preventDefault();
    view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), ...place(event));
  };
  element.addEventListener("pointerdown", down);
  element.addEventListener("pointermove", drag);
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", up);
  element.addEventListener("wheel", wheel, { passive: false });
  const seen = new ResizeObserver(() => {
    const { width, height } = element.getBoundingClientRect();
    if (!width || (width === view.width && height === view.height)) return;
    const first = view.width === 1;
    [view.width, view.height] = [width, height];
    first ? view.onfirst?.() : view.onchange();
  });
  seen.observe(element);
  return () => seen.disconnect();
}
