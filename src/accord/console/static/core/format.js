// Times, durations, numbers and names, as people read them.

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const inYear = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const dated = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
const counted = new Intl.NumberFormat();

export const number = (value) => counted.format(value);

// "1 run", "12 runs"
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

// "850 ms", "12.4 s", "3 min 20 s", "2 h 5 min", "4 d 2 h": the same as commands print.
export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return "–";
  if (rounded(ms) < SECOND) return `${Math.max(0, rounded(ms))} ms`;
  if (rounded(ms / 100) < 600) return `${(rounded(ms / 100) / 10).toFixed(1)} s`;
  const whole = rounded(ms / SECOND) * SECOND;
  if (whole < HOUR) return two(whole, MINUTE, "min", SECOND, "s");
  return whole < DAY ? two(whole, HOUR, "h", MINUTE, "min") : two(whole, DAY, "d", HOUR, "h");
}

// Halves are rounded up.
const rounded = (value) => Math.floor(value + 0.5);

function two(ms, large, largeName, small, smallName) {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}

// From one time to another, in milliseconds and parts of them: `Date` forgets what is less than one.
export const elapsed = (from, until) => exact(until) - exact(from);

// How much of it a run went on: its `rests`, as the graph tells them, are left out; one that goes on has no end yet.
export const worked = (from, until, rests) => Math.max(0, elapsed(from, until) - rested(from, until, rests));

export const rested = (from, until, rests) => rests.reduce((sum, one) => sum + Math.max(0, Math.min(exact(one.until ?? until), exact(until)) - Math.max(exact(one.since), exact(from))), 0);

function exact(time) {
  if (typeof time !== "string") return Number(time);
  const rest = /\.\d{3}(\d+)/.exec(time);
  return Date.parse(time) + (rest ? Number(`0.${rest[1]}`) : 0);
}

// "just now", "3 min ago", "in 2 h"; a date where it is long ago.
export function ago(time, now = Date.now()) {
  const ms = now - new Date(time).getTime();
  if (Math.abs(ms) < 5 * SECOND) return "just now";
  if (Math.abs(ms) > 7 * DAY) return day(time, now);
  return ms > 0 ? `${roughly(ms)} ago` : `in ${roughly(-ms)}`;
}

// A duration in one unit: "10 min"
export function roughly(ms) {
  const [value, unit] = ms < MINUTE ? [SECOND, "s"] : ms < HOUR ? [MINUTE, "min"] : ms < DAY ? [HOUR, "h"] : [DAY, "d"];
  return `${Math.floor(ms / value)} ${unit}`;
}

const day = (time, now) => (now - new Date(time).getTime() > 300 * DAY ? dated : inYear).format(new Date(time));

// The whole time, for a tooltip.
export const moment = (time) => whole.format(new Date(time));

export const clock = (time) => inYear.format(new Date(time));

// The end of an id tells it from others at a glance: "…4f2a9c".
export const short = (id) => (id.length > 12 ? `…${id.slice(-8)}` : id);

// "spiffe://local/agent/scout" is "scout"; another organisation's is "partner/scout".
export function agentName(id, own = "local") {
  const match = /^spiffe:\/\/([^/]+)\/agent\/(.+)$/.exec(id);
  if (!match) return id;
  return match[1] === own ? match[2] : `${match[1]}/${match[2]}`;
}

// The same in a text.
export const named = (text) => text.replace(/spiffe:\/\/[^/\s]+\/agent\/[^\s:,;`'")]+/g, (id) => agentName(id));

// What somebody is asked, as a sentence of its own; what is waited for where it is no question.
export const questionOf = (one) => (one.kind === "signal" ? `Waits for the signal \`${one.signal}\`` : one.question || `Review of ${one.task}`);

export const words = (name) => name.replaceAll("_", " ");

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

// What an agent's own code has raised, without saying that it was raised.
export const plain = (text) => text.replace(/(^|: |ACC\d{3} )exception: /, "$1");
