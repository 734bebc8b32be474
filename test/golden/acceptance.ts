/**
 * Which goldens the real thing has taken, in `accepted.json`: for each `<case>.<mesh>.out.yaml` what took it and the hash of what
 * was taken. `test/conformance/golden.test.ts` writes it; `accepted.test.ts` fails for a golden that has changed since.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import type { JsonObject } from '../../src/journal/documents.ts';

const FILE = join(import.meta.dirname, 'accepted.json');
const SUFFIX = '.out.yaml';
const jsonObject = z.record(z.string(), z.json());

export interface Golden {
  /** `<case>.<mesh>.out.yaml` */
  readonly file: string;
  readonly mesh: string;
  readonly sha256: string;
  /** What is to be applied, without what is said about it; none where the plans are refused. */
  readonly resources: readonly JsonObject[];
}

export interface Acceptance {
  /** The server or program, with its version. */
  readonly by: string;
  readonly sha256: string;
}

export type Accepted = Readonly<Record<string, Acceptance>>;

/** Every `*.out.yaml` of this directory, sorted. */
export function goldens(): readonly Golden[] {
  const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith(SUFFIX));
  return files.sort().map((file) => {
    const text = readFileSync(join(import.meta.dirname, file), 'utf8');
    return { file, mesh: file.slice(0, -SUFFIX.length).split('.').at(-1) ?? '', sha256: sha256(text), resources: resourcesIn(text) };
  });
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Read as Kubernetes tools do (YAML 1.1). What is said about a service has `fidelity`. */
function resourcesIn(text: string): readonly JsonObject[] {
  const documents = parseAllDocuments(text, { version: '1.1' });
  return documents.map((document) => jsonObject.parse(document.toJS())).filter((document) => document.fidelity === undefined);
}

export function readAccepted(): Accepted {
  return z.record(z.string(), z.strictObject({ by: z.string(), sha256: z.string() })).parse(JSON.parse(readFileSync(FILE, 'utf8')));
}

export function writeAccepted(accepted: Accepted): void {
  const sorted = Object.fromEntries(Object.entries(accepted).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(FILE, `${JSON.stringify(sorted, null, 2)}\n`);
}

/** Of a golden that holds only refusals. */
export const REFUSED = 'nothing: the plans are refused';

/** What is not as the record says; empty when all is. */
export function unaccepted(all: readonly Golden[], accepted: Accepted): readonly string[] {
  const names = new Set(all.map(({ file }) => file));
  return [
    ...all.filter(({ file, sha256 }) => accepted[file]?.sha256 !== sha256).map(({ file }) => file),
    ...Object.keys(accepted).filter((file) => !names.has(file)),
  ];
}
