/** Metric alerts in the common alert schema, as an action group posts them. */
import { randomUUID } from 'node:crypto';

export interface PostedAlert {
  readonly id: string;
  readonly firedAt: number;
}

/** Of one firing; `firedAt` is epoch ms. */
export const newAlert = (firedAt = Date.now()): PostedAlert => ({
  id: `/subscriptions/1/providers/Microsoft.AlertsManagement/alerts/${randomUUID()}`,
  firedAt,
});

export function payloadOf({ id, firedAt }: PostedAlert, condition: 'Fired' | 'Resolved', rule = 'catalog-errors'): object {
  const window = { windowStartTime: new Date(firedAt - 60_000).toISOString(), windowEndTime: new Date(firedAt).toISOString() };
  return {
    schemaId: 'azureMonitorCommonAlertSchema',
    data: {
      essentials: {
        alertId: id,
        alertRule: rule,
        severity: 'Sev1',
        signalType: 'Metric',
        monitorCondition: condition,
        monitoringService: 'Platform',
        alertTargetIDs: ['/subscriptions/1/resourcegroups/shop/providers/microsoft.app/containerapps/catalog'],
        firedDateTime: new Date(firedAt).toISOString(),
        ...(condition === 'Resolved' ? { resolvedDateTime: new Date(firedAt + 1).toISOString() } : {}),
        essentialsVersion: '1.0',
        alertContextVersion: '1.0',
      },
      alertContext: {
        conditionType: 'SingleResourceMultipleMetricCriteria',
        condition: {
          windowSize: 'PT1M',
          ...window,
          allOf: [
            {
              metricName: 'Http5xx',
              operator: 'GreaterThan',
              threshold: '1',
              timeAggregation: 'Average',
              dimensions: [],
              metricValue: 50,
            },
          ],
        },
      },
      customProperties: null,
    },
  };
}
