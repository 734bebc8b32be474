/** Two people for what cannot be taken back: one begins to replace a root, and another one approves. Through the shipped functions, by tokens of Entra ID. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Callers, startCallers } from './callers.ts';
import { type Installation, installation } from './installation.ts';
import { until } from './until.ts';

const meshWith = (approvals: string) => `apiVersion: meshwright.dev/v1
kind: Mesh
name: shop
trustDomain: shop.example
dataPlanes: [{ name: edge, kind: envoy }]
certificates: { approvals: ${approvals} }
`;
const ALICE = 'aaaaaaaa-4b5e-4c6d-8e7f-9a0b1c2d3e4f';
const BOB = 'bbbbbbbb-4b5e-4c6d-8e7f-9a0b1c2d3e4f';

let mesh: Installation;
let callers: Callers;

beforeAll(async () => {
  [mesh, callers] = await Promise.all([installation(), startCallers()]);
});
afterAll(() => Promise.all([mesh?.stop(), callers?.stop()]));

const as = async (oid: string, ...roles: readonly string[]) => ({ authorization: `Bearer ${await callers.tokenWith(roles, { oid })}` });
const approve = (headers: Readonly<Record<string, string>>) =>
  mesh.call('POST', '/meshes/shop/rotation/approve', { gate: 'issuing' }, headers);
const rotationSchema = z.object({ rotation: z.object({ startedBy: z.string(), approvals: z.record(z.string(), z.string()) }).nullable() });

describe('a spec that asks for approvals', () => {
  it('is refused where all callers are one, with what to do', async () => {
    await mesh.start('functions');
    const refused = await mesh.call('POST', '/apply', { files: [{ path: 'mesh.yaml', text: meshWith('[issuing]') }] });
    expect(refused).toMatchObject({ status: 422, body: { problems: [{ message: expect.stringMatching(/MESHWRIGHT_AUTH "entra"/) }] } });
    expect(await mesh.call('POST', '/apply', { files: [{ path: 'mesh.yaml', text: meshWith('[]') }] })).toMatchObject({ status: 200 });
    await mesh.kill('functions');
  });

  it('is adopted where callers have names, and only somebody else with the role approves', async () => {
    await mesh.start('functions', callers.settings);
    const files = [{ path: 'mesh.yaml', text: meshWith('[issuing, pruning]') }];
    expect(await mesh.call('POST', '/apply', { files }, await as(ALICE, 'Admin:shop'))).toMatchObject({ status: 200 });
    await until('a root is there to be replaced', async () => {
      const plan = await mesh.call('GET', '/meshes/shop/rotation/plan', undefined, await as(ALICE, 'Reader:shop'));
      return plan.status === 200;
    });
    const begun = await mesh.call('POST', '/meshes/shop/rotation', {}, await as(ALICE, 'Operator:shop'));
    expect(begun).toMatchObject({ status: 200, body: { outcome: 'accepted' } });

    expect(await approve(await as(BOB, 'Admin', 'Operator'))).toMatchObject({ status: 403, body: { role: 'Approver:shop' } });
    expect(await approve(await as(BOB, 'Approver:other'))).toMatchObject({ status: 403 });
    expect(await approve(await as(ALICE, 'Operator', 'Approver'))).toMatchObject({ status: 409, body: { reason: 'SameEyes' } });
    expect(await approve(await as(BOB, 'Approver:shop'))).toMatchObject({ status: 200, body: { outcome: 'accepted' } });

    const { body } = await mesh.call('GET', '/meshes/shop/certificates', undefined, await as(BOB, 'Approver:shop'));
    expect(rotationSchema.parse(body).rotation).toEqual({ startedBy: ALICE, approvals: { issuing: BOB } });
  });
});
