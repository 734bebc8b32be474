/**
 * A root that becomes another one at real Envoys, by the xds server alone: every request is a handshake of its own, nobody is let down
 * on the way, and in the end nobody trusts what is no longer served. What Envoys have loaded is asked of them and told as an agent does.
 */
import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { envoyTrust } from '../../src/dataplanes/envoy/trust.ts';
import { putGiven } from '../../src/reconcile/identity-observations.ts';
import { fingerprintOf } from '../../src/reconcile/model-trust.ts';
import { type Authority, createAuthority } from '../dataplanes/envoy/identities.ts';
import { until } from '../e2e/until.ts';
import { constantly } from './constantly.ts';
import { spiffe, startMesh, TRUST_DOMAIN } from './mtls-mesh.ts';
import { envoyForTests } from './real-envoy.ts';

const envoy = await envoyForTests();
const account = { receiver: 'catalog', web: 'web', batch: 'web' } as const;
type Id = keyof typeof account;
const allow = [{ callers: [{ namespace: 'shop', serviceAccount: 'web' }] }];

const pem = z.object({ inline_string: z.string() });
const dumpSchema = z.object({
  configs: z
    .array(
      z.object({
        name: z.string(),
        secret: z.object({
          validation_context: z.object({ trusted_ca: pem }).optional(),
          tls_certificate: z.object({ certificate_chain: pem }).optional(),
        }),
      }),
    )
    .default([]),
});

const certificatesIn = (text: string): readonly X509Certificate[] =>
  (text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((one) => new X509Certificate(one));

async function started() {
  const mesh = await startMesh();
  const second = await createAuthority('second');
  const authorities: readonly Authority[] = [mesh.authority, second];
  const trust = envoyTrust(mesh.documents, 'vms', () => void fetch(`${mesh.door}/poke/shop`, { method: 'POST' }));
  let revision = 0;

  /** As its agent would: what it has really loaded. */
  async function report(id: Id): Promise<void> {
    const { configs } = dumpSchema.parse(JSON.parse(await mesh.admin(id, '/config_dump?resource=dynamic_active_secrets')));
    const of = (name: string) => configs.filter((each) => each.name === name).map(({ secret }) => secret);
    const roots = of('bundle').flatMap(({ validation_context }) => certificatesIn(validation_context?.trusted_ca.inline_string ?? ''));
    const [leaf] = of('default').flatMap(({ tls_certificate }) => certificatesIn(tls_certificate?.certificate_chain.inline_string ?? ''));
    const issuer = authorities.find(({ root }) => leaf?.verify(new X509Certificate(root).publicKey));
    const body = {
      mesh: 'shop',
      dataPlane: 'vms',
      node: id,
      identity: spiffe(account[id]),
      loaded: {
        roots: [...new Set(roots.map((root) => fingerprintOf(root.toString())))],
        ...(leaf && issuer
          ? {
              leaf: { fingerprint: fingerprintOf(leaf.toString()), issuer: fingerprintOf(issuer.root), notAfter: Date.parse(leaf.validTo) },
            }
          : {}),
      },
    };
    const { leaf: presented } = body.loaded;
    // As whoever signs writes it down.
    if (presented)
      await putGiven(mesh.documents, { mesh: 'shop', dataPlane: 'vms' }, { node: id, identity: body.identity, ...presented }, Date.now());
    const headers = { authorization: `Bearer ${mesh.nodeToken}`, 'content-type': 'application/json' };
    const answer = await fetch(`${mesh.door}/identities`, { method: 'POST', headers, body: JSON.stringify(body) });
    expect(answer.status).toBe(200);
  }

  const members = async () => new Map((await trust.look('shop', Date.now())).map((member) => [member.id, member]));
  return {
    mesh,
    second,
    members,
    report,
    async bring(roots: readonly Authority[], signer: Authority): Promise<void> {
      revision += 1;
      const material = {
        mesh: 'shop',
        trustDomain: TRUST_DOMAIN,
        revision,
        roots: roots.map(({ root }) => root),
        signer: { fingerprint: fingerprintOf(signer.root), certificate: signer.root },
        renewWithinMs: 1_000,
        // Of its connections none lives as long as that: `connection-life.test.ts`.
        lives: { leafLifeMs: 3_600_000, skewMs: 300_000 },
      };
      expect(await trust.bring(material)).toEqual({ kind: 'brought' });
    },
    /** Handshakes that the Envoy before the workload has ended, for it trusts no root of the caller's leaf. */
    async unverified(): Promise<number> {
      const counters = await mesh.admin('receiver', '/stats?filter=inbound.*ssl.fail_verify_error|listener.*ssl.fail_verify_error');
      return counters.split('\n').reduce((sum, line) => sum + Number(line.split(': ')[1] ?? 0), 0);
    },
    /** All of them say that they have exactly this, and are believed. */
    have: (ids: readonly Id[], roots: readonly Authority[], issuer: Authority) =>
      until(`${ids.join(', ')} trust ${roots.length}`, async () => {
        for (const id of ids) await report(id);
        const seen = await members();
        return ids.every((id) => {
          const member = seen.get(`vms/${id}`);
          const trusted = roots.every(({ root }) => member?.trusts.includes(fingerprintOf(root))) && member?.trusts.length === roots.length;
          return trusted && member?.trouble === undefined && member?.presents?.issuer === fingerprintOf(issuer.root);
        });
      }),
  };
}

/** How many requests go by while something is as it is. */
const SOME = 100;

describe.skipIf(!envoy)('a mesh whose roots become known', () => {
  it('comes from the files of its Envoys to what it is served without a failed request, and heeds those files no more', {
    timeout: 120_000,
  }, async () => {
    const { mesh, bring, have } = await started();
    await mesh.receive('catalog');
    await mesh.served(await mesh.plan({ stage: 'strict', allow }));
    const ask = await mesh.caller('web', 'web');
    await until('it is let in', async () => (await ask()).status === 200);
    const calls = constantly([ask, ask, ask]);
    await bring([mesh.authority], mesh.authority);
    await have(['receiver', 'web'], [mesh.authority], mesh.authority);
    await calls.more(SOME);

    const stranger = await createAuthority('stranger');
    for (const id of ['receiver', 'web'] as const) await mesh.identify(id, account[id], mesh.authority, [stranger]);
    await mesh.loaded('web', 'default', 2);
    await calls.more(SOME);
    expect(await calls.stop()).toEqual([]);
  });
});

describe.skipIf(!envoy)('a root that becomes another', () => {
  it('lets nobody down, is refused in the end, and is followed by an Envoy that was away all the while', { timeout: 120_000 }, async () => {
    const { mesh, second, bring, have, members, unverified } = await started();
    const first = mesh.authority;
    await bring([first], first);
    await mesh.receive('catalog');
    await mesh.served(await mesh.plan({ stage: 'strict', allow }));
    const ask = await mesh.caller('web', 'web');
    const askBatch = await mesh.caller('batch', 'web');
    await until('both are let in', async () => (await ask()).status === 200 && (await askBatch()).status === 200);
    await have(['receiver', 'web', 'batch'], [first], first);
    await mesh.stopEnvoy('batch');
    const calls = constantly([ask, ask, ask]);
    await calls.more(SOME);

    await bring([first, second], first);
    await have(['receiver', 'web'], [first, second], first);
    await calls.more(SOME);
    for (const id of ['receiver', 'web'] as const) await mesh.identify(id, account[id], second);
    await have(['receiver', 'web'], [first, second], second);
    await calls.more(SOME);
    await bring([second], second);
    await have(['receiver', 'web'], [second], second);
    await calls.more(SOME);
    expect(await calls.stop()).toEqual([]);
    expect(await unverified()).toBe(0);

    // Away since before the second root was known: it comes to the newest, and is let in once it has a leaf of today.
    const askAgain = await mesh.caller('batch', 'web', 'left');
    await have(['batch'], [second], first);
    expect((await askAgain()).status).toBe(503);
    expect(await unverified()).toBeGreaterThan(0);
    await mesh.identify('batch', 'web', second);
    await until('it is let in again', async () => (await askAgain()).status === 200);

    // A leaf of the root that went is refused, whoever shows it.
    await mesh.identify('web', 'web', first);
    await until('the leaf of before is refused', async () => (await ask()).status === 503);
    expect([...(await members()).keys()].sort()).toEqual(['vms/batch', 'vms/receiver', 'vms/web']);
  });

  it('that is there before everybody trusts both lets requests fail: what the test above sees is no luck', {
    timeout: 120_000,
  }, async () => {
    const { mesh, second, bring, have } = await started();
    await bring([mesh.authority], mesh.authority);
    await mesh.receive('catalog');
    await mesh.served(await mesh.plan({ stage: 'strict', allow }));
    const ask = await mesh.caller('web', 'web');
    await until('it is let in', async () => (await ask()).status === 200);
    const calls = constantly([ask]);
    await bring([second], second);
    await have(['receiver', 'web'], [second], mesh.authority);
    await calls.more(SOME);
    expect(await calls.stop()).not.toEqual([]);
  });
});
