/**
 * Who takes the goldens of each mesh: a real API server by a dry run (with `istioctl validate` for Istio), a real Consul, a real
 * Envoy. A new mesh is one entry of `takers`.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { renderBootstrap } from '../../src/dataplanes/envoy/bootstrap.ts';
import type { EnvoyResource } from '../../src/dataplanes/envoy/resources.ts';
import { staticConfiguration, waitingConfiguration } from '../dataplanes/envoy/static-configuration.ts';
import type { Golden } from '../golden/acceptance.ts';
import { realEnvoy } from '../real-envoy.ts';
import { startApiServer } from './api-server.ts';
import { startConsul } from './consul.ts';
import type { CrdSet } from './crds.ts';
import { kubeObject } from './fields/kubernetes-objects.ts';
import { at } from './fields/proto-json.ts';
import type { KubeObject } from './kube-client.ts';
import { type Running, stopping } from './process.ts';
import { haveServers, serverBinary } from './servers/build.ts';

const run = promisify(execFile);

export interface Taker extends Running {
  /** Its name and version. */
  readonly by: string;
  /** Rejects with its words when it does not take all of it. */
  take(golden: Golden): Promise<void>;
}

export interface MeshTaker {
  readonly have: () => Promise<boolean>;
  readonly start: () => Promise<Taker>;
}

/** By mesh, as goldens name it. */
export const takers: Readonly<Record<string, MeshTaker>> = {
  istio: {
    have: () => haveServers('etcd', 'kube-apiserver', 'istioctl'),
    start: async () => both(await apiServer(['istio'], 'istio', 'istio.io/api'), await istioctl()),
  },
  'gateway-api': { have: haveApiServer, start: () => apiServer(['gateway-api'], 'istio', 'sigs.k8s.io/gateway-api') },
  'gateway-api-experimental': {
    have: haveApiServer,
    start: () => apiServer(['gateway-api-experimental'], 'istio', 'sigs.k8s.io/gateway-api'),
  },
  linkerd: { have: haveApiServer, start: () => apiServer(['gateway-api', 'linkerd'], 'istio', 'sigs.k8s.io/gateway-api') },
  osm: { have: haveApiServer, start: () => apiServer(['osm'], 'osm', 'github.com/openservicemesh/osm') },
  consul: { have: () => haveServers('consul'), start: consul },
  envoy: { have: async () => (await realEnvoy()) !== undefined, start: envoy },
};

function haveApiServer(): Promise<boolean> {
  return haveServers('etcd', 'kube-apiserver');
}

/** `module` of `servers/<folder>` ships the CRDs, but for those in `crds/`. */
async function apiServer(sets: readonly CrdSet[], folder: string, module: string): Promise<Taker> {
  const api = await startApiServer(...sets);
  const [server, crds] = [await version('kube-apiserver', 'k8s.io/kubernetes'), await version(folder, module)];
  return {
    by: `kube-apiserver ${server} with the CRDs ${sets.join(', ')} (${module} ${crds})`,
    async take({ resources }) {
      const objects = resources.map(kubeObject);
      for (const namespace of new Set(objects.map(({ metadata }) => metadata.namespace ?? 'default'))) await api.namespace(namespace);
      await api.admin.mustApply(...objects.filter(isPartOfUsersService).map(usersService));
      for (const object of objects) {
        const { status, body } = await api.admin.apply(object, { dryRun: true, manager: 'meshwright' });
        if (status >= 300) throw new Error(`${object.kind} ${object.metadata.name} was not taken (${status}): ${JSON.stringify(body)}`);
      }
    },
    ...stopping(() => api.stop()),
  };
}

/** Some meshes read what is wanted of a service from annotations of the Service that its users have, of which the golden holds no more. */
const isPartOfUsersService = ({ kind, spec }: KubeObject): boolean => kind === 'Service' && at(spec, 'ports') === undefined;
const usersService = ({ apiVersion, kind, metadata: { name, namespace = 'default' } }: KubeObject): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name, namespace },
  spec: { ports: [{ port: 80 }] },
});

async function istioctl(): Promise<Taker> {
  const command = await serverBinary('istioctl');
  const { folder, file, ...running } = await scratch('istio.yaml');
  return {
    by: `istioctl ${await version('istio', 'istio.io/istio')}`,
    async take({ resources }) {
      await writeFile(file, resources.map((resource) => JSON.stringify(resource)).join('\n---\n'));
      const { stdout, stderr } = await run(command, ['validate', '-f', file], { cwd: folder });
      if (/warn|error/i.test(`${stdout}${stderr}`)) throw new Error(`${stdout}${stderr}`);
    },
    ...running,
  };
}

const envoyGolden = z.object({
  resources: z.array(
    z.object({
      type: z.enum(['cluster', 'endpoints', 'listener', 'route']),
      name: z.string(),
      json: z.record(z.string(), z.json()),
    }),
  ),
});

/** The directory that golden nodes with an identity name. */
const IDENTITY = '/var/lib/meshwright/identity';

/** As resources that come by ADS, and as ones that are there: then routes to clusters that are not are refused too. */
async function envoy(): Promise<Taker> {
  const command = (await realEnvoy()) ?? '';
  const { stdout } = await run(command, ['--version']);
  const { folder, file, ...running } = await scratch('envoy.json');
  // To validate, Envoy wants these files to be there; what is in them it would read when it runs.
  for (const name of ['default.yaml', 'bundle.yaml']) await writeFile(join(folder, name), '{"resources": []}');
  const bootstrap = renderBootstrap({ node: { id: 'any', mesh: 'any', dataPlane: 'any' }, xds: { address: '127.0.0.1', port: 18_000 } });
  return {
    by: `envoy ${/\/(\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? stdout.trim()}`,
    async take(golden) {
      const resources: readonly EnvoyResource[] = golden.resources.flatMap((document) => envoyGolden.parse(document).resources);
      for (const configure of [waitingConfiguration, staticConfiguration]) {
        // Where a golden's node has its certificate there is none here.
        await writeFile(file, JSON.stringify(configure(bootstrap, resources)).replaceAll(IDENTITY, folder));
        await run(command, ['--mode', 'validate', '--log-level', 'warn', '-c', file]);
      }
    },
    ...running,
  };
}

async function consul(): Promise<Taker> {
  const server = await startConsul('deny');
  return {
    by: `consul ${await version('consul', 'github.com/hashicorp/consul')}`,
    async take({ resources }) {
      await server.mustWrite(...resources);
      for (const { Kind, Name } of resources.toReversed()) await server.ask('DELETE', `/v1/config/${String(Kind)}/${String(Name)}`);
    },
    ...stopping(() => server.stop()),
  };
}

/** Taken when both take it. */
function both(one: Taker, other: Taker): Taker {
  return {
    by: `${one.by}; ${other.by}`,
    async take(golden) {
      await one.take(golden);
      await other.take(golden);
    },
    ...stopping(async () => Promise.all([one.stop(), other.stop()])),
  };
}

async function scratch(name: string): Promise<Running & { readonly folder: string; readonly file: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'meshwright-golden-'));
  return { folder, file: join(folder, name), ...stopping(() => rm(folder, { recursive: true, force: true })) };
}

/** Of a module, as `servers/<folder>/go.mod` pins it. */
async function version(folder: string, module: string): Promise<string> {
  const text = await readFile(join(import.meta.dirname, 'servers', folder, 'go.mod'), 'utf8');
  const line = text.split('\n').find((each) =>
    each
      .trim()
      .replace(/^require /, '')
      .startsWith(`${module} `),
  );
  return (
    line
      ?.trim()
      .split(' ')
      .find((word) => /^v\d/.test(word)) ?? 'of an unknown version'
  );
}
