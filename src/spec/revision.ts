/**
 * What identifies the content of a spec: SHA-256 over RFC 8785 JSON of the normalized form, so that comments, the order of
 * files and keys, and shorthand or longhand make no difference.
 */
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { MeshSpec, ServiceSpec } from './schema.ts';

export interface SpecRevision {
  /** Of everything: 64 hex digits. */
  readonly revision: string;
  readonly mesh: string;
  /** By service name. */
  readonly services: Readonly<Record<string, string>>;
}

/** `services` have distinct names, in any order. */
export function revision(mesh: MeshSpec, services: readonly ServiceSpec[]): SpecRevision {
  const hashes = {
    mesh: contentHash(mesh),
    services: Object.fromEntries(services.map((service) => [service.name, contentHash(service)])),
  };
  return { revision: contentHash(hashes), ...hashes };
}

function contentHash(content: unknown): string {
  const json = canonicalize(content);
  if (json === undefined) throw new TypeError('a spec is always JSON');
  return createHash('sha256').update(json).digest('hex');
}
