import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Alert, readAlert } from '../../src/intake/alerts.ts';
import { payload } from './payload.ts';

const SUBSCRIPTION = '/subscriptions/0c6f1d6e-3b0b-4a7e-9d3c-7a1f0c2b9e11';

const essentials = { alertId: '/a', alertRule: 'r', monitorCondition: 'Fired', firedDateTime: '2026-11-22T14:00:00Z' };
const body = (changed: object) => ({
  schemaId: 'azureMonitorCommonAlertSchema',
  data: { essentials: { ...essentials, ...changed }, alertContext: {} },
});

function alert(name: string): Alert {
  const reading = readAlert(payload(name));
  if (reading.kind !== 'alert') throw new Error(JSON.stringify(reading));
  return reading;
}

describe('an alert with half a character in it', () => {
  it('is read with U+FFFD in its place: a lone surrogate could not be hashed', () => {
    const reading = readAlert(body({ alertRule: 'errors \ud800', monitoringService: '\udc00' }));
    expect(reading).toMatchObject({ rule: 'errors \ufffd', summary: expect.stringContaining('errors \ufffd fired') });
  });

  it('is not made by cutting long texts', () => {
    // By one more character each time, so that one of the two is cut in the middle of a pair.
    for (const start of ['', 'x']) {
      const reading = readAlert(body({ alertRule: start + '😀'.repeat(600) }));
      if (reading.kind === 'invalid') throw new Error(reading.message);
      expect(reading.rule.isWellFormed()).toBe(true);
      const metric = payload('metric-static-fired');
      const renamed = readAlert(JSON.parse(JSON.stringify(metric).replace('catalog 5xx', start + '😀'.repeat(400))));
      if (renamed.kind === 'invalid') throw new Error(renamed.message);
      expect(renamed.summary.length).toBeGreaterThan(500);
      expect(renamed.summary.isWellFormed()).toBe(true);
    }
  });
});

describe('metric alerts', () => {
  it('reads one with a static threshold', () => {
    expect(alert('metric-static-fired')).toEqual({
      kind: 'alert',
      deliveryId: expect.any(String),
      alertId: `${SUBSCRIPTION}/providers/Microsoft.AlertsManagement/alerts/3f2d4487-b0fc-4125-8bd5-7ad17384221e`,
      rule: 'catalog 5xx',
      condition: 'fired',
      severity: 'Sev1',
      firedAt: Date.UTC(2026, 10, 22, 14, 8, 24, 371),
      window: { start: Date.UTC(2026, 10, 22, 14, 2, 3, 64), end: Date.UTC(2026, 10, 22, 14, 7, 3, 64) },
      targets: [`${SUBSCRIPTION}/resourcegroups/shop/providers/microsoft.insights/components/shop`],
      dimensions: [{ name: 'cloud/roleName', value: 'catalog' }],
      custom: {},
      summary: 'catalog 5xx fired: Count of requests/failed was 31.5, above 25 over PT5M.',
    });
  });

  it('reads a resolved one, which Azure sends without its window', () => {
    const resolved = alert('metric-static-resolved-without-window');
    expect(resolved).toMatchObject({ condition: 'resolved', resolvedAt: Date.UTC(2026, 10, 22, 14, 14, 16, 224) });
    expect(resolved).not.toHaveProperty('window');
    expect(resolved.summary).toBe('catalog 5xx resolved: Count of requests/failed was 2, no longer above 25 over PT5M.');
  });

  it('tells firing and resolving of one alert apart, and a redelivery not', () => {
    const fired = alert('metric-static-fired');
    expect(alert('metric-static-resolved-without-window').alertId).toBe(fired.alertId);
    expect(alert('metric-static-resolved-without-window').deliveryId).not.toBe(fired.deliveryId);
    expect(alert('metric-static-fired').deliveryId).toBe(fired.deliveryId);
  });

  it('tells them apart also when Azure does not say when it resolved', () => {
    const fired = readAlert(body({}));
    const resolved = readAlert(body({ monitorCondition: 'Resolved' }));
    if (fired.kind === 'invalid' || resolved.kind === 'invalid') throw new Error('both are alerts');
    expect(resolved.deliveryId).not.toBe(fired.deliveryId);
  });

  it('calls the threshold of a dynamic one what it is, and reads custom properties', () => {
    const dynamic = alert('metric-dynamic-fired');
    expect(dynamic.summary).toBe(
      'catalog latency fired: Average of requests/duration was 978.09, above the learned bound 412.7 over PT15M.',
    );
    expect(dynamic.custom).toEqual({ 'meshwright.mesh': 'shop', 'meshwright.service': 'catalog', attempts: '3' });
  });

  it('names the web test of an availability alert', () => {
    expect(alert('metric-webtest-fired').summary).toContain('web test catalog-front was 5, above 2');
  });
});

describe('log alerts', () => {
  it('reads one of version 2: its dimensions, the resource it was split by, the properties of its rule', () => {
    const log = alert('log-v2-fired');
    expect(log.dimensions).toContainEqual({ name: 'version', value: 'v2' });
    expect(log.targets).toEqual([expect.stringMatching(/workspaces\/shop$/), expect.stringMatching(/virtualMachines\/catalog-1$/)]);
    expect(log.custom).toEqual({ 'meshwright.service': 'catalog' });
    expect(log.summary).toBe('catalog errors in logs fired: Count of the result of the query was 42, above 10 over PT10M.');
  });

  it('reads a simple one, whose every part is null', () => {
    const simple = alert('log-simple-fired');
    expect(simple).toMatchObject({ dimensions: [], custom: {}, summary: 'catalog panic line fired.' });
    expect(simple).not.toHaveProperty('window');
  });

  it('reads a legacy one, with its capitals and its US times', () => {
    expect(alert('log-legacy-fired')).toMatchObject({
      dimensions: [{ name: 'cloud_RoleName', value: 'catalog' }],
      window: { start: Date.UTC(2026, 10, 22, 13, 51, 33), end: Date.UTC(2026, 10, 22, 14, 6, 33) },
      summary: 'catalog slow fired: the result of the query was 12, above 10 over PT15M.',
    });
  });

  it.each(['log-v2-fired', 'log-legacy-fired'])('carries neither query nor rows on: %s', (name) => {
    expect(JSON.stringify(payload(name))).toContain('kim.lee');
    expect(JSON.stringify(alert(name))).not.toContain('kim.lee');
  });
});

describe('other alerts of the common schema', () => {
  it.each([
    ['prometheus-fired', 'shop-rules/catalog errors fired: More than one of two requests to catalog fails.', undefined],
    ['prometheus-resolved', 'shop-rules/catalog errors resolved: More than one of two requests to catalog fails.', undefined],
    ['smart-detection-fired', 'Failure Anomalies - shop fired: An abnormal rise in failed request rate.', undefined],
    ['activity-log-fired', 'gateway restarted fired: Microsoft.Compute/virtualMachines/restart/action Succeeded.', true],
    ['resource-health-unavailable', 'shop cluster health fired: health is Unavailable, was Available (PlatformInitiated).', true],
    ['service-health-incident', 'Azure in West Europe fired: Connections fail (Azure Kubernetes Service in West Europe) active.', true],
  ] as const)('are read where they say that something is wrong now: %s', (name, summary, momentary) => {
    const { momentary: told, ...reading } = alert(name);
    expect(reading).toMatchObject({ summary, custom: {} });
    expect(reading).not.toHaveProperty('window');
    expect(told).toBe(momentary);
    expect(JSON.stringify(reading)).not.toMatch(/kim|203\.0\.113/i);
  });

  it('have the labels of Prometheus for dimensions, and the resource among its targets', () => {
    const { dimensions, targets } = alert('prometheus-fired');
    expect(dimensions).toContainEqual({ name: 'app', value: 'catalog' });
    expect(targets).toEqual([
      `${SUBSCRIPTION}/resourcegroups/shop/providers/microsoft.monitor/accounts/shop`,
      `${SUBSCRIPTION}/resourcegroups/shop/providers/microsoft.containerservice/managedclusters/shop`,
    ]);
  });

  it.each([
    ['service-health-fired', 'Azure in West Europe fired: Network maintenance (Virtual Network).'],
    ['resource-health-available', 'shop cluster health fired: health is Available, was Unavailable (PlatformInitiated).'],
    ['budget-spent', 'shop fired: $900.00 spent, over $800.00.'],
  ])('are told apart where they speak against no version, and carry no personal claims: %s', (name, summary) => {
    const reading = readAlert(payload(name));
    expect(reading).toMatchObject({ kind: 'other', condition: 'fired', summary });
    expect(JSON.stringify(reading)).not.toMatch(/kim|203\.0\.113/i);
  });

  it('of a kind that nobody knows speak against no version', () => {
    expect(readAlert(body({ signalType: 'Metric', monitoringService: 'Tea Leaves' }))).toMatchObject({ kind: 'other' });
  });

  it('have a condition, other than a budget', () => {
    for (const monitorCondition of [null, undefined]) {
      expect(readAlert(body({ monitorCondition, monitoringService: 'Platform' }))).toMatchObject({ kind: 'invalid' });
      expect(readAlert(body({ monitorCondition, monitoringService: 'CostAlerts' }))).toMatchObject({ kind: 'other', condition: 'fired' });
    }
  });

  it.each(['Prometheus', 'SmartDetector', 'CostAlerts', 'ServiceHealth', 'Resource Health', 'Activity Log - Policy'])(
    'never make the reading throw, whatever JSON comes in the place of their context: %s',
    (monitoringService) => {
      const part = fc.dictionary(
        fc.constantFrom('labels', 'annotations', 'AlertData', 'properties', 'status', 'operationName', '__proto__'),
        fc.jsonValue(),
      );
      fc.assert(
        fc.property(fc.oneof(fc.jsonValue(), part), (alertContext) => {
          const data = { essentials: { ...essentials, signalType: 'Activity Log', monitoringService }, alertContext };
          const reading = readAlert({ schemaId: 'azureMonitorCommonAlertSchema', data });
          if (reading.kind === 'invalid') throw new Error(reading.message);
          expect(reading.summary.isWellFormed()).toBe(true);
        }),
      );
    },
  );
});

describe('what is no alert', () => {
  it.each([
    ['another schema', { ...body({}), schemaId: 'AzureMonitorMetricAlert' }, 'schemaId'],
    ['no id', body({ alertId: undefined }), 'alertId'],
    ['no time', body({ firedDateTime: 'soon' }), 'firedDateTime'],
    ['an unknown condition', body({ monitorCondition: 'Acknowledged' }), 'monitorCondition'],
    ['a text', 'fire!', 'the body'],
  ])('is refused with the field that says so: %s', (_, wrong, field) => {
    expect(readAlert(wrong)).toMatchObject({ kind: 'invalid', reason: 'NotACommonAlert', message: expect.stringContaining(field) });
  });

  it('is refused above the 256 KiB that Azure sends at most', () => {
    expect(readAlert(body({ description: 'x'.repeat(300_000) }))).toMatchObject({ kind: 'invalid', reason: 'TooLarge' });
    expect(readAlert(body({ description: 'x'.repeat(200_000) }))).toMatchObject({ kind: 'other' });
  });

  it('never throws, whatever JSON comes in the place of the context', () => {
    const part = fc.dictionary(
      fc.constantFrom('conditionType', 'condition', 'allOf', 'properties', 'Dimensions', 'SearchQuery', 'dimensions', '__proto__'),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), part), fc.jsonValue(), (alertContext, customProperties) => {
        const metric = { ...essentials, signalType: 'Metric', monitoringService: 'Platform' };
        const reading = readAlert({
          schemaId: 'azureMonitorCommonAlertSchema',
          data: { essentials: metric, alertContext, customProperties },
        });
        expect(['alert', 'other']).toContain(reading.kind);
      }),
    );
    fc.assert(fc.property(fc.jsonValue(), (json) => void readAlert(json)));
  });
});
