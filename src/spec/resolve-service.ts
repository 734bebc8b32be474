/**
 * A service as it is written, and what its mesh and the other services decide for it: data planes, the stage of mTLS, whose
 * identity the names in `allow` are, telemetry. All of it becomes part of the service's spec, so that its hash changes with it.
 */
import { DEFAULT_TRUST_DOMAIN } from './adoption.ts';
import { present } from './authored-fields.ts';
import type { WrittenMesh } from './authored-mesh.ts';
import type { WrittenRule } from './authored-security.ts';
import type { WrittenService } from './authored-service.ts';
import type { WrittenTelemetry } from './authored-telemetry.ts';
import type { AllowRule, Caller, Egress, Ingress, Telemetry } from './policy-schema.ts';
import type { ServiceSpec } from './schema.ts';

/** What Istio, Linkerd and Kubernetes call it where nobody says otherwise. */

/** The services of a mesh, by their names and by their identities. */
export interface Neighbours {
  readonly byName: ReadonlyMap<string, WrittenService>;
  readonly byIdentity: ReadonlyMap<string, readonly WrittenService[]>;
}

export function neighboursOf(services: readonly WrittenService[]): Neighbours {
  return {
    byName: new Map(services.map((service) => [service.name, service])),
    byIdentity: Map.groupBy(services, (service) => identityText(identityOf(service))),
  };
}

/** `neighbours` are all services of the mesh, this one too; names in `allow` that none of them has are passed over. */
export function resolveService(mesh: WrittenMesh, written: WrittenService, neighbours: Neighbours): ServiceSpec {
  const { dataPlanes, mtls, allow, egress, ingress, telemetry, ...rest } = written;
  const stage = mtls ?? mesh.mtls;
  return {
    ...rest,
    dataPlanes: [...(dataPlanes ?? mesh.spec.dataPlanes.map(({ name }) => name))].sort(),
    ...(stage === undefined ? {} : { mtls: { stage, trustDomain: mesh.spec.trustDomain ?? DEFAULT_TRUST_DOMAIN } }),
    ...(allow === undefined ? {} : { allow: resolveAllow(allow, neighbours).map(({ rule }) => rule) }),
    ...present({ egress: resolveEgress(egress), ingress: resolveIngress(ingress, written.namespace) }),
    ...present({ telemetry: resolveTelemetry(mesh.telemetry, telemetry) }),
  };
}

/** Entries with the same methods and paths are one rule; rules, callers and paths come sorted. `entry`: the first that says it. */
export function resolveAllow(
  written: readonly WrittenRule[],
  neighbours: Neighbours,
): readonly { readonly rule: AllowRule; readonly entry: number }[] {
  const entries = written.map(({ from, methods, paths }, entry) => {
    const limits = present({ methods, paths: paths === undefined ? undefined : once(paths) });
    return { entry, limits, callers: from.flatMap((caller) => callersOf(caller, neighbours)) };
  });
  const alike = Map.groupBy(entries, ({ limits }) => JSON.stringify(limits)).values();
  const rules = [...alike].flatMap((group) => {
    const [first] = group;
    return first === undefined
      ? []
      : [{ rule: { callers: once(group.flatMap(({ callers }) => callers)), ...first.limits }, entry: first.entry }];
  });
  return once(rules);
}

/** An identity is one of the mesh's services, or of several that share it: whoever allows one of those allows them all. */
function callersOf(caller: WrittenRule['from'][number], { byName, byIdentity }: Neighbours): Caller[] {
  const named = typeof caller === 'string' ? byName.get(caller) : undefined;
  const identity = typeof caller === 'string' ? named && identityOf(named) : caller;
  if (identity === undefined) return [];
  const { namespace, serviceAccount } = identity;
  const sharing = byIdentity.get(identityText(identity));
  return sharing === undefined
    ? [{ namespace, serviceAccount }]
    : sharing.map(({ name }) => ({ namespace, serviceAccount, service: name }));
}

interface Identity {
  readonly namespace: string;
  readonly serviceAccount: string;
}

const identityOf = ({ name, namespace, serviceAccount }: WrittenService): Identity => ({
  namespace,
  serviceAccount: serviceAccount ?? name,
});
const identityText = ({ namespace, serviceAccount }: Identity): string => `${namespace}/${serviceAccount}`;

function resolveEgress(written: WrittenService['egress']): Egress[] | undefined {
  return written === undefined || written.length === 0
    ? undefined
    : [...written].sort((a, b) => compare(a.host, b.host) || a.port - b.port);
}

function resolveIngress(written: WrittenService['ingress'], namespace: string): Ingress[] | undefined {
  if (written === undefined || written.length === 0) return undefined;
  return once(written.map(({ host, gateway }) => ({ host, gateway: { name: gateway.name, namespace: gateway.namespace ?? namespace } })));
}

function resolveTelemetry(ofMesh: WrittenTelemetry | undefined, own: WrittenTelemetry | undefined): Telemetry | undefined {
  const accessLog = own?.accessLog ?? ofMesh?.accessLog ?? 'none';
  const percent = own?.tracing ?? ofMesh?.tracing ?? 0;
  if (accessLog === 'none' && percent === 0) return undefined;
  return { ...(accessLog === 'none' ? {} : { accessLog }), ...(percent === 0 ? {} : { tracing: { percent } }) };
}

/** Sorted, equal ones once. */
function once<Item>(items: readonly Item[]): Item[] {
  const byText = new Map(items.map((item) => [JSON.stringify(item), item]));
  return [...byText].sort(([a], [b]) => compare(a, b)).map(([, item]) => item);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
