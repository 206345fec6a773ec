// What every agent does, from docs/protocol.md: the handshake, heartbeats, credit, assignments and answers. Rules in
// brackets stand there.
import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import { io } from 'socket.io-client';
import { arrayBytes, delivered, fetched, referenceOf, referencesIn } from './large.js';
import { claimsOf, digest, json, kidOf, Signer, uuid7, verified } from './statements.js';

const NAME = /^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/;
const REMEMBERED = 4096;
const EMPTY = Buffer.alloc(0);

export class Agent {
  #home; #url; #capacity; #capabilities = new Map(); #signer; #token;
  #socket; #trusted = new Map(); #registry; #heartbeatMs = 5000; #beating;
  #received = 0; #held = new Map(); #waiting = []; #running = 0;
  #answered = new Map(); #withdrawn = new Map(); #unsent = new Map();
  #pinned = new Set(); #enrolled = false; #joined = false; #draining = false; #over = false; #idle = [];

  constructor(name, { organisation = 'local', concurrency = 8, queue = 64, home = '.' } = {}) {
    if (!NAME.test(name)) throw new Error(`${name} is no agent's name`);
    this.name = name;
    this.organisation = organisation;
    this.id = `spiffe://${organisation}/agent/${name}`;
    this.instance = `${this.id}#${randomBytes(8).toString('hex')}`;
    this.#registry = `spiffe://${organisation}/registry`;
    this.#capacity = { concurrency, queue };
    this.#home = home;
  }

  /**
   * Offers a capability. `run(input, context)` gives `{ value, confidence?, cost? }`, or `{ items, … }` where the output is
   * a list that may be long, as an iterable. The context has `idempotency_key`, `signal`, `progress(fraction, message)`,
   * `traceparent`, to be handed on to whomever is asked, and `open(value)`: the bytes of a list in the input, whether it came
   * with it or by reference.
   */
  offer(reference, { description = '', input, output, limits = {}, examples = [], run }) {
    const admits = ajv.compile(input);
    this.#capabilities.set(reference, { description, input, output, limits, examples, run, admits });
  }

  // -- the connection ------------------------------------------------------------------------------------------------

  /** Resolves when the first welcome has come; connects again whenever the connection is lost. Rejects what is final. */
  async connect(url, token) {
    this.#url = url.replace(/\/$/, '');
    this.#token = token;
    await this.#loadKey();
    this.#believe();
    await new Promise((resolve, reject) => {
      // Waits longer each time, and by chance [R-CN-5]
      this.#socket = io(`${this.#url}/agents`, { transports: ['websocket'], reconnectionDelay: 250, reconnectionDelayMax: 5000, randomizationFactor: 0.5 });
      this.#socket.on('challenge', (told) => this.#prove(told.nonce).then(resolve, (error) => this.#notLetIn(error, reject)));
      this.#socket.on('message', async (statement, payload, received) => {
        this.#received += 1;
        received({ ok: true });
        await this.#assigned(statement, Buffer.from(payload));
      });
      this.#socket.on('notice', async (scope, statement, payload, received) => {
        received({ ok: true });
        await this.#noticed(statement, Buffer.from(payload));
      });
      this.#socket.on('disconnect', (reason) => {
        this.#joined = false;
        // Socket.IO connects again by itself, but not to a server that has ended the connection
        if (reason === 'io server disconnect' && !this.#over) setTimeout(() => this.#socket.connect(), 250 + 750 * Math.random());
      });
      this.#socket.on('leaving', () => this.#socket.disconnect().connect()); // at once [R-CN-4]
    });
  }

  #notLetIn(error, reject) {
    if (error.final) {
      this.#over = true;
      this.#socket.disconnect();
      reject(error);
    } else {
      console.error(`not let in yet: ${error.message}`);
      this.#socket.io.engine.close(); // Socket.IO connects again
    }
  }

  /** Takes nothing new, gives back what has not begun, ends what has, and says that it leaves [R-DR-1, R-DR-2, R-DR-3]. */
  async stop() {
    this.#draining = true;
    await this.#beat();
    await Promise.all(this.#waiting.splice(0).map((one) => this.#giveBack(one)));
    await new Promise((resolve) => (this.#held.size ? this.#idle.push(resolve) : resolve()));
    clearInterval(this.#beating);
    await this.#beat(true);
    this.#over = true;
    this.#socket.disconnect();
  }

  async #giveBack(one) {
    this.#held.delete(one.attempt);
    const told = this.#socket.timeout(3000).emitWithAck('return', one.statement, one.payload);
    await told.catch(() => {}); // its lease runs out
  }

  async #prove(nonce) {
    const first = this.#token && !this.#enrolled;
    const payload = json({ instance: this.instance, ...(first ? { key: this.#signer.publicJwk, token: this.#token } : {}) });
    const statement = await this.#signer.statement({ aud: this.#registry, jti: nonce, knd: 'connect' }, payload);
    const answer = await this.#socket.timeout(10_000).emitWithAck('prove', statement, payload);
    if (!answer.ok) throw Object.assign(new Error(told(answer.problems)), { final: !answer.again });
    await this.#welcomed(answer, statement, nonce);
    this.#joined = true;
    this.#received = 0;
    await this.#announce();
    this.#allow();
    for (const [jti, message] of this.#unsent) this.#send(jti, message); // [R-CN-1]
    clearInterval(this.#beating);
    this.#beating = setInterval(() => this.#beat(), this.#heartbeatMs);
  }

  /** The welcome holds the key that has signed it: it is believed because its id was believed before [R-HS-3, R-HS-4]. */
  async #welcomed(answer, sent, nonce) {
    const payload = Buffer.from(answer.payload);
    const { orchestrators, heartbeat_s: heartbeatS } = JSON.parse(payload);
    const keys = new Map();
    for (const jwk of orchestrators) keys.set(await calculateJwkThumbprint(jwk), jwk);
    const kid = kidOf(answer.statement);
    if (!(this.#pinned.has(kid) || this.#trusted.has(kid)) || !keys.has(kid)) throw final(`the orchestrator's key ${kid} is not trusted`);
    const claims = await verified(answer.statement, payload, { trusted: keys, audience: this.id, kind: 'welcome' });
    if (claims.jti !== nonce || claims.ins?.length !== 1 || claims.ins[0] !== digest(claimsOf(sent))) throw final('the welcome is not about this connection');
    this.#trusted = new Map([...this.#trusted, ...keys]);
    this.#enrolled = true;
    this.#heartbeatMs = heartbeatS * 1000;
    this.#remember([...keys.keys()]);
  }

  // -- what comes ----------------------------------------------------------------------------------------------------

  async #assigned(statement, payload) {
    let claims;
    try {
      claims = await verified(statement, payload, { trusted: this.#trusted, audience: this.id, kind: 'assign' });
    } catch (error) {
      console.error(`dropped a message: ${error.message}`);
      return this.#allow();
    }
    const attempt = `${claims.run}/${claims.tsk}/${claims.att}/${claims.lea}`;
    if (this.#held.has(attempt)) return this.#allow(); // it runs: nothing is sent [R-AS-10]
    if (this.#answered.has(attempt)) {
      this.#allow();
      return this.#send(...this.#answered.get(attempt)); // the same bytes [R-AS-9]
    }
    const rests = { ...pick(claims, ['run', 'tsk', 'att', 'lea', 'cap', 'ctr', 'trp']), aud: claims.iss, ins: [digest(claimsOf(statement))] };
    const one = { attempt, statement, payload, claims, rests, abort: new AbortController() };
    this.#held.set(attempt, one);
    this.#waiting.push(one);
    this.#begin();
  }

  /** Begins what waits, as far as there is room. */
  #begin() {
    while (this.#waiting.length && this.#running < this.#capacity.concurrency) {
      this.#running += 1;
      this.#work(this.#waiting.shift()).finally(() => {
        this.#running -= 1;
        this.#begin();
      });
    }
  }

  async #work(one) {
    const { claims, rests, attempt } = one;
    const [knd, extra, payload] = await this.#done(one);
    const jti = `${claims.run}/${claims.tsk}/${claims.att}/${knd}`;
    const message = { statement: await this.#signer.statement({ ...rests, ...extra, jti, knd }, payload), payload };
    keep(this.#answered, attempt, [jti, message]);
    const sent = this.#send(jti, message);
    this.#held.delete(attempt);
    this.#allow();
    await sent;
    if (!this.#held.size && !this.#unsent.size) this.#idle.splice(0).forEach((resolve) => resolve());
  }

  /** Kind, further claims and payload of the answer. */
  async #done(one) {
    const { claims, payload, abort } = one;
    const capability = this.#capabilities.get(claims.cap);
    const failure = (code, message, retryable, cost) => ['failure', cost === undefined ? {} : { cst: cost }, json({ code, message: message.slice(0, 2000), retryable })];
    if (this.#withdrawn.has(`${claims.run}/${claims.tsk}/${claims.att}`)) return failure('cancelled', 'cancelled before it began', true); // [R-CA-1]
    if (!capability) return failure('unknown-capability', `there is no ${claims.cap} here`, true);
    try {
      const { input, context } = JSON.parse(payload);
      const wrong = violations(capability.admits, input);
      if (wrong) return failure('input-contract', wrong, false); // [R-AS-8]
      const permit = (kind) => this.#signer.statement({ ...one.rests, jti: `${claims.run}/${claims.tsk}/${claims.att}/${kind}`, knd: kind });
      const open = (value) => (referenceOf(value) ? fetched(this.#url, referenceOf(value), permit, abort.signal) : arrayBytes(value));
      const { value, items, confidence, cost } = await capability.run(input, { ...context, traceparent: claims.trp, signal: abort.signal, progress: this.#progress(one), open });
      const output = items === undefined ? { bytes: json(value) } : await delivered(this.#url, arrayBytes(items), permit, abort.signal);
      abort.signal.throwIfAborted(); // it is not wanted any more
      return ['result', { ...(confidence !== undefined && { cnf: confidence }), ...(cost !== undefined && { cst: cost }), ...(output.pld && { pld: output.pld }) }, output.bytes ?? EMPTY];
    } catch (error) {
      if (abort.signal.aborted) return failure('cancelled', String(abort.signal.reason), true, error.cost); // [R-CA-2]
      return failure(error.code ?? 'error', String(error.message ?? error), error.retryable ?? true, error.cost);
    }
  }

  #progress({ claims, rests, attempt }) {
    let steps = 0;
    return async (fraction, message = '') => {
      const jti = `${claims.run}/${claims.tsk}/${claims.att}/progress/${++steps}`;
      const payload = json({ fraction, message });
      const statement = await this.#signer.statement({ ...rests, jti, knd: 'progress' }, payload);
      if (this.#joined && this.#held.has(attempt)) this.#socket.emit('message', statement, payload);
    };
  }

  async #noticed(statement, payload) {
    let claims;
    try {
      claims = await verified(statement, payload, { trusted: this.#trusted, audience: this.id });
    } catch (error) {
      return console.error(`dropped a notice: ${error.message}`);
    }
    if (claims.knd === 'cancel') {
      keep(this.#withdrawn, `${claims.run}/${claims.tsk}/${claims.att}`, true);
      this.#abort((one) => one.run === claims.run && one.tsk === claims.tsk && one.att === claims.att, 'the attempt was cancelled');
    } else if (claims.knd === 'ack') {
      const ended = new Set(JSON.parse(payload).ended);
      this.#abort((one) => ended.has(one.lea), 'the lease has ended'); // [R-CA-3]
    } else if (claims.knd === 'reject') {
      const { violations: found } = JSON.parse(payload);
      console.error(`rejected: ${told(found)}`);
      if (found.some((one) => one.code === 'ACC715')) await this.#announce(); // no card of this instance is known there
    }
  }

  #abort(fits, why) {
    for (const one of this.#held.values()) if (fits(one.claims)) one.abort.abort(why);
  }

  // -- what goes -----------------------------------------------------------------------------------------------------

  /** Sends until it is acknowledged; after a lost connection it is sent again from `#prove`. */
  async #send(jti, { statement, payload }) {
    this.#unsent.set(jti, { statement, payload });
    while (this.#joined) {
      let answer;
      try {
        answer = await this.#socket.timeout(45_000).emitWithAck('message', statement, payload);
      } catch {
        continue;
      }
      if (answer.ok || !answer.again) {
        this.#unsent.delete(jti);
        if (!answer.ok) console.error(`refused: ${told(answer.problems)}`);
        if (!this.#held.size && !this.#unsent.size) this.#idle.splice(0).forEach((resolve) => resolve());
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 1000)); // the same bytes again [R-CN-3]
    }
  }

  async #announce() {
    const capabilities = [...this.#capabilities].map(([capability, { description, input, output, limits, examples }]) => ({ capability, description, input, output, limits, examples }));
    const card = { agent: this.id, instance: this.instance, organisation: this.organisation, keys: [this.#signer.publicJwk], capabilities, capacity: this.#capacity };
    await this.#tell('card', card);
    await this.#beat();
  }

  async #beat(leaving = false) {
    if (!this.#joined) return;
    const { concurrency, queue } = this.#capacity;
    await this.#tell('heartbeat', {
      instance: this.instance,
      running: [...this.#held.values()].map((one) => one.claims.lea),
      queued: this.#waiting.length,
      load: Math.min(1, this.#held.size / (concurrency + queue)),
      draining: this.#draining,
      leaving,
    });
  }

  async #tell(knd, content) {
    const payload = json(content);
    const statement = await this.#signer.statement({ aud: this.#registry, jti: uuid7(), knd }, payload);
    await this.#socket.timeout(5000).emitWithAck('message', statement, payload).catch(() => {}); // the next one will do
  }

  /** Says how much it takes in this session: what it has received and does not hold any more, and all its places [R-CR-2]. */
  #allow() {
    const { concurrency, queue } = this.#capacity;
    if (this.#joined && !this.#draining) this.#socket.emit('credit', Math.max(0, this.#received - this.#held.size + concurrency + queue));
  }

  // -- what is kept --------------------------------------------------------------------------------------------------

  async #loadKey() {
    mkdirSync(this.#home, { recursive: true, mode: 0o700 });
    const path = this.#path(`${this.name}.jwk.json`);
    if (!existsSync(path)) await this.#makeKey(path);
    this.#signer = await Signer.of(this.id, JSON.parse(readFileSync(path)));
  }

  /** Whoever is first of several instances that begin at once makes the key; it is there whole, or not at all. */
  async #makeKey(path) {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const made = `${path}.${process.pid}`;
    writeFileSync(made, JSON.stringify(await exportJWK(privateKey)), { mode: 0o600, flag: 'wx' });
    try {
      linkSync(made, path);
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    } finally {
      rmSync(made);
    }
  }

  #believe() {
    const kids = this.#token ? [this.#token.split('.').at(-1)] : (this.#remembered()[this.#url] ?? []);
    if (!kids.length) throw new Error('give an enrolment token: `accord agents enrol NAME` makes one');
    this.#pinned = new Set(kids);
  }

  #remember(kids) {
    const path = this.#path('trusted.json');
    const made = `${path}.${process.pid}`;
    writeFileSync(made, JSON.stringify({ ...this.#remembered(), [this.#url]: kids }), { mode: 0o600 });
    renameSync(made, path);
  }

  #remembered() {
    const path = this.#path('trusted.json');
    return existsSync(path) ? JSON.parse(readFileSync(path)) : {};
  }

  #path(name) {
    return join(this.#home, name);
  }
}

const ajv = new Ajv2020({ allErrors: true });
const told = (problems) => problems.map((one) => `${one.code} ${one.message}`).join('; ');
const final = (message) => Object.assign(new Error(message), { final: true });
const pick = (from, names) => Object.fromEntries(names.filter((name) => name in from).map((name) => [name, from[name]]));

/** What is wrong with an input; a reference stands for a document that the orchestrator has proven. */
function violations(admits, input) {
  if (admits(input)) return '';
  const references = referencesIn(input);
  const found = admits.errors.filter(({ instancePath }) => !references.some((at) => instancePath === at || instancePath.startsWith(`${at}/`)));
  return found.length ? ajv.errorsText(found) : '';
}

/** Keeps the newest of what has to be known again. */
function keep(map, key, value) {
  map.set(key, value);
  if (map.size > REMEMBERED) map.delete(map.keys().next().value);
}
