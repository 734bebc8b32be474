/** `meshwright dead-letters`: what was not acted on is listed, shown, and sent again. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deployment } from '../world.ts';
import { specFiles } from './api-server.ts';
import { type CliAtApi, startCliAtApi } from './cli-at-api.ts';

let at: CliAtApi;
beforeEach(async () => {
  at = await startCliAtApi();
});
afterEach(() => at.close());

/** The id in the one line there is. */
const onlyId = async (): Promise<string> => (await at.cli('dead-letters')).out.split('  ')[2] ?? '';

describe('dead-letters', () => {
  it('says that there is nothing', async () => {
    expect(await at.cli('dead-letters')).toEqual({ code: 0, out: 'There is nothing that was not acted on.', err: '' });
    expect(JSON.parse((await at.cli('dead-letters', '--json')).out)).toEqual({ letters: [], unseen: [] });
  });

  it('lists with where it lies and why, shows what came, and sends it again', async () => {
    await at.api.app.receiveEvent(deployment('d1', 'catalog', 'v2'));
    const { out } = await at.cli('dead-letters');
    expect(out).toMatch(/ {2}parked\/events {2}parked\.[0-9a-f]{64} {2}FitsNoService: No adopted spec waits for .*$/);
    const id = await onlyId();
    expect(JSON.parse((await at.cli('dead-letters', id)).out)).toMatchObject({ id: 'd1', data: { version: 'v2' } });
    expect(await at.cli('dead-letters', id, '--send')).toEqual({
      code: 1,
      out: '',
      err: expect.stringMatching(/^It was sent again, and still cannot be acted on: No adopted spec waits for /),
    });
    expect(await onlyId()).toBe(id);

    expect(await at.api.app.apply(specFiles('shop', ['catalog']), { actor: 'kim' })).toMatchObject({ ok: true });
    expect(await at.cli('dead-letters', id, '--send')).toMatchObject({ code: 0, err: '', out: expect.stringContaining('v2') });
    expect(await at.cli('dead-letters')).toMatchObject({ out: 'There is nothing that was not acted on.' });
    expect(await at.cli('dead-letters', id, '--send')).toEqual({
      code: 1,
      out: '',
      err: 'There is no such dead letter (any more); GET /dead-letters lists what there is.',
    });
  });

  it('sends all of them again, and says what is left and why', async () => {
    for (const service of ['catalog', 'cart', 'nobody']) await at.api.app.receiveEvent(deployment(service, service, 'v2'));
    await at.api.app.receiveEvent('plain text');
    expect(await at.api.app.apply(specFiles('shop', ['catalog', 'cart']), { actor: 'kim' })).toMatchObject({ ok: true });
    const { code, out, err } = await at.cli('dead-letters', '--send', '--all');
    expect(out.split('\n').map((line) => line.split('  ')[0])).toEqual(['parked/events', 'parked/events']);
    expect(err).toMatch(/^2 of 4 could not be acted on:\n/);
    expect(err).toContain('No adopted spec waits for nobody v2.');
    expect(err).toContain('It came as plain text');
    expect(code).toBe(1);
    const { letters } = JSON.parse((await at.cli('dead-letters', '--json')).out);
    expect(letters).toHaveLength(2);
  });

  it('has nothing to send where there is nothing', async () => {
    expect(await at.cli('dead-letters', '--send', '--all')).toEqual({ code: 0, out: 'There is nothing that was not acted on.', err: '' });
  });

  it('asks which is to be sent', async () => {
    expect(await at.cli('dead-letters', '--send')).toMatchObject({
      code: 1,
      err: 'Say which to send again: `meshwright dead-letters <id> --send`, or all of them: `--send --all`.',
    });
  });
});
