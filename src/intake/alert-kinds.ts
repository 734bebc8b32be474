/**
 * What the alerts of Azure Monitor say that are neither metric nor log alerts: Prometheus, smart detection, activity log, service
 * and resource health, budgets. Contexts as in https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-payload-samples. Which
 * of them can be evidence against a version is decided here: those that say that something is wrong now.
 */
import { z } from 'zod';
import type { AlertEssentials } from './alert-payload.ts';

export interface KindOfAlert {
  /** In words, for cards. */
  readonly kind: string;
  /** What it saw: a part of a sentence. */
  readonly saw: string | undefined;
  /** Whether it can speak against the version of a service that a spec gives it to. */
  readonly evidence: boolean;
  /** It tells of a moment and never resolves: nothing is firing afterwards. */
  readonly momentary: boolean;
  readonly dimensions: readonly { readonly name: string; readonly value: string }[];
}

const MAX_TEXT = 300;
const MAX_LABELS = 50;

const text = z
  .union([z.string(), z.number().transform(String)])
  .transform((value) => value.trim().slice(0, MAX_TEXT).toWellFormed())
  .pipe(z.string().min(1))
  .optional()
  .catch(undefined);
const part = <Shape extends z.ZodRawShape>(shape: Shape) => z.object(shape).nullish().catch(undefined);
const labels = z
  .record(z.string().min(1).max(256), z.unknown())
  .nullish()
  .catch(undefined)
  .transform((record) =>
    Object.entries(record ?? {})
      .slice(0, MAX_LABELS)
      .flatMap(([name, value]) =>
        typeof value === 'string' ? [{ name: name.toWellFormed(), value: value.slice(0, MAX_TEXT).toWellFormed() }] : [],
      ),
  );

const prometheus = z.object({ expressionValue: text, labels, annotations: part({ summary: text, description: text }) });
const smartDetection = z.object({ DetectionSummary: text });
const activityLog = z.object({ operationName: text, status: text, properties: z.unknown().optional() });
const serviceHealth = part({ title: text, service: text, region: text, incidentType: text, stage: text });
const resourceHealth = part({ title: text, currentHealthStatus: text, previousHealthStatus: text, cause: text });
const budget = z.object({ AlertData: part({ BudgetName: text, SpentAmount: text, NotificationThresholdAmount: text }) });

/** `undefined`: of no kind that is known here. */
export function kindOf({ monitoringService, signalType }: AlertEssentials, alertContext: unknown): KindOfAlert | undefined {
  const service = (monitoringService ?? '').toLowerCase().replace(/[^a-z]/g, '');
  const context = alertContext ?? {};
  if (service === 'prometheus') return ofPrometheus(prometheus.safeParse(context).data);
  if (service === 'smartdetector') return ofSmartDetection(smartDetection.safeParse(context).data);
  if (service === 'costalerts') return ofBudget(budget.safeParse(context).data);
  if ((signalType ?? '').toLowerCase() !== 'activity log') return undefined;
  const event = activityLog.safeParse(context).data;
  if (service === 'servicehealth') return ofServiceHealth(serviceHealth.safeParse(event?.properties).data);
  if (service === 'resourcehealth') return ofResourceHealth(resourceHealth.safeParse(event?.properties).data);
  return ofActivityLog(event);
}

/** The name of a budget, which stands for the rule that its alerts do not name. */
export const budgetName = (alertContext: unknown): string | undefined => budget.safeParse(alertContext).data?.AlertData?.BudgetName;

function ofPrometheus(context: z.infer<typeof prometheus> | undefined): KindOfAlert {
  const { summary, description } = context?.annotations ?? {};
  const value = context?.expressionValue === undefined ? undefined : `its expression was ${context.expressionValue}`;
  return { kind: 'Prometheus', saw: summary ?? description ?? value, evidence: true, momentary: false, dimensions: context?.labels ?? [] };
}

function ofSmartDetection(context: z.infer<typeof smartDetection> | undefined): KindOfAlert {
  return { ...lasting, kind: 'smart detection', saw: context?.DetectionSummary };
}

function ofActivityLog(event: z.infer<typeof activityLog> | undefined): KindOfAlert {
  const { operationName, status } = event ?? {};
  const saw = operationName === undefined ? undefined : [operationName, status].filter((word) => word !== undefined).join(' ');
  return { ...moment, kind: 'the activity log', saw, evidence: true };
}

/** An incident that goes on is evidence; maintenance that is planned, advice and what is over are not. */
function ofServiceHealth(properties: z.infer<typeof serviceHealth>): KindOfAlert {
  const { title, service, region, incidentType, stage } = properties ?? {};
  const where = [service, region].filter((word) => word !== undefined).join(' in ');
  const saw = [title, where === '' ? undefined : `(${where})`, stage?.toLowerCase()].filter((word) => word !== undefined).join(' ');
  return {
    ...moment,
    kind: 'service health',
    saw: saw === '' ? undefined : saw,
    evidence: same(incidentType, 'Incident') && same(stage, 'Active'),
  };
}

function ofResourceHealth(properties: z.infer<typeof resourceHealth>): KindOfAlert {
  const { title, currentHealthStatus: now, previousHealthStatus: before, cause } = properties ?? {};
  const health = now === undefined ? title : `health is ${now}${before === undefined ? '' : `, was ${before}`}`;
  const saw = health === undefined || cause === undefined ? health : `${health} (${cause})`;
  return { ...moment, kind: 'resource health', saw, evidence: same(now, 'Unavailable') || same(now, 'Degraded') };
}

/** What is spent says nothing of a version. */
function ofBudget(context: z.infer<typeof budget> | undefined): KindOfAlert {
  const { SpentAmount: spent, NotificationThresholdAmount: threshold } = context?.AlertData ?? {};
  const over = threshold === undefined ? '' : `, over ${threshold}`;
  return { ...moment, kind: 'a budget', saw: spent === undefined ? undefined : `${spent} spent${over}` };
}

const moment = { evidence: false, momentary: true, dimensions: [] } as const;
const lasting = { evidence: true, momentary: false, dimensions: [] } as const;
const same = (given: string | undefined, wanted: string): boolean => given?.toLowerCase() === wanted.toLowerCase();
