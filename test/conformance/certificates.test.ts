/**
 * Every chain that is issued here is accepted by OpenSSL (`-x509_strict`), Go's crypto/x509 and go-spiffe, and what must be refused each
 * of them refuses, save what it has no rule for, which the table says and which is held to be so too.
 */
import { describe, expect, it } from 'vitest';
import { readSigningRequest } from '../../src/trust/x509/signing-request.ts';
import { acceptedChains, type Chain, type Judge, refusedChains, SPIFFE_ID } from '../trust/x509/chains.ts';
import { haveCommand, judgeByGo, judgeByOpenssl, requestByOpenssl, type Verdicts } from './x509-judges.ts';

const haveOpenssl = await haveCommand('openssl', ['version'], 'install OpenSSL 3 (Debian: openssl).');
const haveGo = await haveCommand('go', ['version'], 'install Go 1.26 or newer from https://go.dev/dl.');
const accepted = await acceptedChains();
const refused = await refusedChains();

async function verdictsOf(chains: readonly Chain[]): Promise<Readonly<Record<Judge, Verdicts>>> {
  const byGo = haveGo ? await judgeByGo(chains) : { go: [], spiffe: [] };
  return { openssl: haveOpenssl ? await judgeByOpenssl(chains) : [], ...byGo };
}

const ofAccepted = await verdictsOf(accepted);
const ofRefused = await verdictsOf(refused);

describe.each([
  ['openssl', haveOpenssl],
  ['go', haveGo],
  ['spiffe', haveGo],
] as const)('a chain judged by %s', (judge, have) => {
  it.skipIf(!have).each(accepted.map(({ name }, index) => ({ name, index })))('is accepted: $name', ({ index }) => {
    expect(ofAccepted[judge][index]).toBe('');
  });

  const rows = refused.map(({ name, takenBy = [], expected }, index) => ({ name, index, expected, isTaken: takenBy.includes(judge) }));

  it.skipIf(!have).each(rows.filter(({ isTaken }) => !isTaken))('is refused, as here for $expected: $name', ({ index }) => {
    expect(ofRefused[judge][index]).toMatch(/\S/);
  });

  it.skipIf(!have).each(rows.filter(({ isTaken }) => isTaken))('is accepted, though here refused for $expected: $name', ({ index }) => {
    expect(ofRefused[judge][index]).toBe('');
  });
});

describe.skipIf(!haveOpenssl)('a signing request by OpenSSL', () => {
  it.each([
    ['P-256', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']],
    ['P-384', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384']],
    ['RSA', ['rsa:2048']],
  ])('is read with its name: %s', async (_what, newKey) => {
    expect(readSigningRequest(await requestByOpenssl(newKey, SPIFFE_ID))).toMatchObject({ kind: 'request', spiffeId: SPIFFE_ID });
  });
});
