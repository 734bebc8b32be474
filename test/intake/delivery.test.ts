import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readEvent } from '../../src/intake/delivery.ts';
import { payload } from './payload.ts';

const RECEIVED = Date.UTC(2026, 10, 22, 15);

function read(body: unknown) {
  const reading = readEvent(body, RECEIVED);
  if (!reading.ok) throw new Error(reading.message);
  return reading.event;
}

const event = { specversion: '1.0', id: '1', source: 'ci', type: 'Meshwright.Deployment.Requested', data: {} };

describe('readEvent', () => {
  it('reads CloudEvents 1.0', () => {
    expect(read(payload('deployment-requested.cloudevents'))).toEqual({
      deliveryId: '["event","https://ci.shop.example/releases","release-4711"]',
      type: 'Meshwright.Deployment.Requested',
      source: 'https://ci.shop.example/releases',
      subject: 'catalog',
      time: Date.UTC(2026, 10, 22, 13, 3),
      data: { mesh: 'shop', service: 'catalog', version: 'v2', digest: expect.stringMatching(/^sha256:/), actor: 'release pipeline 4711' },
      schema: 'CloudEvents',
    });
  });

  it('reads the Event Grid schema, also as the list of one that webhooks get', () => {
    const { type, source, subject, time, schema } = read(payload('image-pushed.event-grid'));
    expect({ type, subject, time, schema }).toEqual({
      type: 'ImagePushed',
      subject: 'catalog:v2',
      time: Date.UTC(2026, 10, 22, 14, 2, 57, 654),
      schema: 'EventGrid',
    });
    expect(source).toMatch(/registries\/shop$/);
  });

  it.each(['image-pushed', 'resource-written', 'deployment-requested'])('knows %s as the same delivery in both schemas', (name) => {
    expect(read(payload(`${name}.cloudevents`)).deliveryId).toBe(read(payload(`${name}.event-grid`)).deliveryId);
  });

  it('gives the same delivery id to a redelivery, and another one to every other event', () => {
    const text = fc.string({ minLength: 1, maxLength: 8, unit: fc.constantFrom('a', 'b', '"', ',', '/', '#', '\\') });
    fc.assert(
      fc.property(text, text, text, text, (sourceA, idA, sourceB, idB) => {
        const a = read({ ...event, source: sourceA, id: idA, time: '2026-11-22T14:03:00Z' }).deliveryId;
        const b = read({ ...event, source: sourceB, id: idB }).deliveryId;
        expect(a === b).toBe(sourceA === sourceB && idA === idB);
      }),
    );
  });

  it('takes the time of receipt for a CloudEvent that has none, and refuses one that is no time', () => {
    expect(read(event).time).toBe(RECEIVED);
    expect(readEvent({ ...event, time: 'yesterday' }, RECEIVED)).toMatchObject({ ok: false, reason: 'NotAnEvent' });
  });

  it('reads JSON data in Base64', () => {
    const { data: _, ...bare } = event;
    const data_base64 = Buffer.from('{"service":"catalog"}').toString('base64');
    expect(read({ ...bare, data_base64 }).data).toEqual({ service: 'catalog' });
    expect(read({ ...bare, data_base64: 'AAAA' }).data).toBeUndefined();
  });

  it('puts U+FFFD for half a character, wherever it is', () => {
    const half = read({ ...event, source: 'ci\ud800', subject: '\udc00', data: { service: ['\ud800'], '\udc00': 1 } });
    expect(half).toMatchObject({ source: 'ci\ufffd', subject: '\ufffd', data: { service: ['\ufffd'], '\ufffd': 1 } });
  });

  it.each(['resource-written.event-grid', 'resource-written.cloudevents', 'image-pushed.cloudevents'])(
    'keeps no personal claims of %s',
    (name) => {
      expect(JSON.stringify(payload(name))).toContain('kim.lee@shop.example');
      expect(JSON.stringify(read(payload(name)))).not.toMatch(/kim|203\.0\.113|principalId/i);
    },
  );

  it.each([
    ['nothing', null],
    ['a text', 'hello'],
    ['two events', [event, event]],
    ['no event', { hello: 'world' }],
    ['an event without an id', { ...event, id: undefined }],
    ['an event with an id of 1 MB', { ...event, id: 'x'.repeat(1_000_000) }],
    ['an Event Grid event without a time', { id: '1', eventType: 'x', data: {} }],
  ])('refuses %s with a sentence', (_, body) => {
    expect(readEvent(body, RECEIVED)).toMatchObject({ ok: false, reason: 'NotAnEvent', message: expect.stringMatching(/.{20}/) });
  });

  it('refuses another version of CloudEvents', () => {
    expect(readEvent({ ...event, specversion: '0.3' }, RECEIVED)).toMatchObject({ ok: false, reason: 'UnsupportedSpecVersion' });
  });

  it('never throws, whatever JSON comes', () => {
    const key = fc.constantFrom(
      'specversion',
      'id',
      'source',
      'type',
      'time',
      'data',
      'eventType',
      'eventTime',
      'topic',
      'claims',
      '__proto__',
    );
    const body = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(key, fc.oneof(fc.jsonValue(), fc.constant('1.0'), fc.constant('2026-11-22T14:03:00Z'))),
    );
    fc.assert(fc.property(body, (json) => void readEvent(json, RECEIVED)));
    expect(readEvent({ ...event, data: JSON.parse('['.repeat(50_000) + ']'.repeat(50_000)) }, RECEIVED).ok).toBe(true);
  });
});
