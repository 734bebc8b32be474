/**
 * One service, `catalog`, on three real data planes at once: istiod, Consul, and plain Envoys; driven by the shipped processes. A caller
 * and a backend of each version on each.
 */
import { renderBootstrap } from '../../src/dataplanes/envoy/bootstrap.ts';
import { type Installation, installation } from '../e2e/installation.ts';
import type { Target } from '../e2e/traffic.ts';
import { freePorts } from '../real-envoy.ts';
import { startApiServer } from './api-server.ts';
import { type Backend, startBackend } from './backend.ts';
import { startConsul } from './consul.ts';
import { consulEnvoys } from './consul-envoys.ts';
import { type Envoy, startEnvoy } from './envoy.ts';
import { heldBy } from './fields/held.ts';
import { routed, virtualHosts } from './fields/outbound.ts';
import { istioEnvoys } from './istio-envoys.ts';
import { startIstiod } from './istiod.ts';
import { istiodPod } from './kubernetes-connector.ts';
import { LOOPBACK, type Running, type Started, startingTogether, stopping } from './process.ts';
import { relay } from './relay.ts';

export const PLANES = ['edge', 'vms', 'west'] as const;
export type PlaneName = (typeof PLANES)[number];

export interface Plane {
  readonly to: Target;
  /** By version. */
  readonly backends: Readonly<Record<'v1' | 'v2', Backend>>;
  /** The weights above 0 by version, as pushed to the caller's Envoy and held by it. */
  weights(): Promise<Readonly<Record<string, number>>>;
}

export interface ThreePlanes extends Running {
  readonly mesh: Installation;
  readonly planes: Readonly<Record<PlaneName, Plane>>;
  /** Between meshwright and Consul, whose proxies go on as they are. */
  readonly consul: Link;
  /** Between the plain Envoy and the xds server. */
  readonly envoy: Link;
}

/** A connection that can be taken away. */
export interface Link {
  cut(): Promise<void>;
  mend(): Promise<void>;
}

const PORT = 8080;
const MESH = 'shop';
const LEASE_MS = 30_000;

/** `rollout`: of the service's spec, in flow style. */
export function startThreePlanes(rollout: string): Promise<ThreePlanes> {
  return startingTogether(async (started) => {
    const mesh = await installation();
    // First, since it goes last: when it stops, it looks for processes that were left behind.
    started.add(stopping(() => mesh.stop()));
    const [consulPort = 0] = await freePorts(1);
    const [istio, consul] = [await startIstio(started), await startVms(started, consulPort)];
    await mesh.start('xds');
    await mesh.start('functions', { KUBECONFIG_WEST: istio.kubeconfig, CONSUL_TOKEN: consul.token });
    const adopted = await mesh.call('POST', '/apply', { files: specs(consulPort, rollout) });
    if (adopted.status !== 200) throw new Error(JSON.stringify(adopted.body));
    const envoy = await startEdge(started, mesh);
    return {
      mesh,
      planes: { edge: envoy.plane, vms: await consul.plane(), west: await istio.plane() },
      consul: consul.link,
      envoy: envoy.link,
    };
  });
}

function specs(consulHttp: number, rollout: string) {
  const head = 'apiVersion: meshwright.dev/v1';
  const consul = `address: "http://${LOOPBACK}:${consulHttp}", tokenSetting: CONSUL_TOKEN, defaultPolicy: deny`;
  const planes = [
    '  - { name: west, kind: istio, cluster: { kubeconfigSetting: KUBECONFIG_WEST } }',
    `  - { name: vms, kind: consul, ${consul} }`,
    '  - { name: edge, kind: envoy }',
  ];
  const mesh = [head, 'kind: Mesh', `name: ${MESH}`, 'trustDomain: cluster.local', 'dataPlanes:', ...planes];
  const web = [head, 'kind: Service', 'name: web', `port: ${PORT}`, 'dataPlanes: [vms]'];
  const catalog = [head, 'kind: Service', 'name: catalog', 'namespace: shop', `port: ${PORT}`, 'stable: v1', `rollout: ${rollout}`];
  return Object.entries({ mesh, web, catalog }).map(([name, lines]) => ({ path: `${name}.yaml`, text: lines.join('\n') }));
}

/** What a request to `catalog` meets, by the version in the name of each cluster. */
async function weightsOf(caller: Envoy, isHost: (name: string) => boolean, versionIn: (cluster: string) => string | undefined) {
  const host = virtualHosts(heldBy(await caller.configDump())).find(({ name }) => typeof name === 'string' && isHost(name));
  const call = host && routed(host, { method: 'GET', path: '/items', headers: {} });
  const weights = Object.entries(call?.split ?? {}).map(([cluster, weight]) => [versionIn(cluster) ?? cluster, weight] as const);
  return Object.fromEntries(weights.filter(([, weight]) => weight > 0).sort());
}

async function startIstio(started: Started) {
  const api = started.add(await startApiServer('istio'));
  const istiod = started.add(await startIstiod(api));
  const envoys = started.add(istioEnvoys(api, istiod));
  const service = await envoys.service({ name: 'catalog', namespace: 'shop', port: PORT });
  const [v1, v2] = await Promise.all([envoys.workload(service, 'v1'), envoys.workload(service, 'v2')]);
  started.add(await istiodPod(api, istiod));
  return {
    kubeconfig: api.kubeconfig(),
    async plane(): Promise<Plane> {
      const caller = await envoys.caller('web', 'shop', PORT);
      const weights = () =>
        weightsOf(
          caller.envoy,
          (name) => name.startsWith('catalog.shop.svc'),
          (cluster) => cluster.split('|')[2],
        );
      return { to: caller.to(service), backends: { v1: v1.backend, v2: v2.backend }, weights };
    },
  };
}

async function startVms(started: Started, httpPort: number) {
  const consul = started.add(await startConsul('deny'));
  const envoys = started.add(consulEnvoys(consul));
  const [v1, v2] = await Promise.all([envoys.workload('catalog', 'v1'), envoys.workload('catalog', 'v2')]);
  return {
    token: consul.managementToken,
    link: await linked(started, httpPort, Number(new URL(consul.url).port)),
    async plane(): Promise<Plane> {
      // Who may call is no part of what is shown here; Consul refuses by default.
      await consul.mustWrite({ Kind: 'service-intentions', Name: 'catalog', Sources: [{ Name: 'web', Action: 'allow' }] });
      const caller = await envoys.caller('web', ['catalog']);
      const weights = () =>
        weightsOf(
          caller.envoy,
          (name) => name === 'catalog',
          (cluster) => cluster.split('.')[0],
        );
      return { to: caller.to('catalog'), backends: { v1: v1.backend, v2: v2.backend }, weights };
    },
  };
}

async function linked(started: Started, from: number, to: number): Promise<Link> {
  const mend = () => relay({ host: LOOPBACK, port: from }, { host: LOOPBACK, port: to });
  let wire = await mend();
  started.add(stopping(() => wire.stop()));
  return {
    cut: () => wire.stop(),
    async mend() {
      wire = await mend();
    },
  };
}

async function startEdge(started: Started, { ports, nodeToken }: Installation) {
  const [v1, v2] = [started.add(await startBackend('v1')), started.add(await startBackend('v2'))];
  const endpoints = [v1, v2].map(({ version, port }) => ({ service: 'catalog', version, address: LOOPBACK, port }));
  const register = async (): Promise<void> => {
    const registered = await fetch(`http://${LOOPBACK}:${ports.door}/endpoints`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${nodeToken}` },
      body: JSON.stringify({ mesh: MESH, dataPlane: 'edge', leaseMs: LEASE_MS, endpoints }),
    });
    if (!registered.ok) throw new Error(await registered.text());
  };
  await register();
  const renewing = setInterval(() => void register().catch(() => {}), LEASE_MS / 3);
  started.add(stopping(async () => clearInterval(renewing)));
  const [port = 0, ads = 0] = await freePorts(2);
  const link = await linked(started, ads, ports.ads);
  const node = { id: 'caller', mesh: MESH, dataPlane: 'edge', outbound: { address: LOOPBACK, port } };
  const bootstrap = renderBootstrap({ node, xds: { address: LOOPBACK, port: ads }, token: nodeToken });
  const caller = started.add(await startEnvoy({ name: 'edge-caller', bootstrap }));
  const weights = () =>
    weightsOf(
      caller,
      (name) => name === 'catalog.shop',
      (cluster) => cluster.split('|')[1],
    );
  const plane: Plane = { to: { port }, backends: { v1, v2 }, weights };
  return { link, plane };
}
