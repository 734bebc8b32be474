/**
 * The payload of Azure Monitor's common alert schema, read as far as we use it and as leniently as its senders write it
 * (https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema): numbers as texts, nulls for whole parts,
 * `Dimensions` in capitals from legacy log alerts, times without a zone.
 */
import { z } from 'zod';
import { instantSchema, readInstant } from './instant.ts';

const MAX_TEXT = 1024;
const MAX_LIST = 50;

// Cut by UTF-16 units, which may leave half a character at the end.
const short = z.string().transform((text) => text.trim().slice(0, MAX_TEXT).toWellFormed());
/** A text or a number as text; anything else counts as absent. */
const scalar = z
  .union([short, z.number().transform(String), z.boolean().transform(String)])
  .nullish()
  .catch(undefined)
  .transform((value) => (value === null || value === '' ? undefined : value));
const listOf = <Item extends z.ZodType>(item: Item) =>
  z
    .array(z.unknown())
    .nullish()
    .catch([])
    .transform((list): z.output<Item>[] => (list ?? []).slice(0, MAX_LIST).flatMap((entry) => item.safeParse(entry).data ?? []));

const dimension = z
  .object({ name: short.pipe(z.string().min(1)), value: scalar })
  .transform(({ name, value }) => ({ name, value: value ?? '' }));

const criterion = z
  .object({
    metricName: scalar,
    metricMeasureColumn: scalar,
    operator: scalar,
    threshold: scalar,
    timeAggregation: scalar,
    metricValue: scalar,
    webTestName: scalar,
    alertSensitivity: scalar,
    dimensions: listOf(dimension),
  })
  .transform((raw) => ({
    metric: raw.metricName ?? raw.metricMeasureColumn,
    aggregation: raw.timeAggregation,
    operator: raw.operator,
    threshold: raw.threshold,
    value: raw.metricValue,
    webTest: raw.webTestName,
    sensitivity: raw.alertSensitivity,
    dimensions: raw.dimensions,
  }));

const legacyLog = z
  .object({
    SearchIntervalStartTimeUtc: scalar,
    SearchIntervalEndtimeUtc: scalar,
    SearchIntervalInMinutes: scalar,
    ResultCount: scalar,
    Threshold: scalar,
    Operator: scalar,
    Dimensions: listOf(dimension),
  })
  .transform((raw) => ({
    windowSize: raw.SearchIntervalInMinutes === undefined ? undefined : `PT${raw.SearchIntervalInMinutes}M`,
    start: raw.SearchIntervalStartTimeUtc,
    end: raw.SearchIntervalEndtimeUtc,
    criteria: [
      {
        metric: undefined,
        aggregation: undefined,
        operator: raw.Operator,
        threshold: raw.Threshold,
        value: raw.ResultCount,
        webTest: undefined,
        sensitivity: undefined,
        dimensions: raw.Dimensions,
      },
    ],
  }));

const currentCondition = z
  .object({ windowSize: scalar, windowStartTime: scalar, windowEndTime: scalar, allOf: listOf(criterion) })
  .transform((raw) => ({ windowSize: raw.windowSize, start: raw.windowStartTime, end: raw.windowEndTime, criteria: raw.allOf }));

const properties = z
  .record(z.string().max(256), z.unknown())
  .nullish()
  .catch(undefined)
  .transform((record) =>
    Object.entries(record ?? {})
      .slice(0, MAX_LIST)
      .flatMap(([key, value]): [string, string][] => {
        const text = scalar.parse(value);
        return text === undefined ? [] : [[key, text]];
      }),
  );

const context = z.object({ conditionType: scalar, condition: z.unknown().optional(), properties, SearchQuery: z.unknown().optional() });

const condition = z
  .string()
  .toLowerCase()
  .pipe(z.enum(['fired', 'resolved']));

/** Of a budget all that names rules and conditions is null: it fires when it is spent, and never ends. */
const spent = z.object({ monitoringService: z.string().regex(/^cost ?alerts$/i), monitorCondition: z.null().optional() });
const asFired = (essentials: unknown): unknown =>
  spent.safeParse(essentials).success ? Object.assign({}, essentials, { monitorCondition: 'fired' }) : essentials;

const requiredText = z.string().trim().min(1).max(MAX_TEXT);

export const commonAlertSchema = z.object({
  schemaId: z.string().regex(/^azureMonitorCommonAlertSchema$/i),
  data: z.object({
    essentials: z.preprocess(
      asFired,
      z.object({
        alertId: requiredText,
        alertRule: scalar,
        severity: scalar,
        signalType: scalar,
        monitoringService: scalar,
        monitorCondition: condition,
        alertTargetIDs: listOf(short),
        firedDateTime: instantSchema,
        resolvedDateTime: instantSchema.nullish().catch(undefined),
      }),
    ),
    alertContext: z.unknown().optional(),
    customProperties: properties,
  }),
});

export type AlertEssentials = z.infer<typeof commonAlertSchema>['data']['essentials'];
export type AlertCriterion = z.infer<typeof criterion>;

export interface AlertCondition {
  readonly conditionType: string;
  readonly windowSize: string | undefined;
  readonly window: { readonly start: number; readonly end: number } | undefined;
  readonly criteria: readonly AlertCriterion[];
  readonly properties: readonly (readonly [string, string])[];
}

/** What a metric or log alert is about; undefined when the context is of some other alert. */
export function readCondition(alertContext: unknown): AlertCondition | undefined {
  const parsed = context.safeParse(alertContext);
  if (!parsed.success) return undefined;
  const { condition, conditionType, SearchQuery, properties: own } = parsed.data;
  const read = SearchQuery === undefined ? currentCondition.safeParse(condition) : legacyLog.safeParse(alertContext);
  if (!read.success) return undefined;
  const { windowSize, start, end, criteria } = read.data;
  return { conditionType: conditionType ?? 'LogSearch', windowSize, window: windowOf(start, end), criteria, properties: own };
}

function windowOf(from: string | undefined, to: string | undefined): AlertCondition['window'] {
  const start = readInstant(from ?? '');
  const end = readInstant(to ?? '');
  return start === undefined || end === undefined || end < start ? undefined : { start, end };
}
