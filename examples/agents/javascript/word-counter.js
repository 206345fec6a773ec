#!/usr/bin/env node
// An agent that counts words: what it does is at the top, what any agent does is in accord.js.
//   node word-counter.js URL [TOKEN]
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
  async run({ text }, { signal, progress }) {
    const words = text.split(/\s+/u).filter(Boolean);
    progress(0.5, `${words.length} words`);
    signal.throwIfAborted();
    const longest = words.reduce((found, word) => (word.length > found.length ? word : found), '');
    return { value: { words: words.length, longest }, confidence: '1' };
  },
});

const [url, token] = process.argv.slice(2);
if (!url) {
  console.error('usage: node word-counter.js URL [TOKEN]');
  process.exit(2);
}
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => agent.stop());
await agent.connect(url, token);
console.log(JSON.stringify({ agent: agent.id, instance: agent.instance, url }));
