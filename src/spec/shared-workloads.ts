/**
 * Two services that select the same workloads: what one says of their callers holds for the other's too, and where they say
 * different things either counts. What no service can see alone, the whole spec can.
 */
import type { SpecClash } from './outside-names.ts';
import type { ServiceSpec } from './schema.ts';

/**
 * Of services in one namespace and on one data plane, those whose selector is another's, or narrows it down, and that say something else
 * of mTLS, callers, tokens or telemetry. `services` in the order in which the first one keeps its workloads.
 */
export function sharedWorkloads(services: readonly ServiceSpec[]): readonly SpecClash[] {
  const before = new Map<string, ServiceSpec[]>();
  return services.flatMap((service) => {
    const neighbours = before.get(service.namespace) ?? [];
    before.set(service.namespace, [...neighbours, service]);
    const other = neighbours.find((each) => meet(each, service) && policyText(each) !== policyText(service));
    if (!other) return [];
    const message =
      `\`${other.name}\` selects the same workloads (${selectorText(other)}), so what either says of callers and telemetry would hold for both; ` +
      'select others by another label, or give both the same `mtls`, `allow`, `serviceAccount`, `tokens` and `telemetry`';
    return [{ service: service.name, where: 'selector', message }];
  });
}

const meet = (a: ServiceSpec, b: ServiceSpec): boolean =>
  a.dataPlanes.some((name) => b.dataPlanes.includes(name)) &&
  (narrows(selectorOf(a), selectorOf(b)) || narrows(selectorOf(b), selectorOf(a)));

type Labels = Readonly<Record<string, string>>;

const selectorOf = ({ name, selector }: ServiceSpec): Labels => selector ?? { app: name };

/** Whether all that `narrow` selects `wide` selects too. */
const narrows = (narrow: Labels, wide: Labels): boolean =>
  Object.entries(wide).every(([key, value]) => Object.hasOwn(narrow, key) && narrow[key] === value);

/** What holds for workloads rather than for the service's own calls. The identity is of them too, but only mTLS asks for it. */
function policyText({ name, mtls, allow = [], serviceAccount = name, tokens, telemetry }: ServiceSpec): string {
  return JSON.stringify([mtls ? [mtls, allow, serviceAccount] : null, tokens ?? null, telemetry ?? null]);
}

const selectorText = (service: ServiceSpec): string =>
  Object.entries(selectorOf(service))
    .map(([key, value]) => `\`${key}: ${value}\``)
    .join(', ');
