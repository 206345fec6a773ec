// What is asked of the server when a page is opened, and again every few seconds for as long as it is there.
//
//   const agents = asked(self, () => get("/v1/agents"), { every: 5000 });
//   agents.value, agents.failed, agents.look()

export function asked(self, load, { every = 0 } = {}) {
  let timer, gone = false, newest = 0;
  const one = { value: null, failed: null, busy: false, look };

  async function look() {
    clearTimeout(timer);
    const mine = ++newest;
    one.busy = true;
    try {
      const found = await load();
      if (mine !== newest || gone) return;
      [one.value, one.failed] = [found, null];
    } catch (error) {
      if (mine !== newest || gone) return;
      one.failed = error;
    }
    one.busy = false;
    self.update();
    if (every) timer = setTimeout(look, document.hidden ? every * 6 : every);
  }

  self.onmount(() => {
    look();
    return () => { gone = true; clearTimeout(timer); };
  });
  return one;
}
