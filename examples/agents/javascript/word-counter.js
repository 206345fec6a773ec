#!/usr/bin/env node
// An agent that counts words: what it does is at the top, what any agent does is in accord.js.
//   node word-counter.js URL [TOKEN]
import { setTimeout } from 'node:timers/promises';
import { Agent } from './accord.js';

const agent = new Agent('word-counter', { concurrency: 8, queue: 64, home: process.env.AGENT_HOME ?? '.' });

agent.offer('text.count@1.0.0', {
  description: 'Count the words of a text.',
  input: {
    type: 'object',
    properties: { text: { type: 'string' } },
    required: ['text'],
    additionalProperties: false,
  },
  output: {
    type: 'object',
    properties: { words: { type: 'integer', minimum: 0 }, longest: { type: 'string' } },
    required: ['words', 'longest'],
    additionalProperties: false,
  },
  examples: [{ text: 'Bees dance. Bees tell where flowers are.' }],
  async run({ text }, { signal, progress }) {
    const words = text.split(/\s+/u).filter(Boolean);
    progress(0.5, `${words.length} words`);
    signal.throwIfAborted();
    const longest = words.reduce((found, word) => (word.length > found.length ? word : found), '');
    return { value: { words: words.length, longest }, confidence: '1' };
  },
});

// An output that may be very long is given as an iterable: it is uploaded while it is made, where it is large.
agent.offer('text.index@1.0.0', {
  description: 'List the words of a text with their places, the text taken as often as asked for.',
  input: {
    type: 'object',
    properties: { text: { type: 'string' }, times: { type: 'integer', minimum: 1, default: 1 } },
    required: ['text'],
    additionalProperties: false,
  },
  output: {
    type: 'array',
    items: { type: 'object', properties: { word: { type: 'string' }, at: { type: 'integer' } }, required: ['word', 'at'] },
  },
  async run({ text, times = 1 }, { signal }) {
    const words = text.split(/\s+/u).filter(Boolean);
    function* places() {
      for (let at = 0; at < words.length * times; at += 1) {
        signal.throwIfAborted();
        yield { word: words[at % words.length], at };
      }
    }
    return { items: places() };
  },
});

// An input that may be very long is read as it comes, whether it came with the assignment or is fetched.
agent.offer('index.size@1.0.0', {
  description: 'Say how many bytes and entries an index has.',
  input: {
    type: 'object',
    properties: {
      index: { type: 'array', items: { type: 'object', properties: { word: { type: 'string' }, at: { type: 'integer' } }, required: ['word', 'at'] } },
    },
    required: ['index'],
    additionalProperties: false,
  },
  output: { type: 'object', properties: { bytes: { type: 'integer' }, entries: { type: 'integer' } }, required: ['bytes', 'entries'] },
  examples: [{ index: [{ word: 'bees', at: 0 }] }],
  async run({ index }, { open }) {
    let bytes = 0;
    let entries = 0;
    for await (const chunk of open(index)) {
      bytes += chunk.length;
      for (const byte of chunk) if (byte === 0x7b) entries += 1; // no word has a brace here
    }
    return { value: { bytes, entries }, cost: '0.001' };
  },
});

// Waits as long as it is told, unless it is told to stop.
agent.offer('time.wait@1.0.0', {
  description: 'Wait.',
  input: { type: 'object', properties: { seconds: { type: 'number', minimum: 0, maximum: 60 } }, required: ['seconds'] },
  output: { type: 'object', properties: { waited: { type: 'number' } }, required: ['waited'] },
  examples: [{ seconds: 0 }],
  async run({ seconds }, { signal, progress }) {
    progress(0, 'waiting');
    await setTimeout(seconds * 1000, undefined, { signal });
    return { value: { waited: seconds } };
  },
});

const [url, token] = process.argv.slice(2);
if (!url) {
  console.error('usage: node word-counter.js URL [TOKEN]');
  process.exit(2);
}
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => agent.stop());
try {
  await agent.connect(url, token);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
console.log(JSON.stringify({ agent: agent.id, instance: agent.instance, url }));
