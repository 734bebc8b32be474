/** What the outside sends, in its own formats: registry pushes and requests as CloudEvents, alerts in the common schema, specs as files. */

const at = (time: number): string => new Date(time).toISOString();

export interface Push {
  readonly id: string;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
  readonly time: number;
}

export const EVENT_SOURCE = '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/shop';

/** The delivery id that an event of this source gets. */
export function eventDelivery(id: string, again = false): string {
  const event = JSON.stringify(['event', EVENT_SOURCE, id]);
  return again ? JSON.stringify(['again', event]) : event;
}

/** https://learn.microsoft.com/azure/event-grid/event-schema-container-registry */
export const pushEvent = ({ id, repository, tag, digest, time }: Push) => ({
  specversion: '1.0',
  id,
  source: EVENT_SOURCE,
  type: 'Microsoft.ContainerRegistry.ImagePushed',
  time: at(time),
  data: {
    timestamp: at(time),
    target: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, repository, tag },
    request: { host: 'shop.azurecr.io' },
  },
});

export const requestEvent = (id: string, service: string, version: string, time: number) => ({
  specversion: '1.0',
  id,
  source: EVENT_SOURCE,
  type: 'Meshwright.Deployment.Requested',
  time: at(time),
  data: { service, version },
});

export interface AlertTimes {
  readonly id: string;
  readonly rule: string;
  readonly firedAt: number;
  readonly resolvedAt?: number;
  readonly windowEnd?: number;
}

/** https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema */
export const alertPayload = ({ id, rule, firedAt, resolvedAt, windowEnd }: AlertTimes) => ({
  schemaId: 'azureMonitorCommonAlertSchema',
  data: {
    essentials: {
      alertId: id,
      alertRule: rule,
      severity: 'Sev1',
      signalType: 'Metric',
      monitorCondition: resolvedAt === undefined ? 'Fired' : 'Resolved',
      monitoringService: 'Platform',
      alertTargetIDs: [],
      firedDateTime: at(firedAt),
      ...(resolvedAt === undefined ? {} : { resolvedDateTime: at(resolvedAt) }),
    },
    alertContext: {
      conditionType: 'SingleResourceMultipleMetricCriteria',
      condition: {
        windowSize: 'PT5M',
        allOf: [
          { metricName: 'errors', operator: 'GreaterThan', threshold: '5', timeAggregation: 'Total', metricValue: 9, dimensions: [] },
        ],
        ...(windowEnd === undefined ? {} : { windowStartTime: at(windowEnd - 300_000), windowEndTime: at(windowEnd) }),
      },
    },
  },
});

export interface WrittenStep {
  readonly weight: number;
  readonly holdSeconds: number;
  readonly deadlineSeconds: number;
}

export interface WrittenService {
  readonly name: string;
  readonly repository: string;
  readonly stable: string | undefined;
  readonly steps: readonly WrittenStep[];
  readonly waitSeconds: number;
  readonly timeoutSeconds: number;
  /** Undefined: all of the mesh. */
  readonly dataPlanes: readonly string[] | undefined;
}

/** JSON is YAML. */
export function specFiles(dataPlanes: readonly string[], services: readonly WrittenService[]): { path: string; text: string }[] {
  const apiVersion = 'meshwright.dev/v1';
  const mesh = { apiVersion, kind: 'Mesh', name: 'shop', dataPlanes: dataPlanes.map((name) => ({ name, kind: 'envoy' })) };
  const files = services.map((service) => ({
    apiVersion,
    kind: 'Service',
    name: service.name,
    port: 8080,
    ...(service.stable === undefined ? {} : { stable: service.stable }),
    ...(service.dataPlanes === undefined ? {} : { dataPlanes: service.dataPlanes }),
    timeout: `${service.timeoutSeconds}s`,
    rollout: {
      steps: service.steps.map((step) => ({
        weight: step.weight,
        hold: `${step.holdSeconds}s`,
        deadline: `${step.deadlineSeconds}s`,
      })),
      pauseDeadline: `${service.waitSeconds}s`,
      startDeadline: `${service.waitSeconds}s`,
      returnDeadline: '60s',
    },
    alerts: [{ rule: `${service.name}-errors` }],
    deployments: [{ repository: `shop.azurecr.io/${service.repository}` }],
  }));
  return [mesh, ...files].map((content, index) => ({ path: `${index}.yaml`, text: JSON.stringify(content) }));
}
