// A value that several parts of the page look at: read it with get(), change it with set(), and use() it in a component
// to be drawn again whenever it changes.

export function store(value) {
  const watchers = new Set();
  return {
    get: () => value,
    set(next) {
      if (next === value) return;
      value = next;
      for (const one of [...watchers]) one(value);
    },
    watch(fn) {
      watchers.add(fn);
      return () => watchers.delete(fn);
    },
    use(self) {
      self.onmount(() => this.watch(() => self.update()));
      return () => value;
    },
  };
}
