// Large documents travel over HTTP, beside the connection, on a statement about the attempt.
import { createHash } from 'node:crypto';

const INLINE_BYTES = 64 << 10;
const PIECE_CHARACTERS = 32 << 10;
const TRIES = 5;

/** The reference that a value is: {sha256, len}; undefined where it stands for itself. */
export const referenceOf = (value) => (value && typeof value === 'object' && Object.keys(value).join() === '$blob' ? value.$blob : undefined);

/** Where references are in an input: the input itself, or members of it. As JSON pointers. */
export function referencesIn(input) {
  if (referenceOf(input)) return [''];
  if (!input || typeof input !== 'object' || Array.isArray(input)) return [];
  return Object.keys(input).filter((name) => referenceOf(input[name])).map((name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
}

/** The items of a list as the bytes of a JSON array, in pieces of a reasonable size, never whole. */
export async function* arrayBytes(items) {
  let piece = '[';
  let first = true;
  for await (const item of items) {
    piece += first ? JSON.stringify(item) : `,${JSON.stringify(item)}`;
    first = false;
    if (piece.length > PIECE_CHARACTERS) {
      yield Buffer.from(piece);
      piece = '';
    }
  }
  yield Buffer.from(`${piece}]`);
}

/** What an output comes to: `{bytes}` where it is small, else `{pld}` of what was uploaded. */
export async function delivered(url, chunks, permit, signal) {
  const begun = [];
  let length = 0;
  const rest = chunks[Symbol.asyncIterator]();
  while (length <= INLINE_BYTES) {
    const { value, done } = await rest.next();
    if (done) return { bytes: Buffer.concat(begun) };
    begun.push(value);
    length += value.length;
  }
  const hash = createHash('sha256');
  let len = 0;
  async function* counted() {
    for (const chunk of begun.splice(0)) yield chunk;
    yield* { [Symbol.asyncIterator]: () => rest };
  }
  async function* hashed() {
    for await (const chunk of counted()) {
      hash.update(chunk);
      len += chunk.length;
      yield chunk;
    }
  }
  const headers = { 'Accord-Statement': await permit('upload'), 'Content-Type': 'application/json' };
  const answer = await fetch(`${url}/v1/uploads`, { method: 'PUT', headers, body: ReadableStream.from(hashed()), duplex: 'half', signal });
  const told = await answer.json();
  if (!answer.ok) throw new Error(`the upload was refused: ${(told.problems ?? []).map((one) => `${one.code} ${one.message}`).join('; ') || answer.status}`);
  const sha256 = hash.digest('hex');
  if (told.sha256 !== sha256 || told.len !== len) throw new Error('what arrived is not what was uploaded');
  return { pld: { sha256, len, typ: 'application/json' } };
}

/** The bytes that a reference stands for, in pieces. What breaks off goes on where it was; at the end they are proven. */
export async function* fetched(url, { sha256, len }, permit, signal) {
  const hash = createHash('sha256');
  let read = 0;
  for (let tries = 0; read < len; ) {
    try {
      const headers = { 'Accord-Statement': await permit('fetch'), 'Accord-Offset': String(read) };
      const answer = await fetch(`${url}/v1/uploads/${sha256}`, { headers, signal });
      if (answer.status >= 400 && answer.status < 500) throw Object.assign(new Error(`the document is refused: ${answer.status}`), { final: true });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      for await (const chunk of answer.body) {
        hash.update(chunk);
        read += chunk.length;
        tries = 0;
        yield Buffer.from(chunk);
      }
    } catch (error) {
      if (error.final || signal?.aborted || ++tries === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250 * 2 ** tries));
    }
  }
  if (read !== len || hash.digest('hex') !== sha256) throw new Error('the document is another one');
}
