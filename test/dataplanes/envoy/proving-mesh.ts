/**
 * Where proofs are carried out: one Envoy through which every service of a calling proof is called, and an Envoy with an
 * identity for each plan of a receiving one.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { renderBootstrap } from '../../../src/dataplanes/envoy/bootstrap.ts';
import { renderNode, renderShared } from '../../../src/dataplanes/envoy/render.ts';
import type { Endpoint, EnvoyNode } from '../../../src/dataplanes/envoy/resources.ts';
import type { Json } from '../../../src/journal/documents.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import { freePorts, type RunningEnvoy, runEnvoy } from '../../real-envoy.ts';
import { type Authority, createAuthority, type Leaf, writeIdentity } from './identities.ts';
import { type Issuers, startIssuers, tokensOf } from './issuers.ts';
import type { Placed, Proof, Receiver, Said, Secured, Service, WorkloadName } from './proofs/proof.ts';
import { staticConfiguration } from './static-configuration.ts';
import { call, LOOPBACK, startWorkload, type Workload } from './workload.ts';

const TRUST_DOMAIN = 'mesh.example';
const NAMESPACE = 'shop';
const SIDES = ['a', 'b'] as const;
export type Side = (typeof SIDES)[number];

export interface ProvingMesh {
  service(field: string, side: Side): Service;
  /** Runs while `look` does. */
  receiver<T>(secured: Secured, look: (receiver: Receiver) => Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

const nameOf = (field: string, side: Side): string => `${field.toLowerCase().replaceAll('.', '-')}-${side}`;

function planOf(service: string, { routes = [], route, ...said }: Said): ServicePlan {
  return {
    mesh: 'proving',
    service,
    namespace: NAMESPACE,
    port: 8080,
    protocol: 'http',
    selector: { app: service },
    versions: ['v1', 'v2'].map((name) => ({ name, labels: { version: name } })),
    dataPlanes: ['vms'],
    ...said,
    routes: [...routes, { name: 'default', match: {}, split: [{ version: 'v1', weight: 100 }], ...route }],
  };
}

const V1_AND_V2: readonly Placed[] = [
  { at: 'v1', version: 'v1' },
  { at: 'v2', version: 'v2' },
];

export async function startProvingMesh(envoy: string, proofs: Readonly<Record<string, Proof>>): Promise<ProvingMesh> {
  const folder = await mkdtemp(join(tmpdir(), 'meshwright-proofs-'));
  const workloads = {
    v1: await startWorkload('v1'),
    v2: await startWorkload('v2'),
    http2: await startWorkload('http2', { http2: true }),
    bad: await startWorkload('bad', { always: '503' }),
    worse: await startWorkload('worse', { always: '503' }),
  } as const satisfies Readonly<Record<Exclude<WorkloadName, 'dead'>, Workload>>;
  const issuers = await startIssuers();
  // Last, since whoever listens from here on may come to be where nobody is to be.
  const [outbound = 0, gateway = 0, admin = 0, dead = 0] = await freePorts(4);
  const portOf = (at: WorkloadName): number => (at === 'dead' ? dead : workloads[at].port);

  const plans: ServicePlan[] = [];
  const endpoints: Endpoint[] = [];
  for (const [field, proof] of Object.entries(proofs)) {
    if (proof.kind !== 'calling') continue;
    for (const [index, side] of SIDES.entries()) {
      const service = nameOf(field, side);
      plans.push(planOf(service, proof.says[index] ?? {}));
      for (const { at, version = 'v1', region } of proof.endpoints ?? V1_AND_V2)
        endpoints.push({ service, version, address: LOOPBACK, port: portOf(at), ...(region === undefined ? {} : { region }) });
    }
  }
  const node: EnvoyNode = {
    id: 'caller',
    mesh: 'proving',
    dataPlane: 'vms',
    outbound: { address: LOOPBACK, port: outbound },
    gateway: { name: 'public', namespace: 'edge', address: LOOPBACK, port: gateway },
  };
  const bootstrap = renderBootstrap({ node, xds: { address: LOOPBACK, port: 1 }, admin: { address: LOOPBACK, port: admin } });
  const resources = [...renderShared(plans, endpoints), ...renderNode(node, plans)];
  const running = await runEnvoy(envoy, staticConfiguration(bootstrap, resources), [outbound, gateway]);
  const authority = await createAuthority('mesh');
  const clusters = clusterReader(admin);

  return {
    service(field, side) {
      const name = nameOf(field, side);
      const cluster = (version: string) => `${name}.${NAMESPACE}|${version}`;
      const stat = (version: string, counter: string) => statOf(admin, `cluster.${cluster(version)}.${counter}`);
      return {
        name,
        call: (over = {}) => call({ port: outbound, host: name, ...over }),
        enter: (host) => call({ port: gateway, host }),
        received: (at) => workloads[at].received.filter(({ host }) => host === name),
        release: (at) => workloads[at].release(),
        sent: (version) => stat(version, 'upstream_rq_total'),
        pending: () => stat('v1', 'upstream_rq_pending_active'),
        ejected: () => stat('v1', 'outlier_detection.ejections_active'),
        keptIn: () => stat('v1', 'outlier_detection.ejections_overflow'),
        cluster: () => clusters(cluster('v1')),
      };
    },
    receiver: (secured, look) => withReceiver({ envoy, folder, authority, issuers, workload: workloads.v1 }, secured, look),
    async stop() {
      await running.stop();
      await issuers.stop();
      await Promise.all(Object.values(workloads).map((workload) => workload.stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Ground {
  readonly envoy: string;
  readonly folder: string;
  readonly authority: Authority;
  readonly issuers: Issuers;
  readonly workload: Workload;
}

const identityOf = (serviceAccount: string): string => `spiffe://${TRUST_DOMAIN}/ns/${NAMESPACE}/sa/${serviceAccount}`;

async function withReceiver<T>(ground: Ground, { tokens, ...secured }: Secured, look: (receiver: Receiver) => Promise<T>): Promise<T> {
  const { authority, issuers, workload } = ground;
  const [inbound = 0, admin = 0] = await freePorts(2);
  const directory = join(ground.folder, `identity-${inbound}`);
  await writeIdentity(directory, await authority.issue(identityOf('catalog')), [authority]);
  const security = { ...secured, trustDomain: TRUST_DOMAIN, serviceAccount: 'catalog' };
  const asked = tokens && { tokens: tokensOf(issuers[tokens.from], tokens.audience, tokens.roles) };
  const plans = [{ ...planOf('catalog', {}), security, ...asked }];
  const node: EnvoyNode = {
    id: 'receiver',
    mesh: 'proving',
    dataPlane: 'vms',
    inbound: { service: 'catalog', version: 'v1', address: LOOPBACK, port: inbound, workloadPort: workload.port },
    identity: { directory },
    authorities: issuers.authorities,
  };
  const bootstrap = renderBootstrap({ node, xds: { address: LOOPBACK, port: 1 }, admin: { address: LOOPBACK, port: admin } });
  const running: RunningEnvoy = await runEnvoy(ground.envoy, staticConfiguration(bootstrap, renderNode(node, plans)), [inbound]);
  try {
    return await look({
      async ask(by, over = {}) {
        const asked = { port: inbound, host: 'catalog', ...over };
        if (by !== undefined) return overTls(asked, await authority.issue(identityOf(by)), authority);
        return call(asked).then(
          ({ status }) => status,
          () => 'closed' as const,
        );
      },
      issuer: (name) => issuers[name],
      shadowDenied: () => statOf(admin, 'http.inbound.rbac.shadow_denied'),
    });
  } finally {
    await running.stop();
  }
}

/** A connection of its own, with a certificate or without; the receiver's certificate must come from the authority. */
export function overTls(
  asked: { port: number; host: string; path?: string; method?: string; headers?: Readonly<Record<string, string>> },
  leaf: Leaf | undefined,
  authority: Authority,
): Promise<number | 'closed'> {
  return new Promise((resolve) => {
    const sent = request({
      host: LOOPBACK,
      port: asked.port,
      path: asked.path ?? '/',
      method: asked.method ?? 'GET',
      headers: { host: asked.host, ...asked.headers },
      agent: false,
      ...(leaf === undefined ? {} : { cert: leaf.certificate, key: leaf.key }),
      ca: authority.root,
      // Its name is a URI, which Node doesn't look for.
      checkServerIdentity: () => undefined,
    });
    sent.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', () => resolve('closed'));
    sent.end();
  });
}

const statsSchema = z.object({ stats: z.array(z.object({ name: z.string().optional(), value: z.number().optional() })) });

/** 0 where Envoy has no such counter. */
async function statOf(admin: number, name: string): Promise<number> {
  const filter = encodeURIComponent(`^${name.replace(/[^A-Za-z0-9]/g, '.')}$`);
  const answer = await fetch(`http://${LOOPBACK}:${admin}/stats?format=json&filter=${filter}`);
  return statsSchema.parse(await answer.json()).stats.find((stat) => stat.name === name)?.value ?? 0;
}

const dumpSchema = z.object({
  configs: z.array(z.object({ static_clusters: z.array(z.object({ cluster: z.record(z.string(), z.json()) })).optional() })),
});

/** Clusters as Envoy has them, read once. */
function clusterReader(admin: number): (name: string) => Promise<Json> {
  let dump: Promise<z.infer<typeof dumpSchema>> | undefined;
  return async (name) => {
    dump ??= fetch(`http://${LOOPBACK}:${admin}/config_dump`).then(async (answer) => dumpSchema.parse(await answer.json()));
    const clusters = (await dump).configs.flatMap(({ static_clusters = [] }) => static_clusters.map(({ cluster }) => cluster));
    return clusters.find((cluster) => cluster.name === name) ?? null;
  };
}
