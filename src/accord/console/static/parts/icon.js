// Icons, drawn here: 24 by 24, lines of the colour of the text.

import { h } from "../core/dom.js";

const PATHS = {
  overview: "M4 5h7v6H4z M13 5h7v4h-7z M13 11h7v8h-7z M4 13h7v6H4z",
  runs: "M5 6h14 M5 12h14 M5 18h9 M18 16l3 2-3 2z",
  new: "M12 5v14 M5 12h14",
  approvals: "M7 12.5l3.2 3.2L17 9 M4 4h16v16H4z",
  agents: "M12 3.5a3 3 0 1 1 0 6 3 3 0 0 1 0-6z M5 14.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5z M19 14.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5z M12 9.5v3 M12 12.5l-5 2.6 M12 12.5l5 2.6",
  templates: "M5 4h9l5 5v11H5z M14 4v5h5 M8.5 13h7 M8.5 16.5h5",
  incidents: "M12 4l9 16H3z M12 10v4.5 M12 17.2v.3",
  journal: "M6 4h12v16H6z M9 4v16 M12 9h3.5 M12 12.5h3.5",
  proposals: "M9 18h6 M10 21h4 M12 3a6 6 0 0 1 3.6 10.8c-.6.5-.9 1.2-.9 2.2H9.300c0-1-.3-1.700-.9-2.200A6 6 0 0 1 12 3z",
  system: "M4 5h16v5H4z M4 14h16v5H4z M7.500 7.500h.1 M7.500 16.500h.1",
  search: "M10.500 4a6.500 6.500 0 1 1 0 13 6.500 6.500 0 0 1 0-13z M15.500 15.500L20 20",
  close: "M6 6l12 12 M18 6L6 18",
  menu: "M4 7h16 M4 12h16 M4 17h16",
  more: "M6 12h.1 M12 12h.1 M18 12h.1",
  chevron: "M9 6l6 6-6 6",
  down: "M6 9l6 6 6-6",
  back: "M15 6l-6 6 6 6",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8z M12 3v2 M12 19v2 M3 12h2 M19 12h2 M5.600 5.600L7 7 M17 17l1.400 1.400 M18.400 5.600L17 7 M7 17l-1.400 1.400",
  moon: "M19.500 14.500A8 8 0 0 1 9.500 4.500a8 8 0 1 0 10 10z",
  screen: "M4 5h16v11H4z M9 20h6 M12 16v4",
  keyboard: "M3 6h18v12H3z M6.500 10h.1 M10 10h.1 M13.500 10h.1 M17 10h.1 M7.500 14h9",
  user: "M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8z M4.500 20c1-4 4-5.500 7.500-5.500s6.500 1.500 7.500 5.500",
  out: "M10 4H5v16h5 M14 8l4 4-4 4 M18 12H9",
  copy: "M9 9h11v11H9z M5 15H4V4h11v1",
  link: "M10 14a4 4 0 0 0 5.700 0l3-3a4 4 0 0 0-5.700-5.700l-1 1 M14 10a4 4 0 0 0-5.700 0l-3 3a4 4 0 0 0 5.700 5.700l1-1",
  download: "M12 4v11 M7 11l5 5 5-5 M5 20h14",
  check: "M5 12.500l4.500 4.500L19 7.500",
  pause: "M8.500 5v14 M15.500 5v14",
  play: "M7 5l12 7-12 7z",
  stop: "M6 6h12v12H6z",
  retry: "M19.500 12a7.500 7.500 0 1 1-2.300-5.400 M20 3v5h-5",
  undo: "M8 5L4 9l4 4 M4 9h10a5.500 5.500 0 0 1 0 11h-3",
  fork: "M7 4v5a3 3 0 0 0 3 3h4a3 3 0 0 1 3 3v5 M7 9v11",
  signal: "M12 13v7 M8 16a5.500 5.500 0 1 1 8 0 M5.500 18.500a9 9 0 1 1 13 0",
  filter: "M4 5h16l-6 7.500V19l-4-2v-4.500z",
  clock: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16z M12 8v4.500l3 2",
  hand: "M7 12V6.500a1.500 1.500 0 0 1 3 0V11 M10 11V4.500a1.500 1.500 0 0 1 3 0V11 M13 11V5.500a1.500 1.500 0 0 1 3 0V12 M16 12V8.500a1.500 1.500 0 0 1 3 0V15a6 6 0 0 1-6 6h-1c-2.500 0-4-1-5.200-3L4 13.500c-.800-1.400 1-2.600 2-1.500l1 1.500",
  shield: "M12 3l8 3v6c0 4.500-3.300 7.700-8 9-4.700-1.300-8-4.500-8-9V6z",
  key: "M8 11a4 4 0 1 1 0 8 4 4 0 0 1 0-8z M11 12l8-8 M16 7l3 3",
  graph: "M4 9.500h5v5H4z M15 4h5v5h-5z M15 15h5v5h-5z M9 12c4 0 2-5.500 6-5.500 M9 12c4 0 2 5.500 6 5.500",
  info: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16z M12 11v5 M12 8v.2",
  warning: "M12 4l9 16H3z M12 10v4.500 M12 17.200v.300",
  external: "M14 4h6v6 M20 4l-9 9 M18 14v6H4V6h6",
  arrow: "M5 12h13 M13 7l5 5-5 5",
  swap: "M4 8h14 M14 4l4 4-4 4 M20 16H6 M10 12l-4 4 4 4",
  compare: "M12 3v18 M4 7h5v10H4z M15 7h5v10h-5z",
  plus: "M12 5v14 M5 12h14",
  minus: "M5 12h14",
  fit: "M4 9V4h5 M15 4h5v5 M20 15v5h-5 M9 20H4v-5",
};

// An icon beside words says nothing by itself; with a label it stands for them.
export function icon(name, { size = 18, label } = {}) {
  const told = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  return h("svg.icon", { viewBox: "0 0 24 24", width: size, height: size, ...told }, h("path", { d: PATHS[name] ?? PATHS.info }));
}
