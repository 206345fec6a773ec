// What every agent does, from docs/protocol.md: keys, statements, the handshake, heartbeats, assignments and answers.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { calculateJwkThumbprint, CompactSign, compactVerify, exportJWK, generateKeyPair, importJWK } from 'jose';
import { io } from 'socket.io-client';

const NAME = /^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/;
const VALID_S = 300;
const SKEW_S = 60;

export class Agent {
  #home; #capacity; #capabilities = new Map(); #key; #kid; #publicJwk;
  #socket; #trusted = new Map(); #registry; #heartbeatMs = 5000; #beating;
  #received = 0; #held = new Map(); #answered = new Map(); #withdrawn = new Set(); #unsent = new Map();
  #pinned = new Set(); #enrolled = false; #joined = false; #draining = false; #idle = [];

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

  offer(reference, { description = '', input, output, limits = {}, run }) {
    const admits = ajv.compile(input);
    this.#capabilities.set(reference, { description, input, output, limits, run, admits });
  }

  // -- the connection ------------------------------------------------------------------------------------------------

  /** Resolves when the first welcome has come; connects again whenever the connection is lost. */
  async connect(url, token) {
    await this.#loadKey();
    this.#believe(url, token);
    await new Promise((resolve, reject) => {
      this.#socket = io(`${url}/agents`, { transports: ['websocket'], randomizationFactor: 0.5 });
      this.#socket.on('challenge', async (told, ...rest) => {
        try {
          await this.#prove(url, told.nonce, token);
          resolve();
        } catch (error) {
          this.#socket.disconnect();
          reject(error);
        }
      });
      this.#socket.on('message', async (statement, payload, received) => {
        this.#received += 1;
        received({ ok: true });
        await this.#assigned(statement, payload);
      });
      this.#socket.on('notice', async (scope, statement, payload, received) => {
        received({ ok: true });
        await this.#noticed(statement, payload);
      });
      this.#socket.on('disconnect', () => (this.#joined = false));
      this.#socket.on('leaving', () => this.#socket.io.engine.close());
    });
  }

  /** Takes nothing new, ends what has begun, says that it leaves. */
  async stop() {
    this.#draining = true;
    await this.#beat();
    await new Promise((resolve) => (this.#held.size ? this.#idle.push(resolve) : resolve()));
    clearInterval(this.#beating);
    await this.#beat(true);
    this.#socket.disconnect();
  }

  async #prove(url, nonce, token) {
    const first = token && !this.#enrolled;
    const payload = json({ instance: this.instance, ...(first ? { key: this.#publicJwk, token } : {}) });
    const sent = await this.#message({ aud: this.#registry, jti: nonce, knd: 'connect' }, payload);
    const answer = await this.#socket.timeout(10_000).emitWithAck('prove', sent.statement, sent.payload);
    if (!answer.ok) throw new Error(answer.problems.map((one) => `${one.code} ${one.message}`).join('; '));
    await this.#welcomed(url, answer, sent, nonce);
    this.#joined = true;
    this.#received = 0;
    await this.#announce();
    for (const [jti, message] of this.#unsent) this.#send(jti, message);
    this.#allow();
    clearInterval(this.#beating);
    this.#beating = setInterval(() => this.#beat(), this.#heartbeatMs);
  }

  /** The welcome holds the key that has signed it: it is believed because its id was believed before. */
  async #welcomed(url, answer, sent, nonce) {
    const payload = Buffer.from(answer.payload);
    const told = JSON.parse(payload);
    const keys = new Map();
    for (const jwk of told.orchestrators) keys.set(await calculateJwkThumbprint(jwk), jwk);
    const kid = JSON.parse(Buffer.from(answer.statement.split('.')[0], 'base64url')).kid;
    if (!(this.#pinned.has(kid) || this.#trusted.has(kid)) || !keys.has(kid)) throw new Error(`the orchestrator's key ${kid} is not trusted`);
    this.#trusted = new Map([...this.#trusted, ...keys]);
    const claims = await this.#verified(answer.statement, payload);
    if (claims.knd !== 'welcome' || claims.jti !== nonce || claims.ins?.[0] !== digest(claimsOf(sent.statement))) {
      throw new Error('the welcome is not about this connection');
    }
    this.#enrolled = true;
    this.#heartbeatMs = told.heartbeat_s * 1000;
    writeFileSync(this.#path('trusted.json'), JSON.stringify({ ...this.#remembered(), [url]: [...keys.keys()] }));
  }

  // -- what comes ----------------------------------------------------------------------------------------------------

  async #assigned(statement, payload) {
    const bytes = Buffer.from(payload);
    let claims;
    try {
      claims = await this.#verified(statement, bytes, 'assign');
    } catch (error) {
      console.error(`dropped a message: ${error.message}`);
      return this.#allow();
    }
    const attempt = `${claims.run}/${claims.tsk}/${claims.att}/${claims.lea}`;
    if (this.#held.has(attempt)) return;
    if (this.#answered.has(attempt)) return this.#send(...this.#answered.get(attempt));
    const abort = new AbortController();
    this.#held.set(attempt, { claims, abort });
    const about = pick(claims, ['run', 'tsk', 'att', 'lea', 'cap', 'ctr']);
    const rests = { ...about, aud: claims.iss, ins: [digest(claimsOf(statement))] };
    const [knd, extra, answer] = await this.#done(claims, bytes, abort, rests);
    const jti = `${claims.run}/${claims.tsk}/${claims.att}/${knd}`;
    const message = await this.#message({ ...rests, ...extra, jti, knd }, json(answer));
    this.#answered.set(attempt, [jti, message]);
    if (this.#answered.size > 4096) this.#answered.delete(this.#answered.keys().next().value);
    await this.#send(jti, message);
    this.#held.delete(attempt);
    this.#allow();
    if (!this.#held.size) this.#idle.splice(0).forEach((resolve) => resolve());
  }

  async #done(claims, bytes, abort, rests) {
    const capability = this.#capabilities.get(claims.cap);
    const failure = (code, message, retryable) => ['failure', {}, { code, message: message.slice(0, 2000), retryable }];
    if (this.#withdrawn.has(`${claims.run}/${claims.tsk}/${claims.att}`)) return failure('cancelled', 'cancelled before it came', true);
    if (!capability) return failure('unknown-capability', `there is no ${claims.cap} here`, true);
    try {
      const { input, context } = JSON.parse(bytes);
      if (!capability.admits(input)) return failure('input-contract', ajv.errorsText(capability.admits.errors), false);
      let steps = 0;
      const progress = async (fraction, message = '') => {
        const jti = `${claims.run}/${claims.tsk}/${claims.att}/progress/${++steps}`;
        const told = await this.#message({ ...rests, jti, knd: 'progress' }, json({ fraction, message }));
        if (this.#joined) this.#socket.emit('message', told.statement, told.payload);
      };
      const { value, confidence } = await capability.run(input, { ...context, signal: abort.signal, progress });
      return ['result', confidence === undefined ? {} : { cnf: confidence }, value];
    } catch (error) {
      return abort.signal.aborted ? failure('cancelled', String(abort.signal.reason), true) : failure('error', String(error), true);
    }
  }

  async #noticed(statement, payload) {
    const bytes = Buffer.from(payload);
    let claims;
    try {
      claims = await this.#verified(statement, bytes);
    } catch (error) {
      return console.error(`dropped a notice: ${error.message}`);
    }
    if (claims.knd === 'cancel') {
      this.#withdrawn.add(`${claims.run}/${claims.tsk}/${claims.att}`);
      for (const one of this.#held.values()) {
        const same = one.claims.run === claims.run && one.claims.tsk === claims.tsk && one.claims.att === claims.att;
        if (same) one.abort.abort('the attempt was cancelled');
      }
    } else if (claims.knd === 'ack') {
      const ended = new Set(JSON.parse(bytes).ended);
      for (const one of this.#held.values()) if (ended.has(one.claims.lea)) one.abort.abort('the lease has ended');
    } else if (claims.knd === 'reject') {
      const { violations } = JSON.parse(bytes);
      console.error(`rejected: ${violations.map((one) => `${one.code} ${one.message}`).join('; ')}`);
      if (violations.some((one) => one.code === 'ACC715')) await this.#announce();
    }
  }

  // -- what goes -----------------------------------------------------------------------------------------------------

  /** Sends until it is acknowledged; after a lost connection it is sent again from `#prove`. */
  async #send(jti, message) {
    this.#unsent.set(jti, message);
    while (this.#joined) {
      let answer;
      try {
        answer = await this.#socket.timeout(45_000).emitWithAck('message', message.statement, message.payload);
      } catch {
        continue;
      }
      if (answer.ok || !answer.again) {
        this.#unsent.delete(jti);
        if (!answer.ok) console.error(`refused: ${answer.problems.map((one) => `${one.code} ${one.message}`).join('; ')}`);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }

  async #announce() {
    const capabilities = [...this.#capabilities].map(([capability, { description, input, output, limits }]) => ({ capability, description, input, output, limits }));
    const card = { agent: this.id, instance: this.instance, organisation: this.organisation, keys: [this.#publicJwk], capabilities, capacity: this.#capacity };
    const told = await this.#message({ aud: this.#registry, jti: randomUUID(), knd: 'card' }, json(card));
    await this.#socket.timeout(10_000).emitWithAck('message', told.statement, told.payload);
    await this.#beat();
  }

  async #beat(leaving = false) {
    if (!this.#joined) return;
    const { concurrency, queue } = this.#capacity;
    const beat = {
      instance: this.instance,
      running: [...this.#held.values()].map((one) => one.claims.lea),
      queued: 0,
      load: Math.min(1, this.#held.size / (concurrency + queue)),
      draining: this.#draining,
      leaving,
    };
    const told = await this.#message({ aud: this.#registry, jti: randomUUID(), knd: 'heartbeat' }, json(beat));
    const sent = this.#socket.timeout(5_000).emitWithAck('message', told.statement, told.payload);
    await sent.catch(() => {}); // the next one will do
  }

  #allow() {
    if (this.#joined && !this.#draining) this.#socket.emit('credit', this.#received + this.#capacity.concurrency - this.#held.size);
  }

  // -- statements ----------------------------------------------------------------------------------------------------

  async #message(claims, payload) {
    const now = Math.floor(Date.now() / 1000);
    const pld = { sha256: digest(payload), len: payload.length, typ: 'application/json' };
    const statement = await new CompactSign(json({ iss: this.id, iat: now, exp: now + VALID_S, ...claims, pld }))
      .setProtectedHeader({ alg: 'ES256', kid: this.#kid, typ: 'accord+jwt' })
      .sign(this.#key);
    return { statement, payload };
  }

  /** The claims of a message of an orchestrator that is trusted, for this agent, in time, about these bytes. */
  async #verified(statement, payload, kind) {
    const kid = JSON.parse(Buffer.from(statement.split('.')[0], 'base64url')).kid;
    const jwk = this.#trusted.get(kid);
    if (!jwk) throw new Error(`the key ${kid} is none of an orchestrator that is trusted`);
    const alg = jwk.kty === 'EC' ? 'ES256' : 'Ed25519';
    const verified = await compactVerify(statement, await importJWK(jwk, alg), { algorithms: [alg] });
    if (verified.protectedHeader.typ !== 'accord+jwt') throw new Error('this is no statement');
    const claims = JSON.parse(Buffer.from(verified.payload));
    const now = Date.now() / 1000;
    if (claims.aud !== this.id) throw new Error(`it is for ${claims.aud}`);
    if (claims.exp <= now || claims.iat > now + SKEW_S) throw new Error('it has expired, or is from the future');
    if (kind && claims.knd !== kind) throw new Error(`a ${claims.knd} came where a ${kind} was expected`);
    if (claims.pld?.len !== payload.length || claims.pld.sha256 !== digest(payload)) throw new Error('the payload is another one');
    return claims;
  }

  // -- what is kept --------------------------------------------------------------------------------------------------

  async #loadKey() {
    mkdirSync(this.#home, { recursive: true, mode: 0o700 });
    const path = this.#path(`${this.name}.jwk.json`);
    if (!existsSync(path)) {
      const { privateKey } = await generateKeyPair('ES256', { extractable: true });
      writeFileSync(path, JSON.stringify(await exportJWK(privateKey)), { mode: 0o600, flag: 'wx' });
    }
    const { d, ...publicJwk } = JSON.parse(readFileSync(path));
    this.#publicJwk = publicJwk;
    this.#key = await importJWK({ ...publicJwk, d }, 'ES256');
    this.#kid = await calculateJwkThumbprint(publicJwk);
  }

  #believe(url, token) {
    const kids = token ? [token.split('.').at(-1)] : (this.#remembered()[url] ?? []);
    if (!kids.length) throw new Error('give an enrolment token: `accord agents enrol NAME` makes one');
    this.#pinned = new Set(kids);
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
const json = (value) => Buffer.from(JSON.stringify(value));
const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');
const claimsOf = (statement) => Buffer.from(statement.split('.')[1], 'base64url');
const pick = (from, names) => Object.fromEntries(names.filter((name) => name in from).map((name) => [name, from[name]]));
