/**
 * What the objects say of services and their workloads: ports, selectors, service accounts, and which version a Service selects
 * where a mesh divides requests over Services. Read from the Services, Deployments and the like that came with the import.
 */
import { z } from 'zod';
import { isName, isVersion } from '../spec/names.ts';
import type { ServiceSpec } from '../spec/schema.ts';
import type { ServiceName } from './draft.ts';
import type { SourceObject } from './objects.ts';

type Labels = Readonly<Record<string, string>>;

const texts = z.record(z.string(), z.string());
const serviceSchema = z.looseObject({
  selector: texts.nullish(),
  ports: z.array(z.looseObject({ name: z.string().optional(), port: z.int(), appProtocol: z.string().optional() })).nullish(),
});
const workloadSchema = z.looseObject({
  template: z.looseObject({
    metadata: z.looseObject({ labels: texts.nullish() }).nullish(),
    spec: z.looseObject({ serviceAccountName: z.string().optional() }).nullish(),
  }),
});
const WORKLOADS = ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Rollout'];

export interface KnownPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: ServiceSpec['protocol'];
}

export interface KnownService extends ServiceName {
  readonly object: SourceObject;
  readonly selector: Labels;
  readonly annotations: Labels;
  readonly ports: readonly KnownPort[];
}

export interface KnownWorkload {
  readonly object: SourceObject;
  readonly namespace: string;
  readonly labels: Labels;
  readonly serviceAccount: string;
}

export interface Inventory {
  readonly services: readonly KnownService[];
  readonly workloads: readonly KnownWorkload[];
  service(name: ServiceName): KnownService | undefined;
  /** The service a host means to those in `namespace`; `undefined`: a name outside the cluster, or with a wildcard. */
  serviceOfHost(host: string, namespace: string): ServiceName | undefined;
}

export function takeInventory(objects: readonly SourceObject[]): Inventory {
  const services = objects.flatMap((object): KnownService[] => {
    const spec = object.group === '' && object.kind === 'Service' ? serviceSchema.safeParse(object.spec).data : undefined;
    if (!spec) return [];
    const ports = (spec.ports ?? []).map(({ name = '', port, appProtocol }) => ({ name, port, protocol: protocolOf(appProtocol ?? name) }));
    return [
      { object, namespace: object.namespace, name: object.name, selector: spec.selector ?? {}, annotations: object.annotations, ports },
    ];
  });
  const workloads = objects.flatMap((object): KnownWorkload[] => {
    const spec = WORKLOADS.includes(object.kind) ? workloadSchema.safeParse(object.spec).data : undefined;
    if (!spec) return [];
    const { metadata, spec: pod } = spec.template;
    return [{ object, namespace: object.namespace, labels: metadata?.labels ?? {}, serviceAccount: pod?.serviceAccountName ?? 'default' }];
  });
  const byName = new Map(
    [...Map.groupBy(services, ({ namespace, name }) => `${namespace}/${name}`)].map(([key, parts]) => [key, joined(parts)]),
  );
  const namespaces = new Set(objects.map(({ namespace }) => namespace));
  return {
    services: [...byName.values()].flatMap((service) => service ?? []),
    workloads,
    service: ({ namespace, name }) => byName.get(`${namespace}/${name}`),
    serviceOfHost(host, namespace) {
      const [name = '', of, svc, ...domain] = host.replace(/\.$/, '').split('.');
      if (!isName(name)) return undefined;
      if (of === undefined) return { namespace, name };
      // `shop.example` is no service of a namespace that nobody has heard of.
      if (svc === undefined) return namespaces.has(of) ? { namespace: of, name } : undefined;
      return svc === 'svc' && (domain.length === 0 || domain.join('.') === 'cluster.local') ? { namespace: of, name } : undefined;
    },
  };
}

/** Files for server-side apply may hold a part of a Service only. */
function joined(parts: readonly KnownService[]): KnownService | undefined {
  const whole = parts.find(({ ports }) => ports.length > 0) ?? parts[0];
  return whole && { ...whole, annotations: Object.assign({}, ...parts.map(({ annotations }) => annotations)) };
}

/** As Istio, Linkerd and OSM read `appProtocol` and the beginning of a port's name. */
function protocolOf(text: string): ServiceSpec['protocol'] {
  if (/^grpc(-|$)/.test(text)) return 'grpc';
  return /^(http2(-|$)|kubernetes\.io\/h2c$|h2c(-|$))/.test(text) ? 'http2' : 'http';
}

export const matches = (selector: Labels, labels: Labels): boolean =>
  Object.entries(selector).every(([key, value]) => labels[key] === value);

/** Which versions some sets of labels mean; those that mean none are left out. */
export interface Versions {
  /** `undefined`: no label tells them apart. */
  readonly label?: string;
  readonly versions: ReadonlyMap<string, string>;
  /** What all of them have beside it. */
  readonly selector: Labels;
}

const USUAL_LABELS = ['version', 'app.kubernetes.io/version', 'service.istio.io/canonical-revision'];

/** `named`: labels that select the workloads of each, by any name. `root`: the labels that all workloads of the service have. */
export function versionsOf(named: ReadonlyMap<string, Labels>, root: Labels | undefined): Versions {
  const all = [...named.values()];
  const keys = [...new Set(all.flatMap((labels) => Object.keys(labels)))].sort();
  const telling = keys.filter((key) => {
    const values = all.map((labels) => labels[key]);
    return (
      values.every((value) => value !== undefined && isVersion(value)) && new Set(values).size === all.length && root?.[key] === undefined
    );
  });
  const label =
    USUAL_LABELS.find((key) => telling.includes(key)) ?? (telling.length === 1 && (all.length > 1 || root) ? telling[0] : undefined);
  const [first = {}] = all;
  const shared = Object.fromEntries(
    Object.entries(first).filter(([key, value]) => key !== label && all.every((labels) => labels[key] === value)),
  );
  if (label === undefined) return { versions: new Map(), selector: shared };
  return { label, versions: new Map([...named].map(([name, labels]) => [name, labels[label] ?? ''])), selector: root ?? shared };
}
