/* What the verifier has proven, check by check, and what a run takes at most. */

import { h } from "../core/dom.js";
import { number } from "../core/format.js";
import { facts } from "./basic.js";

/** Each check, and what it has come to. */
export const proven = (told) => facts(told.map((one) => [one.check, `${number(one.proven)} proven${one.open ? `, ${number(one.open)} left to the run` : ""}`]));

const most = (value, words = "any") => value === null ? words : number(value);

/** What a run takes at most, and where its tasks wait for their agents. */
export const bounded = (bounds) => h("div.pile",
  facts([
    ["Attempts", most(bounds.attempts)],
    ["Tasks at once", number(bounds.at_once)],
    ...Object.entries(bounds.items).map(([task, items]) => [`Items of ${task}`, most(items)]),
    ["Largest input", bounds.largest && `${bounds.message_bytes === null ? "any length" : `${number(bounds.message_bytes)} bytes`}, of ${bounds.largest}`],
    ["Runs that agents ask for", bounds.calls > 0 && number(bounds.calls)],
  ]),
  bounds.queues.map((one) => h("p.hint", { key: one.capability }, `Up to ${number(one.at_once)} tasks want ${one.capability} at once, and its agents do ${number(one.at_a_time)} at a time: ${number(one.turns)} turns.`)));
