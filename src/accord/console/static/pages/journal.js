// The journal verified: whether it only ever grew, its checkpoints, and the proof of single runs.

import { at, get, pages } from "../core/api.js";
import { h } from "../core/dom.js";
import { agentName, count, moment, number } from "../core/format.js";
import { begins, canProve } from "../core/merkle.js";
import { setQuery } from "../core/router.js";
import { Ago, button, card, empty, facts, failure, link, loading, problems, say, sheet } from "../parts/basic.js";
import { icon } from "../parts/icon.js";
import { Table } from "../parts/table.js";

const KEPT = "accord.checkpoint";

export default function Journal(props, self) {
  let all = null, failed = null, witness = null, proof = null, proving = null, proofFailed = null;

  async function look() {
    try {
      const found = [];
      for await (const page of pages("/v1/checkpoints", { limit: 1000 })) { found.push(...page.checkpoints); all = [...found].reverse(); self.update(); }
      failed = null;
      if (found.length) await compare(found.at(-1));
    } catch (error) { failed = error; }
    self.update();
  }

  // What this browser has seen before has to be the beginning of what the server shows now.
  async function compare(newest) {
    if (!canProve()) { witness = { state: "cannot" }; return; }
    const known = JSON.parse(localStorage.getItem(KEPT) ?? "null");
    const seen = { size: newest.checkpoint.size, root: newest.checkpoint.root, at: newest.at };
    if (!known) {
      localStorage.setItem(KEPT, JSON.stringify({ ...seen, first: new Date().toISOString() }));
      witness = { state: "first", now: seen };
      return;
    }
    const growth = await get("/v1/checkpoints/growth", { size: known.size }).catch((error) => ({ error }));
    if (growth.error && growth.error.status !== 404) throw growth.error;
    const holds = !growth.error && await begins(known, growth.checkpoint, growth.proof);
    witness = { state: holds ? "grew" : "broken", known, now: holds ? growth.checkpoint : seen };
    // What does not hold is not forgotten: it is told until somebody says so.
    if (holds) localStorage.setItem(KEPT, JSON.stringify({ ...seen, size: growth.checkpoint.size, root: growth.checkpoint.root, first: known.first }));
  }
  const forget = () => { localStorage.removeItem(KEPT); look(); };

  async function prove(run) {
    if (!run) return;
    [proving, proof, proofFailed] = [run, null, null];
    self.update();
    try {
      const found = await get(at`/v1/runs/${run}/proof`);
      if (proving === run) { proof = found; say(found.holds ? "The proof holds" : "The proof does not hold"); }
    } catch (error) { if (proving === run) proofFailed = error; }
    self.update();
  }

  self.onmount(() => { look(); });
  let asked = null;
  return ({ query }) => {
    const run = query.get("run") ?? "";
    if (run !== asked) { asked = run; if (run) prove(run); else [proving, proof, proofFailed] = [null, null, null]; }
    return h("div",
      sheet("Journal verification", { under: "Whether the journal is what it was, and whether a run is what it says." }),
      failed && failure(failed, look),
      h("div.two.even",
        card("Did the journal only grow?", {}, h("div.card-body", all === null ? !failed && loading(3) : told(witness, all, forget))),
        card("Prove a run", {}, h("div.card-body.pile", h(Prove, { key: "prove", run, prove: (one) => (one === run ? prove(one) : setQuery({ run: one }, { replace: false })) }),
          proofFailed && failure(proofFailed, () => prove(run)),
          proving && !proof && !proofFailed && h("div", { role: "status" }, h("p.hint", "Its bundle is made, and everything in it examined …"), loading(3)),
          proof && proven(proof)))),
      h("h2.section", "Checkpoints"),
      all === null ? !failed && loading(4) : all.length === 0 ? empty("There is no checkpoint yet", { text: "One is made as soon as a run has ended, or something else was written, and a little time has passed.", icon: "journal" }) :
        h(Table, { label: "Checkpoints", rows: all, keyOf: (one) => one.number, columns: COLUMNS }));
  };
}

// What is being typed stays when the page is drawn again, as it is when checkpoints come.
function Prove() {
  let draft = null;
  return ({ run, prove }) => h("form.inline", { onsubmit: (event) => { event.preventDefault(); prove((draft ?? run).trim()); draft = null; } },
    h("input", { type: "text", "aria-label": "The id of a run", placeholder: "run_…", value: draft ?? run, oninput: (event) => (draft = event.target.value), autocomplete: "off", spellcheck: "false" }),
    button("Prove it", null, { type: "submit", kind: "primary", icon: "shield" }));
}

function told(witness, all, forget) {
  if (!all.length) return h("p.hint", "There is nothing to compare yet.");
  if (!witness) return loading(2);
  const [newest] = all;
  const size = facts([["log", `${number(newest.checkpoint.size)} entries`], ["newest checkpoint", h(Ago, { time: newest.at })], ["root", h("code.root", newest.checkpoint.root)]]);
  const verdict = (tone, name, title, ...text) => h("div.judgement", { class: `tone-${tone}`, role: tone === "failed" ? "alert" : null }, icon(name, { size: 26 }), h("div.pile", h("strong", title), h("p", text)));
  const { state, known } = witness;
  return h("div.pile",
    state === "cannot" ? verdict("waiting", "info", "This browser cannot compute it here", "Browsers hash only on pages that came with TLS, or from this machine. On the command line: ", h("code", "accord journal witness"), ".") :
      state === "first" ? verdict("queued", "info", "From now on this browser is a witness", "It has kept the newest checkpoint. When you come back, it proves that the journal has only grown since.") :
        state === "grew" ? verdict("done", "check", "Yes, since this browser looked first", `It has checked itself that the log of ${number(known.size)} entries that it knew is the beginning of the one of today. It looked first ${moment(known.first)}.`) :
          verdict("failed", "warning", "No: the journal was rewritten, or cut off", `This browser has seen a log of ${number(known.size)} entries that is not the beginning of the one of today. Keep this, and ask whoever runs the server. Root that was seen: ${known.root}`),
    size,
    state === "broken" && button("It is another journal: begin anew", forget, { small: true }));
}

const proven = (one) => h("div.pile",
  h("div.judgement", { class: one.holds ? "tone-done" : "tone-failed", role: one.holds ? "status" : "alert" }, icon(one.holds ? "check" : "warning", { size: 26 }),
    h("div.pile", h("strong", one.holds ? "Everything holds" : "Not everything holds"),
      one.holds ? h("p", `${count(one.statements, "statement")} of ${count(one.signers.length, "agent")} and ${count(one.payloads, "document")} are what was signed, and the ${count(one.events, "event")} follow from them.`) : problems(one))),
  facts([
    ["run", link(`/runs/${one.run}`, one.run)], ["other runs of it", one.runs.length > 1 && one.runs.length - 1], ["signers", one.signers.map((agent) => agentName(agent)).join(", ")],
    ["signed by", agentName(one.signed_by)], ["key", one.key && h("code", one.key)], ["left out", one.unproven > 0 && `${count(one.unproven, "document")}, which nobody can look into here`], ["head", h("code.root", one.head)],
  ]),
  h("p", h("a.button", { href: `/v1/runs/${encodeURIComponent(one.run)}/export`, download: `${one.run}.tar` }, icon("download", { size: 16 }), h("span", "Download the bundle"))),
  h("p.hint", "Whoever has the bundle can examine it without this server: ", h("code", `accord journal verify ${one.run}.tar`)));

const COLUMNS = [
  { name: "number", title: "Checkpoint", width: "6rem", draw: (one) => h("strong.num", `#${number(one.number)}`) },
  { name: "size", title: "Entries", width: "6rem", end: true, draw: (one) => h("span.num", number(one.checkpoint.size)) },
  { name: "added", title: "Added", width: "6rem", end: true, draw: (one) => h("span.num", `+${number(one.added)}`) },
  { name: "root", title: "Root", width: "minmax(10rem, 3fr)", draw: (one) => h("code", { title: one.checkpoint.root }, one.checkpoint.root) },
  { name: "at", title: "Made", width: "7rem", end: true, draw: (one) => h(Ago, { time: one.at }) },
];
