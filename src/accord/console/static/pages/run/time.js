// Times of a run: the clock, and on pointing at it the day as well.

import { h } from "../../core/dom.js";
import { moment } from "../../core/format.js";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const time = (at) => h("time.num", { datetime: at, title: moment(at) }, clock.format(new Date(at)));
