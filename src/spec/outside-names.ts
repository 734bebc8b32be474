/** Names towards the outside that two services would fight over: what no service can see alone, the whole spec can. */
import type { ServiceSpec } from './schema.ts';

/** What one service says against what another does. */
export interface SpecClash {
  readonly service: string;
  /** A place in its plan. */
  readonly where: string;
  readonly message: string;
}

/** `services` in the order in which the first one keeps the name. */
export function clashingNames(services: readonly ServiceSpec[]): readonly SpecClash[] {
  const inside = new Map(services.flatMap((service) => namesOf(service).map((name) => [name, service.name] as const)));
  const taken = new Map<string, string>();
  return services.flatMap((service) => [
    ...(service.egress ?? []).flatMap(({ host, port }): SpecClash[] => {
      const name = inside.get(host);
      if (name === undefined) return [];
      return [
        {
          service: service.name,
          where: `egress.${host}:${port}`,
          message: `\`${host}\` is the service \`${name}\` of the mesh, not a host outside it`,
        },
      ];
    }),
    ...(service.ingress ?? []).flatMap(({ host, gateway }): SpecClash[] => {
      const key = `${gateway.namespace}/${gateway.name}/${host}`;
      const other = taken.get(key) ?? service.name;
      taken.set(key, other);
      if (other === service.name) return [];
      return [
        {
          service: service.name,
          where: `ingress.${host}`,
          message: `\`${other}\` has this host at this gateway already; give it to one of them`,
        },
      ];
    }),
  ]);
}

/** What its callers may call it: as in Kubernetes, whatever the cluster's domain is. */
function namesOf({ name, namespace }: ServiceSpec): readonly string[] {
  return [name, `${name}.${namespace}`, `${name}.${namespace}.svc`, `${name}.${namespace}.svc.cluster.local`];
}
