/**
 * What keeps a service's workloads out of the mesh, or its routes without effect, though every object is right: found in the
 * cluster and said in sentences. How Istio reads ports: pkg/config/kube/conversion.go; which of two VirtualServices counts:
 * the older one (message IST0109 of its own analysis).
 */
import { z } from 'zod';
import type { ServicePlan } from '../../plan/plan.ts';
import type { Cluster, GetOutcome, KubernetesObject, ListOutcome, ResourceKind } from '../kubernetes/cluster.ts';
import { NAMESPACES, PODS, SERVICES } from '../kubernetes/kinds.ts';
import { ownerOf } from '../kubernetes/ownership.ts';
import { DESTINATION_RULE, VIRTUAL_SERVICE } from './kinds.ts';
import { ruledByAnother } from './rules-of-others.ts';

const NAMED = 5;
const NOT_HTTP = ['tcp', 'udp', 'tls', 'https', 'mongo', 'redis', 'mysql', 'kubernetes.io/wss'];
/** Revisions of the AKS add-on, which injects by `istio.io/rev` alone. */
const AKS_REVISION = /^asm-\d+-\d+$/;

const portSchema = z.object({
  name: z.string().default(''),
  port: z.number(),
  protocol: z.string().default('TCP'),
  appProtocol: z.string().nullish(),
});
const serviceSchema = z.object({ ports: z.array(portSchema).default([]) });
const podSchema = z.object({
  containers: z.array(z.object({ name: z.string() })).default([]),
  initContainers: z.array(z.object({ name: z.string() })).default([]),
});
const routesSchema = z.object({
  hosts: z.array(z.string()).default([]),
  gateways: z.array(z.string()).default(['mesh']),
  /** Left out: what the mesh's configuration says, which is everywhere unless it was changed. */
  exportTo: z.array(z.string()).default(['*']),
});

export interface Overruling {
  readonly kind: ResourceKind;
  readonly object: KubernetesObject;
  /** What it does, and what to do. */
  readonly message: string;
}

/** Why what is rendered would mean nothing; `undefined`: it would mean what it says, as far as can be read. Throws `ClusterUnavailable`. */
export async function withoutEffect(cluster: Cluster, plan: ServicePlan, rootNamespace: string): Promise<string | undefined> {
  return (await overruledBy(cluster, plan, rootNamespace))?.message;
}

/** What of others takes its meaning from what is rendered. */
export async function overruledBy(cluster: Cluster, plan: ServicePlan, rootNamespace: string): Promise<Overruling | undefined> {
  const { namespace, service } = plan;
  const [found, routes, rules] = await Promise.all([
    cluster.get(SERVICES, { namespace, name: service }),
    cluster.list(VIRTUAL_SERVICE, {}),
    cluster.list(DESTINATION_RULE, {}),
  ]);
  const overruling = portIsNotHttp(plan, found) ?? (routes.kind === 'listed' ? routedBefore(plan, routes.objects) : undefined);
  if (overruling) return overruling;
  const rule = rules.kind === 'listed' ? ruledByAnother(plan, rootNamespace, rules.objects) : undefined;
  return rule && { kind: DESTINATION_RULE, ...rule };
}

function portIsNotHttp(plan: ServicePlan, found: GetOutcome): Overruling | undefined {
  if (found.kind !== 'found') return undefined;
  const message = portProblem(plan, found.object);
  return message === undefined ? undefined : { kind: SERVICES, object: found.object, message };
}

function portProblem({ namespace, service, port }: ServicePlan, object: KubernetesObject): string | undefined {
  const { ports } = serviceSchema.parse(object.spec);
  const mine = ports.find((each) => each.port === port);
  const where = `Service ${namespace}/${service}`;
  if (!mine) return `${where} has no port ${port}; it has ${ports.map((each) => each.port).join(', ') || 'none'}.`;
  const said = mine.protocol === 'UDP' ? 'udp' : (mine.appProtocol ?? mine.name.split('-')[0] ?? '').toLowerCase();
  if (!NOT_HTTP.includes(said)) return undefined;
  const by = mine.protocol === 'UDP' ? 'protocol' : mine.appProtocol ? 'appProtocol' : 'name';
  return `${where} says by the ${by} of port ${port} that it is ${said}: Istio applies no routes to it. Give the port \`appProtocol: http\` or \`grpc\`.`;
}

/** Istio routes a host in the mesh by one VirtualService, and does not merge a second one. */
function routedBefore(plan: ServicePlan, objects: readonly KubernetesObject[]): Overruling | undefined {
  const first = olderRoutes(plan, objects);
  if (!first) return undefined;
  const { namespace, name } = first.metadata;
  const message = `VirtualService ${namespace}/${name} routes ${plan.service}.${plan.namespace} already, and Istio does not merge two of one host: delete it, or move its routes into the spec.`;
  return { kind: VIRTUAL_SERVICE, object: first, message };
}

/**
 * The VirtualService that counts in place of ours. One that is for other namespaces than the service's and its callers' is theirs: who
 * calls from there goes by it.
 */
function olderRoutes(
  { mesh, namespace, service, security }: ServicePlan,
  objects: readonly KubernetesObject[],
): KubernetesObject | undefined {
  const names = (host: string, of: string): boolean =>
    host === service ? of === namespace : host === `${service}.${namespace}` || host.startsWith(`${service}.${namespace}.svc.`);
  const callers = ['*', namespace, ...(security?.allow ?? []).flatMap((rule) => rule.callers.map((caller) => caller.namespace))];
  const claims = objects.filter(({ metadata, spec }) => {
    const routes = routesSchema.safeParse(spec).data;
    if (!routes?.gateways.includes('mesh')) return false;
    const holdsFor = routes.exportTo.map((place) => (place === '.' ? metadata.namespace : place));
    return holdsFor.some((place) => callers.includes(place)) && routes.hosts.some((host) => names(host, metadata.namespace));
  });
  const isOurs = (object: KubernetesObject): boolean => {
    const owner = ownerOf(object);
    return owner?.mesh === mesh && owner.service === service;
  };
  const ours = claims.find(isOurs);
  // One of our name is ours to write, or refused when it is written.
  const others = claims.filter((each) => !isOurs(each) && !(each.metadata.namespace === namespace && each.metadata.name === service));
  return others.find((other) => !ours || createdAt(other) < createdAt(ours));
}

const createdAt = ({ metadata }: KubernetesObject): string => String(metadata.creationTimestamp ?? '');

/** What keeps proxies from the service's pods. What may not be read is left out. Throws `ClusterUnavailable`. */
export async function keptOutOfMesh(cluster: Cluster, plan: ServicePlan, revision: string | undefined): Promise<readonly string[]> {
  const { namespace, service, selector } = plan;
  const [home, pods, found] = await Promise.all([
    cluster.get(NAMESPACES, { namespace: '', name: namespace }),
    cluster.list(PODS, { namespace, labels: selector }),
    cluster.get(SERVICES, { namespace, name: service }),
  ]);
  return [
    ...(found.kind === 'absent' ? [`There is no Service ${namespace}/${service}: no proxy knows of it.`] : []),
    ...(home.kind === 'absent' ? [`There is no namespace ${namespace}.`] : []),
    ...(home.kind === 'found' && !allHaveProxies(pods) ? namespaceFindings(namespace, home.object.metadata.labels, revision) : []),
    ...(pods.kind === 'listed' ? podFindings(namespace, pods.objects, revision) : []),
  ];
}

function namespaceFindings(namespace: string, labels: Readonly<Record<string, string>>, revision: string | undefined): readonly string[] {
  const { 'istio.io/rev': rev, 'istio-injection': injection } = labels;
  const onAks = revision !== undefined && AKS_REVISION.test(revision);
  const wanted = revision === undefined ? '`istio-injection: enabled`' : `\`istio.io/rev: ${revision}\``;
  if (injection === 'disabled') return [`Namespace ${namespace} is labelled \`istio-injection: disabled\`: nothing is injected there.`];
  if (injection === 'enabled' && onAks) {
    return [`Namespace ${namespace} is labelled \`istio-injection\`, which the AKS add-on takes no notice of; label it ${wanted} instead.`];
  }
  if (injection === 'enabled') return [];
  if (rev === undefined) return [`Namespace ${namespace} has no label that asks for injection; label it ${wanted}.`];
  if (revision !== undefined && rev !== revision) {
    return [`Namespace ${namespace} is labelled \`istio.io/rev: ${rev}\`, and this data plane is revision ${revision}.`];
  }
  return [];
}

function podFindings(namespace: string, pods: readonly KubernetesObject[], revision: string | undefined): readonly string[] {
  const out = pods.filter((pod) => !hasProxy(pod));
  const told = out.filter(({ metadata }) =>
    [metadata.labels, metadata.annotations].some((all) => all['sidecar.istio.io/inject'] === 'false'),
  );
  const untold = out.filter((pod) => !told.includes(pod));
  const elsewhere = pods.filter(({ metadata }) => revision !== undefined && (metadata.labels['istio.io/rev'] ?? revision) !== revision);
  const sentence = (what: string, some: readonly KubernetesObject[], advice = ''): readonly string[] =>
    some.length === 0 ? [] : [`Pods of ${namespace} ${what}: ${listed(some)}${advice}.`];
  return [
    ...sentence('that go without a proxy, as their `sidecar.istio.io/inject: "false"` says', told),
    ...sentence('without an istio-proxy container', untold, '; restart them once their namespace asks for injection'),
    ...sentence(`that ask for another revision than ${revision}`, elsewhere),
  ];
}

/** However they came by them: what the namespace says is of no interest then. */
const allHaveProxies = (pods: ListOutcome): boolean => pods.kind === 'listed' && pods.objects.length > 0 && pods.objects.every(hasProxy);

/** As a container, or as one that starts before all others and stays (a native sidecar). */
function hasProxy(pod: KubernetesObject): boolean {
  const { containers, initContainers } = podSchema.parse(pod.spec);
  return [...containers, ...initContainers].some(({ name }) => name === 'istio-proxy');
}

function listed(pods: readonly KubernetesObject[]): string {
  const names = pods.slice(0, NAMED).map(({ metadata }) => metadata.name);
  return `${names.join(', ')}${pods.length > NAMED ? ` and ${pods.length - NAMED} more` : ''}`;
}
