/** Data planes that sign leafs by themselves: what they are handed, that it is known before they have it, and when they get another. */
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MemoryVault } from '../../src/adapters/memory-vault.ts';
import { NotDelegated, newSigner } from '../../src/reconcile/delegating.ts';
import { makeAuthority } from '../../src/trust/authorities.ts';
import { signsUnder } from '../../src/trust/certificates.ts';
import { inventoryOf } from '../../src/trust/inventory.ts';
import { nextWake, rootsOf } from '../../src/trust/timing.ts';
import { certificatesSpec, DAY, fingerprint, ISSUER_LIFE, SECOND } from './samples.ts';
import { ALL, issuing, made, resting, rotateFor, Story, specify } from './story.ts';

const handed = (story: Story, number: number, root = 1, dataPlane = 'west', life = ISSUER_LIFE) => ({
  type: 'Delegate' as const,
  root: fingerprint(root),
  delegation: { dataPlane, fingerprint: fingerprint(2_000 + number), notBefore: story.now, notAfter: story.now + life },
});

describe('an issuer that is handed to a data plane', () => {
  it('is known before it is there: a leaf under it stands under its root', () => {
    const story = issuing();
    story
      .given(handed(story, 1, 2))
      .thenRecords('IssuerDelegated')
      .thenOwes();
    for (const number of [1, 2]) {
      story.after(number * SECOND).member('web', { trusts: [1, 2], under: 1_001 });
      for (const id of ['cart', 'pay']) story.member(id, { trusts: [1, 2], under: 2 });
      story.when({ type: 'Looked', look: story.look() });
    }
    story.thenPhase('soaking');
  });

  it('changes neither whom anybody trusts nor who signs', () => {
    const story = resting();
    const { settingsVersion } = story.state;
    story.given(handed(story, 1)).thenTrusts(1);
    expect(story.state.settingsVersion).toBe(settingsVersion);
    story.when(handed(story, 1)).thenChangesNothing('KnownAlready');
  });

  it('is none under a root that is no root of the mesh', () => {
    const story = resting();
    story.when(handed(story, 1, 7)).thenChangesNothing('RootUnknown');
  });

  it('is replaced when half of its life is over, once, at that data plane alone', () => {
    const story = resting();
    const begun = story.now;
    story
      .given(handed(story, 1, 1, 'west', 2 * DAY))
      .elapse()
      .thenRecords('DelegationDue')
      .thenOwes('trust west');
    expect(story.now).toBe(begun + DAY);
    story.when({ type: 'Elapsed' }).thenChangesNothing();
    expect(nextWake(story.state)).toBeGreaterThan(story.now);
    story.given(handed(story, 2, 1, 'west', 2 * DAY)).elapse();
    expect(story.now).toBe(begun + 2 * DAY);
    story.thenRecords('DelegationDue');
  });

  it('is known for as long as it counts, and no longer', () => {
    const story = resting();
    story
      .given(handed(story, 1, 1, 'west', 2 * DAY))
      .after(DAY)
      .given(handed(story, 2, 1, 'west', 2 * DAY));
    const knows = (number: number) => rootsOf(story.state).some((root) => signsUnder(root, fingerprint(2_000 + number)));
    expect([knows(1), knows(2)]).toEqual([true, true]);
    story.after(1.5 * DAY).given(handed(story, 3, 1, 'west', 2 * DAY));
    expect([knows(1), knows(2), knows(3)]).toEqual([false, true, true]);
  });

  it('is in the inventory, beside that of the vault, until when it counts and when it is due', () => {
    const story = resting();
    const begun = story.now;
    story.given(handed(story, 1, 1, 'west', 2 * DAY));
    const issuers = inventoryOf(story.state, story.look(), [], story.now).certificates.filter(({ kind }) => kind === 'issuer');
    expect(issuers).toHaveLength(2);
    expect(issuers[0]).toMatchObject({ name: 'mesh-root at west', fingerprint: fingerprint(2_001), role: 'current', dueAt: begun + DAY });
    expect(issuers[1]).toMatchObject({ name: 'mesh-root', fingerprint: fingerprint(1_001) });
  });

  it('is not replaced under a root that signs no more', () => {
    const story = resting();
    story.given(handed(story, 1, 1, 'west', 2 * DAY));
    story.given(rotateFor('asked'));
    story
      .given(made(story, 2))
      .seenTwice(ALL, { trusts: [1, 2], under: 1 })
      .thenPhase('issuing');
    story.after(1.5 * DAY).when({ type: 'Elapsed' });
    expect(story.events.filter(({ event }) => event.type === 'DelegationDue')).toEqual([]);
  });
});

describe('what a data plane is to sign with', () => {
  /** A mesh whose root is real; prompts go to its story, as the app's do. */
  async function mesh(story = new Story()) {
    const vault = new MemoryVault();
    const spec = certificatesSpec();
    story.given(specify(spec));
    const authority = await makeAuthority(vault, { spec, trustDomain: 'shop.example', wish: 'shop/first', now: story.now });
    story.given({ type: 'AuthorityMade', wish: 'first', authority });
    const ports = {
      now: () => story.now,
      vault: async () => vault,
      promptTrust: async (_mesh: string, _id: string, command: Parameters<Story['give']>[0]) => void story.give(command),
      isKnown: async (_mesh: string, issuer: string) => rootsOf(story.state).some((root) => signsUnder(root, issuer)),
    };
    const of = { mesh: 'shop', dataPlane: 'west' };
    const ask = (held: string | undefined) => newSigner(ports, of, { signer: async () => held }, story.state);
    return { story, vault, authority, ask };
  }

  it('is an issuer right under the root that signs, for leafs alone, and its key', async () => {
    const { ask, authority, story } = await mesh();
    const delegated = await (await ask(undefined))?.();
    const certificate = new X509Certificate(delegated?.certificate ?? '');
    const root = new X509Certificate(authority.certificate);
    expect(certificate.checkIssued(root) && certificate.verify(root.publicKey)).toBe(true);
    expect(certificate.toLegacyObject()).toMatchObject({ ca: true });
    const own = createPublicKey(createPrivateKey(delegated?.key ?? '')).export({ type: 'spki', format: 'der' });
    expect(certificate.publicKey.export({ type: 'spki', format: 'der' }).equals(own)).toBe(true);
    const [{ event } = { event: undefined }] = story.events.slice(-1);
    expect(event).toMatchObject({ type: 'IssuerDelegated', delegation: { dataPlane: 'west', fingerprint: delegated?.fingerprint } });
    expect(JSON.stringify(story.events)).not.toContain('PRIVATE KEY');
  });

  it('is not asked for before somebody wants it', async () => {
    const { ask, story } = await mesh();
    await ask(undefined);
    expect(story.events.some(({ event }) => event.type === 'IssuerDelegated')).toBe(false);
  });

  it('stays what it is until half of its life is over, and no longer', async () => {
    const { ask, story } = await mesh();
    const first = await (await ask(undefined))?.();
    expect(await ask(first?.fingerprint)).toBeUndefined();
    story.after(ISSUER_LIFE / 2 + SECOND);
    const second = await (await ask(first?.fingerprint))?.();
    expect(second?.fingerprint).not.toBe(first?.fingerprint);
    expect(await ask(second?.fingerprint)).toBeUndefined();
  });

  it('is another where what it signs with is of nobody, or was handed to another data plane', async () => {
    const { ask, story, authority } = await mesh();
    expect(await ask(fingerprint(7))).toBeTypeOf('function');
    story.given({ ...handed(story, 5, 1, 'east'), root: authority.fingerprint });
    expect(await ask(fingerprint(2_005))).toBeTypeOf('function');
  });

  it('is made again where the run that made it ended before it was there', async () => {
    const { ask } = await mesh();
    const lost = await (await ask(undefined))?.();
    const next = await (await ask(undefined))?.();
    expect(next?.fingerprint).not.toBe(lost?.fingerprint);
  });

  it('is under the new root once that signs, and not before', async () => {
    const { ask, story, vault } = await mesh();
    const before = await (await ask(undefined))?.();
    story.given(rotateFor('asked'));
    const wish = story.state.rotation?.id ?? '';
    const authority = await makeAuthority(vault, { spec: certificatesSpec(), trustDomain: 'shop.example', wish, now: story.now });
    story.given({ type: 'AuthorityMade', wish, authority }).thenPhase('distributing');
    expect(await ask(before?.fingerprint)).toBeUndefined();
    for (const _time of [1, 2]) story.looked();
    story.thenPhase('issuing');
    const after = await (await ask(before?.fingerprint))?.();
    const root = new X509Certificate(authority.certificate);
    expect(new X509Certificate(after?.certificate ?? '').verify(root.publicKey)).toBe(true);
  });

  it('is given to nobody where its root went meanwhile', async () => {
    const { ask, story } = await mesh();
    const make = await ask(undefined);
    story.given({ type: 'Release', specVersion: 2 });
    await expect(make?.()).rejects.toThrow(NotDelegated);
  });
});
