/**
 * The root of a real Consul mesh is rotated by the app through all phases, under load in which every request has a handshake of its own;
 * then the same is done in one call, with one of two Envoys behind. In all of it that Envoy hears of Consul only when the test lets it.
 */
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { sendRequests } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import type { Consul } from './consul.ts';
import { fingerprint, HOUR, loaded, meshFile, type RotationMesh, startRotationMesh } from './consul-rotation-mesh.ts';
import { LOOPBACK } from './process.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('hasty-consul')) && (await realEnvoy()) !== undefined;

const CATALOG = 'vms/conformance/catalog-1-sidecar-proxy';
const WEB = 'vms/conformance/web-sidecar-proxy';
const EVERYBODY = ['vms/consul', CATALOG, WEB];
/** Proxies come for another leaf at a random moment of 30 s. */
const RENEWED_MS = 60_000;

describe.skipIf(!have)('the certificates of a real Consul', { timeout: 4 * RENEWED_MS }, () => {
  let mesh: RotationMesh;
  let traffic: ReturnType<RotationMesh['traffic']>;
  beforeAll(async () => {
    mesh = await startRotationMesh();
    traffic = mesh.traffic();
  });
  afterAll(async () => {
    await traffic?.stop();
    await mesh?.stop();
  });

  const presenting = (under: string, ids = EVERYBODY) =>
    mesh.untilIt(
      `${ids.join(', ')} present the ${under}`,
      ({ inventory }) => ids.every((id) => inventory.workloads.find((each) => each.id === id)?.presents?.under === under),
      RENEWED_MS,
    );
  const phase = (name: string, ms?: number) => mesh.untilIt(`the phase is ${name}`, ({ rotation }) => rotation?.phase.name === name, ms);
  const lost = async (requests: number) => (await sendRequests(mesh.web.to('catalog'), requests)).failures;
  const signs = async () => (await mesh.status()).inventory.workloads.find(({ id }) => id === 'vms/consul')?.presents?.issuer;

  it("takes over from Consul's own root in one call: a proxy that has not heard of the new issuer believes in it, since Consul vouches for it", async () => {
    await mesh.cutOff();
    await mesh.world.apply(meshFile(mesh.consul));
    await presenting('current', ['vms/consul', WEB]);
    const [{ leaf, chain }, catalog] = [await loaded(mesh.web.envoy), await loaded(mesh.catalog.envoy)];
    expect(chain).toHaveLength(2);
    expect(leaf.verify(chain[1]?.publicKey ?? leaf.publicKey)).toBe(true);
    expect(catalog.trusts).toHaveLength(1);
    expect(await lost(50)).toEqual([]);
    await mesh.letBack();
    await presenting('current');
  });

  it('goes through all phases, each left when both proxies were seen to be there, and no request is lost', async () => {
    const before = await heldLeaf(mesh.consul);
    const port = await publicPort(mesh);
    await mesh.rotate();
    await phase('issuing');
    expect((await mesh.status()).inventory.roots.filter(({ role }) => role !== 'other').map(({ trusting }) => trusting)).toEqual([3, 3]);
    await phase('soaking', RENEWED_MS);
    await presenting('next');
    // Trust as it was: the signer alone is another.
    expect((await mesh.status()).inventory.roots.filter(({ role }) => role !== 'other').map(({ trusting }) => trusting)).toEqual([3, 3]);
    expect(await handshake(port, before)).toBe('taken');
    mesh.putForward(1.2 * HOUR);
    await phase('pruned');
    const { rotation } = await mesh.untilIt('it waits for Consul to forget', (status) => status.rotation?.heldBy !== undefined);
    expect(rotation?.heldBy).toContain('3 of 3 are behind: vms/consul');
    await forget(mesh.consul);
    const { ended, inventory } = await mesh.untilIt('the rotation has ended', (status) => status.rotation === null);
    expect(ended).toMatchObject([{ outcome: 'rotated' }]);
    expect(inventory.roots.filter(({ role }) => role !== 'other')).toMatchObject([{ role: 'current', trusting: 3, presenting: 3 }]);
    const { trusts } = await loaded(mesh.catalog.envoy);
    expect(trusts).not.toContain(fingerprint(before.issuer));
    expect(await handshake(port, before)).toBe('refused');
    const { requests, failures } = await traffic.stop();
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(500);
    const handshakes = [...(await mesh.catalog.envoy.stats(/listener\..*\.ssl\.handshake$/)).values()].reduce((sum, each) => sum + each, 0);
    expect(handshakes).toBeGreaterThanOrEqual(requests);
  });

  it('is held by one proxy that is behind, which in one call that Consul does not vouch for cannot be talked to any more', async () => {
    const issuer = await signs();
    await mesh.cutOff();
    await mesh.rotate();
    const { rotation } = await mesh.untilIt('it is held', (status) => status.rotation?.heldBy?.includes('1 of 3') ?? false);
    expect(rotation).toMatchObject({ phase: { name: 'distributing' }, heldBy: `1 of 3 are behind: ${CATALOG}.` });
    await mesh.letBack();
    await mesh.untilIt('both roots were seen once', ({ rotation: at }) => at?.phase.name === 'distributing' && 'passedAt' in at.phase);
    // It trusts the roots, and will not hear of the issuer.
    await mesh.cutOff();
    const { pending } = await mesh.untilIt('the issuer waits', (status) => status.pending.some(({ error }) => error?.includes('sign yet')));
    expect(pending.find(({ what }) => what === 'trust vms')?.error).toBe(
      'The next issuer does not sign yet: conformance/catalog-1-sidecar-proxy is not known to believe in it.',
    );
    expect(await signs()).toBe(issuer);
    expect(await lost(50)).toEqual([]);

    const atOnce = { Provider: 'consul', Config: { LeafCertTTL: '1h' }, ForceWithoutCrossSigning: true };
    expect((await mesh.consul.ask('PUT', '/v1/connect/ca/configuration', atOnce)).status).toBe(200);
    await until('requests fail', async () => (await lost(5)).length === 5, RENEWED_MS);
    await mesh.letBack();
    await until('they do not once it has heard', async () => (await lost(5)).length === 0, RENEWED_MS);
  });
});

interface Held {
  readonly cert: string;
  readonly key: string;
  readonly issuer: Awaited<ReturnType<typeof loaded>>['leaf'];
}

/** A leaf that its holder will show for as long as it counts. */
async function heldLeaf(consul: Consul): Promise<Held> {
  const { body } = await consul.ask('GET', '/v1/agent/connect/ca/leaf/held');
  const { CertPEM: cert, PrivateKeyPEM: key } = z.object({ CertPEM: z.string(), PrivateKeyPEM: z.string() }).parse(body);
  const { certificatesIn } = await import('./consul-rotation-mesh.ts');
  const roots = z
    .object({ Roots: z.array(z.object({ RootCert: z.string() })) })
    .parse((await consul.ask('GET', '/v1/connect/ca/roots')).body);
  const [leaf] = certificatesIn(cert);
  const issuer = roots.Roots.flatMap(({ RootCert }) => certificatesIn(RootCert)).find(({ publicKey }) => leaf?.verify(publicKey));
  if (!issuer) throw new Error('Consul does not list who signed the leaf.');
  return { cert, key, issuer };
}

async function publicPort({ consul, catalog }: RotationMesh): Promise<number> {
  const { body } = await consul.ask('GET', `/v1/agent/service/${catalog.id}-sidecar-proxy`);
  return z.object({ Port: z.int() }).parse(body).Port;
}

/** In TLS 1.2 the server has judged the caller's certificate before the handshake is over. */
function handshake(port: number, { cert, key }: Held): Promise<'taken' | 'refused'> {
  return new Promise((resolve) => {
    const socket = connect({ host: LOOPBACK, port, cert, key, rejectUnauthorized: false, maxVersion: 'TLSv1.2' });
    const end = (outcome: 'taken' | 'refused') => {
      socket.destroy();
      resolve(outcome);
    };
    socket.on('secureConnect', () => end('taken'));
    socket.on('error', () => end('refused'));
  });
}

/** Roots that were rotated out go after two lives of a leaf, which are hours: for a moment they are a second, as only tests may say. */
async function forget(consul: Consul): Promise<void> {
  const path = '/v1/connect/ca/configuration';
  const { Config } = z.object({ Config: z.record(z.string(), z.json()) }).parse((await consul.ask('GET', path)).body);
  const count = async () =>
    z.object({ Roots: z.array(z.json()) }).parse((await consul.ask('GET', '/v1/connect/ca/roots')).body).Roots.length;
  expect(await count()).toBeGreaterThan(1);
  await consul.ask('PUT', path, { Provider: 'consul', Config: { ...Config, LeafCertTTL: '1s', SkipValidate: true } });
  await until('Consul has forgotten', async () => (await count()) === 1);
  await consul.ask('PUT', path, { Provider: 'consul', Config });
}
