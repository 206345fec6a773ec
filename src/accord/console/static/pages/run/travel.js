// Time travel: a slider over the journal. The run is shown as it was after the event that it stands on.

import { get } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { duration, elapsed, number } from "../../core/format.js";
import { key } from "../../core/keys.js";
import { button, iconButton } from "../../parts/basic.js";

export function Travel({ model, go }, self) {
  let event = null, asked = null, timer;

  // What the event was: asked once the slider rests.
  function look() {
    if (model.at === asked) return;
    asked = model.at;
    event = null;
    clearTimeout(timer);
    if (model.at === null) return;
    const mine = asked;
    timer = setTimeout(async () => {
      const page = await get(`${model.path}/events`, { after: mine - 1, limit: 1 }).catch(() => null);
      if (mine !== asked || !page) return;
      event = page.events[0];
      self.update();
    }, model.playing ? 0 : 60);
  }

  const step = (by) => go(Math.max(1, Math.min(model.last, (model.at ?? model.last) + by)));
  self.onmount(() => {
    const ends = [key("[", "The event before", () => step(-1), { group: "Time" }), key("]", "The event after", () => step(1), { group: "Time" }), key("n", "Back to now", () => go(null), { group: "Time" })];
    return () => { clearTimeout(timer); ends.forEach((end) => end()); };
  });

  return () => {
    look();
    const { last, at } = model;
    const now = at ?? last;
    const zero = model.doc?.started_at;
    return h("div.travel", { class: at !== null && "past", role: "group", "aria-label": "Time travel" },
      iconButton(model.playing ? "pause" : "play", model.playing ? "Stop" : "Play the run from its events", () => model.play(go)),
      iconButton("back", "The event before", () => step(-1), { disabled: now <= 1 }),
      h("input.slider", { type: "range", min: 1, max: Math.max(1, last), step: 1, value: String(now), "aria-label": "Event of the journal", "aria-valuetext": `event ${now} of ${last}`, oninput: (input) => { model.playing = false; go(Number(input.target.value)); }, style: { "--part": `${last > 1 ? (100 * (now - 1)) / (last - 1) : 100}%` } }),
      iconButton("chevron", "The event after", () => step(1), { disabled: now >= last }),
      h("span.travel-at.num", at === null ? h("span", h("strong", `${number(last)}`), h("span.hint", " events")) : h("span", h("strong", `${number(at)}`), h("span.hint", ` of ${number(last)}`))),
      at !== null && h("span.travel-event.cut", event && [h("code", event.event.replace(/@\d+$/, "")), event.task && h("span", ` ${event.task}`), h("span.hint.num", ` ${duration(elapsed(zero, event.at))} after the start`)]),
      at !== null && button(model.ended && at === last ? "The end" : "Now", () => go(null), { kind: "primary", small: true, icon: "clock" }));
  };
}
