// Words in a drawing: SVG does not end them where there is no more room, so they are measured.

const FONTS = { name: "620 13px", what: "400 11.5px", far: "620 22px" };
const MOST_KEPT = 4000;

let pen = null, family = "";
const kept = new Map();

// As much of a text as there is room for, in units of the drawing; what is left out is told by three dots.
export function cut(text = "", room, font) {
  const name = `${font} ${Math.round(room)} ${text}`;
  let found = kept.get(name);
  if (found === undefined) {
    if (kept.size >= MOST_KEPT) kept.clear();
    kept.set(name, (found = measured(text, room, font)));
  }
  return found;
}

function measured(text, room, font) {
  pen ??= document.createElement("canvas").getContext("2d");
  family ||= getComputedStyle(document.body).fontFamily;
  pen.font = `${FONTS[font]} ${family}`;
  const wide = (length) => pen.measureText(length < text.length ? `${text.slice(0, length).trimEnd()}…` : text).width;
  if (wide(text.length) <= room) return text;
  let fits = 0, over = Math.min(text.length, 200);
  while (over - fits > 1) {
    const middle = (fits + over) >> 1;
    if (wide(middle) <= room) fits = middle;
    else over = middle;
  }
  return `${text.slice(0, fits).trimEnd()}…`;
}
