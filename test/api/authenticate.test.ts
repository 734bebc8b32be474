/** Who asks, by a token or by a key of a door. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bearerOf, developerToken, nobody, showsToken, withDoorKeys } from '../../src/api/authenticate.ts';

const sha256 = (key: string): string => createHash('sha256').update(key).digest('hex');
const sentence = /^[A-Z].*\.$/;

describe('one machine', () => {
  const machine = developerToken('secret');

  it('lets everybody read, and who has the token do everything, as one caller', async () => {
    expect(machine.anybody).toEqual([{ role: 'Reader' }]);
    expect(await machine.authenticate({ bearer: 'secret' })).toEqual({
      ok: true,
      caller: { actor: 'local token', grants: [{ role: 'Admin' }, { role: 'Approver' }] },
    });
  });

  it.each([[{}], [{ bearer: 'Secret' }], [{ bearer: 'secret ' }], [{ code: 'secret' }]])('takes %o for nobody', async (shown) => {
    expect(await machine.authenticate(shown)).toEqual({ ok: false, message: expect.stringMatching(sentence) });
  });
});

describe('an installation that nobody was named to', () => {
  it('lets nobody in, not even to read', async () => {
    expect(nobody.anybody).toEqual([]);
    expect(await nobody.authenticate({ bearer: 'x' })).toEqual({ ok: false, message: expect.stringMatching(/MESHWRIGHT_AUTH/) });
  });
});

describe('keys of doors', () => {
  const doors = withDoorKeys(developerToken('secret'), [
    { door: 'alerts', sha256: sha256('first') },
    { door: 'alerts', sha256: sha256('second') },
    { door: 'metrics', sha256: sha256('second') },
  ]);

  it.each([
    [{ bearer: 'first' }, [{ door: 'alerts' }]],
    [{ code: 'first' }, [{ door: 'alerts' }]],
    [{ bearer: 'second' }, [{ door: 'alerts' }, { door: 'metrics' }]],
  ])('open these doors and no other: %o', async (shown, grants) => {
    expect(await doors.authenticate(shown)).toEqual({ ok: true, caller: { actor: 'key of alerts', grants } });
  });

  it('are no tokens, nor is what is stored of them a key', async () => {
    expect(await doors.authenticate({ bearer: 'third' })).toMatchObject({ ok: false });
    expect(await doors.authenticate({ bearer: sha256('first') })).toMatchObject({ ok: false });
    expect(await doors.authenticate({ bearer: 'secret' })).toMatchObject({ ok: true, caller: { actor: 'local token' } });
  });
});

describe('a header', () => {
  it('shows a token as RFC 6750 has it', () => {
    expect(bearerOf('Bearer abc')).toBe('abc');
    expect(bearerOf('bearer abc')).toBe('abc');
    for (const other of [null, undefined, '', 'Bearer ', 'Basic abc', 'abc']) expect(bearerOf(other)).toBeUndefined();
  });

  it('that is not there shows no token, not even the empty one', () => {
    expect(showsToken('Bearer abc', 'abc')).toBe(true);
    expect(showsToken('Bearer abd', 'abc')).toBe(false);
    expect(showsToken(undefined, '')).toBe(false);
  });
});
