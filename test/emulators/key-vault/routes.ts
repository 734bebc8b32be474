/** Which call is which operation, and what it takes to be allowed it (data actions as `Microsoft.KeyVault/vaults/<action>`). */
import { type Answer, type Asked, Problem } from './answers.ts';
import type { Certificates } from './certificates.ts';
import type { Keys } from './keys.ts';
import type { Secrets } from './secrets.ts';

export interface Holdings {
  readonly certificates: Certificates;
  readonly keys: Keys;
  readonly secrets: Secrets;
  readonly pageSize: number;
}

export interface Route {
  readonly action: string;
  readonly run: (vault: Holdings, asked: Asked, name: string, version: string | undefined) => Answer | Promise<Answer>;
}

const secret: Route['run'] = (vault, asked, name, version) =>
  vault.secrets.byName.has(name) ? vault.secrets.get(asked, name, version) : vault.keys.secret(asked, name, version);

function setSecret({ certificates, secrets }: Holdings, asked: Asked, name: string): Answer {
  if (certificates.byName.has(name)) throw new Problem(403, 'Forbidden', 'Operation set is not allowed on a managed secret.');
  return secrets.set(asked, name);
}

/** By method and path; `*` is a name or a version. The first that fits. */
const ROUTES: Readonly<Record<string, Route>> = {
  'GET certificates': { action: 'certificates/read', run: (vault, asked) => vault.certificates.list(asked, vault.pageSize) },
  'POST certificates/*/create': {
    action: 'certificates/create/action',
    run: (vault, asked, name) => vault.certificates.create(asked, name),
  },
  'POST certificates/*/import': {
    action: 'certificates/import/action',
    run: (vault, asked, name) => vault.certificates.import(asked, name),
  },
  'GET certificates/*/versions': {
    action: 'certificates/read',
    run: (vault, asked, name) => vault.certificates.listVersions(asked, name, vault.pageSize),
  },
  'GET certificates/*/policy': { action: 'certificates/read', run: (vault, asked, name) => vault.certificates.policy(asked, name) },
  'PATCH certificates/*/policy': {
    action: 'certificates/update/action',
    run: (vault, asked, name) => vault.certificates.updatePolicy(asked, name),
  },
  'GET certificates/*/pending': { action: 'certificates/read', run: (vault, asked, name) => vault.certificates.pending(asked, name) },
  'DELETE certificates/*/pending': {
    action: 'certificates/update/action',
    run: (vault, asked, name) => vault.certificates.deletePending(asked, name),
  },
  'POST certificates/*/pending/merge': {
    action: 'certificates/create/action',
    run: (vault, asked, name) => vault.certificates.merge(asked, name),
  },
  'GET certificates/*': { action: 'certificates/read', run: (vault, asked, name) => vault.certificates.get(asked, name, undefined) },
  'GET certificates/*/*': {
    action: 'certificates/read',
    run: (vault, asked, name, version) => vault.certificates.get(asked, name, version),
  },
  'PATCH certificates/*/*': {
    action: 'certificates/update/action',
    run: (vault, asked, name, version) => vault.certificates.update(asked, name, version),
  },
  'DELETE certificates/*': { action: 'certificates/delete', run: (vault, asked, name) => vault.certificates.delete(asked, name) },
  'POST keys/*/create': { action: 'keys/create/action', run: (vault, asked, name) => vault.keys.create(asked, name) },
  'GET keys/*/versions': { action: 'keys/read', run: (vault, asked, name) => vault.keys.listVersions(asked, name, vault.pageSize) },
  'GET keys/*': { action: 'keys/read', run: (vault, asked, name) => vault.keys.get(asked, name, undefined) },
  'GET keys/*/*': { action: 'keys/read', run: (vault, asked, name, version) => vault.keys.get(asked, name, version) },
  'PATCH keys/*/*': { action: 'keys/update/action', run: (vault, asked, name, version) => vault.keys.update(asked, name, version) },
  'POST keys/*/*/sign': { action: 'keys/sign/action', run: (vault, asked, name, version) => vault.keys.sign(asked, name, version) },
  'PUT secrets/*': { action: 'secrets/setSecret/action', run: (vault, asked, name) => setSecret(vault, asked, name) },
  'GET secrets/*/versions': {
    action: 'secrets/readMetadata/action',
    run: (vault, asked, name) => vault.secrets.listVersions(asked, name, vault.pageSize),
  },
  'GET secrets/*': { action: 'secrets/getSecret/action', run: (vault, asked, name) => secret(vault, asked, name, undefined) },
  'GET secrets/*/*': { action: 'secrets/getSecret/action', run: secret },
  'PATCH secrets/*/*': {
    action: 'secrets/update/action',
    run: (vault, asked, name, version) => vault.secrets.update(asked, name, version),
  },
};

export function routeOf({ method, segments }: Asked): Route | undefined {
  const fits = (pattern: string) => {
    const [verb, path = ''] = pattern.split(' ');
    const parts = path.split('/');
    return verb === method && parts.length === segments.length && parts.every((part, at) => part === '*' || part === segments[at]);
  };
  return Object.entries(ROUTES).find(([pattern]) => fits(pattern))?.[1];
}

export const perform = (vault: Holdings, route: Route, asked: Asked): Answer | Promise<Answer> =>
  route.run(vault, asked, asked.segments[1] ?? '', asked.segments[2]);
