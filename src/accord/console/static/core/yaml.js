// A JSON value as YAML, to be read: what is written here, a server reads as the same value.

const PLAIN = /^([A-Za-z_/$][\w ,.;()^$@/+=*?!{}[\]-]*|\d+\.\d+\.\d+)$/;
const WORDS = new Set(["true", "false", "null", "yes", "no", "on", "off", "y", "n"]);

export function yaml(value, indent = 0) {
  const pad = "  ".repeat(indent);
  if (typeof value !== "object" || value === null) return scalar(value, indent);
  if (Array.isArray(value)) {
    if (!value.length) return "[]";
    return value.map((one) => `\n${pad}- ${yaml(one, indent + 1).replace(/^\n\s*/, "")}`).join("");
  }
  const names = Object.keys(value);
  if (!names.length) return "{}";
  return names.map((name) => {
    const inner = yaml(value[name], indent + 1);
    return `\n${pad}${text(name)}:${inner.startsWith("\n") ? inner : ` ${inner}`}`;
  }).join("");
}

// The members of a template, in the order in which they are read.
export const FIRST = ["accord", "name", "version", "description", "examples", "input", "labels", "tasks", "output"];

export const document = (value, first = []) => {
  const names = [...first.filter((name) => name in value), ...Object.keys(value).filter((name) => !first.includes(name))];
  return yaml(Object.fromEntries(names.map((name) => [name, value[name]]))).replace(/^\n/, "");
};

function scalar(value, indent) {
  if (typeof value !== "string") return JSON.stringify(value);
  if (!value.includes("\n") || /^\s|[^\S\n]\n/.test(value)) return text(value);
  const pad = "  ".repeat(indent);
  const [body, keeps] = value.endsWith("\n") ? [value.replace(/\n$/, ""), "|"] : [value, "|-"];
  return body.endsWith("\n") ? text(value) : `${keeps}${body.split("\n").map((line) => `\n${line && pad}${line}`).join("")}`.replace(/^(\|-?)/, "$1");
}

const text = (value) => (PLAIN.test(value) && !value.endsWith(" ") && !WORDS.has(value.toLowerCase()) ? value : JSON.stringify(value));

// Two texts by lines: [{ kind: "same" | "added" | "removed", text, before, after }], by the longest common part.
export function lineDiff(before, after) {
  const [one, other] = [before.split("\n"), after.split("\n")];
  const wide = other.length + 1;
  const lengths = new Uint16Array((one.length + 1) * wide);
  for (let a = one.length - 1; a >= 0; a--) {
    for (let b = other.length - 1; b >= 0; b--) {
      lengths[a * wide + b] = one[a] === other[b] ? lengths[(a + 1) * wide + b + 1] + 1 : Math.max(lengths[(a + 1) * wide + b], lengths[a * wide + b + 1]);
    }
  }
  const found = [];
  let a = 0, b = 0;
  while (a < one.length || b < other.length) {
    if (a < one.length && b < other.length && one[a] === other[b]) found.push({ kind: "same", text: one[a++], before: a, after: ++b });
    else if (a < one.length && (b === other.length || lengths[(a + 1) * wide + b] >= lengths[a * wide + b + 1])) found.push({ kind: "removed", text: one[a++], before: a });
    else found.push({ kind: "added", text: other[b++], after: b });
  }
  return found;
}
