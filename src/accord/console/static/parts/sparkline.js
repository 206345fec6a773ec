// A line of the last values: how it goes, and not how much; the number beside it says that.

import { h } from "../core/dom.js";

export function sparkline(values, label, { width = 120, height = 28 } = {}) {
  // Before anything is known it lies on the ground.
  if (values.length < 2) values = [0, 0];
  const most = Math.max(1, ...values);
  const step = width / Math.max(1, values.length - 1);
  const points = values.map((value, n) => `${(n * step).toFixed(1)},${(height - 2 - (value / most) * (height - 4)).toFixed(1)}`);
  return h("svg.sparkline", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label, preserveAspectRatio: "none" },
    h("polygon", { points: `0,${height} ${points.join(" ")} ${width},${height}` }),
    h("polyline", { points: points.join(" ") }));
}
