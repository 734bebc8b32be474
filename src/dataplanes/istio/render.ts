/** The Istio renderer: everything a service's plan asks for, as objects of Istio's own APIs, in the order in which they are applied. */
import type { JsonObject } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import { destinationRule } from './destination-rule.ts';
import { security } from './security.ts';
import { serviceEntries } from './service-entry.ts';
import { telemetry } from './telemetry.ts';
import { tokens } from './tokens.ts';
import { virtualServices } from './virtual-service.ts';

/** Subsets before the routes that name them, hosts outside before those that call them. */
export function renderIstio(given: ServicePlan): readonly JsonObject[] {
  const plan = inOrder(given);
  return [...serviceEntries(plan), ...security(plan), ...tokens(plan), ...telemetry(plan), destinationRule(plan), ...virtualServices(plan)];
}

/** Of what has no order in a plan: the same plan gives the same objects, however it was put together. */
function inOrder(plan: ServicePlan): ServicePlan {
  const { egress, ingress } = plan;
  return {
    ...plan,
    versions: sorted(plan.versions, ({ name }) => name),
    routes: plan.routes.map((route) => ({ ...route, split: sorted(route.split, ({ version }) => version) })),
    ...(egress ? { egress: sorted(egress, ({ host, port }) => `${host} ${port}`) } : {}),
    ...(ingress ? { ingress: sorted(ingress, ({ host, gateway }) => `${host} ${gateway.namespace}/${gateway.name}`) } : {}),
  };
}

const sorted = <Item>(items: readonly Item[], by: (item: Item) => string): readonly Item[] =>
  items.toSorted((a, b) => (by(a) < by(b) ? -1 : 1));
