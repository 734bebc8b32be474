/** A gate that is forced over HTTP, through the shipped functions: what is refused, and why; what it passes, and who breaks by it. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { makeKey } from '../../src/agent/signing-request.ts';
import { type Installation, installation } from './installation.ts';
import { until } from './until.ts';

const MESH = `apiVersion: meshwright.dev/v1
kind: Mesh
name: shop
trustDomain: shop.example
dataPlanes: [{ name: edge, kind: envoy }]
certificates: { attest: [join] }
`;
const statusSchema = z.object({ rotation: z.object({ id: z.string(), phase: z.object({ name: z.string() }) }).nullable() });

let mesh: Installation;
let rotation = '';

beforeAll(async () => {
  mesh = await installation();
  await mesh.start('functions');
  expect(await mesh.call('POST', '/apply', { files: [{ path: 'mesh.yaml', text: MESH }] })).toMatchObject({ status: 200 });
  await until('a root is there to be replaced', async () => (await mesh.call('GET', '/meshes/shop/rotation/plan')).status === 200);
  await giveLeafTo('web-1');
  expect(await mesh.call('POST', '/meshes/shop/rotation', {})).toMatchObject({ status: 200 });
  await until('it is distributed', async () => (await now())?.phase.name === 'distributing');
  rotation = (await now())?.id ?? '';
});
afterAll(() => mesh?.stop());

/** It has a leaf, and never says what it trusts: it is behind for as long as that leaf counts. */
async function giveLeafTo(node: string): Promise<void> {
  const made = await mesh.call('POST', '/meshes/shop/join-tokens', { namespace: 'shop', serviceAccount: 'web' });
  const { token } = z.object({ token: z.string() }).parse(made.body);
  const asked = {
    csr: (await makeKey()).request(),
    node,
    token: { kind: 'join', value: token, renewal: createHash('sha256').update('mwr_of-nobody').digest('hex') },
  };
  expect(await mesh.call('POST', '/meshes/shop/certificates', asked, { authorization: '' })).toMatchObject({ status: 200 });
}

const now = async () => statusSchema.parse((await mesh.call('GET', '/meshes/shop/certificates')).body).rotation;
const force = (body?: object, headers?: Readonly<Record<string, string>>) =>
  mesh.call('POST', '/meshes/shop/rotation/force', body, headers);

describe('a gate over HTTP', () => {
  it.each([
    ['nothing', {}],
    ['a rotation alone', { rotation: 'r1' }],
    ['more than there is to say', { rotation: 'r1', phase: 'distributing', behind: [] }],
  ])('is not forced by %s', async (_what, body) => {
    expect(await force(body)).toMatchObject({ status: 400, contentType: 'application/problem+json', body: { reason: 'NotARequest' } });
  });

  it('is not forced by anybody, in no mesh that is not there, and not while waiting is safe', async () => {
    const asked = { rotation, phase: 'distributing' };
    expect(await force(asked, { authorization: '' })).toMatchObject({ status: 401 });
    expect(await mesh.call('POST', '/meshes/elsewhere/rotation/force', asked)).toMatchObject({ status: 404 });
    expect(await force(asked)).toMatchObject({ status: 409, body: { reason: 'WaitingIsSafe' } });
    expect((await now())?.phase.name).toBe('distributing');
  });

  it('is forced of a compromise, as it was looked at, and once', async () => {
    const compromised = await mesh.call('POST', '/meshes/shop/rotation', { compromised: true, reason: 'its key was copied' });
    expect(compromised).toMatchObject({ status: 200, body: { outcome: 'accepted' } });
    expect(await force({ rotation, phase: 'issuing' })).toMatchObject({ status: 409, body: { reason: 'AnotherPhase' } });
    const forced = await force({ rotation, phase: 'distributing' });
    expect(forced).toMatchObject({
      status: 200,
      body: { outcome: 'accepted', message: expect.stringContaining('though 1 are behind') },
    });
    expect((await now())?.phase.name).toBe('issuing');
    expect(await force({ rotation, phase: 'distributing' })).toMatchObject({ status: 409, body: { reason: 'AnotherPhase' } });
  });
});
