// What can be done from anywhere, by the palette (Ctrl-K).
//
//   self.onmount(() => command({ id: "pause", title: "Pause this run", icon: "pause", keys: "p", run: pause, when: () => may("control") }))

const known = new Map();

export function command(one) {
  known.set(one.id, one);
  return () => known.get(one.id) === one && known.delete(one.id);
}

export const commandsNow = () => [...known.values()].filter((one) => one.when?.() ?? true);

// Searches of the palette: each is asked for what fits the text, and gives { id, title, note, icon, run }.
export const searches = [];
