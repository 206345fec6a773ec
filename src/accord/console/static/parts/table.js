// A table of any length: only the rows that can be seen are drawn. On a phone each row is a card.
//
//   h(Table, {
//     label: "Runs", rows, keyOf: (run) => run.run, hrefOf: (run) => `/runs/${run.run}`,
//     columns: [{ name: "state", title: "State", width: "9rem", draw: (run) => badge(run.state) }, …],
//     selected: new Set(), onselect: (set) => …, more: () => load the next page, busy, empty: node,
//   })
//
// Keys: j and k (or the arrows) go up and down, Enter opens, x selects, and Shift-click selects all between.

import { frame, h } from "../core/dom.js";
import { key } from "../core/keys.js";
import { go } from "../core/router.js";
import { skeleton } from "./basic.js";

const SPARE = 8;

export function Table(props, self) {
  let top = 0, high = 900, rowHigh = 44, cursor = -1, last = null, now = props, asked = false;

  self.onmount((element) => {
    const body = element.querySelector(".table-body");
    const look = () => {
      const box = body.getBoundingClientRect();
      const row = body.querySelector(".row");
      const high_ = row ? row.getBoundingClientRect().height : rowHigh;
      const top_ = Math.max(0, -box.top);
      if (Math.abs(top_ - top) > high_ * (SPARE / 2) || Math.abs(high_ - rowHigh) > 0.5 || innerHeight !== high) {
        [top, rowHigh, high] = [top_, high_, innerHeight];
        self.update();
      }
      if (now.more && !now.busy && box.bottom < innerHeight + 600) now.more();
    };
    const soon = () => { if (!asked) { asked = true; frame(() => { asked = false; look(); }); } };
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", soon);
    const seen = new ResizeObserver(soon);
    seen.observe(body);
    const keys = [
      ["j", "Next row", () => move(1)], ["k", "Row before", () => move(-1)],
      ["Enter", "Open the row", open],
      ["x", "Select the row", () => now.onselect && now.rows[cursor] && toggle(now.rows[cursor], {})],
    ].map(([name, words, run]) => key(name, words, run, { group: "Tables" }));
    return () => {
      removeEventListener("scroll", soon);
      removeEventListener("resize", soon);
      seen.disconnect();
      for (const unbind of keys) unbind();
    };
  });

  function open() {
    const focused = document.activeElement;
    if (focused && focused !== document.body && focused.id !== "main" && !focused.classList.contains("row")) return focused.click();
    const row = now.rows[cursor];
    if (row && now.hrefOf) go(now.hrefOf(row));
  }

  function move(by) {
    cursor = Math.max(0, Math.min(now.rows.length - 1, cursor + by));
    self.update();
    const body = self.element.querySelector(".table-body");
    const at = body.getBoundingClientRect().top + cursor * rowHigh;
    if (at < 120) scrollBy(0, at - 120);
    else if (at + rowHigh > innerHeight - 60) scrollBy(0, at + rowHigh - innerHeight + 60);
  }

  function toggle(row, event) {
    const { rows, keyOf, selected, onselect } = now;
    const next = new Set(selected);
    const index = rows.findIndex((one) => keyOf(one) === keyOf(row));
    const on = !next.has(keyOf(row));
    const [from, to] = event.shiftKey && last !== null ? [Math.min(last, index), Math.max(last, index)] : [index, index];
    for (let n = from; n <= to; n++) on ? next.add(keyOf(rows[n])) : next.delete(keyOf(rows[n]));
    last = index;
    onselect(next);
  }

  function toggleAll() {
    const { rows, keyOf, selected, onselect } = now;
    onselect(rows.every((row) => selected.has(keyOf(row))) ? new Set() : new Set(rows.map(keyOf)));
  }

  return (given) => {
    now = given;
    const { rows, columns, keyOf, hrefOf, selected, onselect, label, busy } = given;
    const first = Math.max(0, Math.floor(top / rowHigh) - SPARE);
    const end = Math.min(rows.length, first + Math.ceil(high / rowHigh) + 2 * SPARE);
    const grid = { "--columns": (onselect ? "2.2rem " : "") + columns.map((one) => one.width ?? "1fr").join(" ") };
    const all = onselect && rows.length > 0 && rows.every((row) => selected.has(keyOf(row)));
    return h("div.table", { role: "table", "aria-label": label, "aria-rowcount": rows.length + 1, "aria-busy": busy || null, style: grid },
      h("div.row-group", { role: "rowgroup" },
        h("div.row.head", { role: "row", "aria-rowindex": 1 },
          onselect && h("div.cell.select", { role: "columnheader" },
            h("input", { type: "checkbox", "aria-label": "Select all rows", checked: all, indeterminate: !all && selected.size > 0, onchange: toggleAll })),
          columns.map((one) => h("div.cell", { key: one.name, class: [one.name, one.end && "end"], role: "columnheader" }, one.title)))),
      h("div.table-body", { role: "rowgroup", style: { "padding-top": `${first * rowHigh}px`, "padding-bottom": `${(rows.length - end) * rowHigh}px` } },
        rows.slice(first, end).map((row, n) => drawRow(row, first + n))),
      busy && h("div.table-more", skeleton(2)));

    function drawRow(row, index) {
      const name = keyOf(row);
      const chosen = onselect && selected.has(name);
      return h("div.row", {
        key: name, role: "row", "aria-rowindex": index + 2, "aria-selected": onselect ? String(!!chosen) : null,
        class: [chosen && "selected", index === cursor && "cursor", hrefOf && "opens"], dataset: { key: name },
        onclick: (event) => hrefOf && !event.target.closest("a, button, input, label") && !getSelection().toString() && go(hrefOf(row)),
      },
        onselect && h("div.cell.select", { role: "cell" },
          h("input", { type: "checkbox", "aria-label": `Select ${given.nameOf?.(row) ?? name}`, checked: chosen, onclick: (event) => toggle(row, event) })),
        columns.map((one) => h("div.cell", { key: one.name, class: [one.name, one.end && "end"], role: "cell", dataset: { title: one.title } }, one.draw(row))));
    }
  };
}
