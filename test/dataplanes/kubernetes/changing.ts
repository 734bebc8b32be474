/** A service whose callers are changed on a mesh in a memory cluster, and what was there after each write. */
import fc from 'fast-check';
import { MemoryDocuments } from '../../../src/adapters/memory-documents.ts';
import type { DesiredObject } from '../../../src/dataplanes/kubernetes/cluster.ts';
import { SERVICES } from '../../../src/dataplanes/kubernetes/kinds.ts';
import type { KubernetesOptions } from '../../../src/dataplanes/kubernetes/mesh-data-plane.ts';
import type { JsonObject } from '../../../src/journal/documents.ts';
import type { AllowRule, Caller, PlannedSecurity, ServicePlan } from '../../../src/plan/plan.ts';
import type { DataPlane } from '../../../src/reconcile/data-plane.ts';
import { MemoryCluster } from './memory-cluster.ts';
import { arbitraryAllow, mayCall, planOf, type Request } from './requests.ts';

/** Left out: the spec says nothing of mTLS. */
export type Secured = Pick<PlannedSecurity, 'stage' | 'allow'> | undefined;

export const strict = (allow: readonly AllowRule[]): NonNullable<Secured> => ({ stage: 'strict', allow });

export const arbitraryStrict = arbitraryAllow.map(strict);
export const arbitrarySecured: fc.Arbitrary<Secured> = fc.oneof(
  { weight: 5, arbitrary: arbitraryStrict },
  { weight: 2, arbitrary: fc.record({ stage: fc.constantFrom('permissive', 'shadow'), allow: arbitraryAllow }) },
  { weight: 1, arbitrary: fc.constant(undefined) },
);

export const securedPlan = (secured: Secured): ServicePlan =>
  planOf(
    [{ name: 'default', match: {} }],
    secured ? { security: { ...secured, trustDomain: 'cluster.local', serviceAccount: 'catalog' } } : {},
  );

/** Whether the spec lets a call through. */
export const lets = (secured: Secured, caller: Caller, request: Request): boolean =>
  secured?.stage !== 'strict' || mayCall(secured.allow, caller, request);

/** What was there before `to` was applied, and after each of its writes; `mesh` has to find only what `there` holds. Throws where either is refused. */
export async function writesFor(
  mesh: (options: KubernetesOptions) => DataPlane,
  from: Secured,
  to: Secured,
  there: readonly DesiredObject[] = [],
): Promise<readonly (readonly JsonObject[])[]> {
  const cluster = new MemoryCluster();
  for (const object of [ownService, ...there]) await cluster.apply(object, { over: 'absent', force: false, dryRun: false });
  const dataPlane = mesh({ cluster, documents: new MemoryDocuments(), takeOver: false, observe: true });
  const fragmentOf = (revision: number, secured: Secured) => ({
    mesh: 'sample',
    service: 'catalog',
    revision,
    sequence: revision,
    plan: securedPlan(secured),
  });
  must(await dataPlane.apply(fragmentOf(1, from)));
  must(await dataPlane.prune?.(fragmentOf(1, from)));
  const before = cluster.states.length;
  must(await dataPlane.apply(fragmentOf(2, to)));
  return cluster.states.slice(before - 1);
}

function must(outcome: { readonly kind: string } | undefined): void {
  if (outcome?.kind !== 'applied') throw new Error(JSON.stringify(outcome));
}

const ownService: DesiredObject = {
  kind: SERVICES,
  metadata: { name: 'catalog', namespace: 'shop', labels: {}, annotations: {} },
  content: { spec: { ports: [{ port: 8080 }] } },
};
