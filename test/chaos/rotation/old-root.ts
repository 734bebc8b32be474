/**
 * Whether a workload still believes a root: somebody who has the key of an issuer under it signs a fresh leaf with another workload's name,
 * as a thief would, and calls. The vault's files are opened for it, and a key that was disabled is enabled for the moment of signing.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { openLocalVault } from '../../../src/adapters/local-vault.ts';
import type { Authority } from '../../../src/trust/certificates.ts';
import { leafCertificate, leafSigner } from '../../../src/trust/x509/profiles.ts';
import type { Installation } from '../../e2e/installation.ts';
import { TRUST_DOMAIN, type Workload } from './fleet.ts';

/** Resolves with whether the callee answered a request that came with such a leaf. */
export async function isBelieved(installation: Installation, authority: Authority, callee: Workload): Promise<boolean> {
  const vault = await openLocalVault(join(installation.directory.path, 'vault'));
  const { keyId } = authority.issuer;
  await vault.setEnabled(keyId, true);
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const now = Math.floor(Date.now() / 1_000) * 1_000;
  const profile = {
    spiffeId: `spiffe://${TRUST_DOMAIN}/ns/shop/sa/orders`,
    publicKey: publicKey.export({ format: 'der', type: 'spki' }),
    notBefore: now - 5_000,
    notAfter: now + 60_000,
  };
  const leaf = await leafCertificate(vault, leafSigner(authority), profile, randomBytes(16));
  const key = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  return new Promise((resolve) => {
    // Whom the thief talks to he does not care.
    const socket = connect({
      host: '127.0.0.1',
      port: callee.inbound,
      cert: leaf.chain,
      key,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
    });
    socket.once('secureConnect', () => socket.write('GET /items HTTP/1.1\r\nHost: catalog.shop\r\nConnection: close\r\n\r\n'));
    socket.once('data', (answer: Buffer) => {
      resolve(answer.toString().startsWith('HTTP/1.1 200'));
      socket.destroy();
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}
