// Who is signed in, and what they may do.

import { get, post, reached, remove } from "./api.js";
import { store } from "./store.js";

// What /v1/session says: { principal, rights, expires_at }; null where nobody is signed in.
export const session = store(null);

// Whether they may do it: look, run, control, approve, publish, enrol, administer, erase. What they may not is not
// offered; the server refuses it as well.
export const may = (right) => session.get()?.rights.includes(right) ?? false;

export async function look() {
  try {
    session.set(await get("/v1/session", {}, { quiet: true }));
    reached.set("yes");
  } catch (failure) {
    if (failure.status !== 401) throw failure;
    session.set(null);
  }
  return session.get();
}

// With { credential } or { link }.
export async function signIn(shown) {
  session.set(await post("/v1/session", shown, { quiet: true, once: false }));
  reached.set("yes");
}

export async function signOut() {
  await remove("/v1/session").catch(() => {});
  session.set(null);
  reached.set("out");
}
