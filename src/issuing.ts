/**
 * Issuing a leaf: what a workload's request asks for, by whom its token says it is, under the issuer that the mesh's trust names at the moment
 * of signing. Every leaf is logged before it is handed out, and every refusal is written down, without the token.
 */
import { z } from 'zod';
import { type IssuedLeaf, logLeaf, refusalLog } from './issuing-log.ts';
import type { Documents } from './journal/documents.ts';
import { loadHead } from './journal/journal.ts';
import { putGiven } from './reconcile/identity-observations.ts';
import { holdToken } from './shown-tokens.ts';
import type { CertificatesSpec } from './spec/certificates-schema.ts';
import { nameSchema } from './spec/names.ts';
import {
  type AttestationReason,
  type AttestationRefusal,
  type Attested,
  identityOf,
  isOidc,
  type TokenVerifier,
  whoIs,
} from './trust/attestation.ts';
import type { Authority } from './trust/certificates.ts';
import { type Identity, readSpiffeId } from './trust/identity.ts';
import { decideIssuing, type IssuingRefusal, type RequestFacts } from './trust/issuing.ts';
import { settingsOf, type TrustState } from './trust/state.ts';
import { trustStream, trustStreamId } from './trust/trust-stream.ts';
import type { Vault } from './trust/vault.ts';
import type { RequestRefusal } from './trust/x509/signing-request.ts';
import { attestByOwnToken, makeJoinToken } from './workload-tokens.ts';

/** The vault that a mesh's keys are in. */
export type VaultOf = (spec: CertificatesSpec) => Promise<Pick<Vault, 'sign'>>;

export interface IssuingOptions {
  readonly documents: Documents;
  /** Epoch ms. */
  readonly now: () => number;
  readonly vault: VaultOf;
  readonly tokens: TokenVerifier;
  /** Cryptographically so. */
  readonly random: (bytes: number) => Uint8Array;
}

const SERIAL_BYTES = 16;
const SECRET_BYTES = 32;
const tokenSchema = z
  .string()
  .min(1)
  .max(16 * 1024);

/** What an agent sends. */
export const leafRequestSchema = z.strictObject({
  /** PKCS#10, PEM. */
  csr: z
    .string()
    .min(1)
    .max(16 * 1024),
  /** The one that its proxy is part of, as in the spec; left out: it may be any. */
  dataPlane: nameSchema.exactOptional(),
  /** As the data plane knows the proxy. */
  node: z.string().regex(/^[\x21-\x7e]{1,253}$/),
  token: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('kubernetes'), value: tokenSchema }),
    z.strictObject({ kind: z.literal('entra'), value: tokenSchema }),
    z.strictObject({ kind: z.literal('renewal'), value: tokenSchema }),
    /** `renewal`: SHA-256 (hex) of the secret that the workload has made to come again with. */
    z.strictObject({ kind: z.literal('join'), value: tokenSchema, renewal: z.string().regex(/^[0-9a-f]{64}$/) }),
  ]),
});
export type LeafRequest = Readonly<z.infer<typeof leafRequestSchema>>;

/** What it is given. */
export interface GivenLeaf {
  readonly kind: 'issued';
  /** PEM: the leaf, then the issuer that signed it. */
  readonly chain: string;
  /** PEM of each root that is to be trusted now; the first is above this leaf. */
  readonly roots: readonly string[];
  /** Epoch ms. */
  readonly notAfter: number;
  /** How long it counts from now: for clocks that are wrong. */
  readonly lifeMs: number;
  /** Fingerprint of the issuer. */
  readonly signer: string;
}

export interface LeafRefusal {
  readonly kind: 'refused';
  readonly reason: AttestationReason | IssuingRefusal['reason'] | RequestRefusal['reason'];
  readonly message: string;
}

export interface Issuing {
  /** Throws where the vault, the issuer of the token or the store is away: the same request may be sent again. */
  issue(mesh: string, request: LeafRequest): Promise<GivenLeaf | LeafRefusal>;
  /** `endsAt`: epoch ms. */
  makeJoinToken(
    mesh: string,
    order: { readonly identity: Identity; readonly lifeMs: number; readonly actor: string },
  ): Promise<{ readonly kind: 'made'; readonly token: string; readonly endsAt: number } | LeafRefusal>;
}

interface Believed {
  readonly attested: Attested;
  /** Uses a token up that works once; of others, says whose it is. */
  readonly use: (identity: Identity) => Promise<AttestationRefusal | undefined>;
}

/** The issuer is replaced while it signs, at most this often in a row. */
const SIGNINGS = 3;

export function createIssuing(options: IssuingOptions): Issuing {
  const { documents, now, vault, tokens, random } = options;
  const recordRefusal = refusalLog(documents);

  const stateOf = async (mesh: string): Promise<TrustState> => (await loadHead(documents, trustStream, trustStreamId(mesh))).head.state;

  async function believe(
    mesh: string,
    { attest }: CertificatesSpec,
    { token, node }: LeafRequest,
    at: number,
  ): Promise<Believed | AttestationRefusal> {
    if (token.kind === 'join' || token.kind === 'renewal') return attestByOwnToken(documents, mesh, token, node, at);
    const attested = await tokens.attest(token.value, token.kind, attest.filter(isOidc));
    if (attested.kind === 'refused') return attested;
    return { attested, use: (identity) => holdToken(documents, mesh, { token: attested.token, identity, node }, at) };
  }

  /** By the state as it is now; what was refused then is refused now. */
  async function sign(
    mesh: string,
    request: RequestFacts,
    identity: Identity,
    log: Pick<IssuedLeaf, 'node' | 'attested'> & Pick<LeafRequest, 'dataPlane'>,
  ): Promise<GivenLeaf | IssuingRefusal> {
    const { dataPlane: named, ...logged } = log;
    const { leafCertificate, leafSigner } = await import('./trust/x509/profiles.ts');
    for (let signing = 0; signing < SIGNINGS; signing += 1) {
      // Read before the state: a leaf never outlives what a rotation counts on when it leaves this issuer.
      const at = now();
      const state = await stateOf(mesh);
      const decided = decideIssuing(state, { request, attested: identity, now: at });
      if (decided.kind === 'refused' || !state.spec) return decided.kind === 'refused' ? decided : noCertificates;
      const { signer, profile } = decided;
      const leaf = await leafCertificate(await vault(state.spec), leafSigner(signer), profile, random(SERIAL_BYTES));
      const { serial, fingerprint, notAfter } = leaf;
      await logLeaf(documents, mesh, {
        serial,
        fingerprint,
        identity: profile.spiffeId,
        issuer: signer.issuer.fingerprint,
        notAfter,
        at,
        ...logged,
      });
      // A rotation counts with this leaf from now on, whether or not its proxy is ever heard of.
      const places = state.dataPlanes.filter((name, _, all) => named === undefined || name === named || !all.includes(named));
      for (const dataPlane of places) {
        await putGiven(documents, { mesh, dataPlane }, { node: log.node, identity: profile.spiffeId, fingerprint, notAfter }, at);
      }
      // While the vault signed, a rotation may have gone on: then this leaf goes nowhere.
      const roots = rootsWhere(await stateOf(mesh), signer);
      if (roots) return { kind: 'issued', chain: leaf.chain, roots, notAfter, lifeMs: notAfter - at, signer: signer.issuer.fingerprint };
    }
    throw new Error(`The issuer of ${mesh} was replaced again and again while it signed; the request can be sent again.`);
  }

  async function answer(mesh: string, spec: CertificatesSpec, request: LeafRequest): Promise<GivenLeaf | LeafRefusal> {
    const { readSigningRequest } = await import('./trust/x509/signing-request.ts');
    const facts = readSigningRequest(request.csr);
    if (facts.kind === 'refused') return facts;
    const at = now();
    const believed = await believe(mesh, spec, request, at);
    if ('reason' in believed) return believed;
    const { attested, use } = believed;
    const asked = facts.spiffeId === undefined ? undefined : readSpiffeId(facts.spiffeId);
    const known = identityOf(spec.attest, attested, attested.kind === 'entra' ? asked : undefined);
    if (known.kind === 'refused') return known;
    // All that can be refused is, before a token that works once is used up.
    const decided = decideIssuing(await stateOf(mesh), { request: facts, attested: known.identity, now: at });
    if (decided.kind === 'refused') return decided;
    const tooLate = await use(known.identity);
    if (tooLate) return tooLate;
    return sign(mesh, facts, known.identity, {
      node: request.node,
      attested: `${attested.kind}: ${whoIs(attested)}`,
      ...(request.dataPlane === undefined ? {} : { dataPlane: request.dataPlane }),
    });
  }

  return {
    async issue(mesh, request) {
      const { spec } = await stateOf(mesh);
      // Of meshes that are not there nothing is written down.
      if (!spec) return noCertificates;
      const given = await answer(mesh, spec, request);
      if (given.kind === 'refused') {
        const { reason, message } = given;
        const refusal = { reason, message, node: request.node, token: request.token.kind, at: now() };
        await recordRefusal(mesh, refusal, Buffer.from(random(SERIAL_BYTES)).toString('hex'));
      }
      return given;
    },

    async makeJoinToken(mesh, { identity, lifeMs, actor }) {
      const { spec } = await stateOf(mesh);
      if (!spec) return noCertificates;
      if (!spec.attest.some(({ kind }) => kind === 'join')) {
        return {
          kind: 'refused',
          reason: 'AttestationNotAllowed',
          message: 'The spec of this mesh takes no join tokens; add `join` to its `attest` and apply it.',
        };
      }
      const order = { identity, lifeMs, madeBy: actor, secret: random(SECRET_BYTES) };
      return { kind: 'made', ...(await makeJoinToken(documents, mesh, order, now())) };
    },
  };
}

const noCertificates: IssuingRefusal = {
  kind: 'refused',
  reason: 'NoCertificates',
  message: 'No certificates are made for such a mesh; add `certificates` to its spec and apply it.',
};

/** PEM of what is to be trusted; `undefined`: another issuer signs now. */
function rootsWhere(state: TrustState, { issuer }: Authority): readonly string[] | undefined {
  const settings = settingsOf(state);
  if (settings?.signer.issuer.fingerprint !== issuer.fingerprint) return undefined;
  return settings.roots.map(({ certificate }) => certificate);
}
