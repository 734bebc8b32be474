/**
 * Leafs issued by one core, each for a workload with a key of its own: the request read and its signature verified, the decision, the leaf
 * signed by a P-256 key at hand. The keys and requests are made before the clock runs, as workloads make theirs; every chain is verified after.
 */
import { randomBytes, webcrypto } from 'node:crypto';
import { cpus, loadavg } from 'node:os';
import { MemoryVault } from '../src/adapters/memory-vault.ts';
import type { CertificatesSpec } from '../src/spec/certificates-schema.ts';
import { makeAuthority } from '../src/trust/authorities.ts';
import type { Authority } from '../src/trust/certificates.ts';
import { spiffeIdOf } from '../src/trust/identity.ts';
import { decideIssuing } from '../src/trust/issuing.ts';
import { initialTrustState } from '../src/trust/state.ts';
import { x509 } from '../src/trust/x509/library.ts';
import { leafCertificate, leafSigner } from '../src/trust/x509/profiles.ts';
import { readSigningRequest } from '../src/trust/x509/signing-request.ts';
import { verifyChain } from '../src/trust/x509/verify-chain.ts';
import { type Benchmark, percentile, tenths } from './figure.ts';

const NAME = 'certificates_per_s';
const TARGET_PER_S = 250;
const WARM_UP = 300;
const LEAFS = 1_500;
const DAY_MS = 86_400_000;
const TRUST_DOMAIN = 'bench.example';
const spec: CertificatesSpec = {
  name: 'bench-root',
  algorithm: 'P-256',
  rootLifeMs: 365 * DAY_MS,
  issuerLifeMs: 7 * DAY_MS,
  leafLifeMs: DAY_MS,
  approvals: [],
  attest: [],
};

export const certificates: Benchmark = {
  names: [NAME],
  async measure(progress) {
    const now = Date.now();
    const vault = new MemoryVault();
    const authority = await makeAuthority(vault, { spec, trustDomain: TRUST_DOMAIN, wish: 'bench', now });
    const requests = await Promise.all(Array.from({ length: LEAFS }, (_, index) => request(index)));
    progress('requests made');
    const issue = issuingFrom(vault, authority, now);
    for (const each of requests.slice(0, WARM_UP)) await issue(each);
    const [times, leafs]: [number[], string[]] = [[], []];
    const processor = process.cpuUsage();
    const started = performance.now();
    for (const each of requests) {
      const began = performance.now();
      leafs.push(await issue(each));
      times.push(performance.now() - began);
    }
    const seconds = (performance.now() - started) / 1_000;
    const { user, system } = process.cpuUsage(processor);
    believed(authority, leafs, now);
    const value = Math.round(LEAFS / seconds);
    const busy = (user + system) / 1e6;
    const figure = {
      name: NAME,
      value,
      unit: '/s',
      target: TARGET_PER_S,
      atLeast: true as const,
      peer: 'step-ca 521 asked one by one over HTTP, 1,672 with 32 in flight on two cores; Go’s crypto/x509 alone 8,866; this X.509 library alone some 500',
      note: `${LEAFS} leafs one after the other in ${tenths(seconds)} s, ${Math.round(LEAFS / busy)} a second of processor time (${tenths(busy)} s, garbage collection beside it included); p50 ${tenths(percentile(times, 0.5))} ms, p99 ${tenths(percentile(times, 0.99))} ms. P-256 throughout; every chain verified afterwards.`,
    };
    const cause = `Load ${loadavg()[0]?.toFixed(1)} on ${cpus().length} cores; most of a leaf's time is the library's encoding and decoding of ASN.1, not its two signatures.`;
    return [value < TARGET_PER_S ? { ...figure, cause } : figure];
  },
};

const identityOf = (index: number) => ({ namespace: 'bench', serviceAccount: `workload-${index}` });

interface Request {
  readonly index: number;
  readonly csr: string;
}

async function request(index: number): Promise<Request> {
  const signingAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(signingAlgorithm, true, ['sign', 'verify']);
  const name = new x509.SubjectAlternativeNameExtension([{ type: 'url', value: spiffeIdOf(TRUST_DOMAIN, identityOf(index)) }]);
  const made = await x509.Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm, extensions: [name] });
  return { index, csr: made.toString('pem') };
}

/** As a request is answered. */
function issuingFrom(vault: MemoryVault, current: Authority, now: number): (request: Request) => Promise<string> {
  const state = { ...initialTrustState, spec, trustDomain: TRUST_DOMAIN, current };
  return async ({ index, csr }) => {
    const read = readSigningRequest(csr);
    if (read.kind === 'refused') throw new Error(read.message);
    const decided = decideIssuing(state, { request: read, attested: identityOf(index), now });
    if (decided.kind === 'refused') throw new Error(decided.message);
    return (await leafCertificate(vault, leafSigner(decided.signer), decided.profile, randomBytes(16))).certificate;
  };
}

function believed({ certificate, issuer }: Authority, leafs: readonly string[], now: number): void {
  for (const [index, leaf] of leafs.entries()) {
    const spiffeId = spiffeIdOf(TRUST_DOMAIN, identityOf(index));
    const verdict = verifyChain(leaf, [issuer.certificate], [certificate], { now, spiffeId });
    if (verdict.kind === 'refused') throw new Error(`Leaf ${index} is not believed: ${verdict.message}`);
  }
}
