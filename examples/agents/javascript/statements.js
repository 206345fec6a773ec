// Statements and keys, from docs/protocol.md: what is signed, what is verified, and what a document's digest is.
import { createHash, randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, CompactSign, compactVerify, importJWK } from 'jose';

const VALID_S = 300;
const SKEW_S = 60;

export const json = (value) => Buffer.from(JSON.stringify(value));
export const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');
export const claimsOf = (statement) => Buffer.from(statement.split('.')[1], 'base64url');
export const kidOf = (statement) => JSON.parse(Buffer.from(statement.split('.')[0], 'base64url')).kid;

/** A UUID of version 7 (RFC 9562). */
export function uuid7() {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Signs what an agent says. */
export class Signer {
  #id; #key; #kid;

  static async of(id, jwk) {
    const signer = new Signer();
    const { d, ...publicJwk } = jwk;
    signer.#id = id;
    signer.publicJwk = publicJwk;
    signer.#key = await importJWK({ ...publicJwk, d }, 'ES256');
    signer.#kid = await calculateJwkThumbprint(publicJwk);
    return signer;
  }

  /** A statement with these claims; `pld` is theirs, or that of the payload. */
  async statement(claims, payload) {
    const now = Math.floor(Date.now() / 1000);
    const pld = payload?.length ? { pld: { sha256: digest(payload), len: payload.length, typ: 'application/json' } } : {};
    return new CompactSign(json({ iss: this.#id, iat: now, exp: now + VALID_S, ...pld, ...claims }))
      .setProtectedHeader({ alg: 'ES256', kid: this.#kid, typ: 'accord+jwt' })
      .sign(this.#key);
  }
}

/** The claims of a message of an orchestrator that is trusted, for this agent, in time, about these bytes. */
export async function verified(statement, payload, { trusted, audience, kind }) {
  const kid = kidOf(statement);
  const jwk = trusted.get(kid);
  if (!jwk) throw new Error(`the key ${kid} is none of an orchestrator that is trusted`);
  const alg = jwk.kty === 'EC' ? 'ES256' : 'Ed25519';
  const { protectedHeader, payload: bytes } = await compactVerify(statement, await importJWK(jwk, alg), { algorithms: [alg] });
  if (protectedHeader.typ !== 'accord+jwt') throw new Error('this is no statement');
  const claims = JSON.parse(Buffer.from(bytes));
  const now = Date.now() / 1000;
  if (claims.aud !== audience) throw new Error(`it is for ${claims.aud}`);
  if (claims.exp <= now || claims.iat > now + SKEW_S) throw new Error('it has expired, or is from the future');
  if (kind && claims.knd !== kind) throw new Error(`a ${claims.knd} came where a ${kind} was expected`);
  if (claims.pld?.len !== payload.length || claims.pld.sha256 !== digest(payload)) throw new Error('the payload is another one');
  return claims;
}
