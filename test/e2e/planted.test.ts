/**
 * Secrets and personal data planted in everything that comes in, through the shipped functions with tokens of Entra ID: nothing of it is found
 * afterwards in the state on disk, in any log, or in what anybody is answered later.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { makeKey } from '../../src/agent/signing-request.ts';
import { ROUTES } from '../../src/api/routes.ts';
import { payload } from '../intake/payload.ts';
import { type Callers, startCallers } from './callers.ts';
import { type Installation, installation } from './installation.ts';

/** Each its own, so that what is found says where it came from. */
const planted: string[] = [];
function plant(what: string): string {
  const mark = `planted${what}${planted.length}mark`;
  planted.push(mark);
  return mark;
}

const person = (): Readonly<Record<string, unknown>> => ({
  claims: {
    name: plant('Name'),
    'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn': `${plant('Upn')}@shop.example`,
    ipaddr: plant('Address'),
  },
  caller: `${plant('Caller')}@shop.example`,
  authorization: { evidence: { principalId: plant('Principal') }, scope: plant('Scope') },
  httpRequest: { clientIpAddress: plant('Client'), clientRequestId: plant('Request') },
});

const objectSchema = z.looseObject({ data: z.looseObject({}) });
/** A payload with a person in its data, at two depths and in another case. */
function withPerson(name: string): unknown {
  const [event] = [payload(name)].flat();
  const { data, ...rest } = objectSchema.parse(event);
  const inner = person();
  return {
    ...rest,
    data: { ...data, ...person(), properties: { Claims: inner.claims, CALLER: inner.caller, actor: { name: plant('Actor') } } },
  };
}

const FILES = [
  {
    path: 'mesh.yaml',
    text: `apiVersion: meshwright.dev/v1
kind: Mesh
name: shop
dataPlanes: [{ name: edge, kind: envoy }]
channels: { teams: { webhookSetting: SHOP_WEBHOOK } }
certificates: { leafLife: 1h, issuerLife: 1d, rootLife: 30d, attest: [join] }
`,
  },
  { path: 'catalog.yaml', text: 'apiVersion: meshwright.dev/v1\nkind: Service\nname: catalog\nport: 8080\nstable: v1\nrollout: canary\n' },
];

let mesh: Installation;
let callers: Callers;
let admin: Readonly<Record<string, string>>;

beforeAll(async () => {
  [mesh, callers] = await Promise.all([installation(), startCallers()]);
  await mesh.start('functions', { ...callers.settings, SHOP_WEBHOOK: `https://x.logic.azure.com:8443/${plant('Webhook')}` });
  const me = {
    name: plant('MyName'),
    preferred_username: `${plant('MyUpn')}@shop.example`,
    email: `${plant('MyMail')}@shop.example`,
    ipaddr: plant('MyAddress'),
  };
  admin = { authorization: `Bearer ${await callers.tokenWith(['Admin'], me)}` };
});
afterAll(async () => {
  await mesh?.stop();
  await callers?.stop();
});

const post = (path: string, body: unknown, headers = admin) => mesh.call('POST', path, body, headers);

describe('what is planted in what comes in', () => {
  it('comes in by every door', async () => {
    expect((await post('/apply', { files: FILES })).status).toBe(200);
    const refusedSpec = { path: 'mesh.yaml', text: `${FILES[0]?.text}secret: ${plant('InSpec')}\n` };
    expect((await post('/apply', { files: [refusedSpec] })).status).toBe(422);
    for (const name of [
      'resource-written.cloudevents',
      'resource-written.event-grid',
      'image-pushed.event-grid',
      'deployment-requested.cloudevents',
    ]) {
      const answer = await post('/events', withPerson(name));
      expect([202, 409, 422], name).toContain(answer.status);
    }
    const packed = Buffer.from(JSON.stringify({ service: 'catalog', ...person() })).toString('base64');
    await post('/events', { specversion: '1.0', id: 'b', source: '/ci', type: 'x', data_base64: packed });
    await post('/events', `${plant('PlainText')} is no event`);
    await post('/alerts', withPerson('activity-log-fired'));
    await post('/alerts', { schemaId: 'other', ...person() });
    const csr = (await makeKey()).request('spiffe://cluster.local/ns/shop/sa/web');
    const token = { kind: 'join', value: plant('JoinToken').padEnd(43, 'x'), renewal: 'a'.repeat(64) };
    expect((await post('/meshes/shop/certificates', { csr, node: 'n1', token }, {})).status).toBe(401);
    expect((await post('/meshes/shop/certificates', { csr: plant('Csr'), node: 'n1', token }, {})).status).toBeGreaterThanOrEqual(400);
    expect((await post('/apply', { files: FILES }, { authorization: `Bearer ${plant('Bearer')}` })).status).toBe(401);
    expect((await mesh.call('GET', `/metrics?code=${plant('DoorKey')}`, undefined, { authorization: '' })).status).toBe(401);
    // What has its decisions carried to Teams by the webhook above.
    expect((await post('/meshes/shop/services/catalog/rollout', { version: 'v2' })).status).toBe(202);
  });

  it('is on no disk: neither in the state nor in a log', async () => {
    const files = await readdir(mesh.directory.path, { recursive: true, withFileTypes: true });
    const contents = await Promise.all(
      files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), 'latin1')),
    );
    const all = contents.join('\n');
    // It was looked for where things are.
    expect(all).toContain('catalog');
    expect(all).toContain('FitsNoService');
    expect(found(all)).toEqual([]);
  });

  it('is in no answer that anybody gets afterwards', async () => {
    const parked = z
      .object({ parked: z.array(z.object({ id: z.string() })) })
      .parse((await mesh.call('GET', '/parked', undefined, admin)).body).parked;
    expect(parked.length).toBeGreaterThan(4);
    const paths = Object.values(ROUTES)
      .filter(({ method, name }) => method === 'GET' && !['page', 'parkedOne', 'deadLetter', 'deadLetters'].includes(name))
      .map(({ path }) => `/${path.replace('{mesh}', 'shop').replace('{service}', 'catalog')}`);
    const answers = await Promise.all(
      [...paths, ...parked.map(({ id }) => `/parked/${id}`)].map((path) => mesh.call('GET', path, undefined, admin)),
    );
    expect(found(JSON.stringify(answers))).toEqual([]);
  });
});

const found = (text: string): readonly string[] =>
  planted.filter((mark) => text.includes(mark) || aligned(mark).some((piece) => text.includes(piece)));

/** As Base64 has it wherever it begins: without what its neighbours have a part in. */
function aligned(mark: string): readonly string[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.from(`${'\0'.repeat(before)}${mark}`).toString('base64');
    return text.slice(before === 0 ? 0 : 4, -4);
  });
}
