/** What a service's own sidecars log and trace: one Telemetry (telemetry.istio.io/v1), since Istio reads one a workload. */
import type { JsonObject } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import { metadata } from '../kubernetes/objects.ts';

/** Each request once: the service's calls to others are requests of those. */
const SERVED = { mode: 'SERVER' };
/** To standard output; in every mesh unless it was taken away. */
const LOG = { name: 'envoy' };
/** Of a request that got no answer there is no code. */
const FAILED = '!has(response.code) || response.code >= 500';

export function telemetry(plan: ServicePlan): JsonObject[] {
  const { accessLog, tracing } = plan.telemetry ?? {};
  if (!accessLog && !tracing) return [];
  const filter = accessLog === 'errors' ? { filter: { expression: FAILED } } : {};
  return [
    {
      apiVersion: 'telemetry.istio.io/v1',
      kind: 'Telemetry',
      metadata: metadata(plan),
      spec: {
        selector: { matchLabels: { ...plan.selector } },
        ...(accessLog ? { accessLogging: [{ match: SERVED, providers: [LOG], ...filter }] } : {}),
        ...(tracing ? { tracing: [{ match: SERVED, randomSamplingPercentage: tracing.percent }] } : {}),
      },
    },
  ];
}
