// What the agents of a task have logged, and what they log: the newest at the end, followed as long as it is in sight.

import { at, get } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { feed } from "../../core/feed.js";
import { count, moment, number } from "../../core/format.js";
import { setQuery } from "../../core/router.js";
import { button, failure, loading, pill } from "../../parts/basic.js";
import { icon } from "../../parts/icon.js";
import { notThere } from "../../parts/unknown.js";

const TITLES = [["debug", "All levels"], ["info", "Info and worse"], ["warning", "Warnings and errors"], ["error", "Errors"]];
const MOST = 2000, NEAR_PX = 40, REST_MS = 120;

// The filters are part of the address; each choice is a log of its own, which is asked for anew.
export function logOf({ model, task, attempts, query }) {
  const level = query.get("level") ?? "debug", wanted = query.get("attempt") ?? "";
  const attempt = attempts.some((one) => String(one.attempt) === wanted) ? wanted : "";
  const choose = (name) => (event) => setQuery({ [name]: event.target.value || undefined });
  return h("div.stack",
    wanted !== attempt && notThere(["attempt"], `There is no attempt ${wanted} of ${task}: the lines of all are shown.`),
    h("div.log-bar",
      h("label", h("span.unseen", "Level"), h("select", { value: level, onchange: choose("level") }, TITLES.map(([name, title]) => h("option", { key: name, value: name }, title)))),
      attempts.length > 1 && h("label", h("span.unseen", "Attempt"), h("select", { value: attempt, onchange: choose("attempt") },
        h("option", { value: "" }, "All attempts"), attempts.map((one) => h("option", { key: one.attempt, value: String(one.attempt) }, `Attempt ${one.attempt}`))))),
    h(model.live ? Lines : LinesThen, { key: `${task} ${level} ${attempt} ${model.live}`, model, task, level, attempt }));
}

// As far as they were written by the time of the event that the slider stands on.
function LinesThen({ model, task, level, attempt }, self) {
  let page = null, failed = null, asked = null, timer;

  const path = at`/v1/runs/${model.run}/tasks/${task}/logs`;
  async function look(event) {
    try {
      const found = await get(path, { level, attempt, at: event, limit: MOST });
      if (event === asked) [page, failed] = [found, null];
    } catch (error) { if (event === asked) failed = error; }
    self.update();
  }
  self.onmount(() => () => { clearTimeout(timer); asked = null; });

  return () => {
    if (model.at !== null && model.at !== asked) {
      asked = model.at;
      clearTimeout(timer);
      timer = setTimeout(look, page ? REST_MS : 0, asked);
    }
    if (!page) return h("div", failed ? failure(failed, () => look(asked)) : loading(6));
    return h("div.log-of", 
      h("div.log-head", h("span.hint", { role: "status" }, `${page.lines.length ? count(page.lines.length, "line") : "No lines"} by the time of event ${number(asked)}`)),
      page.more && h("p.hint", `Only the first ${number(MOST)} are shown here; the command line shows them all: accord runs logs --at ${asked}`),
      written(page.lines, task) ?? h("p.hint", "Nothing was logged by then."));
  };
}

// The lines, as a list of what was said; null where there are none.
const written = (lines, task, more) => (lines.length > 0 ? h("ol.log", { tabindex: "0", "aria-label": `What the agents of ${task} have logged`, ...more }, lines.map((one) => line(one, task))) : null);

function Lines({ model, task, level, attempt }, self) {
  let lines = [], gaps = [], over = 0, known = false, live = true, stays = true;

  const take = (pages) => {
    known = true;
    for (const page of pages) { lines.push(...page.lines); gaps = page.gaps; }
    if (lines.length > MOST) over += lines.splice(0, lines.length - MOST).length;
    self.update();
    requestAnimationFrame(() => stays && follow());
  };
  const box = () => self.element?.querySelector(".log");
  const follow = () => { const element = box(); if (element) element.scrollTop = element.scrollHeight; };
  const scrolled = (event) => { const { scrollHeight, scrollTop, clientHeight } = event.target; stays = scrollHeight - scrollTop - clientHeight < NEAR_PX; self.update(); };

  self.onmount(() => {
    const close = feed(at`/v1/runs/${model.run}/tasks/${task}/logs/feed`, { level, attempt }, {
      lines: take,
      end: () => { live = false; known = true; close(); self.update(); },
    });
    return close;
  });

  return () => {
    if (!known) return h("div", loading(6));
    const missing = gaps.reduce((sum, gap) => sum + gap.missing, 0);
    return h("div.log-of",
      h("div.log-head",
        h("span.hint", { role: "status" }, lines.length || over ? count(lines.length + over, "line") : "No lines"),
        live && !model.ended && pill("Live", { class: "log-live" }), h("span.grow"),
        !stays && button("Newest", () => { stays = true; follow(); self.update(); }, { small: true, kind: "quiet" }),
        lines.length > 0 && button("Download", () => save(lines, task), { icon: "download", small: true, kind: "quiet" })),
      missing > 0 && h("p.log-missing", icon("warning", { size: 16 }), `${count(missing, "line")} ${missing === 1 ? "is" : "are"} missing: dropped on the way, or beyond what is kept of an attempt.`),
      over > 0 && h("p.hint", `The ${number(over)} earliest are left out here; the command line shows them: accord runs logs`),
      written(lines, task, { onscroll: scrolled }) ??
        h("p.hint", live ? "Nothing was logged yet. What comes is shown here." : level === "debug" ? "Nothing was logged. Agents do so with context.log." : "Nothing of this level was logged."));
  };
}

function line(one, task) {
  const { exception, ...fields } = one.fields ?? {};
  const names = Object.keys(fields);
  return h("li", { key: `${one.task} ${one.attempt} ${one.number}`, class: `log-${one.level}` },
    h("time.num", { datetime: one.at, title: `${moment(one.at)}, attempt ${one.attempt}, line ${one.number}` }, clock(one.at)),
    h("span.log-level", one.level),
    one.task !== task && h("span.log-item", one.task.slice(task.length)),
    h("span.log-message", one.message),
    names.length > 0 && h("dl.log-fields", names.map((name) => h("div", { key: name }, h("dt", `${name}=`), h("dd", plain(fields[name]))))),
    exception && h("details", h("summary", String(exception).trim().split("\n").at(-1)), h("pre", exception)));
}

const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function clock(time) {
  const date = new Date(time), two = (value, wide = 2) => String(value).padStart(wide, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${two(date.getMilliseconds(), 3)}`;
}

function save(lines, task) {
  const text = lines.map((one) => JSON.stringify(one)).join("\n");
  const url = URL.createObjectURL(new Blob([`${text}\n`], { type: "application/x-ndjson" }));
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = `${task}.log.jsonl`;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
