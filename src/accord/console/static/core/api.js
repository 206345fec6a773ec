// The HTTP API, asked with the session's cookie. What is no success is thrown as a Failure, with all its problems.

import { store } from "./store.js";

// Whether the server answers: "yes", "no", and "out" where nobody is signed in.
export const reached = store("yes");

export class Failure extends Error {
  constructor(status, document) {
    super(document.detail ?? document.title ?? `status ${status}`);
    this.status = status;
    this.code = document.code ?? "";
    this.wanting = document.wanting ?? null;
    this.several = document.several ?? [];
    this.problems = document.problems ?? [{ code: "", message: this.message }];
  }
}

export const get = (path, query, options) => ask("GET", path, { query, ...options });
export const post = (path, body, options) => ask("POST", path, { body, ...options });
export const remove = (path, query, options) => ask("DELETE", path, { query, ...options });

// /v1/runs with {state: ["failed"], text: ""} is /v1/runs?state=failed: lists are repeated, what is empty is left out.
export function address(path, query = {}) {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") found.append(name, one);
    }
  }
  const text = found.toString();
  return text ? `${path}?${text}` : path;
}

// One part of a path, whatever is in it: at`/v1/runs/${run}/tasks/${task}`
export const at = (strings, ...values) =>
  strings.reduce((path, text, index) => path + encodeURIComponent(values[index - 1]) + text);

async function ask(method, path, { query, body, type, signal, once, quiet, as = "json" } = {}) {
  const headers = { "X-Accord-Console": "1" };
  if (method !== "GET" && once !== false) headers["Idempotency-Key"] = once ?? crypto.randomUUID?.() ?? random();
  if (body !== undefined) headers["Content-Type"] = type ?? "application/json";
  const response = await sent(address(path, query), {
    method, headers, signal, credentials: "same-origin", body: type || body === undefined ? body : JSON.stringify(body),
  });
  if (response.ok) return response.status === 204 ? null : response[as]();
  const document = await response.json().catch(() => ({}));
  if (response.status === 401 && !quiet) reached.set("out");
  throw new Failure(response.status, document);
}

// Away from TLS and this machine, browsers have no randomUUID.
function random() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function sent(url, options) {
  try {
    const response = await fetch(url, options);
    if (reached.get() === "no") reached.set("yes");
    return response;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    reached.set("no");
    throw new Failure(0, { title: "The server does not answer", code: "", problems: [
      { code: "", message: "the server does not answer", hint: "it is asked again by itself; is it running?" },
    ] });
  }
}

// Every page of a list, one after the other: for await (const page of pages("/v1/incidents", {state: "open"})) …
export async function* pages(path, query = {}, options) {
  for (let after = query.after; ; ) {
    const page = await get(path, { ...query, after }, options);
    yield page;
    if (!page.next) return;
    after = page.next;
  }
}
