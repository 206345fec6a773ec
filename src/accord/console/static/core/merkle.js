// Whether one log begins with another one (RFC 9162, section 2.1.4.2), computed here: a server cannot say it for itself.

const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (two) => parseInt(two, 16));
const hexOf = (bytes) => [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("");

// Browsers hash only on pages that came with TLS, or from this machine.
export const canProve = () => Boolean(globalThis.crypto?.subtle);

async function node(left, right) {
  return hexOf(new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array([1, ...bytesOf(left), ...bytesOf(right)]))));
}

// first, second: { size, root }, with roots and proof in hex. The first one is not empty.
export async function begins(first, second, proof) {
  if (first.size < 1 || first.size > second.size) return false;
  if (first.size === second.size) return !proof.length && first.root === second.root;
  const path = Number.isInteger(Math.log2(first.size)) ? [first.root, ...proof] : [...proof];
  if (!path.length) return false;
  let at = first.size - 1, last = second.size - 1;
  const up = () => { at = Math.floor(at / 2); last = Math.floor(last / 2); };
  while (at % 2) up();
  let [old] = path, now = path[0];
  for (const sibling of path.slice(1)) {
    if (!last) return false;
    if (at % 2 || at === last) {
      [old, now] = [await node(sibling, old), await node(sibling, now)];
      while (!(at % 2) && at) up();
    } else now = await node(now, sibling);
    up();
  }
  return !last && old === first.root && now === second.root;
}
