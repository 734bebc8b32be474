/** A root that is none of the mesh's, and issuers under it with their keys: what somebody else would write, or what is to come. */
import { generateKeyPairSync } from 'node:crypto';
import { MemoryVault } from '../../src/adapters/memory-vault.ts';
import { delegateIssuer, makeAuthority } from '../../src/trust/authorities.ts';
import type { DelegatedIssuer } from '../../src/trust/data-plane-trust.ts';
import { certificatesSpec } from './samples.ts';

export interface AnotherCa {
  /** PEM. */
  readonly root: string;
  readonly fingerprint: string;
  issue(): Promise<DelegatedIssuer>;
}

export async function anotherCa(): Promise<AnotherCa> {
  const vault = new MemoryVault();
  const asked = { spec: certificatesSpec(), trustDomain: 'cluster.local', now: Date.now() };
  const authority = await makeAuthority(vault, { ...asked, wish: 'by-hand' });
  return {
    root: authority.certificate,
    fingerprint: authority.fingerprint,
    async issue() {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
      const { fingerprint, certificate } = await delegateIssuer(vault, authority, { ...asked, publicKey: spki });
      return { fingerprint, certificate, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
    },
  };
}
