/** What an app may be, and who may call its Event Grid endpoint: apps that are refused, loaded without being served, or behind a key. */
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Report, type ServedApp, startServedApp } from './served-app.ts';

// Child processes start slowly on a busy machine; nothing here is about time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const FIXTURES = join(import.meta.dirname, 'fixtures');
const ENTRIES = '{http,events,hooks}.ts';

const logged = (functionName: string, text: string) => (report: Report) =>
  report.is === 'log' && report.functionName === functionName && report.message.includes(text) ? report.message : undefined;

const post = (served: ServedApp, path: string, headers: Record<string, string>, body: string) =>
  fetch(`${served.url}${path}`, { method: 'POST', headers, body });

async function serve(...app: Parameters<typeof startServedApp>): Promise<ServedApp> {
  const served = await startServedApp(...app);
  onTestFinished(served.end);
  return served;
}

describe('an app is not served', () => {
  it('when one of its files throws: the file is named', async () => {
    const served = serve(join(FIXTURES, 'broken'), '*.ts');
    await expect(served).rejects.toThrow(/2-throws\.ts failed: no such setting/);
  });

  it('when no file matches', async () => {
    await expect(serve(FIXTURES, 'nowhere/*.js')).rejects.toThrow('No entry file');
  });

  it('when a trigger is one that this host does not run', async () => {
    await expect(serve(join(FIXTURES, 'unsupported'), '*.ts')).rejects.toThrow(`can't run function "archive"`);
  });
});

it('an app can be loaded without being served, to list what it registers', async () => {
  const served = await serve(join(FIXTURES, 'unsupported'), '*.ts', 'collect');
  expect(served.registrations).toEqual([{ name: 'archive', triggerType: 'blobTrigger' }]);
});

it('a function can be registered only while the app is loaded', async () => {
  const served = await serve(join(FIXTURES, 'late'), '*.ts');
  expect((await fetch(`${served.url}/api/registrar`)).status).toBe(500);
  await served.until(logged('registrar', `"late" can't be registered or removed any more`));
  expect((await fetch(`${served.url}/api/late`)).status).toBe(404);
});

describe('an Event Grid endpoint with a key', () => {
  it('lets in who has it, in the address or as a bearer, and nobody else', async () => {
    const served = await startServedApp(join(FIXTURES, 'app'), ENTRIES, 'serve', 'the-key');
    onTestFinished(() => served.end());
    const path = '/runtime/webhooks/EventGrid?functionName=deployments';
    const notification = { 'aeg-event-type': 'Notification' };
    const ask = async (code: string, headers: Record<string, string> = {}) =>
      (await post(served, `${path}${code}`, { ...notification, ...headers }, JSON.stringify([{ id: `with ${code}`, data: {} }]))).status;
    expect(await ask('')).toBe(401);
    expect(await ask('&code=a-key')).toBe(401);
    expect(await ask('&code=')).toBe(401);
    expect(await ask('', { authorization: 'Bearer a-key' })).toBe(401);
    expect(await ask('', { authorization: 'Bearer the-key' })).toBe(202);
    expect(await ask('&code=the-key')).toBe(202);
    const handshake = (code: string) =>
      fetch(`${served.url}${path}${code}`, { method: 'OPTIONS', headers: { 'webhook-request-origin': 'eventgrid.azure.net' } });
    expect((await handshake('')).status).toBe(401);
    expect((await handshake('&code=the-key')).status).toBe(200);
    await served.until(logged('deployments', 'with &code=the-key'));
    expect(served.reports.some((report) => logged('deployments', 'with &code=a-key')(report))).toBe(false);
  });
});
