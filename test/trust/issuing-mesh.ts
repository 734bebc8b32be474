/** A mesh whose certificates are issued here: its trust in the journal over a store in memory, a vault in memory, and a clock that tests set. */
import { randomBytes } from 'node:crypto';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { MemoryVault } from '../../src/adapters/memory-vault.ts';
import { createIssuing, type Issuing, type IssuingOptions } from '../../src/issuing.ts';
import { append, loadHead } from '../../src/journal/journal.ts';
import type { CertificatesSpec } from '../../src/spec/certificates-schema.ts';
import type { TokenVerifier } from '../../src/trust/attestation.ts';
import type { TrustCommand } from '../../src/trust/commands.ts';
import { decide } from '../../src/trust/decide.ts';
import type { TrustState } from '../../src/trust/state.ts';
import { trustStream, trustStreamId } from '../../src/trust/trust-stream.ts';
import { makeAuthority, makeIssuer } from '../../src/trust/x509/making-authorities.ts';

const DAY_MS = 86_400_000;
export const MESH = 'shop';
export const TRUST_DOMAIN = 'shop.example';

export interface IssuingMesh {
  readonly documents: MemoryDocuments;
  readonly vault: MemoryVault;
  readonly issuing: Issuing;
  /** Refused ones are an error. */
  command(command: TrustCommand): Promise<void>;
  state(): Promise<TrustState>;
  /** Makes the root that is waited for, and hands it in. */
  makeRoot(wish: string): Promise<void>;
  /** To another root, through all phases, with nobody in sight whom it would have to wait for. */
  rotate(): Promise<void>;
  /** Half of the issuer's life must have passed. */
  renewIssuer(wish: string): Promise<void>;
}

export interface MeshAsked {
  readonly attest: CertificatesSpec['attest'];
  readonly now: () => number;
  readonly leafLifeMs?: number;
  readonly tokens?: TokenVerifier;
  /** In place of the vault's own. */
  readonly signing?: (vault: MemoryVault) => IssuingOptions['vault'];
}

const nobody: TokenVerifier = {
  attest: async () => {
    throw new Error('no token of an issuer was expected');
  },
};

/** With its first root. */
export async function issuingMesh({ attest, now, leafLifeMs = DAY_MS, tokens = nobody, signing }: MeshAsked): Promise<IssuingMesh> {
  const documents = new MemoryDocuments();
  const vault = new MemoryVault();
  const spec: CertificatesSpec = {
    name: 'shop-root',
    algorithm: 'P-256',
    rootLifeMs: 365 * DAY_MS,
    issuerLifeMs: 7 * DAY_MS,
    leafLifeMs,
    approvals: [],
    attest,
  };
  const stream = trustStreamId(MESH);
  let deliveries = 0;

  const mesh: IssuingMesh = {
    documents,
    vault,
    issuing: createIssuing({
      documents,
      now,
      vault: signing?.(vault) ?? (async () => vault),
      tokens,
      random: (bytes) => randomBytes(bytes),
    }),
    async command(command) {
      deliveries += 1;
      const delivery = { id: `test/${deliveries}`, actor: 'test', recordRefusal: false };
      const { answer } = await append(documents, trustStream, stream, delivery, now, (state, version, at) =>
        decide(state, command, { now: at, version: version + 1 }),
      );
      if (answer.outcome === 'refused') throw new Error(`${command.type}: ${answer.message}`);
    },
    state: async () => (await loadHead(documents, trustStream, stream)).head.state,
    async makeRoot(wish) {
      const authority = await makeAuthority(vault, { spec, trustDomain: TRUST_DOMAIN, wish, now: now() });
      await mesh.command({ type: 'AuthorityMade', wish, authority });
    },
    async rotate() {
      const before = (await mesh.state()).current?.fingerprint ?? '';
      await mesh.command({ type: 'Rotate', cause: 'compromised', by: 'an operator' });
      await mesh.makeRoot((await mesh.state()).rotation?.id ?? '');
      while ((await mesh.state()).rotation?.phase.name !== 'retired') {
        await mesh.command({ type: 'Looked', look: { at: now(), dataPlanes: ['vms'], members: [], unseen: [] } });
      }
      await mesh.command({ type: 'KeyDisabled', root: before });
    },
    async renewIssuer(wish) {
      const { current } = await mesh.state();
      if (!current) throw new Error('There is no root.');
      await mesh.command({ type: 'Elapsed' });
      const issuer = await makeIssuer(vault, current, { spec, trustDomain: TRUST_DOMAIN, wish, now: now() });
      await mesh.command({ type: 'IssuerMade', root: current.fingerprint, issuer });
    },
  };
  await mesh.command({ type: 'Specify', spec, trustDomain: TRUST_DOMAIN, dataPlanes: ['vms'], specVersion: 1 });
  await mesh.makeRoot('first');
  return mesh;
}
