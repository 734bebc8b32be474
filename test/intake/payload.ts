/** The payloads in `payloads/`: what Azure and CI/CD send, after their public documentation, with names of our own. */
import { readFileSync } from 'node:fs';

export function payload(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`payloads/${name}.json`, import.meta.url), 'utf8'));
}
