/** The roots of a mesh as nodes get them over real streams, agents' words by the real door, and the functions that are told. */
import { describe, expect, it, onTestFinished } from 'vitest';
import type { EnvoyNode } from '../../src/dataplanes/envoy/resources.ts';
import { envoyTrust } from '../../src/dataplanes/envoy/trust.ts';
import { planService } from '../../src/plan/plan-service.ts';
import { writeFragment } from '../../src/reconcile/model.ts';
import { fingerprintOf } from '../../src/reconcile/model-trust.ts';
import { nodesOf } from '../../src/reconcile/observations.ts';
import { startXdsServer } from '../../src/xds/server.ts';
import { createAuthority } from '../dataplanes/envoy/identities.ts';
import { until } from '../e2e/until.ts';
import { serviceSpec } from '../rollouts/story.ts';
import { startAdsClient, type Taste } from './ads-client.ts';
import { openFunctionsDoor } from './functions-door.ts';
import { testEncoder } from './real-envoy.ts';
import { storeThatFails } from './store-that-fails.ts';

const encode = await testEncoder();
const place = { mesh: 'shop', dataPlane: 'vms' };
const [first, second] = await Promise.all([createAuthority('first'), createAuthority('second')]);
const [a, b] = [fingerprintOf(first.root), fingerprintOf(second.root)];
const bundleOf = (...authorities: readonly { readonly root: string }[]) => authorities.map(({ root }) => root).join('\n');
const node = (id: string): EnvoyNode => ({
  id,
  ...place,
  outbound: { address: '127.0.0.1', port: 15_001 },
  identity: { directory: '/var/lib/identity' },
});

async function running(store = storeThatFails()) {
  const functions = await openFunctionsDoor();
  onTestFinished(functions.stop);
  const problems: string[] = [];
  const serve = async (via: string) => {
    const server = await startXdsServer({
      documents: store.documents,
      encode,
      via,
      now: Date.now,
      ads: { host: '127.0.0.1', port: 0 },
      door: { host: '127.0.0.1', port: 0 },
      nodeToken: 'nodes',
      hints: { url: functions.url, token: 'secret' },
      report: (problem) => problems.push(problem),
    });
    let stopped: Promise<void> | undefined;
    const stop = () => (stopped ??= server.stop());
    onTestFinished(stop);
    return { ...server, stop };
  };
  let server = await serve('x1');
  const poke = () => void fetch(`http://127.0.0.1:${server.doorPort}/poke/shop`, { method: 'POST' });
  const trust = envoyTrust(store.stored, 'vms', poke);
  let revision = 0;
  return {
    functions,
    problems,
    trust,
    store,
    async again(): Promise<void> {
      await server.stop();
      server = await serve('x2');
    },
    connect(id: string, taste?: Taste) {
      const client = startAdsClient(server.adsPort, node(id), 'nodes', taste);
      onTestFinished(client.stop);
      return client;
    },
    async bring(...roots: readonly { readonly root: string }[]): Promise<void> {
      revision += 1;
      const signer = { fingerprint: a, certificate: first.root };
      const trusted = roots.map(({ root }) => root);
      const lives = { leafLifeMs: 60_000, skewMs: 15_000 };
      await trust.bring({ mesh: 'shop', trustDomain: 'mesh.example', revision, roots: trusted, signer, renewWithinMs: 10_000, lives });
    },
    async plan(weight: number): Promise<number> {
      revision += 1;
      const split = [
        { version: 'v1', weight: 100 - weight },
        { version: 'v2', weight },
      ];
      const security = { stage: 'permissive', trustDomain: 'mesh.example', serviceAccount: 'catalog', allow: [] } as const;
      const plan = { ...planService('shop', serviceSpec({ dataPlanes: ['vms'] }), { split }), security };
      const { sequence } = await writeFragment(store.stored, { mesh: 'shop', service: 'catalog', revision, plan });
      poke();
      return sequence;
    },
    async report(id: string, roots: readonly string[]): Promise<{ status: number; answer: unknown }> {
      const response = await fetch(`http://127.0.0.1:${server.doorPort}/identities`, {
        method: 'POST',
        headers: { authorization: 'Bearer nodes', 'content-type': 'application/json' },
        body: JSON.stringify({ ...place, node: id, loaded: { roots } }),
      });
      return { status: response.status, answer: await response.json() };
    },
    member: async (id: string) => (await trust.look('shop', Date.now())).find((each) => each.id === `vms/${id}`),
    seen: async (id: string) => (await nodesOf(store.stored, place, Date.now())).find((each) => each.node === id),
  };
}

describe('roots', () => {
  it('are sent to nodes that name them, when they change and not when anything else does', async () => {
    const { bring, plan, connect } = await running();
    await plan(10);
    await bring(first);
    const client = connect('web');
    await until('the first is there', () => client.bundles.length === 1);
    await plan(20);
    await until('the routes have come', () => client.splits.get('catalog.shop') === 'v1=80,v2=20');
    await bring(first, second);
    await until('both are there', () => client.bundles.length > 1);
    expect(client.bundles).toEqual([bundleOf(first), bundleOf(first, second)]);
  });

  it('that a node refuses are told of by its name, are not sent to it again, and hold up nothing else', async () => {
    const { bring, plan, connect, member, seen, functions, report } = await running();
    await plan(10);
    await bring(first);
    const refusing = connect('old', (roots) => (roots === bundleOf(first, second) ? 'refuses' : 'takes'));
    const taking = connect('new');
    await until('both have the first', () => refusing.bundles.length === 1 && taking.bundles.length === 1);
    for (const id of ['old', 'new']) await report(id, [a]);
    const hints = functions.knocks.filter(({ trust }) => trust).length;

    await bring(first, second);
    await until('it is told of', async () => (await member('old'))?.trouble === 'it refuses the roots: bad roots');
    await until('the functions are told', () => functions.knocks.filter(({ trust }) => trust).length > hints);
    await until('the other has both', async () => (await seen('new'))?.bundle?.accepted.length === 2);
    expect(await member('new')).not.toHaveProperty('trouble');
    const sequence = await plan(50);
    await until('it has come to what services are', async () => (await seen('old'))?.served === sequence);
    expect(await seen('old')).not.toHaveProperty('without');
    expect(refusing.splits.get('catalog.shop')).toBe('v1=50,v2=50');
    expect(refusing.bundles.filter((roots) => roots === bundleOf(first, second))).toHaveLength(1);

    await bring(second);
    await until('it takes those that follow', async () => (await seen('old'))?.bundle?.accepted.join() === b);
    expect(await member('old')).not.toHaveProperty('trouble');
  });
});

describe('what agents say', () => {
  it('is answered by who signs, is in the store, and the functions are told when it changes', async () => {
    const { bring, plan, connect, report, member, functions } = await running();
    expect(await report('web', [])).toEqual({ status: 200, answer: { revision: 0, renewWithinMs: 0, reportEveryMs: 5_000 } });
    await plan(10);
    await bring(first);
    const client = connect('web');
    await until('the first is there', () => client.bundles.length === 1);
    await report('web', [a]);
    await until('it is believed', async () => (await member('web'))?.trusts.join() === a && (await member('web'))?.trouble === undefined);
    expect((await report('web', [a])).answer).toEqual({ revision: 2, signer: a, renewWithinMs: 10_000, reportEveryMs: 833 });
    await until('the functions are told', () => functions.knocks.some(({ mesh, trust }) => mesh === 'shop' && trust === true));
  });

  it('is not fresh again because the xds server was started again, and is believed as before', async () => {
    const { bring, plan, connect, report, member, again } = await running();
    await plan(10);
    await bring(first);
    const client = connect('web');
    await until('the first is there', () => client.bundles.length === 1);
    await report('web', [a]);
    const before = await until('it is written', () => member('web'));
    await again();
    const back = connect('web');
    await until('it is served again', () => back.bundles.length === 1);
    expect(await member('web')).toEqual(before);
  });
});
