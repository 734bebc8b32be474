/** What a mesh's room offers: its judgement on each field of a plan, and the resources for a plan it refuses nothing of. */
import type { JsonObject } from '../journal/documents.ts';
import type { FidelityTable } from '../plan/fidelity.ts';
import type { ServicePlan } from '../plan/plan.ts';

export interface Renderer {
  readonly fidelity: FidelityTable;
  /**
   * Resources in the order in which they are applied, each before those that name it; equal plans give equal resources. Only
   * for plans without a refused field: what it renders of others means something else.
   */
  render(plan: ServicePlan): readonly JsonObject[];
}
