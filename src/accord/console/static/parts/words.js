// Words in a drawing: SVG does not end them where there is no more room, so they are measured.

const NAMES = ["name", "far"];
const FONTS = { name: "620 13px", what: "400 11.5px", strong: "600 11.5px", far: "620 22px" };
const MOST_KEPT = 4000;

let pen = null, family = "";
const kept = new Map();

// As much of a text as there is room for, in units of the drawing; what is left out is told by three dots. Names keep
// both their ends: often it is the last letters that tell one from its neighbours.
export function cut(text = "", room, font) {
  const name = `${font} ${Math.round(room)} ${text}`;
  let found = kept.get(name);
  if (found === undefined) {
    if (kept.size >= MOST_KEPT) kept.clear();
    kept.set(name, (found = measured(text, room, font)));
  }
  return found;
}

// The same on two lines, which part behind a `_`, `-` or `.` where they can.
export function inLines(text, room, font) {
  if (cut(text, room, font) === text) return [text];
  const fits = (length) => cut(text.slice(0, length), room, font) === text.slice(0, length);
  let most = 1;
  while (most < text.length && fits(most + 1)) most++;
  const parts = [...text.slice(0, most).matchAll(/[_.-]/g)];
  const length = parts.length ? parts.at(-1).index + 1 : most;
  return [text.slice(0, length), cut(text.slice(length), room, font)];
}

function measured(text, room, font) {
  pen ??= document.createElement("canvas").getContext("2d");
  family ||= getComputedStyle(document.body).fontFamily;
  pen.font = `${FONTS[font]} ${family}`;
  const shortened = (length) => (NAMES.includes(font) ? `${text.slice(0, Math.ceil(length / 3))}…${text.slice(text.length - Math.floor((2 * length) / 3))}` : `${text.slice(0, length).trimEnd()}…`);
  const wide = (length) => pen.measureText(length < text.length ? shortened(length) : text).width;
  if (wide(text.length) <= room) return text;
  let fits = 0, over = Math.min(text.length, 200);
  while (over - fits > 1) {
    const middle = (fits + over) >> 1;
    if (wide(middle) <= room) fits = middle;
    else over = middle;
  }
  return shortened(fits);
}
