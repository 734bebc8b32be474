/** How a delivery of Event Grid is read: its schemas, the validation of a subscription, and what is refused. */
import { describe, expect, it } from 'vitest';
import { answerHandshake, readDelivery } from '../../../src/local/host/event-grid.ts';

const NOTIFICATION = { 'aeg-event-type': 'Notification', 'content-type': 'application/json' };
const eventGridEvent = { id: '1', eventType: 'Microsoft.ContainerRegistry.ImagePushed', subject: 'catalog:v2', data: { target: {} } };
const cloudEvent = { specversion: '1.0', id: '2', source: '/ci', type: 'Meshwright.Deployment.Requested', data: {} };

describe('events are read from', () => {
  it.each([
    ['the Event Grid schema', NOTIFICATION, [eventGridEvent, { ...eventGridEvent, id: '3' }], 2],
    ['one CloudEvent', { 'aeg-event-type': 'Notification', 'content-type': 'application/cloudevents+json; charset=utf-8' }, cloudEvent, 1],
    [
      'a batch of CloudEvents',
      { 'aeg-event-type': 'notification', 'content-type': 'application/cloudevents-batch+json' },
      [cloudEvent, cloudEvent],
      2,
    ],
    ['a CloudEvent sent by hand, without the header of Event Grid', { 'content-type': 'application/cloudevents+json' }, cloudEvent, 1],
    ['an empty batch', NOTIFICATION, [], 0],
  ])('%s', (_schema, headers, body, count) => {
    const delivery = readDelivery(headers, JSON.stringify(body));
    expect(delivery).toEqual({ kind: 'events', events: [body].flat() });
    expect(delivery.kind === 'events' && delivery.events.length).toBe(count);
  });
});

describe('the validation of a subscription is read from', () => {
  const headers = { 'aeg-event-type': 'SubscriptionValidation' };
  it.each([
    ['the Event Grid schema', [{ id: '1', data: { validationCode: 'abc', validationUrl: 'https://example.test' } }]],
    ['the CloudEvents schema', { specversion: '1.0', data: { validationCode: 'abc' } }],
    ['the CloudEvents schema with its data as text', { specversion: '1.0', data: JSON.stringify({ validationCode: 'abc' }) }],
  ])('%s', (_schema, body) => {
    expect(readDelivery(headers, JSON.stringify(body))).toEqual({ kind: 'validation', validationCode: 'abc' });
  });
});

describe('a delivery is refused', () => {
  it.each([
    ['without a type', { 'content-type': 'application/json' }, '[]', 'UnknownEventType'],
    ['of another type', { 'aeg-event-type': 'Hello' }, '[]', 'UnknownEventType'],
    ['that is not JSON', NOTIFICATION, '{"id":', 'MalformedJson'],
    ['that holds no objects', NOTIFICATION, '["event"]', 'MalformedEvents'],
    ['that is a bare value', NOTIFICATION, '7', 'MalformedEvents'],
    ['to validate without a code', { 'aeg-event-type': 'SubscriptionValidation' }, '[{"data":{}}]', 'MalformedEvents'],
    ['to validate nothing', { 'aeg-event-type': 'SubscriptionValidation' }, '[]', 'MalformedEvents'],
  ])('%s', (_what, headers, body, reason) => {
    expect(readDelivery(headers, body)).toMatchObject({ kind: 'refused', reason });
  });
});

describe('the handshake of CloudEvents web hooks', () => {
  it('allows the origin that asks, and any rate when a rate is asked for', () => {
    expect(answerHandshake({ 'webhook-request-origin': 'eventgrid.azure.net' })).toEqual({
      'webhook-allowed-origin': 'eventgrid.azure.net',
    });
    expect(answerHandshake({ 'webhook-request-origin': 'eventgrid.azure.net', 'webhook-request-rate': '120' })).toEqual({
      'webhook-allowed-origin': 'eventgrid.azure.net',
      'webhook-allowed-rate': '*',
    });
  });

  it('needs an origin', () => {
    expect(answerHandshake({})).toBeUndefined();
  });
});
