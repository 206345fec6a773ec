// Starts the console: who is signed in, then the page that the address names.

import { reached } from "./core/api.js";
import { h, mount } from "./core/dom.js";
import { startKeys } from "./core/keys.js";
import { go, startRouter } from "./core/router.js";
import { look, session, signIn } from "./core/session.js";
import { failure } from "./parts/basic.js";
import { Shell, startShell } from "./parts/shell.js";
import { SignIn } from "./parts/sign-in.js";
import { startPlaces } from "./places.js";
import { startWatching } from "./parts/watching.js";

const root = document.getElementById("app");

function draw(problem) {
  if (session.get()) mount(h(Shell, { key: "shell" }), root);
  else mount(h(SignIn, { key: "sign-in", problem }), root);
}

// A link has what it signs in with behind the `#`, so that it is in no log; it is taken out of the address at once.
async function bySignInLink() {
  const match = /^#sign-in=(.+)$/.exec(location.hash);
  if (!match) return null;
  history.replaceState(null, "", location.pathname + location.search);
  try {
    await signIn({ link: match[1] });
    return null;
  } catch (error) {
    return error;
  }
}

async function start() {
  startPlaces();
  startShell();
  startKeys();
  startRouter();
  try {
    let problem = await bySignInLink();
    if (await look()) problem = null;
    draw(problem);
  } catch (error) {
    mount(h("main.sign-in", h("div.sign-in-box", h("h1", "Accord is not reached"), failure(error, () => location.reload()))), root);
    return;
  }
  let stop = session.get() && startWatching();
  session.watch((now) => {
    if (now && !stop) stop = startWatching();
    if (!now && stop) { stop(); stop = null; }
    draw();
  });
  reached.watch((now) => now === "out" && session.set(null));
  if (location.pathname === "/sign-in" && session.get()) go("/", { replace: true });
  session.watch((now) => now && location.pathname === "/sign-in" && go("/", { replace: true }));
}

start();
