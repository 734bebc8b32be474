/**
 * Canaries of Flagger (flagger.app) as rollouts. Flagger makes routes and Services by itself; what is imported is what people asked it
 * for. Its checks of metrics are no part of a spec, where alerts judge a step.
 */
import { z } from 'zod';
import type { RolloutStep } from '../spec/schema.ts';
import { claim, type DraftRoute, type ImportContext, ofKind, type ServiceDraft } from './draft.ts';
import { reading } from './findings.ts';
import { retriesOf, timeoutOf } from './istio-actions.ts';
import { joinMethods, readMatch } from './istio-match.ts';
import { httpMatchSchema, httpRetriesSchema } from './istio-schema.ts';
import type { SourceObject } from './objects.ts';
import { milliseconds } from './quantities.ts';

const MINUTE = 60_000;
/** Flagger's own (`pkg/apis/flagger/v1beta1/canary.go`). */
const DEFAULTS = { intervalMs: MINUTE, progressMs: 600_000, maxWeight: 100 };
const SHORTEST_INTERVAL_MS = 10_000;

const analysisSchema = z.object({
  interval: z.string().optional(),
  threshold: z.int().optional(),
  maxWeight: z.int().optional(),
  stepWeight: z.int().optional(),
  stepWeights: z.array(z.int()).optional(),
  iterations: z.int().optional(),
  match: z.array(z.unknown()).optional(),
  metrics: z.array(z.unknown()).optional(),
  webhooks: z.array(z.unknown()).optional(),
});
const canarySchema = z.object({
  provider: z.string().optional(),
  targetRef: z.object({ kind: z.string(), name: z.string(), apiVersion: z.string().optional() }),
  progressDeadlineSeconds: z.number().optional(),
  service: z.object({
    name: z.string().optional(),
    port: z.int(),
    portName: z.string().optional(),
    appProtocol: z.string().optional(),
    match: z.array(httpMatchSchema).optional(),
    timeout: z.string().optional(),
    retries: httpRetriesSchema.optional(),
  }),
  analysis: analysisSchema.optional(),
  canaryAnalysis: analysisSchema.optional(),
});
type Canary = z.infer<typeof canarySchema>;

export function importCanaries(context: ImportContext): void {
  for (const object of ofKind(context, 'flagger.app', 'Canary')) {
    const spec = reading(context.say, object, canarySchema);
    if (!spec) continue;
    const name = spec.service.name ?? spec.targetRef.name;
    const draft = context.drafts.of({ namespace: object.namespace, name });
    for (const made of [`${name}-primary`, `${name}-canary`]) context.versionServices.add(`${object.namespace}/${made}`);
    claim(context, draft, ['port', 'port'], spec.service.port, { object, field: 'spec.service.port' });
    const protocol = /^grpc/.test(spec.service.appProtocol ?? spec.service.portName ?? 'http') ? 'grpc' : 'http';
    if (protocol === 'grpc') claim(context, draft, ['protocol', 'protocol'], protocol, { object, field: 'spec.service.portName' });
    routes(context, object, draft, spec);
    const steps = stepsOf(context, object, draft, spec);
    if (steps)
      claim(context, draft, ['steps', 'rollout'], steps, {
        object,
        field: 'spec.analysis',
        difference:
          'each step is held for an interval and judged by alerts; from the last one a spec goes to 100 % by the new version itself, where Flagger copies it over the old one',
      });
    context.say(object, 'question', {
      service: name,
      into: 'versionLabel',
      field: 'spec.targetRef',
      message: `Flagger tells versions apart by workloads (\`${spec.targetRef.name}\` and \`${spec.targetRef.name}-primary\`), a spec by a label: give each version a workload of its own with the label \`version\`, name the first as \`stable\`, and delete the Canary once they are ready (with \`revertOnDeletion\`, so that it takes its own objects away)`,
    });
  }
}

function routes(context: ImportContext, object: SourceObject, draft: ServiceDraft, { service, provider }: Canary): void {
  draft.routesFrom ??= object;
  const place = { context, object, draft, at: 'spec.service', into: '' };
  const timeoutMs = timeoutOf(place, service.timeout);
  const istio = service.retries !== undefined || (provider ?? 'istio').startsWith('istio');
  const retries = istio ? retriesOf(place, service.retries) : undefined;
  const action = { ...(timeoutMs === undefined ? {} : { timeoutMs }), ...(retries === undefined ? {} : { retries }) };
  const readings = (service.match ?? []).map(readMatch);
  readings.forEach((each, index) => {
    if (!each.ok)
      context.say(object, 'not-imported', { service: draft.name, field: `spec.service.match[${index}].${each.field}`, message: each.why });
  });
  const matches = readings.length === 0 ? [{}] : joinMethods(readings.flatMap((each) => (each.ok ? [each.match] : [])));
  const written = matches.map((match, index): DraftRoute => ({ name: `route-${index + 1}`, match, ...action }));
  if (written.length > 0) claim(context, draft, ['routes', 'routes'], written, { object, field: 'spec.service' });
}

/** `undefined`, and said, when it is no canary by weights. */
function stepsOf({ say }: ImportContext, object: SourceObject, draft: ServiceDraft, spec: Canary): readonly RolloutStep[] | undefined {
  const analysis = spec.analysis ?? spec.canaryAnalysis ?? {};
  const about = { service: draft.name, into: 'rollout' };
  const lost = (field: string, message: string): void =>
    say(object, 'not-imported', { ...about, field: `spec.analysis.${field}`, message });
  if (analysis.metrics) lost('metrics', 'a spec is told by alerts: make an alert rule of each of these, and name them in `alerts`');
  if (analysis.webhooks) lost('webhooks', 'nothing is asked before a step: `meshwright pause` and `resume` do it by hand');
  if (analysis.threshold !== undefined)
    lost('threshold', `one alert takes a version back, where Flagger waits for ${analysis.threshold} failed checks`);
  const { stepWeight, stepWeights, maxWeight = DEFAULTS.maxWeight } = analysis;
  if (analysis.match) lost('match', 'a spec shows a new version to some users first by a route with `version`, which no rollout changes');
  if (!stepWeights && !stepWeight) {
    lost(
      analysis.iterations === undefined ? 'stepWeight' : 'iterations',
      'it shifts no weights step by step: the steps of a spec that names none are written (5, 25, 50, 100 %)',
    );
    return undefined;
  }
  const interval = milliseconds(analysis.interval ?? '') || DEFAULTS.intervalMs;
  const holdMs = Math.max(interval, SHORTEST_INTERVAL_MS);
  const deadlineMs =
    holdMs + (spec.progressDeadlineSeconds === undefined ? DEFAULTS.progressMs : Math.max(1, spec.progressDeadlineSeconds) * 1000);
  const rising =
    stepWeights ??
    Array.from({ length: Math.ceil(maxWeight / (stepWeight ?? maxWeight)) }, (_, index) => (index + 1) * (stepWeight ?? maxWeight));
  const weights = rising.filter((weight, index) => weight > 0 && weight <= 100 && weight > Math.max(0, ...rising.slice(0, index)));
  return [...weights.filter((weight) => weight < 100), 100].map((weight) => ({ weight, holdMs, deadlineMs }));
}
