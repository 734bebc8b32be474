/**
 * Who may ask what: every route x everybody who may ask, through the shipped functions and a real issuer. Who is let in where is written
 * down here by hand, so that a change of the table of routes that lets somebody in has to be made twice.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ROUTES, type RouteName } from '../../src/api/routes.ts';
import { APP_ROLES, type Callers, DOOR_KEYS, DOOR_ROLES, startCallers, TENANT } from './callers.ts';
import { type Installation, installation } from './installation.ts';

const files = (mesh: string, services: readonly { name: string; team?: string }[]) => [
  { path: 'mesh.yaml', text: `apiVersion: meshwright.dev/v1\nkind: Mesh\nname: ${mesh}\ndataPlanes: [{ name: edge, kind: envoy }]\n` },
  ...services.map(({ name, team }) => ({
    path: `${name}.yaml`,
    text: `apiVersion: meshwright.dev/v1\nkind: Service\nname: ${name}\nport: 8080\nstable: v1\nrollout: canary\n${team ? `team: ${team}\n` : ''}`,
  })),
];
const SHOP = files('shop', [{ name: 'payments', team: 'payments' }, { name: 'web', team: 'web' }, { name: 'cron' }]);
const OTHER = files('other', [{ name: 'ledger', team: 'payments' }]);

/** Who has one of these roles in one of these places. */
const holders = (roles: readonly string[], places: readonly string[]): readonly string[] =>
  roles.flatMap((role) => places.map((place) => `${role}${place}`));
const READING = ['Reader', 'Operator', 'Approver', 'Admin'];
const ACTING = ['Operator', 'Admin'];
const EVERYBODY = 'everybody';

interface Row {
  readonly route: RouteName;
  readonly path: string;
  readonly body?: unknown;
  readonly allowed: readonly string[] | typeof EVERYBODY;
}

const inShop = ['', ':shop'];
const ofPayments = ['', ':shop', ':shop/payments'];
const anywhere = holders(READING, ['', ':shop', ':other', ':shop/payments', ':shop/web', ':other/payments']);
const service = '/meshes/shop/services/payments';
const CSR = { csr: 'none', node: 'n1', token: { kind: 'join', value: 'x'.repeat(43), renewal: 'a'.repeat(64) } };

const ROWS: readonly Row[] = [
  { route: 'page', path: '/', allowed: EVERYBODY },
  { route: 'health', path: '/health', allowed: EVERYBODY },
  { route: 'openapi', path: '/openapi.json', allowed: EVERYBODY },
  { route: 'issueLeaf', path: '/meshes/shop/certificates', body: CSR, allowed: EVERYBODY },

  { route: 'status', path: '/status', allowed: anywhere },
  { route: 'overview', path: '/overview', allowed: anywhere },
  { route: 'drift', path: '/drift', allowed: anywhere },
  { route: 'metrics', path: '/metrics', allowed: [...READING, 'MetricsScraper', 'key of metrics'] },
  { route: 'parked', path: '/parked', allowed: READING },
  { route: 'parkedOne', path: '/parked/nobody', allowed: READING },
  { route: 'deadLetters', path: '/dead-letters', allowed: READING },
  { route: 'deadLetter', path: '/dead-letters/nobody', allowed: READING },
  { route: 'sendAgain', path: '/dead-letters/nobody/send', allowed: ACTING },
  { route: 'archive', path: '/archive', allowed: ['Admin'] },
  { route: 'archivedCommits', path: '/archive/commits?stream=mesh/shop', allowed: ['Admin'] },
  { route: 'archivedDocuments', path: '/archive/documents?mesh=shop', allowed: ['Admin'] },
  { route: 'restore', path: '/archive', body: { meshes: ['shop'] }, allowed: ['Admin'] },

  { route: 'apply', path: '/apply', body: { files: SHOP }, allowed: holders(['Admin'], inShop) },
  { route: 'apply', path: '/apply', body: { files: OTHER }, allowed: holders(['Admin'], ['', ':other']) },
  { route: 'lookForDrift', path: '/drift', body: {}, allowed: ACTING },
  { route: 'lookForDrift', path: '/drift', body: { service: 'payments' }, allowed: ACTING },
  { route: 'lookForDrift', path: '/drift', body: { mesh: 'shop' }, allowed: holders(ACTING, inShop) },
  { route: 'lookForDrift', path: '/drift', body: { mesh: 'shop', service: 'payments' }, allowed: holders(ACTING, ofPayments) },
  {
    route: 'events',
    path: '/events',
    body: { hello: 'world' },
    allowed: [...ACTING, 'AzureEventGridSecureWebhookSubscriber', 'key of events'],
  },
  { route: 'alerts', path: '/alerts', body: { hello: 'world' }, allowed: [...ACTING, 'ActionGroupsSecureWebhook', 'key of alerts'] },
  {
    route: 'observations',
    path: '/observations',
    body: { mesh: 'shop', services: [] },
    allowed: [...ACTING, 'Observer', 'key of observations'],
  },

  { route: 'service', path: service, allowed: holders(READING, ofPayments) },
  { route: 'service', path: '/meshes/shop/services/cron', allowed: holders(READING, inShop) },
  { route: 'service', path: '/meshes/other/services/ledger', allowed: holders(READING, ['', ':other', ':other/payments']) },
  { route: 'service', path: '/meshes/shop/services/nobody', allowed: holders(READING, inShop) },
  { route: 'serviceJournal', path: `${service}/journal`, allowed: holders(READING, ofPayments) },
  { route: 'shadow', path: `${service}/shadow`, allowed: holders(READING, ofPayments) },
  { route: 'lookAtShadow', path: `${service}/shadow`, allowed: holders(ACTING, ofPayments) },
  { route: 'startRollout', path: `${service}/rollout`, body: { version: 'v1' }, allowed: holders(ACTING, ofPayments) },
  { route: 'stepIn', path: `${service}/rollout/pause`, allowed: holders(ACTING, ofPayments) },
  { route: 'stepIn', path: '/meshes/shop/services/web/rollout/abort', allowed: holders(ACTING, ['', ':shop', ':shop/web']) },

  { route: 'meshJournal', path: '/meshes/shop/journal', allowed: holders(READING, inShop) },
  { route: 'spec', path: '/meshes/shop/spec', allowed: holders(READING, inShop) },
  { route: 'certificates', path: '/meshes/shop/certificates', allowed: holders(READING, inShop) },
  { route: 'trustJournal', path: '/meshes/shop/certificates/journal', allowed: holders(READING, inShop) },
  { route: 'rotationPlan', path: '/meshes/shop/rotation/plan', allowed: holders(READING, inShop) },
  {
    route: 'makeJoinToken',
    path: '/meshes/shop/join-tokens',
    body: { namespace: 'shop', serviceAccount: 'web' },
    allowed: holders(ACTING, inShop),
  },
  { route: 'rotate', path: '/meshes/shop/rotation', allowed: holders(ACTING, inShop) },
  { route: 'abortRotation', path: '/meshes/shop/rotation/abort', allowed: holders(ACTING, inShop) },
  { route: 'proceedRotation', path: '/meshes/shop/rotation/proceed', allowed: holders(ACTING, inShop) },
  { route: 'approveRotation', path: '/meshes/shop/rotation/approve', body: { gate: 'issuing' }, allowed: holders(['Approver'], inShop) },
  {
    route: 'forceRotation',
    path: '/meshes/shop/rotation/force',
    body: { rotation: 'r1', phase: 'issuing' },
    allowed: holders(['Admin'], inShop),
  },
];

let mesh: Installation;
let callers: Callers;
let admin: Readonly<Record<string, string>>;

beforeAll(async () => {
  [mesh, callers] = await Promise.all([installation(), startCallers()]);
  await mesh.start('functions', callers.settings);
  admin = bearer(callers.known.get('Admin'));
  for (const spec of [SHOP, OTHER]) {
    const applied = await mesh.call('POST', '/apply', { files: spec }, admin);
    if (applied.status !== 200) throw new Error(`The spec was not adopted: ${JSON.stringify(applied.body)}`);
  }
});
afterAll(() => Promise.all([mesh?.stop(), callers?.stop()]));

const bearer = (token: string | undefined): Readonly<Record<string, string>> =>
  token === undefined ? { authorization: '' } : { authorization: `Bearer ${token}` };
const ask = ({ route, path, body }: Row, headers: Readonly<Record<string, string>>) => {
  const { method } = ROUTES[route];
  return mesh.call(method, path, method === 'POST' ? (body ?? {}) : undefined, headers);
};
const problemSchema = z.object({ reason: z.string(), detail: z.string() });

describe('the rows below', () => {
  it('are there for every route of the table', () => {
    expect(Object.keys(ROUTES).filter((route) => !ROWS.some((row) => row.route === route))).toEqual([]);
  });

  it('name nobody who is not asked for', () => {
    const all = [...APP_ROLES, ...DOOR_ROLES, ...DOOR_KEYS];
    expect(ROWS.flatMap(({ allowed }) => (allowed === EVERYBODY ? [] : allowed)).filter((name) => !all.includes(name))).toEqual([]);
  });

  it.each(ROWS.map((row) => [row.route, row.path, JSON.stringify(row.body ?? ''), row] as const))(
    '%s of %s %s lets in exactly whom it should',
    async (_route, _path, _body, row) => {
      const everybody = [...callers.known, ...callers.unknown];
      const answers = await Promise.all(everybody.map(async ([name, token]) => ({ name, ...(await ask(row, bearer(token))) })));
      const isAllowed = (name: string): boolean => row.allowed === EVERYBODY || row.allowed.includes(name);
      const refusals = [401, 403];
      const letIn = answers.filter(({ status }) => !refusals.includes(status));
      expect(letIn.map(({ name }) => name).sort()).toEqual(
        everybody
          .map(([name]) => name)
          .filter(isAllowed)
          .sort(),
      );
      // The wrong way in would be a fault too.
      expect(letIn.filter(({ status }) => status >= 500)).toEqual([]);
      for (const { name, status, body } of answers.filter(({ name }) => !isAllowed(name))) {
        const { reason, detail } = problemSchema.parse(body);
        expect([name, status, reason]).toEqual(callers.unknown.has(name) ? [name, 401, 'NotAuthenticated'] : [name, 403, 'RoleMissing']);
        expect(detail).toMatch(/^[A-Z].*\.$/);
      }
    },
  );
});

describe('who is refused', () => {
  it('is told the role that would do, and where it is had', async () => {
    const refused = await mesh.call('POST', '/meshes/shop/rotation/approve', { gate: 'issuing' }, admin);
    expect(refused).toMatchObject({ status: 403, body: { reason: 'RoleMissing', role: 'Approver:shop' } });
    const team = await mesh.call('POST', `${service}/rollout/pause`, {}, bearer(callers.known.get('Operator:shop/web')));
    expect(team).toMatchObject({ status: 403, body: { role: 'Operator:shop/payments' } });
    expect(problemSchema.parse(team.body).detail).toMatch(/Operator:shop\/payments.*Users and groups/);
  });

  it('has changed nothing', async () => {
    const revision = async () => {
      const { body } = await mesh.call('GET', '/meshes/shop/spec', undefined, admin);
      return z.object({ revision: z.string() }).parse(body).revision;
    };
    const before = await revision();
    const changed = files('shop', [{ name: 'web', team: 'web' }]);
    for (const [role, needed] of [
      ['Admin:other', 'Admin:shop'],
      ['Admin:shop/web', 'Admin:shop'],
      ['Operator:shop', 'Admin'],
    ] as const) {
      const refused = await mesh.call('POST', '/apply', { files: changed }, bearer(callers.known.get(role)));
      expect(refused).toMatchObject({ status: 403, body: { role: needed } });
    }
    expect(await revision()).toBe(before);
  });

  it('without a token is told how to be somebody, as RFC 6750 has it', async () => {
    const response = await fetch(`http://127.0.0.1:${mesh.ports.functions}/status`);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    await response.text();
  });

  it('by a path that is none is told of it only when let in', async () => {
    const path = '/meshes/SHOP/services/payments/rollout/explode';
    expect(await mesh.call('POST', path, {}, bearer(undefined))).toMatchObject({ status: 401 });
    expect(await mesh.call('POST', path, {}, admin)).toMatchObject({ status: 404 });
  });
});

describe('the page', () => {
  it('sends people to sign in at the tenant', async () => {
    const { body } = await mesh.call('GET', '/', undefined, bearer(undefined));
    const at = `${callers.settings.MESHWRIGHT_ENTRA_AUTHORITY}/${TENANT}/oauth2/v2.0`;
    const clientId = callers.settings.MESHWRIGHT_ENTRA_AUDIENCES;
    expect(body).toContain(JSON.stringify({ authorize: `${at}/authorize`, token: `${at}/token`, clientId }));
  });
});

describe('a key of a door', () => {
  it('may come in the query, where action groups put it; a token of Entra ID may not', async () => {
    const key = callers.known.get('key of alerts') ?? '';
    const token = callers.known.get('Admin') ?? '';
    const nothing = bearer(undefined);
    expect(await mesh.call('POST', `/alerts?code=${key}`, { hello: 'world' }, nothing)).toMatchObject({ status: 422 });
    expect(await mesh.call('POST', `/events?code=${key}`, { hello: 'world' }, nothing)).toMatchObject({ status: 403 });
    expect(await mesh.call('POST', `/alerts?code=${token}`, { hello: 'world' }, nothing)).toMatchObject({ status: 401 });
  });
});

describe('what is shown of a whole', () => {
  const seenBy = async (role: string): Promise<{ services: readonly string[]; streams: readonly string[] }> => {
    const named = z
      .array(z.object({ mesh: z.string(), service: z.string() }))
      .transform((all) => all.map((each) => `${each.mesh}/${each.service}`));
    const headers = bearer(callers.known.get(role));
    const status = z.object({ services: named }).parse((await mesh.call('GET', '/status', undefined, headers)).body);
    const overview = z
      .object({ services: named, journal: z.array(z.object({ stream: z.string() })) })
      .parse((await mesh.call('GET', '/overview', undefined, headers)).body);
    expect(overview.services).toEqual(status.services);
    return { services: status.services, streams: [...new Set(overview.journal.map(({ stream }) => stream))].sort() };
  };

  it.each<[string, readonly string[]]>([
    ['Reader', ['other/ledger', 'shop/cron', 'shop/payments', 'shop/web']],
    ['Reader:shop', ['shop/cron', 'shop/payments', 'shop/web']],
    ['Approver:other', ['other/ledger']],
    ['Operator:shop/payments', ['shop/payments']],
    ['Admin:other/payments', ['other/ledger']],
  ])('to %s is what is theirs', async (role, services) => {
    const seen = await seenBy(role);
    expect(seen.services).toEqual(services);
    expect(seen.streams).toEqual(services.map((name) => `service/${name}`));
  });

  it('of drift is as much', async () => {
    const seen = async (role: string, query = '') => {
      const { body } = await mesh.call('GET', `/drift${query}`, undefined, bearer(callers.known.get(role)));
      const { drift } = z.object({ drift: z.array(z.object({ mesh: z.string(), service: z.string() })) }).parse(body);
      return [...new Set(drift.map((each) => `${each.mesh}/${each.service}`))];
    };
    await mesh.call('POST', '/drift', {}, admin);
    expect(await seen('Reader')).toContain('shop/web');
    expect(await seen('Reader:shop/payments')).toEqual(['shop/payments']);
    expect(await seen('Reader:shop/payments', '?mesh=shop&service=web')).toEqual([]);
  });
});

describe('on one machine', () => {
  let local: Installation;
  beforeAll(async () => {
    local = await installation();
    await local.start('functions');
    for (const spec of [SHOP, OTHER]) expect(await local.call('POST', '/apply', { files: spec })).toMatchObject({ status: 200 });
  });
  afterAll(() => local?.stop());

  it.each(ROWS.map((row) => [row.route, row.path, JSON.stringify(row.body ?? ''), row] as const))(
    '%s of %s %s needs the token unless it only reads',
    async (_route, _path, _body, row) => {
      const { method } = ROUTES[row.route];
      const isReading = row.allowed === EVERYBODY || row.allowed.some((name) => name.startsWith('Reader'));
      const asked = async (headers?: Readonly<Record<string, string>>) =>
        (await local.call(method, row.path, method === 'POST' ? (row.body ?? {}) : undefined, headers)).status;
      expect([401, 403]).not.toContain(await asked());
      for (const token of [undefined, 'garbage', callers.known.get('Admin')]) {
        const status = await asked(bearer(token));
        if (isReading) expect([401, 403]).not.toContain(status);
        else expect(status).toBe(401);
      }
    },
  );
});
