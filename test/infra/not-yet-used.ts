/** What infra/ makes for code that is not written yet. The list may only get shorter: where the code is there, an entry is a failing test. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { CodeFacts } from './code-facts.ts';

export interface NotYetUsed {
  readonly file: string;
  readonly symbols: readonly string[];
  /** One sentence, for the docs too. */
  readonly because: string;
  readonly isUsed: (facts: CodeFacts) => boolean;
}

const ROOT = join(import.meta.dirname, '../..');
const dependsOn = (name: string): boolean =>
  name in
  z.object({ dependencies: z.record(z.string(), z.string()) }).parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')))
    .dependencies;

export const NOT_YET_USED: readonly NotYetUsed[] = [
  {
    file: 'events.bicep',
    symbols: ['topicRole'],
    because: 'No events of our own are published yet; CI/CD can send to the topic, and the functions are subscribed to it.',
    isUsed: () => dependsOn('@azure/eventgrid'),
  },
  {
    file: 'xds.bicep',
    symbols: ['xds', 'environment', 'diagnostics'],
    because: 'The server for plain Envoys reads the state of one machine only: its Container App can be made, and serves nothing yet.',
    isUsed: () => readFileSync(join(ROOT, 'dist/xds/main.js'), 'utf8').includes('COSMOS__accountEndpoint'),
  },
];
