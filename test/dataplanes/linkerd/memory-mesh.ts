/**
 * A cluster with Linkerd in it, in memory: objects that are applied, the controllers that replace pods when a template changes, the injector
 * that gives new pods the roots of the moment, and an identity that signs with the Secret it has read. Written after their sources.
 */
import { webcrypto, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import {
  type ApplyOutcome,
  type Cluster,
  type DesiredObject,
  type HowToApply,
  nameOf,
  type ObjectName,
  objectSchema,
  type ResourceKind,
} from '../../../src/dataplanes/kubernetes/cluster.ts';
import { CONFIG_MAPS, DEPLOYMENTS, EVENTS, PODS, REPLICA_SETS, SECRETS } from '../../../src/dataplanes/kubernetes/kinds.ts';
import type { IdentityService } from '../../../src/dataplanes/linkerd/identity-service.ts';
import type { JsonObject } from '../../../src/journal/documents.ts';
import { x509 } from '../../../src/trust/x509/library.ts';

export const HOME = 'linkerd';
const IDENTITIES = `identity.${HOME}.cluster.local`;
const TRUST_ROOTS = 'linkerd-identity-trust-roots';
const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

const jsonObject = z.record(z.string(), z.json());
const templated = z.object({
  metadata: z.object({ generation: z.number() }),
  spec: z.object({
    replicas: z.number(),
    template: z.object({ metadata: z.object({ annotations: z.record(z.string(), z.string()).default({}) }).default({ annotations: {} }) }),
  }),
});
const dataSchema = z.object({ data: z.record(z.string(), z.string()) });

interface Pod {
  readonly name: string;
  readonly namespace: string;
  /** PEM that its proxy began with. */
  readonly anchors: string;
  chain: readonly Uint8Array[];
  /** Of an identity pod: what it has read. */
  signs?: { readonly certificate: string; readonly key: string };
}

interface Placed {
  readonly namespace: string;
  readonly name: string;
  readonly component?: string;
  /** `null`: nothing made its pod. */
  readonly kind?: ResourceKind | null;
  /** Beside its template. */
  readonly spec?: JsonObject;
  /** Where `linkerd inject --manual` has written them into its template. */
  readonly manual?: string;
}

/** Deployments whose pods do not become ready. */
export interface Stuck {
  readonly except?: readonly string[];
}

export class MemoryMesh implements Cluster, IdentityService {
  readonly #objects = new Map<string, JsonObject>();
  readonly #placed = new Map<string, Placed>();
  readonly #pods = new Map<string, Pod>();
  /** Pods that hang up on whoever asks. */
  readonly silent = new Set<string>();
  /** Managers that own what is there. */
  owner: string | undefined;
  /** Names of what was written, the older first. */
  readonly writes: string[] = [];
  leafLifeMs = 3_600_000;
  now = Date.now();
  readonly #leafs = new Map<string, Promise<readonly Uint8Array[]>>();
  #version = 0;

  // What an API server does.

  apply({ kind, metadata, content }: DesiredObject, { over, force }: HowToApply): Promise<ApplyOutcome> {
    const there = this.#objects.get(nameOf(kind, metadata));
    const at = there && objectSchema.parse(there).metadata.resourceVersion;
    if (at !== (over === 'absent' ? undefined : over.resourceVersion)) return Promise.resolve({ kind: 'moved' });
    const owned = [CONFIG_MAPS, SECRETS].includes(kind) && there && !force && this.owner;
    if (owned) return Promise.resolve({ kind: 'conflict', owners: [{ manager: owned, fields: ['.data'] }], message: '' });
    if (there) this.#objects.set(nameOf(kind, metadata), withoutOurs(there));
    this.put(kind, { ...content, metadata: { ...metadata, labels: { ...metadata.labels }, annotations: { ...metadata.annotations } } });
    this.writes.push(nameOf(kind, metadata));
    return Promise.resolve({ kind: 'applied' });
  }

  get(kind: ResourceKind, name: ObjectName) {
    const there = this.#objects.get(nameOf(kind, name));
    return Promise.resolve(there ? ({ kind: 'found', object: objectSchema.parse(there) } as const) : ({ kind: 'absent' } as const));
  }

  list(kind: ResourceKind, { namespace }: { readonly namespace?: string }) {
    const objects = [...this.#objects]
      .filter(([name]) => name.startsWith(`${kind.kind} ${namespace === undefined ? '' : `${namespace}/`}`))
      .map(([, each]) => objectSchema.parse(each));
    return Promise.resolve({ kind: 'listed', objects } as const);
  }

  remove(): never {
    throw new Error('Nothing is taken out here.');
  }

  delete(): never {
    throw new Error('Nothing is deleted here.');
  }

  may(): Promise<boolean> {
    return Promise.resolve(true);
  }

  door(): never {
    throw new Error('Nobody is asked by HTTP here.');
  }

  /** Merged into what is there; another generation where its `spec` became another. */
  put(kind: ResourceKind, object: JsonObject): void {
    const metadata = z.object({ metadata: z.looseObject({ name: z.string(), namespace: z.string() }) }).parse(object).metadata;
    const name = nameOf(kind, metadata);
    const before = this.#objects.get(name);
    const merged = merge(before ?? {}, object);
    const generation = z.object({ metadata: z.object({ generation: z.number().default(0) }) });
    const changed = JSON.stringify(before?.spec) !== JSON.stringify(merged.spec);
    const next = before ? generation.parse(before).metadata.generation + (changed ? 1 : 0) : 1;
    this.#version += 1;
    const time = new Date(this.now).toISOString();
    const own = {
      uid: `uid of ${name}`,
      resourceVersion: String(this.#version),
      generation: next,
      managedFields: [{ manager: 'whoever', time }],
      ...(before ? {} : { creationTimestamp: time }),
    };
    this.#objects.set(name, merge(merged, { metadata: own }));
  }

  // What its controllers do.

  /** With one pod that runs, unless its spec says more. */
  async place(placed: Placed): Promise<void> {
    const { namespace, name, kind = DEPLOYMENTS, spec = {} } = placed;
    this.#placed.set(`${namespace}/${name}`, placed);
    if (kind) this.put(kind, { metadata: { namespace, name }, spec: { replicas: 1, template: {}, ...spec } });
    await this.settle();
  }

  /** Pods of the templates of now, all ready. */
  async settle({ except = [] }: Stuck = {}): Promise<void> {
    for (const [name, placed] of this.#placed) {
      const { kind = DEPLOYMENTS } = placed;
      const mine = [...this.#pods].filter(([pod]) => pod.startsWith(`${name}-`));
      if (!kind) {
        if (mine.length === 0) await this.#begin(placed, {}, 0);
        continue;
      }
      const object = this.#objects.get(nameOf(kind, placed));
      const { metadata, spec } = templated.parse(object);
      const status = z.object({ status: z.object({ observedGeneration: z.number() }).exactOptional() }).parse(object).status;
      if (except.includes(placed.name) || status?.observedGeneration === metadata.generation) continue;
      for (const [pod, { namespace, name: podName }] of mine) {
        this.#pods.delete(pod);
        this.#objects.delete(nameOf(PODS, { namespace, name: podName }));
      }
      for (let at = 0; at < spec.replicas; at += 1) await this.#begin(placed, spec.template.metadata.annotations, metadata.generation, at);
      const counts = { replicas: spec.replicas, updatedReplicas: spec.replicas, availableReplicas: spec.replicas };
      this.put(kind, {
        metadata: { namespace: placed.namespace, name: placed.name },
        status: { ...counts, observedGeneration: metadata.generation },
      });
    }
  }

  /** A rollout that its controller has seen and does not expect to end any more. */
  giveUp(namespace: string, name: string): void {
    const { metadata } = templated.parse(this.#objects.get(nameOf(DEPLOYMENTS, { namespace, name })));
    const status = {
      observedGeneration: metadata.generation,
      availableReplicas: 0,
      conditions: [{ type: 'Progressing', status: 'False' }],
    };
    this.put(DEPLOYMENTS, { metadata: { namespace, name }, status });
  }

  async #begin({ namespace, name, component, kind = DEPLOYMENTS, manual }: Placed, annotations: JsonObject, generation: number, at = 0) {
    const podName = `${name}-${generation}-${at}`;
    const anchors = manual ?? this.anchors();
    const env = [
      { name: '_l5d_ns', value: HOME },
      { name: '_l5d_trustdomain', value: 'cluster.local' },
      component
        ? { name: 'LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS', valueFrom: { configMapKeyRef: { name: TRUST_ROOTS, key: 'ca-bundle.crt' } } }
        : { name: 'LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS', value: anchors },
    ];
    if (kind === DEPLOYMENTS) {
      const owner = { kind: 'Deployment', name, uid: `uid of Deployment ${namespace}/${name}`, controller: true };
      this.put(REPLICA_SETS, { metadata: { namespace, name: `${name}-${generation}`, ownerReferences: [owner] } });
    }
    const by = kind === DEPLOYMENTS ? { kind: 'ReplicaSet', name: `${name}-${generation}` } : { kind: kind?.kind ?? '', name };
    this.put(PODS, {
      metadata: {
        namespace,
        name: podName,
        annotations,
        labels: component ? { 'linkerd.io/control-plane-component': component } : {},
        ownerReferences: kind ? [{ ...by, uid: `uid of ${by.kind} ${namespace}/${by.name}`, controller: true }] : [],
      },
      spec: { serviceAccountName: name, containers: [{ name: 'linkerd-proxy', env }] },
      status: { phase: 'Running', containerStatuses: [{ name: 'linkerd-proxy', state: { running: {} } }] },
    });
    const pod: Pod = { name: podName, namespace, anchors, chain: [] };
    this.#pods.set(`${namespace}/${podName}`, pod);
    if (component === 'identity') this.#read(pod);
    await this.#renew(pod, name);
  }

  // What Linkerd does.

  anchors(): string {
    const there = this.#objects.get(nameOf(CONFIG_MAPS, { namespace: HOME, name: TRUST_ROOTS }));
    return there ? (dataSchema.parse(there).data['ca-bundle.crt'] ?? '') : '';
  }

  /** The kubelet has brought the Secret: every identity reads it, and says what became of that. */
  reload(): void {
    for (const pod of this.#identities()) this.#read(pod);
  }

  #read(pod: Pod): void {
    const there = this.#objects.get(nameOf(SECRETS, { namespace: HOME, name: 'linkerd-identity-issuer' }));
    const data = there ? dataSchema.parse(there).data : {};
    const text = (...entries: readonly string[]) => Buffer.from(entries.map((each) => data[each]).find(Boolean) ?? '', 'base64').toString();
    const [certificate, key] = [text('crt.pem', 'tls.crt'), text('key.pem', 'tls.key')];
    if (certificate === '') return;
    const issuer = new X509Certificate(certificate);
    const isTrusted = pems(pod.anchors).some((root) => issuer.checkIssued(new X509Certificate(root)));
    if (isTrusted) pod.signs = { certificate, key };
    this.#version += 1;
    this.put(EVENTS, {
      metadata: { namespace: HOME, name: `identity.${this.#version}` },
      reason: isTrusted ? 'IssuerUpdated' : 'IssuerUpdateSkipped',
      message: isTrusted ? 'Updated identity issuer' : 'Skipping issuer update: x509: certificate signed by unknown authority',
      lastTimestamp: new Date(this.now + this.#version).toISOString(),
    });
  }

  /** How often identity refused what the Secret had. */
  skipped(): number {
    return [...this.#objects.values()].filter(({ reason }) => reason === 'IssuerUpdateSkipped').length;
  }

  #identities(): readonly Pod[] {
    return [...this.#pods.values()].filter(({ namespace, name }) => namespace === HOME && name.startsWith('linkerd-identity-'));
  }

  /** Every proxy comes for its next leaf. */
  async renew({ except = [] }: Stuck = {}): Promise<void> {
    for (const [id, pod] of this.#pods) {
      const account = [...this.#placed.values()].find(({ namespace, name }) => id.startsWith(`${namespace}/${name}-`))?.name ?? '';
      if (!except.includes(account)) await this.#renew(pod, account);
    }
  }

  async #renew(pod: Pod, account: string): Promise<void> {
    const signs = this.#identities().find((each) => each.signs)?.signs;
    if (signs) pod.chain = await this.#sign(signs, `${account}.${pod.namespace}.serviceaccount.${IDENTITIES}`);
  }

  /** One for each name and issuer: nobody here looks at its key. */
  #sign(signs: NonNullable<Pod['signs']>, name: string): Promise<readonly Uint8Array[]> {
    const id = `${this.leafLifeMs} ${name} ${signs.certificate}`;
    const signed = this.#leafs.get(id) ?? leaf(signs, name, this.now, this.leafLifeMs);
    this.#leafs.set(id, signed);
    return signed;
  }

  // What they say of themselves.

  shown({ namespace, pod }: { readonly namespace: string; readonly pod: string }) {
    const there = this.#pods.get(`${namespace}/${pod}`);
    if (!there || this.silent.has(pod)) return Promise.reject(new Error(`${namespace}/${pod} could not be asked for its leaf`));
    return Promise.resolve({ kind: 'shown', chain: there.chain } as const);
  }

  async sample({ namespace, pod }: { readonly namespace: string; readonly pod: string }) {
    const signs = this.#pods.get(`${namespace}/${pod}`)?.signs;
    if (!signs) throw new Error(`${namespace}/${pod} could not be asked for a leaf`);
    return { kind: 'shown', chain: await this.#sign(signs, `default.${namespace}.serviceaccount.${IDENTITIES}`) } as const;
  }

  /** From now on `one` shows what `other` has. */
  swap(one: string, other: string): void {
    const of = (name: string) => [...this.#pods.values()].find((pod) => pod.name === name);
    const [first, second] = [of(one), of(other)];
    if (first && second) first.chain = second.chain;
  }

  /** It is scheduled nowhere yet. */
  pend(name: string): void {
    for (const pod of this.#pods.values()) {
      if (pod.name === name)
        this.put(PODS, { metadata: { namespace: pod.namespace, name }, status: { phase: 'Pending', containerStatuses: [] } });
    }
  }

  /** That a proxy began with, by the name of its workload. */
  anchorsOf(workload: string): readonly string[] {
    return [...this.#pods.values()].filter(({ name }) => name.startsWith(`${workload}-`)).map(({ anchors }) => anchors);
  }
}

async function leaf({ certificate, key }: NonNullable<Pod['signs']>, name: string, now: number, lifeMs: number) {
  const der = Buffer.from(key.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
  const signingKey = await webcrypto.subtle.importKey('pkcs8', der, P256, false, ['sign']);
  const { publicKey } = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
  const signed = await x509.X509CertificateGenerator.create({
    issuer: new x509.X509Certificate(certificate).subjectName,
    publicKey,
    signingKey,
    signingAlgorithm: P256,
    notBefore: new Date(now),
    notAfter: new Date(now + lifeMs),
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
  });
  return [new Uint8Array(signed.rawData), new Uint8Array(new X509Certificate(certificate).raw)];
}

export const pems = (text: string): readonly string[] => text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];

/** What an apply said before and does not say again goes. */
function withoutOurs(object: JsonObject): JsonObject {
  const { metadata } = objectSchema.parse(object);
  const annotations = Object.fromEntries(Object.entries(metadata.annotations).filter(([name]) => !name.startsWith('meshwright.dev/')));
  return { ...object, metadata: { ...jsonObject.parse(object.metadata), annotations } };
}

/** As an apply merges maps; lists and all else are replaced. An empty value of annotations is a state of its own. */
function merge(there: JsonObject, other: JsonObject): JsonObject {
  const merged: Record<string, JsonObject[string]> = { ...there };
  for (const [key, value] of Object.entries(other)) {
    const before = jsonObject.safeParse(merged[key]);
    const after = jsonObject.safeParse(value);
    merged[key] = before.success && after.success ? merge(before.data, after.data) : value;
  }
  return merged;
}
