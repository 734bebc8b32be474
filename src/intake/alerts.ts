/**
 * What Azure Monitor says when an alert fires or resolves, in its common alert schema. Metric and log alerts become `alert`; the
 * schema's other kinds that say that something is wrong now (Prometheus, smart detection, activity log, incidents and resources
 * that are not well) become `alert` too; the rest (budgets, maintenance, what is over) become `other`, to be recorded and shown. Personal claims and query texts are not carried on.
 */
import type { z } from 'zod';
import { budgetName, kindOf } from './alert-kinds.ts';
import { type AlertEssentials, commonAlertSchema, readCondition } from './alert-payload.ts';
import { alertSummary } from './alert-summary.ts';
import { withoutPersonalClaims } from './personal-claims.ts';

/** Azure Monitor sends no larger ones. */
const MAX_ALERT_BYTES = 256 * 1024;
const SEVERITIES = ['Sev0', 'Sev1', 'Sev2', 'Sev3', 'Sev4'] as const;
const MONITORS = new Set(['platform', 'log alerts v2', 'log analytics', 'application insights']);
const RESOURCE_ID = /^\/subscriptions\/[^/]+\/resourcegroups\//i;

interface AnyAlert {
  /** Equal for each delivery of one firing or resolving. */
  readonly deliveryId: string;
  readonly alertId: string;
  readonly rule: string;
  readonly condition: 'fired' | 'resolved';
  readonly severity: (typeof SEVERITIES)[number] | 'Unknown';
  /** Epoch ms, as all times here. */
  readonly firedAt: number;
  readonly resolvedAt?: number;
  /** Resource ids in the case they came in: what the alert watches, and resources it was split by. */
  readonly targets: readonly string[];
  /** One sentence. */
  readonly summary: string;
}

export interface Alert extends AnyAlert {
  readonly kind: 'alert';
  /** What was measured; Azure leaves it out of some resolved and all simple log alerts. */
  readonly window?: { readonly start: number; readonly end: number };
  readonly dimensions: readonly { readonly name: string; readonly value: string }[];
  readonly custom: Readonly<Record<string, string>>;
  /** It tells of a moment, and no delivery says that it is over. */
  readonly momentary?: true;
}

export interface OtherAlert extends AnyAlert {
  readonly kind: 'other';
  readonly signalType: string;
  readonly monitoringService: string;
}

export type AlertReading =
  | Alert
  | OtherAlert
  | { readonly kind: 'invalid'; readonly reason: 'NotACommonAlert' | 'TooLarge'; readonly message: string };

/** `body` is parsed JSON. */
export function readAlert(body: unknown): AlertReading {
  const bare = withoutPersonalClaims(body);
  const size = Buffer.byteLength(JSON.stringify(bare) ?? '');
  if (size > MAX_ALERT_BYTES)
    return { kind: 'invalid', reason: 'TooLarge', message: 'Azure Monitor sends no alert larger than 256 KiB; this one is' };
  const parsed = commonAlertSchema.safeParse(bare);
  if (!parsed.success) return { kind: 'invalid', reason: 'NotACommonAlert', message: wordRefusal(parsed.error) };
  const { essentials, alertContext, customProperties } = parsed.data.data;
  const condition = isMonitored(essentials) ? readCondition(alertContext) : undefined;
  if (condition === undefined) return ofAnotherKind(essentials, alertContext, customProperties);
  const dimensions = condition.criteria.flatMap((criterion) => criterion.dimensions);
  return {
    kind: 'alert',
    ...inCommon(
      essentials,
      dimensions.map(({ value }) => value),
    ),
    summary: alertSummary(ruleOf(essentials), essentials.monitorCondition, condition),
    ...(condition.window === undefined ? {} : { window: condition.window }),
    dimensions: distinct(dimensions, ({ name, value }) => JSON.stringify([name, value])),
    // A rule's properties come in one of two places; where in both, the schema's own place counts.
    custom: Object.fromEntries([...condition.properties, ...customProperties]),
  };
}

function isMonitored({ signalType, monitoringService }: AlertEssentials): boolean {
  return ['metric', 'log'].includes((signalType ?? '').toLowerCase()) && MONITORS.has((monitoringService ?? '').toLowerCase());
}

function ofAnotherKind(
  essentials: AlertEssentials,
  alertContext: unknown,
  customProperties: readonly (readonly [string, string])[],
): Alert | OtherAlert {
  const known = kindOf(essentials, alertContext);
  if (!known) return otherAlert(essentials);
  const named = { ...essentials, alertRule: essentials.alertRule ?? budgetName(alertContext) };
  const saw = known.saw === undefined ? `an alert of ${known.kind}` : known.saw.replace(/\.$/, '');
  const summary = `${ruleOf(named)} ${essentials.monitorCondition}: ${saw}.`;
  if (!known.evidence) return { ...otherAlert(named), summary };
  const { dimensions, momentary } = known;
  return {
    kind: 'alert',
    ...inCommon(
      named,
      dimensions.map(({ value }) => value),
    ),
    summary,
    dimensions,
    custom: Object.fromEntries(customProperties),
    ...(momentary ? { momentary } : {}),
  };
}

function otherAlert(essentials: AlertEssentials): OtherAlert {
  const signalType = essentials.signalType ?? 'unknown';
  const monitoringService = essentials.monitoringService ?? 'unknown';
  return {
    kind: 'other',
    ...inCommon(essentials, []),
    summary: `${ruleOf(essentials)} ${essentials.monitorCondition}: an alert of ${monitoringService}, on which no rollout acts.`,
    signalType,
    monitoringService,
  };
}

function inCommon(essentials: AlertEssentials, values: readonly string[]): Omit<AnyAlert, 'summary'> {
  const { alertId, monitorCondition, firedDateTime: firedAt, resolvedDateTime: resolvedAt } = essentials;
  const time = monitorCondition === 'fired' ? firedAt : (resolvedAt ?? firedAt);
  return {
    deliveryId: JSON.stringify(['alert', alertId.toLowerCase(), monitorCondition, time]),
    alertId,
    rule: ruleOf(essentials),
    condition: monitorCondition,
    severity: SEVERITIES.find((severity) => severity === essentials.severity) ?? 'Unknown',
    firedAt,
    ...(monitorCondition === 'fired' || typeof resolvedAt !== 'number' ? {} : { resolvedAt }),
    targets: distinct([...essentials.alertTargetIDs, ...values.filter((value) => RESOURCE_ID.test(value))], (target) =>
      target.toLowerCase(),
    ),
  };
}

function ruleOf({ alertRule }: AlertEssentials): string {
  return alertRule ?? 'unnamed rule';
}

/** The first of those with the same key. */
function distinct<Value>(values: readonly Value[], key: (value: Value) => string): Value[] {
  return [...new Map(values.toReversed().map((value) => [key(value), value])).values()].toReversed();
}

function wordRefusal(error: z.ZodError): string {
  const issue = error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? 'the body' : `\`${issue.path.join('.')}\``;
  return `send an alert in the common alert schema (switch it on in the action group): ${where}: ${issue?.message ?? 'it has the wrong form'}`;
}
