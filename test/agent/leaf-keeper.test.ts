/** When a leaf that is held is renewed sooner: for another issuer once, and once more for each time that a rotation goes there. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeLeaf } from '../../src/agent/identity-files.ts';
import { leafKeeper } from '../../src/agent/leaf-keeper.ts';
import { makeKey } from '../../src/agent/signing-request.ts';
import { issuingMesh, MESH } from '../trust/issuing-mesh.ts';

const T0 = Date.parse('2026-11-22T14:00:00Z');
const next = 'b'.repeat(64);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'meshwright-keeper-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** It holds a leaf, at a time that stands still. */
async function holding() {
  const { issuing } = await issuingMesh({ now: () => T0, attest: [{ kind: 'join' }] });
  const made = await issuing.makeJoinToken(MESH, { identity: { namespace: 'shop', serviceAccount: 'web' }, lifeMs: 60_000, actor: 'test' });
  const key = await makeKey();
  const token = { kind: 'join', value: made.kind === 'made' ? made.token : '', renewal: '0'.repeat(64) } as const;
  const given = await issuing.issue(MESH, { csr: key.request(), node: 'web-1', token });
  if (given.kind !== 'issued') throw new Error(given.message);
  await writeLeaf(directory, given.chain, key.pem);
  const settings = {
    url: 'http://127.0.0.1:1',
    mesh: MESH,
    dataPlane: 'vms',
    node: 'web-1',
    directory,
    token: { kind: 'join', path: join(directory, 'join-token') },
  } as const;
  const said: string[] = [];
  const keeper = leafKeeper(settings, { now: () => T0, elapsed: () => 0, chance: () => 0.5 }, (event) => said.push(event));
  await keeper.open();
  return { keeper, said, signer: given.signer };
}

describe('an agent that is told of an issuer that is not its leaf’s', () => {
  it('comes for a leaf within the time that it is told, once', async () => {
    const { keeper } = await holding();
    keeper.hurry(next, 60_000);
    expect(keeper.dueIn()).toBe(30_000);
    keeper.hurry(next, 10_000);
    expect(keeper.dueIn()).toBe(30_000);
  });

  it('is hurried again when the rotation went back and comes once more', async () => {
    const { keeper, said, signer } = await holding();
    keeper.hurry(next, 60_000);
    keeper.hurry(signer, 60_000);
    keeper.hurry(next, 10_000);
    expect(keeper.dueIn()).toBe(5_000);
    expect(said).toEqual(['LeafFound', 'LeafHurried', 'LeafHurried']);
  });
});
