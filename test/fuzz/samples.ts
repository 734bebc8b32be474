/** Valid inputs, from which damaged ones are made: the payloads, specs, objects and files that other tests are written with. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import type { Json } from '../../src/journal/documents.ts';
import { readSpec, type SpecFile } from '../../src/spec/read-spec.ts';
import type { MeshSpec, ServiceSpec } from '../../src/spec/schema.ts';

const ROOT = join(import.meta.dirname, '../..');

export const filesIn = (folder: string, ending = ''): readonly { readonly path: string; readonly text: string }[] =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(ROOT, folder, path), 'utf8') }));

const payloads = filesIn('test/intake/payloads', '.json').map(({ path, text }) => ({ path, value: JSON.parse(text) satisfies Json }));

export const alerts: readonly Json[] = payloads.filter(({ path }) => /-(fired|resolved)/.test(path)).map(({ value }) => value);

const vaultEvent = (type: string, fields: Readonly<Record<string, Json>> = {}): Json => ({
  specversion: '1.0',
  id: 'one',
  source: '/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/Shop',
  subject: 'mesh-root',
  type,
  time: '2025-06-08T19:52:25.15Z',
  data: {
    Id: 'https://shop.vault.azure.net/certificates/mesh-root/0123456789abcdef0123456789abcdef',
    VaultName: 'Shop',
    ObjectType: 'Certificate',
    ObjectName: 'mesh-root',
    Version: '0123456789abcdef0123456789abcdef',
    NBF: 1_749_411_621,
    EXP: 1_749_418_821,
    ...fields,
  },
});

export const events: readonly Json[] = [
  ...payloads.filter(({ path }) => /\.(cloudevents|event-grid)\.json$/.test(path)).map(({ value }) => value),
  vaultEvent('Microsoft.KeyVault.CertificateNearExpiry'),
  vaultEvent('Microsoft.KeyVault.CertificateNewVersionCreated', { EXP: '1749418821' }),
  vaultEvent('Microsoft.KeyVault.SecretExpired', { ObjectType: 'Secret' }),
];

/** Whole specs, each a list of files. */
export const specs: readonly (readonly SpecFile[])[] = ['examples/shop', 'examples/playground', 'examples/refused'].map((folder) =>
  filesIn(folder),
);

export function valuesIn(yaml: string): readonly Json[] {
  const parsed = parseAllDocuments(yaml);
  return (Array.isArray(parsed) ? parsed : []).map((document): Json => JSON.parse(JSON.stringify(document.toJS())));
}

/** The plans of the golden cases, as they are stored. */
export const plans: readonly Json[] = filesIn('test/golden', '.in.yaml').flatMap(({ text }): readonly Json[] => {
  const { plans: stored } = parse(text);
  return JSON.parse(JSON.stringify(stored));
});

/** The shop of the examples, adopted. */
export const adopted: { readonly mesh: string; readonly spec: MeshSpec; readonly services: readonly ServiceSpec[] } = (() => {
  const read = readSpec(specs[0] ?? []);
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  return { mesh: read.mesh.name, spec: read.mesh, services: read.services };
})();
