/** What the host takes from host.json, and its defaults. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseHostJson } from '../../../src/local/host/host-json.ts';

it('the defaults are those of the Functions host', () => {
  const settings = {
    routePrefix: 'api',
    queues: { visibilityTimeoutMs: 0, maxDequeueCount: 5, concurrency: 24, largestTextBytes: 49_152 },
  };
  expect(parseHostJson({ version: '2.0' })).toEqual(settings);
  expect(parseHostJson({ version: '2.0', extensions: { http: {} }, logging: {} })).toEqual(settings);
});

it('the route prefix and the settings of the queues count', () => {
  const extensions = {
    http: { routePrefix: '' },
    queues: { visibilityTimeout: '00:01:30', maxDequeueCount: 3, batchSize: 4, newBatchThreshold: 1, messageEncoding: 'none' },
  };
  expect(parseHostJson({ version: '2.0', extensions })).toEqual({
    routePrefix: '',
    queues: { visibilityTimeoutMs: 90_000, maxDequeueCount: 3, concurrency: 5, largestTextBytes: 65_536 },
  });
});

it('a wrong field is named', () => {
  expect(() => parseHostJson({ version: '2.0', extensions: { queues: { visibilityTimeout: '90s' } } })).toThrow(
    'extensions.queues.visibilityTimeout',
  );
  expect(() => parseHostJson({})).toThrow('version');
});

it('that of the app tries a message for longer than ten minutes: a store that is away for so long loses none', () => {
  const { queues } = parseHostJson(JSON.parse(readFileSync(join(import.meta.dirname, '../../../host.json'), 'utf8')));
  expect((queues.maxDequeueCount - 1) * queues.visibilityTimeoutMs).toBeGreaterThan(10 * 60_000);
});
