// Markdown as a tree of elements: headings, paragraphs, lists, tables, code, emphasis. Whatever else is in a text stays
// text: there are no links to elsewhere and no HTML, for it is agents that have written it. A picture is shown where
// `picture(name)` has a URL of it; else its words are.

import { h } from "../../core/dom.js";

// Quotes in quotes are read so deep; and no pattern here takes longer than the text is long.
const DEEPEST = 8;

export function markdown(text, picture = () => null, depth = 0) {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const blocks = [];
  for (let at = 0; at < lines.length; ) {
    const [block, next] = taken(lines, at, picture, depth);
    if (block) blocks.push(block);
    at = next;
  }
  return blocks;
}

function taken(lines, at, picture, depth) {
  const line = lines[at];
  if (!line.trim()) return [null, at + 1];
  const fence = /^(```|~~~)/.exec(line);
  if (fence) {
    let end = at + 1;
    while (end < lines.length && !lines[end].startsWith(fence[1])) end++;
    return [h("pre", h("code", lines.slice(at + 1, end).join("\n"))), end + 1];
  }
  const shown = PICTURE.exec(line);
  if (shown) {
    const url = picture(shown[2]);
    return [url ? h("figure", h("img", { src: url, alt: shown[1] })) : h("p.hint", shown[1]), at + 1];
  }
  const heading = /^(#{1,6})\s+(.*)$/.exec(line);
  // The page has its own first and second headings.
  if (heading) return [h(`h${Math.min(6, heading[1].length + 2)}`, inline(heading[2])), at + 1];
  if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) return [h("hr"), at + 1];
  if (/^\s*\|.*\|\s*$/.test(line) && /^\s*\|[\s:|-]+\|\s*$/.test(lines[at + 1] ?? "")) return table(lines, at);
  if (item(line)) return list(lines, at);
  if (/^>\s?/.test(line)) {
    const end = while_(lines, at, (one) => /^>\s?/.test(one));
    const inner = lines.slice(at, end).map((one) => one.replace(/^>\s?/, "")).join("\n");
    return [h("blockquote", depth < DEEPEST ? markdown(inner, picture, depth + 1) : inner), end];
  }
  const end = Math.max(at + 1, while_(lines, at, (one) => one.trim() && !/^(#{1,6} |```|~~~|>)/.test(one) && !PICTURE.test(one) && !item(one) && !/^\s*\|.*\|\s*$/.test(one)));
  return [h("p", inline(lines.slice(at, end).join(" "))), end];
}

const PICTURE = /^\s*!\[([^[\]]*)\]\(([^()\s]+)\)\s*$/;

const item = (line) => /^(\s*)([-*+]|\d+[.)])\s+(.*)$/.exec(line);

function while_(lines, at, fits) {
  while (at < lines.length && fits(lines[at])) at++;
  return at;
}

function list(lines, at) {
  const [, indent, mark] = item(lines[at]);
  const items = [];
  while (at < lines.length) {
    const found = item(lines[at]);
    if (!found || found[1].length < indent.length) break;
    if (found[1].length > indent.length) {
      const [inner, next] = list(lines, at);
      items.at(-1).push(inner);
      at = next;
      continue;
    }
    const end = while_(lines, at + 1, (one) => one.trim() && !item(one) && /^\s/.test(one));
    items.push([inline([found[3], ...lines.slice(at + 1, end).map((one) => one.trim())].join(" "))]);
    at = end;
  }
  return [h(/\d/.test(mark) ? "ol" : "ul", items.map((one) => h("li", one))), at];
}

function table(lines, at) {
  const end = while_(lines, at, (one) => /^\s*\|.*\|\s*$/.test(one));
  const cells = (line) => line.trim().slice(1, -1).split(/(?<!\\)\|/).map((one) => one.trim().replaceAll("\\|", "|"));
  const [head, , ...rows] = lines.slice(at, end).map(cells);
  return [h("div.table-box", { tabindex: "0", role: "region", "aria-label": "A table" }, h("table", h("thead", h("tr", head.map((one) => h("th", { scope: "col" }, inline(one))))), h("tbody", rows.map((row) => h("tr", row.map((one) => h("td", inline(one)))))))), end];
}

const INLINE = /(`+)(.+?)\1|\*\*(.+?)\*\*|__(.+?)__|\*([^*\s][^*]*?)\*|(?<!\w)_([^_\s][^_]*?)_(?!\w)|!?\[([^[\]]+)\]\(([^()\s]+)\)/g;

function inline(text) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > at) parts.push(unescaped(text.slice(at, match.index)));
    const [whole, , code, bold, bold_, slanted, slanted_, words, where] = match;
    if (code !== undefined) parts.push(h("code", code));
    else if (bold ?? bold_) parts.push(h("strong", inline(bold ?? bold_)));
    else if (slanted ?? slanted_) parts.push(h("em", inline(slanted ?? slanted_)));
    else parts.push(h("span", { title: where }, words));
    at = match.index + whole.length;
  }
  if (at < text.length) parts.push(unescaped(text.slice(at)));
  return parts;
}

const unescaped = (text) => text.replace(/\\([!-/:-@[-`{-~])/g, "$1");
