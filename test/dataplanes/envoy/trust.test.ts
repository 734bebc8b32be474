/** Trust on plain Envoys: roots are brought by the read model, and who is where is read from what agents said and xds saw. */
import { describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../../../src/adapters/memory-documents.ts';
import { envoyTrust } from '../../../src/dataplanes/envoy/trust.ts';
import { type IdentityObservation, putGiven, putIdentities } from '../../../src/reconcile/identity-observations.ts';
import { fingerprintOf, readTrust } from '../../../src/reconcile/model-trust.ts';
import { type NodeObservation, putNode, putWatcher } from '../../../src/reconcile/observations.ts';
import { hasLeft } from '../../../src/trust/gates.ts';
import { createAuthority } from './identities.ts';

const T0 = Date.parse('2026-11-22T14:00:00Z');
const SECOND = 1_000;
const place = { mesh: 'shop', dataPlane: 'vms' };
const [first, second, stranger] = await Promise.all(['first', 'second', 'stranger'].map(createAuthority));
if (!first || !second || !stranger) throw new Error('not made');
const [a, b, foreign] = [first.root, second.root, stranger.root].map(fingerprintOf);
if (!a || !b || !foreign) throw new Error('not made');
const web = { node: 'web', identity: 'spiffe://mesh.example/ns/shop/sa/web' };
const leaf = { fingerprint: 'd'.repeat(64), issuer: a, notAfter: T0 + 60 * SECOND };

async function world(roots: readonly string[] = [first?.root ?? '', second?.root ?? '']) {
  const documents = new MemoryDocuments();
  const pokes: unknown[] = [];
  const trust = envoyTrust(documents, 'vms', (mesh, sequence) => pokes.push([mesh, sequence]));
  const material = (revision: number, trusted: readonly string[]) => ({
    mesh: 'shop',
    trustDomain: 'mesh.example',
    revision,
    roots: trusted,
    signer: { fingerprint: a ?? '', certificate: first?.root ?? '' },
    renewWithinMs: 10_000,
    lives: { leafLifeMs: 60_000, skewMs: 15_000 },
  });
  await trust.bring(material(1, roots));
  await putWatcher(documents, place, { via: 'x1', aliveUntil: T0 + 3_600 * SECOND }, T0);
  return {
    documents,
    trust,
    pokes,
    material,
    /** What it says of its leaf is true: that was given to it. */
    async says(said: Partial<IdentityObservation> = {}): Promise<void> {
      await putGiven(documents, place, { ...web, ...leaf }, T0);
      await putIdentities(documents, place, [{ node: 'web', seenAt: T0, loaded: { roots: [a ?? ''], leaf }, ...said }]);
    },
    claims: (claimed: typeof leaf) =>
      putIdentities(documents, place, [{ node: 'web', seenAt: T0, loaded: { roots: [a ?? ''], leaf: claimed } }]),
    sees: (seen: Partial<NodeObservation> = {}) => putNode(documents, place, { node: 'web', via: 'x1', served: 1, ...seen }, T0),
    look: (now = T0) => trust.look('shop', now),
    one: async (now = T0) => (await trust.look('shop', now))[0],
  };
}

describe('roots', () => {
  it('are brought by the model, of which the xds server is told, and never by one decided earlier', async () => {
    const { trust, documents, pokes, material } = await world();
    expect(pokes).toEqual([['shop', 1]]);
    expect(await trust.bring(material(3, [second.root]))).toEqual({ kind: 'brought' });
    expect(await trust.bring(material(2, [first.root]))).toEqual({ kind: 'brought' });
    expect((await readTrust(documents, 'shop'))?.fingerprints).toEqual([b]);
  });
});

describe('a leaf that was given out', () => {
  const given = (notAfter: number) => ({ ...web, fingerprint: 'e'.repeat(64), notAfter });

  it('counts until it ends, whatever its proxy was seen to present', async () => {
    const { documents, says, sees, one } = await world();
    await says();
    await sees({ bundle: { offered: [a, b], accepted: [a, b] } });
    await putGiven(documents, place, given(T0 + 90 * SECOND), T0);
    expect(await one()).toMatchObject({ presents: { notAfter: leaf.notAfter }, mayPresentUntil: T0 + 90 * SECOND });
  });

  it('makes a member of a proxy that nobody has seen, which is not where it must be', async () => {
    const { documents, look } = await world();
    await putGiven(documents, place, given(T0 + 90 * SECOND), T0);
    expect(await look()).toMatchObject([
      { id: 'vms/web', seenAt: 0, trusts: [], mayPresentUntil: T0 + 90 * SECOND, trouble: expect.stringContaining('nobody has seen') },
    ]);
  });

  it('is not forgotten for a later one that ends sooner', async () => {
    const { documents, look } = await world();
    await putGiven(documents, place, given(T0 + 90 * SECOND), T0);
    await putGiven(documents, place, given(T0 + 30 * SECOND), T0 + SECOND);
    expect(await look()).toMatchObject([{ mayPresentUntil: T0 + 90 * SECOND }]);
  });
});

describe('a leaf of which an agent speaks', () => {
  const bundle = { offered: [a, b], accepted: [a, b] };
  const lives = { leafLifeMs: 60 * SECOND, skewMs: 15 * SECOND };
  const far = Date.UTC(9999, 0);

  it('counts no longer than what was given to its node, whatever end it is said to have', async () => {
    const { claims, sees, one, documents } = await world();
    await sees({ bundle });
    await putGiven(documents, place, { ...web, ...leaf }, T0);
    await claims({ ...leaf, notAfter: far });
    expect(await one()).toMatchObject({ presents: { issuer: a, notAfter: leaf.notAfter } });
    expect(await one()).not.toHaveProperty('trouble');
  });

  it.each([
    ['another was', true],
    ['none was', false],
  ])('is not believed where it was never given to its node, though %s, and holds nothing once its node is silent', async (_, another) => {
    const { claims, sees, one, documents } = await world();
    await sees({ bundle });
    if (another) await putGiven(documents, place, { ...web, fingerprint: 'e'.repeat(64), notAfter: leaf.notAfter }, T0);
    await claims({ ...leaf, notAfter: far });
    const member = await one();
    expect(member).toMatchObject({ trouble: 'not believed: it says that it presents dddddddddddd…, which was not given to it' });
    expect(member).not.toHaveProperty('presents');
    if (!member) throw new Error('nobody is seen');
    expect([hasLeft(member, T0 + 75 * SECOND, lives), hasLeft(member, T0 + 75 * SECOND + 1, lives)]).toEqual([false, true]);
  });

  it('may be the one before the last that was given', async () => {
    const { claims, sees, one, documents } = await world();
    await sees({ bundle });
    await putGiven(documents, place, { ...web, ...leaf }, T0);
    await putGiven(documents, place, { ...web, fingerprint: 'e'.repeat(64), notAfter: leaf.notAfter + SECOND }, T0 + SECOND);
    await claims(leaf);
    expect(await one()).not.toHaveProperty('trouble');
  });
});

describe('a proxy', () => {
  it('is where its agent says, once it was served that', async () => {
    const { says, sees, look } = await world();
    await says({ identity: 'spiffe://mesh.example/ns/shop/sa/web', loaded: { roots: [a, b], leaf } });
    await sees({ bundle: { offered: [a, b], accepted: [a, b] } });
    expect(await look()).toEqual([
      {
        id: 'vms/web',
        dataPlane: 'vms',
        kind: 'proxy',
        identity: 'spiffe://mesh.example/ns/shop/sa/web',
        seenAt: T0,
        trusts: [a, b],
        presents: { issuer: a, notAfter: leaf.notAfter },
        mayPresentUntil: leaf.notAfter,
      },
    ]);
  });

  it('is behind, and no liar, while it says what it had before', async () => {
    const { says, sees, one, trust, material } = await world([first.root]);
    await says();
    await sees({ bundle: { offered: [a], accepted: [a] } });
    await trust.bring(material(2, [second.root]));
    const member = await one();
    expect(member).toMatchObject({ trusts: [a] });
    expect(member).not.toHaveProperty('trouble');
  });

  it('is not believed where it says what was never served to it, or is of another mesh', async () => {
    const { says, sees, one } = await world();
    await sees({ bundle: { offered: [a], accepted: [a] } });
    await says({ loaded: { roots: [a, b], leaf } });
    expect(await one()).toMatchObject({ trouble: `not believed: it says that it trusts ${b.slice(0, 12)}…, which was not served to it` });
    await says({ loaded: { roots: [a, foreign], leaf } });
    expect(await one()).toMatchObject({
      trouble: `not believed: it says that it trusts ${foreign.slice(0, 12)}…, which this mesh never had`,
    });
    await says({ identity: 'spiffe://other.example/ns/shop/sa/web' });
    expect(await one()).toMatchObject({ trouble: expect.stringContaining('not of mesh.example') });
    await says();
    expect(await one()).not.toHaveProperty('trouble');
  });

  it('is not believed where no Envoy of that name was ever served', async () => {
    const { says, one } = await world();
    await says();
    expect(await one()).toMatchObject({ trouble: expect.stringContaining('which was not served to it') });
    await says({ loaded: { roots: [] } });
    expect(await one()).toMatchObject({ trusts: [] });
  });

  it('was served what another xds server says, that has gone since', async () => {
    const { says, sees, one, documents } = await world();
    await says({ loaded: { roots: [a, b], leaf } });
    await sees({ bundle: { offered: [a, b], accepted: [a, b] } });
    await putWatcher(documents, place, { via: 'x1', aliveUntil: T0 }, T0);
    await putWatcher(documents, place, { via: 'x2', aliveUntil: T0 + 3_600 * SECOND }, T0);
    await sees({ via: 'x2', bundle: { offered: [], accepted: [] } });
    expect(await one(T0 + SECOND)).not.toHaveProperty('trouble');
  });

  it('has trouble where it refuses the roots of today, whatever its agent says, and not for those of before', async () => {
    const { says, sees, one, trust, material } = await world();
    await says();
    await sees({ bundle: { offered: [a, b], accepted: [a], refused: { roots: [b, a], message: 'bad root' } } });
    expect(await one()).toMatchObject({ trouble: 'it refuses the roots: bad root' });
    await trust.bring(material(2, [first.root]));
    expect(await one()).not.toHaveProperty('trouble');
  });

  it('has the trouble that its agent tells of', async () => {
    const { says, sees, one } = await world();
    await sees({ bundle: { offered: [a, b], accepted: [a, b] } });
    await says({ trouble: 'Envoy refused its leaf.' });
    expect(await one()).toMatchObject({ trouble: 'Envoy refused its leaf.' });
  });

  it('that fell silent is as old as its last word, however long xds sees it', async () => {
    const { says, sees, one } = await world();
    await says();
    await sees({ bundle: { offered: [a, b], accepted: [a, b] } });
    expect((await one(T0 + 3_000 * SECOND))?.seenAt).toBe(T0);
  });

  it('is never seen later than it is looked at, wherever the clock stands of who wrote it down', async () => {
    const { says, sees, one } = await world();
    await says();
    await sees({ bundle: { offered: [a, b], accepted: [a, b] } });
    expect((await one(T0 - SECOND))?.seenAt).toBe(T0 - SECOND);
  });
});

describe('a proxy of which no agent speaks', () => {
  const bundle = { offered: [a, b], accepted: [a, b] };

  it('is seen for as long as it is connected, with nothing that could be where it must be, and from then on no more', async () => {
    const { sees, look } = await world();
    await sees({ bundle });
    expect(await look(T0 + 3_000 * SECOND)).toMatchObject([
      { id: 'vms/web', trusts: [], seenAt: T0 + 3_000 * SECOND, trouble: 'no agent says what it has loaded' },
    ]);

    await sees({ bundle, goneAt: T0 });
    expect(await look(T0 + 75 * SECOND)).toMatchObject([{ seenAt: T0, trusts: [] }]);
  });

  it('is none of them where it has no identity', async () => {
    const { sees, look } = await world();
    await sees();
    expect(await look()).toEqual([]);
  });
});
