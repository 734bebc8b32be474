/** Prefixes as expressions for proxies that compare paths as they come: what leads out of one does not match it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { below, leadsUpwards, prefixOf } from '../../../src/dataplanes/kubernetes/regex.ts';
import { pathOfExpression } from '../../../src/import/path-expression.ts';
import { goesUp } from './requests.ts';

const matches = (prefix: string, path: string): boolean => new RegExp(below(prefix)).test(path);
const piece = fc.constantFrom('/', '.', '..', 'a', '%2e', '%2E', '%2f', '%2F', '%5c', '\\', ';', '%41', 'é', '-');
const text = fc.array(piece, { maxLength: 8 }).map((pieces) => `/${pieces.join('')}`);

describe('a prefix as an expression', () => {
  it('matches what begins with it, unless that leads upwards, however the dots and slashes are written', () => {
    let [inside, upwards] = [0, 0];
    fc.assert(
      fc.property(text, fc.array(piece, { maxLength: 8 }), (prefix, rest) => {
        fc.pre(prefix !== '/' && !leadsUpwards(prefix));
        const path = prefix + rest.join('');
        if (goesUp(path)) upwards += 1;
        else inside += 1;
        expect(matches(prefix, path)).toBe(!goesUp(path));
      }),
      { numRuns: 3_000 },
    );
    expect(Math.min(inside, upwards)).toBeGreaterThan(100);
  });

  it.each([
    '/public/../admin',
    '/public/..',
    '/public/%2e%2E/admin',
    '/public/..;x/admin',
    '/public/..%2fadmin',
    '/public\\..\\admin',
    '/publi',
  ])('/public does not match %s', (path) => expect(matches('/public', path)).toBe(false));

  it('is not begun where the rest could lead upwards unseen', () => {
    for (const prefix of ['/a/.', '/a/..', '/a/../b', '/a/%2', '/a/%', '/a%2f', '/a\\', '/a/%2e']) expect(leadsUpwards(prefix)).toBe(true);
    for (const prefix of ['/', '/a', '/a/', '/a.b', '/a..b', '/.well-known', '/caf%C3%A9']) expect(leadsUpwards(prefix)).toBe(false);
  });

  it('is for the root everything, and is known again', () => {
    expect(matches('/', '/a/../b')).toBe(true);
    for (const prefix of ['/carts/', '/a.b', '/a(b)']) {
      expect(pathOfExpression(below(prefix))).toEqual({ prefix });
      expect(prefixOf(`${below(prefix).slice(4, -2)}x`)).toBeUndefined();
    }
  });
});
