/**
 * A real Consul whose certificates the app makes and rotates, with two Envoys that speak mTLS to each other over a connection for each
 * request. The app's clock can be put forward, which Consul's cannot; an Envoy can be cut off from Consul and be let back.
 */
import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { consulOf, consulTrustOf } from '../../src/adapters/consul-data-plane.ts';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { MemoryVault } from '../../src/adapters/memory-vault.ts';
import { remoteDataPlanes } from '../../src/adapters/remote-data-plane.ts';
import { decidedRevision } from '../../src/reconcile/model.ts';
import type { TrustStatus } from '../../src/rotating.ts';
import { ask, startTraffic } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { freePorts } from '../real-envoy.ts';
import { World } from '../world.ts';
import { type Consul, startConsul } from './consul.ts';
import { type ConsulCaller, type ConsulWorkload, consulEnvoys } from './consul-envoys.ts';
import type { Envoy } from './envoy.ts';
import { LOOPBACK, type Running, startingTogether, stopping } from './process.ts';
import { relay } from './relay.ts';

const HEADER = 'apiVersion: meshwright.dev/v1\n';
export const HOUR = 3_600_000;
/** What `docs/consul.md` says that rotating takes. */
const RULES =
  'operator = "write"\nservice_prefix "" { policy = "write" intentions = "write" }\nnode_prefix "" { policy = "read" }\nmesh = "read"';

export interface RotationMesh extends Running {
  readonly consul: Consul;
  readonly world: World;
  readonly catalog: ConsulWorkload;
  readonly web: ConsulCaller;
  /** Requests from web to catalog, each with a handshake of its own. */
  traffic(): ReturnType<typeof startTraffic>;
  /** catalog's Envoy hears nothing of Consul any more. */
  cutOff(): Promise<void>;
  letBack(): Promise<void>;
  status(): Promise<TrustStatus>;
  /** Looks again and again, at the present hour, until this is so. */
  untilIt(what: string, isSo: (status: TrustStatus) => boolean | Promise<boolean>, ms?: number): Promise<TrustStatus>;
  /** The app's clock; what is signed from then on counts from later than Consul's proxies have it. */
  putForward(ms: number): void;
  /** Starts a rotation; resolves once its new root is made. */
  rotate(): Promise<void>;
}

export async function startRotationMesh(): Promise<RotationMesh> {
  return startingTogether(async (started) => {
    const consul = started.add(await startConsul('allow', 'hasty-consul'));
    const token = await consul.user('meshwright', RULES);
    const [port = 0] = await freePorts(1);
    let wire: Running | undefined;
    const letBack = async (): Promise<void> => {
      wire ??= await relay({ host: LOOPBACK, port }, { host: LOOPBACK, port: consul.grpcPort });
    };
    const cutOff = async (): Promise<void> => {
      const cut = wire;
      wire = undefined;
      await cut?.stop();
    };
    await letBack();
    started.add(stopping(cutOff));
    const envoys = consulEnvoys(consul);
    const farEnvoys = consulEnvoys({ ...consul, grpcPort: port });
    started.add(stopping(async () => void (await Promise.all([envoys.stop(), farEnvoys.stop()]))));
    const catalog = await farEnvoys.workload('catalog', 'v1');
    const web = await envoys.caller('web', ['catalog']);
    const target = web.to('catalog');
    await until('catalog answers', async () => 'version' in (await ask(target)));

    const world = rotatingWorld(token);
    let ahead = 0;
    const status = async (): Promise<TrustStatus> => {
      const found = await world.app.rotating.status('shop');
      if (!found) throw new Error('The mesh has no certificates.');
      return found;
    };
    const untilIt: RotationMesh['untilIt'] = async (what, isSo, ms = 60_000) => {
      let last = await status();
      await until(
        what,
        async () => {
          world.now = Date.now() + ahead;
          await world.app.sweep();
          await world.app.rotating.observed('shop');
          last = await status();
          return isSo(last);
        },
        ms,
      );
      return last;
    };
    return {
      consul,
      world,
      catalog,
      web,
      traffic: () => startTraffic(target, 100),
      cutOff,
      letBack,
      status,
      untilIt,
      putForward(ms) {
        ahead += ms;
      },
      async rotate() {
        await world.app.rotating.rotate('shop', { id: `rotate-${world.now}`, actor: 'kim' }, { compromised: false });
        await untilIt('a rotation distributes', ({ rotation }) => rotation?.phase.name === 'distributing');
      },
      ...stopping(() => started.stop()),
    };
  });
}

function rotatingWorld(token: string): World {
  const documents = new MemoryDocuments();
  const vault = new MemoryVault();
  const remote = remoteDataPlanes(Date.now);
  const world = new World({
    documents,
    connect: ({ name: mesh }, dataPlane) => {
      const decided = (of: string, service: string) => decidedRevision(documents, of, service);
      const reached = dataPlane.kind === 'consul' ? consulOf(dataPlane, () => token, decided) : undefined;
      return reached && remote(`${mesh}/${dataPlane.name}`, reached);
    },
    trust: {
      refusal: () => undefined,
      vault: async () => vault,
      connect: ({ certificates }, dataPlane) =>
        dataPlane.kind === 'consul' && certificates ? consulTrustOf(dataPlane, () => token, certificates.leafLifeMs) : undefined,
      tokens: { attest: () => Promise.reject(new Error('Nobody asks here for a leaf.')) },
      random: () => {
        throw new Error('Nobody asks here for a leaf.');
      },
    },
  });
  world.now = Date.now();
  return world;
}

export const meshFile = ({ url }: Consul) => ({
  path: 'mesh.yaml',
  text: `${HEADER}kind: Mesh
name: shop
trustDomain: shop.example
dataPlanes:
  - { name: vms, kind: consul, address: "${url}", tokenSetting: CONSUL_TOKEN, defaultPolicy: allow }
certificates: { leafLife: 1h, issuerLife: 1d, rootLife: 30d }
`,
});

const tlsSchema = z.looseObject({
  tls_certificates: z.array(z.looseObject({ certificate_chain: z.looseObject({ inline_string: z.string() }) })).min(1),
  validation_context: z.looseObject({ trusted_ca: z.looseObject({ inline_string: z.string() }) }),
});

/** Fingerprints, and who signed its leaf, as Envoy's own dump has them. */
export async function loaded(
  envoy: Envoy,
): Promise<{ readonly trusts: readonly string[]; readonly leaf: X509Certificate; readonly chain: readonly X509Certificate[] }> {
  const found = contexts(await envoy.configDump()).at(-1);
  if (!found) throw new Error('The Envoy has no certificate.');
  const chain = certificatesIn(found.tls_certificates[0]?.certificate_chain.inline_string ?? '');
  const [leaf] = chain;
  if (!leaf) throw new Error('The Envoy has no leaf.');
  return { trusts: certificatesIn(found.validation_context.trusted_ca.inline_string).map(fingerprint), leaf, chain };
}

function contexts(value: unknown): readonly z.infer<typeof tlsSchema>[] {
  if (Array.isArray(value)) return value.flatMap(contexts);
  if (typeof value !== 'object' || value === null) return [];
  const own = tlsSchema.safeParse('common_tls_context' in value ? value.common_tls_context : undefined);
  return [...(own.success ? [own.data] : []), ...Object.values(value).flatMap(contexts)];
}

export const certificatesIn = (pem: string): readonly X509Certificate[] =>
  (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((each) => new X509Certificate(each));

export const fingerprint = ({ fingerprint256 }: X509Certificate): string => fingerprint256.replaceAll(':', '').toLowerCase();
