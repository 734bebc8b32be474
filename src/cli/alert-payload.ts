/**
 * An alert as Azure Monitor's action group would send it for a metric alert rule in the common alert schema
 * (https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema), so that trying it tries the real way in.
 */

export interface SentAlert {
  /** Of Azure, new each time a rule fires; the end of an alert carries the id it fired with. */
  readonly alertId: string;
  readonly rule: string;
  readonly mesh: string;
  readonly service: string;
  /** Epoch ms. */
  readonly firedAt: number;
  readonly resolvedAt?: number;
}

const WINDOW_MS = 60_000;
/** Where a subscription's id would stand: this alert comes from a person. */
const SUBSCRIPTION = '/subscriptions/00000000-0000-0000-0000-000000000000';

export const newAlertId = (uuid: string): string => `${SUBSCRIPTION}/providers/Microsoft.AlertsManagement/alerts/${uuid}`;

/** The window is the minute before it fired, or before it was resolved. */
export function alertPayload({ alertId, rule, mesh, service, firedAt, resolvedAt }: SentAlert): object {
  const seenAt = resolvedAt ?? firedAt;
  const time = (at: number) => new Date(at).toISOString();
  return {
    schemaId: 'azureMonitorCommonAlertSchema',
    data: {
      essentials: {
        alertId,
        alertRule: rule,
        severity: 'Sev1',
        signalType: 'Metric',
        monitorCondition: resolvedAt === undefined ? 'Fired' : 'Resolved',
        monitoringService: 'Platform',
        alertTargetIDs: [`${SUBSCRIPTION}/resourcegroups/${mesh}/providers/microsoft.insights/components/${service}`],
        configurationItems: [service],
        originAlertId: alertId.slice(alertId.lastIndexOf('/') + 1),
        firedDateTime: time(firedAt),
        ...(resolvedAt === undefined ? {} : { resolvedDateTime: time(resolvedAt) }),
        description: 'Sent by hand with meshwright alert.',
        essentialsVersion: '1.0',
        alertContextVersion: '1.0',
      },
      alertContext: {
        properties: null,
        conditionType: 'SingleResourceMultipleMetricCriteria',
        condition: {
          windowSize: 'PT1M',
          allOf: [
            {
              metricName: 'requests/failed',
              metricNamespace: 'microsoft.insights/components',
              operator: 'GreaterThan',
              threshold: '0',
              timeAggregation: 'Count',
              dimensions: [{ name: 'cloud/roleName', value: service }],
              metricValue: resolvedAt === undefined ? 1 : 0,
              webTestName: null,
            },
          ],
          windowStartTime: time(seenAt - WINDOW_MS),
          windowEndTime: time(seenAt),
        },
      },
      customProperties: { 'meshwright.mesh': mesh, 'meshwright.service': service },
    },
  };
}
