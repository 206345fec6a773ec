// What can be done with a run and its tasks. Each says what will happen, and shows what the server refuses.

import { at, get, post } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { go } from "../../core/router.js";
import { CONTROLS } from "../../core/runs.js";
import { may } from "../../core/session.js";
import { button, coded, problems } from "../../parts/basic.js";
import { closeDialog, confirmed, dialog, noted } from "../../parts/dialog.js";
import { Form, FormState } from "../../parts/form.js";
import { toast, toastFailure } from "../../parts/toast.js";
import { KNOWING } from "../runs.js";
import { Basis } from "./basis.js";

async function done(what, asked) {
  try {
    await asked();
    toast(what);
    return true;
  } catch (error) {
    toastFailure(error);
    return false;
  }
}

// What lists of runs can have done with one: pause, resume, cancel, retry, acknowledge.
export const can = (model, name) => may("control") && model.live && CONTROLS[name].fits(model.summary);

export async function control(model, name) {
  const { title, done: told, act, asks, notes } = CONTROLS[name];
  if (!can(model, name)) return;
  if (asks && !(await confirmed({ title: `${title} this run?`, text: "What is under way is stopped; what its template says is to be undone is undone.", yes: `${title} the run`, kind: "danger" }))) return;
  const note = notes ? await noted({ title: `${title} that this run has failed?`, text: KNOWING, asks: "What do you know so far?", yes: title }) : undefined;
  if (note === null) return;
  if (await done(told, () => act(model.summary, note)) && model.ended) model.load();
}

export const retryTask = (model, task) => done(`Trying ${task} again`, async () => { await post(`${model.path}/retry`, { task }); model.load(); });

export async function rollBack(model, task) {
  const behind = model.graph.edges.some((one) => one.source === task.replace(/\[\d+\]$/, ""));
  const sure = await confirmed({ title: `Roll back to ${task}?`, text: `${task}${behind ? " and everything behind it are" : " is"} undone, by compensations where there are some, and then done again.`, yes: "Roll back", kind: "danger" });
  if (sure && await done(`Rolling back to ${task}`, () => post(`${model.path}/rollback`, { task }))) model.load();
}

// A dialog with a form, which stays open while the server refuses what is in it.
function asking({ title, intro, form, yes, send, wide = false }) {
  let refused = null, busy = false;
  function Body(props, self) {
    props.bind(self);
    return () => h("div.stack", intro, h(Form, { form }), refused && h("div.failure", { role: "alert" }, problems(refused)));
  }
  let body;
  const submit = async () => {
    if (!form.check()) { refused = null; body.update(); return; }
    if (busy) return;
    busy = true;
    try {
      await send(form.value());
      closeDialog();
    } catch (error) {
      form.refuse(error.problems ?? []);
      refused = error;
      body.update();
    }
    busy = false;
  };
  dialog({ title, wide, body: () => h(Body, { bind: (self) => { body = self; } }), actions: () => [button("Back", closeDialog, { kind: "quiet" }), button(yes, submit, { kind: "primary" })] });
}

// What a task waits for is given in a form made from its schema.
export function answer(model, asked) {
  const form = new FormState(asked.schema);
  asking({
    title: asked.kind === "signal" ? `Send ${asked.signal}` : asked.kind === "review" ? `Review ${asked.task}` : `Answer ${asked.task}`,
    intro: [asked.question && h("p.question", coded(asked.question)), h(Basis, { run: asked.run, task: asked.task })], wide: true,
    form, yes: asked.kind === "signal" ? "Send" : "Answer",
    send: async (value) => { await post(`${model.path}/signals`, { task: asked.task, value: value ?? null }); toast(`Answered ${asked.task}`); model.load(); },
  });
}

// A signal by its name, also before anything waits for it.
export function signal(model) {
  const names = [...new Set([...model.tasks.values()].filter((one) => one.kind === "signal").map((one) => one.what))];
  const schema = { type: "object", required: ["name"], properties: { name: names.length ? { enum: names, title: "Signal" } : { type: "string", title: "Signal" }, value: { title: "Value", description: "What the task gets." } } };
  asking({
    title: "Send a signal", form: new FormState(schema, { name: names[0] }), yes: "Send",
    send: async ({ name, value }) => { await post(`${model.path}/signals`, { name, value: value ?? null }); toast(`Sent ${name}`); model.load(); },
  });
}

// The schema of a run's input; where its template is not to be had, it is filled in as JSON.
async function schemaOf({ template }) {
  const [name, version] = template.split("@");
  const found = await get(at`/v1/templates/${name}/${version}`).catch(() => null);
  return found?.document.input ?? { title: "Input" };
}

// A fork: a new run that shares what this one had done, with another input where that is wanted.
export async function forkFrom(model, task = null) {
  const before = model.doc.input ?? {};
  asking({
    title: task ? `Fork from ${task}` : "Fork this run", wide: true, yes: "Fork", form: new FormState(await schemaOf(model.doc), before),
    intro: [h("p", task ? `A new run shares all that this one has done before ${task}; from there on everything is done anew, and so is what reads a changed part of the input.` : "A new run shares all that this one has done. What reads a changed part of the input is done anew.", !model.live && ` Only what had happened up to event ${model.at} is shared.`),
      h("p.hint", "Change what is to be different in the new run.")],
    send: async (input) => {
      const changes = Object.fromEntries(Object.entries(input ?? {}).filter(([name, one]) => JSON.stringify(one) !== JSON.stringify(before[name])));
      const fork = await post(`${model.path}/fork`, { task, at: model.at, changes: Object.keys(changes).length ? changes : null });
      toast("Forked");
      go(`/runs/${fork.run}`);
    },
  });
}
