/**
 * Who trusts what and presents what in an Istio mesh: every istiod is asked for a leaf, every proxy for the secrets that it has loaded. Who
 * cannot be asked is not ready.
 */
import type { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import type { DataPlaneTrust } from '../../trust/data-plane-trust.ts';
import { certificatesIn, fingerprintsOf, presentedBy, sameSet } from '../certificates.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { type CaCerts, readCaCerts, rootsOfNamespace } from './cacerts.ts';
import { readConnected } from './debug.ts';
import { askingIstiod } from './istiods.ts';
import { type IstiodPod, istiodPods, type ProxyPod, proxyPods } from './pods.ts';
import type { SigningService } from './signing-service.ts';

type Member = Awaited<ReturnType<DataPlaneTrust['look']>>[number];

/** Of a sidecar's Envoy, on its own loopback. */
const ADMIN_PORT = 15_000;
const AT_ONCE = 16;
/** A look ends before the claim of an effect does; whom there was no time to ask is not known. */
const LOOK_MS = 8_000;

export interface Membership {
  readonly cluster: Cluster;
  readonly signing: SigningService;
  readonly dataPlane: string;
  readonly controlPlaneNamespace: string;
  /** Of the mesh's spec: until then whoever cannot be asked may present something. */
  readonly leafLifeMs: number;
  /** For how long proxies are asked; left out: 8 s. */
  readonly lookMs?: number;
}

/** Pages and metrics ask while a rotation does: who comes to a look under way is told what it sees, as of when it began. */
export function looksAt(of: Membership): DataPlaneTrust['look'] {
  let looking: ReturnType<typeof membersOf> | undefined;
  return (_mesh, now) => {
    looking ??= membersOf(of, now).finally(() => {
      looking = undefined;
    });
    return looking;
  };
}

/** Throws where nobody can be asked: without cacerts, without an istiod, or where we may not. */
export async function membersOf(of: Membership, now: number): Promise<readonly Member[]> {
  const { cluster, controlPlaneNamespace } = of;
  const secret = await readCaCerts(cluster, controlPlaneNamespace);
  if (secret === 'absent') throw new Error(`There is no Secret ${controlPlaneNamespace}/cacerts.`);
  const [istiods, proxies] = await Promise.all([istiodPods(cluster, controlPlaneNamespace), proxyPods(cluster)]);
  for (const each of [secret, istiods, proxies]) if ('message' in each) throw new Error(each.message);
  if ('message' in secret || 'message' in istiods || 'message' in proxies) return [];
  if (!istiods.pods.some(({ ready }) => ready)) throw new Error(`There is no ready pod labelled app=istiod in ${controlPlaneNamespace}.`);
  const namespaces = await behindIn(cluster, secret, new Set(proxies.pods.map(({ namespace }) => namespace)));
  const inTime = before(of.lookMs ?? LOOK_MS);
  const late = ({ pod, namespace }: ProxyPod) => unseen(of, `${pod}.${namespace}`, 'proxy', now, 'there was no time to ask it');
  const [seenIstiods, seenProxies, others] = await Promise.all([
    inTurn(istiods.pods, (istiod) => istiodMember(of, istiod, secret, now)),
    inTurn(proxies.pods, (proxy) =>
      inTime(
        () => proxyMember(of, proxy, namespaces.get(proxy.namespace), now),
        () => late(proxy),
      ),
    ),
    strangers(of, istiods.pods, proxies.pods),
  ]);
  const unknown = others.map((proxy) =>
    unseen(of, proxy, 'proxy', now, 'it is connected to istiod and is no pod whose proxy could be asked'),
  );
  return [...seenIstiods, ...seenProxies, ...unknown];
}

/** What it signs with is its `presents`, whom it tells workloads to trust its `trusts`. */
async function istiodMember(of: Membership, { pod, ready }: IstiodPod, secret: CaCerts, now: number): Promise<Member> {
  const { controlPlaneNamespace: namespace, signing, dataPlane } = of;
  const id = `${pod}.${namespace}`;
  if (!ready) return unseen(of, id, 'control-plane', now, 'it is not ready and may sign with what it has once it is');
  try {
    const told = await rootsOfNamespace(of.cluster, namespace);
    if (typeof told !== 'string') return unseen(of, id, 'control-plane', now, told.message);
    const signed = await signing.sample({ namespace, pod }, [...secret.roots.map(String), told].join('\n'));
    if (signed.kind === 'refused') return unseen(of, id, 'control-plane', now, signed.message);
    const roots = certificatesIn(signed.roots);
    const { presents } = presentedBy(signed.chain.flatMap(certificatesIn), roots);
    const seen: Member = { id: `${dataPlane}/${id}`, dataPlane, kind: 'control-plane', seenAt: now, trusts: fingerprintsOf(roots) };
    return presents ? { ...seen, presents } : { ...seen, trouble: 'the leaf it gave was signed by none of the chain that came with it' };
  } catch (error) {
    return unseen(of, id, 'control-plane', now, said(error));
  }
}

const inline = z.object({ inline_bytes: z.base64() }).partial().default({});
const dumpSchema = z.object({
  configs: z
    .array(
      z.object({
        name: z.string().default(''),
        secret: z
          .object({
            tls_certificate: z.object({ certificate_chain: inline }).exactOptional(),
            validation_context: z.object({ trusted_ca: inline }).exactOptional(),
          })
          .default({}),
      }),
    )
    .default([]),
});

/** By `/config_dump`: a secret is active once Envoy has taken it for every connection to come. */
async function proxyMember(of: Membership, { pod, namespace }: ProxyPod, behind: string | undefined, now: number): Promise<Member> {
  const id = `${pod}.${namespace}`;
  const door = of.cluster.door({ namespace, pod, port: ADMIN_PORT });
  try {
    const answer = await door.get('/config_dump?resource=dynamic_active_secrets');
    if (answer.kind === 'refused') return unseen(of, id, 'proxy', now, answer.message);
    if (answer.status !== 200) return unseen(of, id, 'proxy', now, `its Envoy answers ${answer.status}`);
    const { chain, roots } = loadedOf(answer.body);
    const seen = { id: `${of.dataPlane}/${id}`, dataPlane: of.dataPlane, kind: 'proxy', seenAt: now } as const;
    return {
      ...seen,
      trusts: fingerprintsOf(roots),
      ...presentedBy(chain, roots),
      ...(behind === undefined ? {} : { trouble: behind }),
    };
  } catch (error) {
    return unseen(of, id, 'proxy', now, said(error));
  } finally {
    door.close();
  }
}

function loadedOf(body: string): { readonly chain: readonly X509Certificate[]; readonly roots: readonly X509Certificate[] } {
  const { configs } = dumpSchema.parse(JSON.parse(body));
  const secret = (name: string) => configs.find((each) => each.name === name)?.secret;
  const read = (bytes = '') => certificatesIn(Buffer.from(bytes, 'base64').toString('utf8'));
  return {
    chain: read(secret('default')?.tls_certificate?.certificate_chain.inline_bytes),
    roots: read(secret('ROOTCA')?.validation_context?.trusted_ca.inline_bytes),
  };
}

/** Namespaces whose pods are told other roots than istiod's for reaching istiod, and so could not come for their next leaf. */
async function behindIn(cluster: Cluster, secret: CaCerts, namespaces: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
  const found = await inTurn([...namespaces], async (namespace): Promise<readonly [string, string][]> => {
    const told = await rootsOfNamespace(cluster, namespace);
    if (typeof told !== 'string') return [[namespace, told.message]];
    const same = sameSet(fingerprintsOf(certificatesIn(told)), secret.rootFingerprints);
    return same ? [] : [[namespace, `the ConfigMap istio-ca-root-cert of ${namespace} has not the roots of cacerts yet`]];
  });
  return new Map(found.flat());
}

/** Proxies that are connected and are none of these pods: those on machines. */
async function strangers(of: Membership, istiods: readonly IstiodPod[], pods: readonly ProxyPod[]): Promise<readonly string[]> {
  const known = new Set(pods.map(({ pod, namespace }) => `${pod}.${namespace}`));
  const asked = istiods.filter(({ ready }) => ready);
  const connected = await inTurn(asked, ({ pod }) =>
    askingIstiod(of.cluster, { namespace: of.controlPlaneNamespace, pod }, (ask) => ask('/debug/adsz', readConnected)),
  );
  const proxies = connected.flatMap((answer) => {
    if ('message' in answer) throw new Error(answer.message);
    return answer.value.map(({ proxy }) => proxy);
  });
  return [...new Set(proxies)].filter((proxy) => !known.has(proxy));
}

/** It is there, and what it has is not known. */
const unseen = ({ dataPlane, leafLifeMs }: Membership, id: string, kind: Member['kind'], now: number, trouble: string): Member => ({
  id: `${dataPlane}/${id}`,
  dataPlane,
  kind,
  seenAt: 0,
  trusts: [],
  mayPresentUntil: now + leafLifeMs,
  trouble,
});

/** `ask` while there is time, and `otherwise` for what is not done by then. */
function before(ms: number): <Result>(ask: () => Promise<Result>, otherwise: () => Result) => Promise<Result> {
  const signal = AbortSignal.timeout(ms);
  const over = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  return (ask, otherwise) => (signal.aborted ? Promise.resolve(otherwise()) : Promise.race([ask(), over.then(otherwise)]));
}

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function inTurn<Each, Result>(all: readonly Each[], ask: (each: Each) => Promise<Result>): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < all.length; at += AT_ONCE) results.push(...(await Promise.all(all.slice(at, at + AT_ONCE).map(ask))));
  return results;
}
