/** Who called, out of what an Envoy logs of a request: identities, machines of one's own, and nothing of a person. */
import { describe, expect, it } from 'vitest';
import { decodeRefusals, MOST_CALLERS } from '../../src/xds/refusal-entries.ts';
import { entries, identifying, inPlaintext, message, overMtls } from './access-log-stream.ts';

const callersOf = (...logged: readonly Uint8Array[]) => [...decodeRefusals(entries(...logged)).refusals.callers];
const web = 'spiffe://mesh.example/ns/shop/sa/web';

describe('a caller', () => {
  it('is its SPIFFE id, how often it called beside it', () => {
    expect(callersOf(overMtls(web), overMtls('https://other.example', web), overMtls(web))).toEqual([[web, 3]]);
  });

  it.each([
    ['a name of another kind', 'mailto:kim@example.com'],
    ['something that only begins like one', 'spiffe://mesh.example/ns/shop/sa/web\nkim'],
    ['one without a path', 'spiffe://mesh.example'],
    ['one longer than any', `spiffe://mesh.example/${'a'.repeat(300)}`],
  ])('with %s is one without a SPIFFE id', (_, uri) => {
    expect(callersOf(overMtls(uri))).toEqual([['an identity that is no SPIFFE id', 1]]);
  });

  it.each(['10.1.2.3', '172.31.0.1', '192.168.1.1', '127.0.0.1', '100.64.0.1', 'fd00::7', '::1'])(
    'without one is on the machine %s',
    (from) => {
      expect(callersOf(inPlaintext(from))).toEqual([[`no identity, from ${from}`, 1]]);
    },
  );

  it.each(['203.0.113.9', '172.32.0.1', '2001:db8::1', '', 'nonsense'])(
    'from elsewhere (%s) may be a person, and is not told from others',
    (from) => {
      expect(callersOf(inPlaintext(from))).toEqual([['no identity', 1]]);
    },
  );
});

describe('a message', () => {
  it('says with the first of a stream which node it is of, and what its entries are', () => {
    const node = message([1, 'receiver']);
    const { identifier, refusals } = decodeRefusals(identifying(node, 'would-be-refused', overMtls(web)));
    expect(identifier).toEqual({ node, logName: 'would-be-refused' });
    expect(refusals.requests).toBe(1);
    expect(decodeRefusals(entries()).identifier).toBeUndefined();
  });

  it('of more callers than are told apart loses none of their requests', () => {
    const many = Array.from({ length: MOST_CALLERS + 20 }, (_, index) => overMtls(`${web}-${index}`));
    const { refusals } = decodeRefusals(entries(...many, overMtls(`${web}-0`)));
    expect([refusals.requests, refusals.callers.size, refusals.callers.get(`${web}-0`)]).toEqual([MOST_CALLERS + 21, MOST_CALLERS, 2]);
  });

  it.each([
    ['cut short', entries(overMtls(web)).subarray(0, -3)],
    ['of something else', new TextEncoder().encode('GET / HTTP/1.1')],
  ])('that is %s is refused', (_, bytes) => {
    expect(() => decodeRefusals(bytes)).toThrow();
  });
});
