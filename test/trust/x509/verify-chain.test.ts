/** Which chains are believed: every one that is issued here, and none that anybody could wish were. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { elementsIn } from '../../../src/trust/x509/der.ts';
import { x509 } from '../../../src/trust/x509/library.ts';
import { verifyChain } from '../../../src/trust/x509/verify-chain.ts';
import { acceptedChains, refusedChains } from './chains.ts';

const accepted = await acceptedChains();
const refused = await refusedChains();

describe('a chain of a leaf, issuers and roots', () => {
  it.each(accepted)('is believed: $name', ({ leaf, intermediates, roots, now, spiffeId }) => {
    const verdict = verifyChain(leaf, intermediates, roots, { now, spiffeId });
    expect(verdict).toMatchObject({ kind: 'verified' });
    expect(verdict.kind === 'verified' && verdict.path).toHaveLength(3);
  });

  it.each(refused)('is refused: $name', ({ leaf, intermediates, roots, now, spiffeId, expected }) => {
    const verdict = verifyChain(leaf, intermediates, roots, { now, spiffeId });
    expect(verdict).toMatchObject({ kind: 'refused', reason: expected, message: expect.stringMatching(/\S.*[.]$/) });
  });

  it('is refused with anything in the place of a certificate', () => {
    const [{ leaf, intermediates, roots, now, spiffeId } = never()] = accepted;
    for (const bad of [
      '',
      'certificate',
      leaf + leaf,
      `${leaf}x`,
      leaf.replaceAll('CERTIFICATE', 'X509 CRL'),
      new Uint8Array(),
      Buffer.from([0x30, 0x80]),
    ]) {
      expect(verifyChain(bad, intermediates, roots, { now, spiffeId })).toMatchObject({ reason: 'NotACertificate' });
      expect(verifyChain(leaf, [bad], roots, { now, spiffeId })).toMatchObject({ reason: 'NotACertificate' });
      expect(verifyChain(leaf, intermediates, [bad], { now, spiffeId })).toMatchObject({ reason: 'NotACertificate' });
    }
  });

  it('is refused, never thrown at, whatever stands in the place of its leaf or was changed in it', () => {
    const [{ leaf, intermediates, roots, now, spiffeId } = never()] = accepted;
    const der = new Uint8Array(x509.PemConverter.decodeFirst(leaf));
    const signedPart = hex(elementsIn(der)?.[0] ?? never());
    const judge = (bytes: Uint8Array) => verifyChain(bytes, intermediates, roots, { now, spiffeId });
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => judge(bytes).kind === 'refused'));
    const changed = fc.tuple(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, by]) => {
      const bytes = new Uint8Array(der);
      bytes.set([(bytes[at] ?? 0) ^ by], at);
      return bytes;
    });
    // What is around the signed part says nothing: it may be written otherwise and still be believed.
    const saysOtherwise = (bytes: Uint8Array): boolean => hex(elementsIn(bytes)?.[0] ?? new Uint8Array()) !== signedPart;
    fc.assert(fc.property(changed, (bytes) => judge(bytes).kind === 'refused' || !saysOtherwise(bytes)));
  });

  it('is not searched for without end', () => {
    const [{ leaf, intermediates, roots, now, spiffeId } = never()] = accepted;
    const many = Array.from({ length: 20 }, () => intermediates).flat();
    expect(verifyChain(leaf, many, roots, { now, spiffeId })).toMatchObject({ reason: 'PathTooLong' });
  });
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function never(): never {
  throw new Error('There is no chain.');
}
