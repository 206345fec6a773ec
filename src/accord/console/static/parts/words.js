// Words in a drawing: SVG does not end them where there is no more room, so they are measured.

const NAMES = ["name", "far"];
const FONTS = { name: "620 13px", what: "400 11.5px", strong: "600 11.5px", far: "620 22px" };
const MOST_KEPT = 4000;

let pen = null, family = "";
const kept = new Map();

// As much of a text as there is room for, in units of the drawing; what is left out is told by three dots. Names keep
// both their ends: often it is the last letters that tell one from its neighbours.
export const cut = (text = "", room, font) => remembered(`${font} ${Math.round(room)} ${text}`, () => shortened(text, room, font));

// The same on two lines, which part behind a `_`, `-` or `.` where they can.
export const inLines = (text, room, font) => remembered(`lines ${font} ${Math.round(room)} ${text}`, () => parted(text, room, font));

function remembered(name, make) {
  let found = kept.get(name);
  if (found === undefined) {
    if (kept.size >= MOST_KEPT) kept.clear();
    kept.set(name, (found = make()));
  }
  return found;
}

function width(text, font) {
  pen ??= document.createElement("canvas").getContext("2d");
  family ||= getComputedStyle(document.body).fontFamily;
  pen.font = `${FONTS[font]} ${family}`;
  return pen.measureText(text).width;
}

// The largest number up to `most` that fits; 0 where none does.
function largest(most, fits) {
  let some = 0, over = most + 1;
  while (over - some > 1) {
    const middle = (some + over) >> 1;
    if (fits(middle)) some = middle;
    else over = middle;
  }
  return some;
}

function shortened(text, room, font) {
  if (width(text, font) <= room) return text;
  const short = (length) => (NAMES.includes(font) ? `${text.slice(0, Math.ceil(length / 3))}…${text.slice(text.length - Math.floor((2 * length) / 3))}` : `${text.slice(0, length).trimEnd()}…`);
  return short(largest(Math.min(text.length, 200) - 1, (length) => width(short(length), font) <= room));
}

function parted(text, room, font) {
  if (width(text, font) <= room) return [text];
  const most = largest(Math.min(text.length, 200), (length) => width(text.slice(0, length), font) <= room);
  const parts = [...text.slice(0, most).matchAll(/[_.-]/g)];
  const length = parts.length ? parts.at(-1).index + 1 : Math.max(1, most);
  return [text.slice(0, length), shortened(text.slice(length), room, font)];
}
