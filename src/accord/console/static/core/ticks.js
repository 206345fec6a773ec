// Steps of an axis of time that people read at a glance: 1, 2 or 5 × 10ⁿ seconds, then round minutes, hours and days.

const MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const ROUND = [1, 2, 5, 10, 20, 30].flatMap((one) => [one, one * MINUTE]).concat([1, 2, 3, 6, 12].map((one) => one * HOUR)).sort((one, other) => one - other);

// The smallest round step, in seconds, that is not below this one.
export function step(least) {
  if (least > 12 * HOUR) return DAY * decimal(least / DAY);
  return least <= 1 ? decimal(least) : ROUND.find((one) => one >= least);
}

function decimal(least) {
  const unit = 10 ** Math.floor(Math.log10(least));
  const found = [1, 2, 5, 10].find((one) => one * unit >= least * (1 - 1e-9)) * unit;
  return Number(found.toPrecision(3));
}

// "0", "250 ms", "1.5 s", "40 s", "1 min 30 s", "2 h": as exact as the step is.
export function told(at, by) {
  if (at === 0) return "0";
  if (at < 1) return `${Number((at * 1000).toPrecision(6))} ms`;
  if (at < MINUTE) return `${at.toFixed(by < 1 ? Math.ceil(-Math.log10(by) - 1e-9) : 0)} s`;
  const parts = [[DAY, "d"], [HOUR, "h"], [MINUTE, "min"], [1, "s"]];
  let rest = Math.round(at * 1000) / 1000;
  return parts.map(([size, name]) => {
    const whole = size === 1 ? Number(rest.toFixed(3)) : Math.floor(rest / size);
    rest -= whole * size;
    return whole ? `${whole} ${name}` : "";
  }).filter(Boolean).join(" ");
}
