/** Certificates in a vault that are no authority of the mesh: whose they are is not known here, only until when they count. */
import type { ServingCertificate } from '../inventory.ts';
import type { VaultCertificate } from '../vault.ts';
import { readCertificate } from './certificate.ts';

/** `root`: the name of the mesh's own root. What no certificate can be read from is left out. */
export function servingCertificates(listed: readonly VaultCertificate[], root: string): readonly ServingCertificate[] {
  return listed
    .filter(({ name }) => name !== root)
    .flatMap(({ name, certificateId, certificate, enabled }) => {
      const facts = readCertificate(certificate);
      return facts ? [{ name, certificateId, notBefore: facts.notBefore, notAfter: facts.notAfter, enabled }] : [];
    });
}
