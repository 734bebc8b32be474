/**
 * What strangers show to be believed: signing requests, certificates and chains, tokens, SPIFFE IDs. The samples in `certificates.json` hold
 * public parts alone; they were made once by `acceptedChains` and `makeKey`, so that a seed finds the same input again.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { base64url } from 'jose';
import { z } from 'zod';
import { IssuerUnavailable } from '../../../src/adapters/issuer-keys.ts';
import { tokenVerifier } from '../../../src/adapters/token-verifier.ts';
import { grantOf, roleText } from '../../../src/api/access.ts';
import type { OidcAttestation } from '../../../src/trust/attestation.ts';
import { readSpiffeId } from '../../../src/trust/identity.ts';
import { readCertificate } from '../../../src/trust/x509/certificate.ts';
import { judgeKey } from '../../../src/trust/x509/public-key.ts';
import { readSigningRequest } from '../../../src/trust/x509/signing-request.ts';
import { verifyChain } from '../../../src/trust/x509/verify-chain.ts';
import { startIssuer } from '../../adapters/local-issuer.ts';
import { byteInputs, jsonInputs, textInputs } from '../inputs.ts';
import { type Running, type Target, target, targetLater } from '../target.ts';

const MIB = 1024 * 1024;
const NOW = Date.parse('2026-11-22T12:00:00Z');
const AUDIENCE = 'meshwright/shop';
const ID = 'spiffe://shop.example/ns/shop/sa/web';

const pem = z.string();
const { chains, requests } = z
  .object({
    chains: z.array(z.object({ leaf: pem, intermediates: z.array(pem), roots: z.array(pem), now: z.number() })),
    requests: z.array(pem),
  })
  .parse(JSON.parse(readFileSync(new URL('../certificates.json', import.meta.url), 'utf8')));

const derOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64'));
const certificates = [...new Set(chains.flatMap(({ leaf, intermediates, roots }) => [leaf, ...intermediates, ...roots]))];

const request = target<string | Uint8Array>(
  {
    name: 'signing-request',
    share: 8_000,
    inputs: fc.oneof<fc.Arbitrary<string | Uint8Array>[]>(
      textInputs(requests),
      byteInputs(requests.map(derOf)),
      byteInputs(requests.map(derOf)),
    ),
    large: [
      { what: '1 MiB of blanks in PEM', input: () => `-----BEGIN CERTIFICATE REQUEST-----${' '.repeat(MIB)}` },
      { what: '16 KiB of blanks after PEM', input: () => `${requests[0]}${' '.repeat(15_000)}x` },
      { what: '16 KiB of nested sequences', input: () => new Uint8Array(16_000).fill(0x30) },
    ],
  },
  readSigningRequest,
);

const certificate = target<string | Uint8Array>(
  {
    name: 'certificate',
    share: 6_000,
    inputs: fc.oneof<fc.Arbitrary<string | Uint8Array>[]>(
      textInputs(certificates),
      byteInputs(certificates.map(derOf)),
      byteInputs(certificates.map(derOf)),
    ),
    large: [{ what: '32 KiB of nested sequences', input: () => new Uint8Array(32_000).fill(0x30) }],
  },
  (input) => {
    const facts = readCertificate(input);
    if (facts) judgeKey(facts.publicKey);
  },
);

const chain = target<{ readonly leaf: Uint8Array; readonly between: Uint8Array; readonly root: Uint8Array }>(
  {
    name: 'chain',
    share: 600,
    inputs: fc.record({
      leaf: byteInputs(chains.map(({ leaf }) => derOf(leaf))),
      between: fc.oneof(fc.constantFrom(...chains.flatMap((each) => each.intermediates.map(derOf))), byteInputs(certificates.map(derOf))),
      root: fc.oneof(fc.constantFrom(...chains.flatMap((each) => each.roots.map(derOf))), byteInputs(certificates.map(derOf))),
    }),
  },
  ({ leaf, between, root }) => {
    const verdict = verifyChain(leaf, [between], [root], { now: chains[0]?.now ?? NOW, spiffeId: ID });
    const isAsIssued = chains.some((each) => Buffer.from(derOf(each.leaf)).equals(leaf));
    if (verdict.kind === 'verified' && !isAsIssued) throw new Error('It believes a leaf that nobody issued.');
    return verdict;
  },
);

const spiffeId = target<string>(
  {
    name: 'spiffe-id',
    share: 3_000,
    inputs: textInputs([ID]),
    large: [{ what: '1 MiB of slashes', input: () => `spiffe://${'/'.repeat(MIB)}` }],
  },
  readSpiffeId,
);

/** Whoever may name app roles in Entra ID may name them anything. */
const appRole = target<string>(
  { name: 'app-role', share: 1_000, inputs: textInputs(['Reader', 'Operator:shop', 'Admin:shop/payments', 'MetricsScraper']) },
  (text) => {
    const grant = grantOf(text);
    const isAsWritten = grant === undefined || !('role' in grant) || roleText(grant) === text;
    if (!isAsWritten) throw new Error(`It grants ${JSON.stringify(grant)}.`);
  },
);

/** Signed as the issuer signs, so that what is wrong is in the claims; and texts that may be anything. */
export async function certificateTargets(): Promise<Running> {
  const issuer = await startIssuer(() => NOW);
  const rules: readonly OidcAttestation[] = [{ kind: 'kubernetes', issuer: issuer.url, audience: AUDIENCE }];
  const verifier = tokenVerifier({ now: () => NOW, loopbackHttp: true });
  const claims = {
    iss: issuer.url,
    aud: [AUDIENCE],
    sub: 'system:serviceaccount:shop:web',
    'kubernetes.io': { pod: { uid: '1' } },
    jti: 'x',
  };
  const good = await issuer.token(claims);
  const header = base64url.encode(JSON.stringify({ alg: 'ES256', kid: 'key-1' }));
  const damagedParts = fc
    .tuple(jsonInputs([{ alg: 'ES256', kid: 'key-1', crit: ['b64'], b64: false }]), jsonInputs([claims]))
    .map(([head, body]) => `${base64url.encode(JSON.stringify(head))}.${base64url.encode(JSON.stringify(body))}.AAAA`);

  const token = targetLater<string>(
    {
      name: 'token',
      share: 2_000,
      inputs: fc.oneof(textInputs([good, `${header}.e30.AAAA`]), damagedParts),
      // What the issuer is asked for again is asked of a real one.
      throws: [IssuerUnavailable],
      large: [
        { what: '1 MiB of dots', input: () => '.'.repeat(MIB) },
        { what: '16 KiB of nothing', input: () => `${'A'.repeat(16_000)}.e30.` },
      ],
    },
    async (text) => {
      const attested = await verifier.attest(text, 'kubernetes', rules);
      if (attested.kind !== 'refused' && text.slice(0, text.lastIndexOf('.')) !== good.slice(0, good.lastIndexOf('.')))
        throw new Error('It believes what the issuer did not sign.');
      return attested;
    },
  );
  const signed = targetLater<unknown>({ name: 'token-claims', share: 1_000, inputs: jsonInputs([claims]) }, async (input) => {
    const isObject = typeof input === 'object' && input !== null && !Array.isArray(input);
    // Of a time that is none the maker of tokens itself refuses to make one.
    const made = await issuer.token(isObject ? { ...input } : {}).catch(() => undefined);
    return made === undefined ? undefined : verifier.attest(made, 'kubernetes', rules);
  });
  const targets: readonly Target[] = [request, certificate, chain, spiffeId, appRole, token, signed];
  return { targets, stop: () => issuer.stop() };
}
