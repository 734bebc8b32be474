/** The files of an identity: what counts as a leaf, and what an earlier process may have left. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leafOf, openDirectory, readLeaf, writeBundle, writeLeaf } from '../../src/agent/identity-files.ts';
import { makeKey } from '../../src/agent/signing-request.ts';
import { issuingMesh, MESH } from '../trust/issuing-mesh.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'meshwright-identity-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function issued() {
  const { issuing } = await issuingMesh({ now: Date.now, attest: [{ kind: 'join' }] });
  const made = await issuing.makeJoinToken(MESH, { identity: { namespace: 'shop', serviceAccount: 'web' }, lifeMs: 60_000, actor: 'test' });
  const key = await makeKey();
  const token = { kind: 'join', value: made.kind === 'made' ? made.token : '', renewal: '0'.repeat(64) } as const;
  const given = await issuing.issue(MESH, { csr: key.request(), node: 'web-1', token });
  if (given.kind !== 'issued') throw new Error(given.message);
  return { chain: given.chain, key: key.pem };
}

describe('a leaf', () => {
  it('is one with its issuer and the key that goes with it, and is read back as it was written', async () => {
    const { chain, key } = await issued();
    const leaf = leafOf(chain, key);
    expect(leaf).toMatchObject({ fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/), issuer: expect.stringMatching(/^[0-9a-f]{64}$/) });
    await writeLeaf(directory, chain, key);
    expect(await readLeaf(directory)).toEqual(leaf);
  });

  it('is none with another key, without its issuer, under an issuer that did not sign it, or in half', async () => {
    const [one, other] = [await issued(), await issued()];
    const end = '-----END CERTIFICATE-----\n';
    const [leaf, ofOther] = [one.chain.split(end)[0], other.chain.split(end)[1]];
    expect(leafOf(one.chain, other.key)).toBeUndefined();
    expect(leafOf(`${leaf}${end}`, one.key)).toBeUndefined();
    expect(leafOf(`${leaf}${end}${ofOther}${end}`, one.key)).toBeUndefined();
    await writeFile(join(directory, 'default.yaml'), '{"resources":[{"name":"default","tls_cert');
    expect(await readLeaf(directory)).toBeUndefined();
  });
});

describe('the directory', () => {
  it('is cleared of what an earlier process was writing, and of nothing else', async () => {
    await writeBundle(directory, ['a root']);
    await writeFile(join(directory, '.default.yaml.new'), 'half of it');
    await writeFile(join(directory, 'notes'), 'of a person');
    await openDirectory(directory);
    expect((await readdir(directory)).sort()).toEqual(['bundle.yaml', 'notes']);
  });

  it('has its bundle written when that changed', async () => {
    expect([
      await writeBundle(directory, ['a root']),
      await writeBundle(directory, ['a root']),
      await writeBundle(directory, ['a root', 'another']),
    ]).toEqual([true, false, true]);
  });
});
