/** Looks for drift that are owed: at what has just come to be served, and at the cluster that an event tells of. */
import { describe, expect, it } from 'vitest';
import type { Difference } from '../../src/reconcile/data-plane.ts';
import { payload } from '../intake/payload.ts';
import { deployment, meshFile, serviceFile, shop, World } from '../world.ts';
import { atRest, StoringDataPlane } from './storing.ts';

const taken: Difference = { kind: 'changed', resource: 'VirtualService shop/catalog', path: 'spec.http', wanted: '[]', restorable: false };
const gone: Difference = { kind: 'missing', resource: 'VirtualService shop/catalog' };
const made = async (world: World) =>
  (await world.app.lookWhereOwed()).map(({ service, dataPlane, outcome }) => `${service} on ${dataPlane}: ${outcome}`);
const changed = meshFile('shop', ['east', 'west']);

describe('a change that has come to be served', () => {
  it('is looked at once, on each data plane', async () => {
    const { world } = await atRest();
    expect(await made(world)).toEqual(['catalog on east: none', 'catalog on west: none']);
    expect(await made(world)).toEqual([]);
    await world.apply(changed, serviceFile('catalog', 'rollout: canary\ntimeout: 3s'));
    expect(await made(world)).toEqual(['catalog on east: none', 'catalog on west: none']);
  });

  it('is looked at by nobody who brings it: neither an answer nor a step waits for that', async () => {
    const { world, east } = await atRest();
    east.meanwhile = () => Promise.reject(new Error('looked at'));
    await world.apply(changed, serviceFile('catalog', 'rollout: canary\ntimeout: 3s'));
    expect(await world.owed('catalog')).toEqual([]);
    expect(east.meanwhile).toBeDefined();
  });

  it('is told of when somebody has written over it', async () => {
    const { world, east } = await atRest();
    await made(world);
    await world.apply(changed, serviceFile('catalog', 'rollout: canary\ntimeout: 3s'));
    east.kept = [taken];
    expect(await made(world)).toEqual(['catalog on east: drift', 'catalog on west: none']);
    expect(world.topics()).toEqual(['drifted']);
  });

  it('is not looked at over and over when what drifted is put back', async () => {
    const { world, east } = await atRest();
    east.lost = [gone];
    await made(world);
    expect(world.topics()).toEqual(['drifted', 'drift-gone']);
    expect(await made(world)).toEqual([]);
  });

  it('is looked at only when it is served', async () => {
    const { world, east } = await atRest();
    await made(world);
    east.seen = { kind: 'waiting', for: ['pod-1'] };
    await world.apply(changed, serviceFile('catalog', 'rollout: canary\ntimeout: 3s'));
    expect(await made(world)).toEqual(['catalog on west: none']);
    east.seen = { kind: 'served' };
    await world.after(60_000);
    expect(await made(world)).toEqual(['catalog on east: none']);
  });

  it('is no matter where nothing is stored but the model, or nothing is left', async () => {
    const envoys = await shop();
    expect(await made(envoys)).toEqual([]);
    const { world } = await atRest();
    await made(world);
    await world.apply(changed);
    expect(await made(world)).toEqual([]);
  });

  it('is looked at after a restart, and again if it changed while it was looked at', async () => {
    const { world, east } = await atRest();
    const other = world.instance();
    east.meanwhile = () => world.apply(changed, serviceFile('catalog', 'rollout: canary\ntimeout: 3s'));
    expect((await other.lookWhereOwed()).map(({ dataPlane }) => dataPlane)).toEqual(['east', 'west']);
    expect(await made(world)).toContain('catalog on east: none');
  });
});

describe('a change of a cluster', () => {
  const CLUSTER =
    '/subscriptions/0c6f1d6e-3b0b-4a7e-9d3c-7a1f0c2b9e11/resourceGroups/shop/providers/Microsoft.ContainerService/managedClusters';
  async function onAks(): Promise<{ world: World; west: StoringDataPlane }> {
    const west = new StoringDataPlane();
    const world = new World({ connect: () => west });
    const lines = ['west', 'east'].map((name) => `  - { name: ${name}, kind: istio, cluster: { aks: ${CLUSTER}/${name} } }\n`).join('');
    const mesh = { path: 'mesh.yaml', text: `apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ndataPlanes:\n${lines}` };
    await world.apply(mesh, serviceFile('catalog'), serviceFile('search'));
    await made(world);
    return { world, west };
  }
  const event = () => payload('cluster-mesh-upgraded.event-grid');

  it('has drift looked for on the data plane that is reached by it, of every service there', async () => {
    const { world } = await onAks();
    expect(await world.app.receiveEvent(event())).toMatchObject({ kind: 'looking', message: expect.stringContaining('west of shop') });
    expect(await made(world)).toEqual(['catalog on west: none', 'search on west: none']);
    expect([await made(world), await world.app.parked()]).toEqual([[], []]);
  });

  it('finds who changed what in it', async () => {
    const { world, west } = await onAks();
    west.kept = [taken];
    const action = JSON.stringify(event())
      .replace('ResourceWrite', 'ResourceAction')
      .replaceAll('managedClusters/write', 'managedClusters/runCommand/action');
    expect(await world.app.receiveEvent(JSON.parse(action))).toMatchObject({ kind: 'looking' });
    expect(await made(world)).toEqual(['catalog on west: drift', 'search on west: drift']);
  });

  it('may be a deployment as well', async () => {
    const { world } = await onAks();
    const pattern = `rollout: canary\ndeployments: [{ resource: '${CLUSTER}/{version}' }]`;
    const lines = `  - { name: west, kind: istio, cluster: { aks: ${CLUSTER}/west } }\n`;
    const mesh = { path: 'mesh.yaml', text: `apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ndataPlanes:\n${lines}` };
    await world.apply(mesh, serviceFile('catalog', pattern));
    await made(world);
    expect(await world.app.receiveEvent(event())).toMatchObject({ kind: 'answered', answers: [{ outcome: 'accepted' }] });
    expect(await made(world)).toContain('catalog on west: none');
  });

  it('that no data plane is reached by is parked, as any event that fits nothing', async () => {
    const world = await shop();
    expect(await world.app.receiveEvent(event())).toMatchObject({ kind: 'parked', reason: 'FitsNoService' });
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    expect(await made(world)).toEqual([]);
  });
});
