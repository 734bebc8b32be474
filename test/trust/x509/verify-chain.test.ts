/** Which chains are believed: every one that is issued here, and none that anybody could wish were. */
import { describe, expect, it } from 'vitest';
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

  it('is not searched for without end', () => {
    const [{ leaf, intermediates, roots, now, spiffeId } = never()] = accepted;
    const many = Array.from({ length: 20 }, () => intermediates).flat();
    expect(verifyChain(leaf, many, roots, { now, spiffeId })).toMatchObject({ reason: 'PathTooLong' });
  });
});

function never(): never {
  throw new Error('There is no chain.');
}
