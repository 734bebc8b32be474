/** The Istio renderer: everything a service's plan asks for, as objects of Istio's own APIs, in the order in which they are applied. */
import type { JsonObject } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import { destinationRule } from './destination-rule.ts';
import { security } from './security.ts';
import { serviceEntries } from './service-entry.ts';
import { telemetry } from './telemetry.ts';
import { virtualServices } from './virtual-service.ts';

/** Subsets before the routes that name them, hosts outside before those that call them. */
export function renderIstio(plan: ServicePlan): readonly JsonObject[] {
  return [...serviceEntries(plan), ...security(plan), ...telemetry(plan), destinationRule(plan), ...virtualServices(plan)];
}
