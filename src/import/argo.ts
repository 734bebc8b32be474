/**
 * Rollouts of Argo (argoproj.io) with canary steps. A Rollout is a workload as well: it becomes one Deployment a version, and its steps
 * those of a spec. Steps that wait for a person, or ask metrics, are said.
 */
import { z } from 'zod';
import type { RolloutStep } from '../spec/schema.ts';
import { claim, type ImportContext, ofKind, type ServiceName } from './draft.ts';
import { reading } from './findings.ts';
import type { SourceObject } from './objects.ts';
import { milliseconds } from './quantities.ts';

const MINUTE = 60_000;
const DEFAULT_HOLD_MS = 5 * MINUTE;
/** Argo's `progressDeadlineSeconds`. */
const DEFAULT_PROGRESS_S = 600;

const step = z.looseObject({
  setWeight: z.int().optional(),
  pause: z.object({ duration: z.union([z.string(), z.number()]).optional() }).nullish(),
});
const rolloutSchema = z.object({
  selector: z.object({ matchLabels: z.record(z.string(), z.string()).optional() }).optional(),
  template: z.unknown().optional(),
  replicas: z.unknown().optional(),
  revisionHistoryLimit: z.unknown().optional(),
  progressDeadlineSeconds: z.number().optional(),
  strategy: z.object({
    canary: z
      .object({
        stableService: z.string().optional(),
        canaryService: z.string().optional(),
        steps: z.array(step).optional(),
        trafficRouting: z
          .looseObject({ istio: z.unknown().optional(), smi: z.object({ rootService: z.string().optional() }).optional() })
          .optional(),
      })
      .optional(),
    blueGreen: z.unknown().optional(),
  }),
});
type Rollout = z.infer<typeof rolloutSchema>;
type Step = z.infer<typeof step>;

const istioSchema = z.object({ virtualService: z.object({ name: z.string() }) });
const hostsSchema = z.object({ hosts: z.array(z.string()).min(1) });

export function importRollouts(context: ImportContext): void {
  for (const object of ofKind(context, 'argoproj.io', 'Rollout')) {
    const spec = reading(context.say, object, rolloutSchema);
    if (!spec) continue;
    const { canary } = spec.strategy;
    if (!canary) {
      context.say(object, 'not-imported', {
        field: 'spec.strategy',
        message: 'a spec has canaries by steps, and no blue/green; `rollout: { steps: [100] }` goes there in one',
      });
      continue;
    }
    const name = serviceOf(context, object, canary);
    const draft = context.drafts.of(name);
    for (const service of [canary.stableService, canary.canaryService])
      if (service !== undefined && service !== name.name) context.versionServices.add(`${object.namespace}/${service}`);
    if (spec.selector?.matchLabels && !context.inventory.service(name))
      claim(context, draft, ['selector', 'selector'], spec.selector.matchLabels, { object, field: 'spec.selector' });
    const steps = stepsOf(context, object, draft.name, canary.steps ?? [], (spec.progressDeadlineSeconds ?? DEFAULT_PROGRESS_S) * 1000);
    if (steps.length > 0) {
      const difference = 'each step is judged by alerts, and goes on by itself once its time is over';
      claim(context, draft, ['steps', 'rollout'], steps, { object, field: 'spec.strategy.canary.steps', difference });
    }
    const message =
      'Argo tells versions apart by the label `rollouts-pod-template-hash`, which no image has, and runs both from one Rollout: give each version a Deployment of its own with the label `version`, name the first as `stable`, and delete the Rollout once they are ready';
    context.say(object, 'question', { service: draft.name, into: 'versionLabel', field: 'spec.template', message });
  }
}

/** What callers call: the host of its VirtualService, the root of its split, or the stable Service. */
function serviceOf(
  context: ImportContext,
  object: SourceObject,
  { trafficRouting, stableService }: NonNullable<Rollout['strategy']['canary']>,
): ServiceName {
  const named = istioSchema.safeParse(trafficRouting?.istio).data?.virtualService.name;
  const route =
    named === undefined
      ? undefined
      : ofKind(context, 'networking.istio.io', 'VirtualService').find(
          ({ name, namespace }) => name === named && namespace === object.namespace,
        );
  const [host] = hostsSchema.safeParse(route?.spec).data?.hosts ?? [];
  const called = host === undefined ? undefined : context.inventory.serviceOfHost(host, object.namespace);
  return called ?? { namespace: object.namespace, name: trafficRouting?.smi?.rootService ?? stableService ?? object.name };
}

/** A weight is held for as long as the pauses after it last. */
function stepsOf(
  { say }: ImportContext,
  object: SourceObject,
  service: string,
  written: readonly Step[],
  graceMs: number,
): readonly RolloutStep[] {
  const steps: { weight: number; holdMs: number }[] = [];
  const about = { service, into: 'rollout' };
  written.forEach((each, index) => {
    const field = `spec.strategy.canary.steps[${index}]`;
    const last = steps.at(-1);
    const [other] = Object.keys(each).filter((key) => key !== 'setWeight' && key !== 'pause');
    if (other)
      say(object, 'not-imported', {
        ...about,
        field: `${field}.${other}`,
        message: `a spec has no \`${other}\`: steps are weights that are held, and alerts judge them`,
      });
    if (each.setWeight !== undefined) {
      if (each.setWeight > (last?.weight ?? 0) && each.setWeight <= 100) steps.push({ weight: each.setWeight, holdMs: 0 });
      else say(object, 'not-imported', { ...about, field: `${field}.setWeight`, message: 'weights of a spec rise from step to step' });
    }
    if (each.pause === undefined || !last) return;
    const { duration } = each.pause ?? {};
    const ms =
      duration === undefined
        ? undefined
        : typeof duration === 'number' || /^\d+$/.test(duration)
          ? Number(duration) * 1000
          : milliseconds(duration);
    if (ms === undefined)
      say(object, 'approximated', {
        ...about,
        field: `${field}.pause`,
        message: 'it waits until a person goes on; a spec holds the step for 5 minutes and goes on by itself: `meshwright pause` stops it',
      });
    last.holdMs += ms ?? DEFAULT_HOLD_MS;
  });
  if (steps.length > 0 && steps.at(-1)?.weight !== 100) steps.push({ weight: 100, holdMs: 0 });
  return steps.map(({ weight, holdMs }) => ({ weight, holdMs, deadlineMs: holdMs + graceMs }));
}
