/**
 * A process that renders a mesh for one data plane from the store it is given, says how long that took, and ends: first one
 * service, with nothing read before, then all of them.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SqliteDocuments } from '../src/adapters/sqlite-documents.ts';
import { rendererOf } from '../src/dataplanes/renderers.ts';
import { fragmentsSince, readFragment, readPointer, writeFragment } from '../src/reconcile/model.ts';
import { DATA_PLANE_KINDS, type DataPlaneKind, type DataPlaneSpec } from '../src/spec/schema.ts';
import { DataPlaneView } from '../src/xds/data-plane-view.ts';
import { loadEncoder } from '../src/xds/protobuf.ts';
import { emptyRegistry } from '../src/xds/registry.ts';

export interface RenderTimes {
  readonly oneMs: number;
  readonly wholeMs: number;
  /** What the whole mesh came to: nothing rendered is nothing measured. */
  readonly resources: number;
}

const kubernetes = { takeOver: false, observe: true };
const controlPlaneNamespace = 'istio-system';
const dataPlanes: Readonly<Record<DataPlaneKind, DataPlaneSpec>> = {
  envoy: { kind: 'envoy', name: 'envoy' },
  istio: { kind: 'istio', name: 'istio', ...kubernetes, controlPlaneNamespace },
  'gateway-api': { kind: 'gateway-api', name: 'gateway-api', ...kubernetes, controlPlaneNamespace, experimental: true },
  linkerd: { kind: 'linkerd', name: 'linkerd', ...kubernetes },
  osm: { kind: 'osm', name: 'osm', ...kubernetes, controlPlaneNamespace: 'osm-system' },
  consul: { kind: 'consul', name: 'consul', defaultPolicy: 'deny', takeOver: false },
};

/** Those that something is rendered for. */
export const MEASURED = DATA_PLANE_KINDS.filter((kind) => kind === 'envoy' || rendererOf(dataPlanes[kind]));

const MESH = 'bench';

async function renderObjects(store: string, dataPlane: DataPlaneSpec): Promise<RenderTimes> {
  const renderer = rendererOf(dataPlane);
  if (!renderer) throw new Error(`Nothing is rendered for ${dataPlane.kind}.`);
  const began = performance.now();
  const documents = new SqliteDocuments(store);
  const one = await readFragment(documents, MESH, 'service-500');
  if (!one?.plan || renderer.render(one.plan).length === 0) throw new Error('There was nothing to render.');
  const oneMs = performance.now() - began;
  const again = performance.now();
  const fragments = await fragmentsSince(documents, MESH, 0);
  const resources = fragments.flatMap(({ plan }) => (plan ? renderer.render(plan) : [])).length;
  return { oneMs, wholeMs: performance.now() - again, resources };
}

/** The xds server keeps the mesh in memory: what it does for one change is reading it and rendering what it serves anew. */
async function renderEnvoy(store: string): Promise<RenderTimes> {
  const encode = loadEncoder(await readFile(join(import.meta.dirname, '..', 'dist', 'xds', 'envoy.binpb')));
  const view = new DataPlaneView(MESH, 'envoy', encode, (message) => {
    throw new Error(message);
  });
  const registry = emptyRegistry(0);
  const began = performance.now();
  const documents = new SqliteDocuments(store);
  const pointer = await readPointer(documents, MESH);
  view.update(await fragmentsSince(documents, MESH, 0), registry, pointer);
  const wholeMs = performance.now() - began;
  await moveWeights(documents);
  const again = performance.now();
  const moved = await readPointer(documents, MESH);
  view.update(await fragmentsSince(documents, MESH, pointer), registry, moved);
  return { oneMs: performance.now() - again, wholeMs, resources: view.versions().length };
}

async function moveWeights(documents: SqliteDocuments): Promise<void> {
  const held = await readFragment(documents, MESH, 'service-500');
  if (!held?.plan) throw new Error('There was nothing to change.');
  const moved = (weight: number, version: string) => ({ version, weight: version === 'v2' ? weight + 1 : weight - 1 });
  const routes = held.plan.routes.map((route) =>
    route.split.length > 1 ? { ...route, split: route.split.map(({ weight, version }) => moved(weight, version)) } : route,
  );
  await writeFragment(documents, { mesh: MESH, service: 'service-500', revision: held.revision + 1, plan: { ...held.plan, routes } });
}

const [store, asked] = process.argv.slice(2);
const kind = MEASURED.find((each) => each === asked);
if (import.meta.main && store && kind) {
  console.log(JSON.stringify(await (kind === 'envoy' ? renderEnvoy(store) : renderObjects(store, dataPlanes[kind]))));
}
