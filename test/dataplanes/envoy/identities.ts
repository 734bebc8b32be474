/**
 * Workload identities made here: an authority with a root of its own, leaves with a SPIFFE id, and the files in which an Envoy
 * finds its identity (SDS responses, as whoever issues leaves writes them).
 */
import { webcrypto } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
// What the library below is wired with.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const HOUR_MS = 3_600_000;

export interface Leaf {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
}

export interface Authority {
  /** PEM. */
  readonly root: string;
  /** A leaf whose only name is this URI. */
  issue(uri: string): Promise<Leaf>;
  /** One for a server of this name. */
  issueServing(host: string): Promise<Leaf>;
}

export async function createAuthority(name: string): Promise<Authority> {
  x509.cryptoProvider.set(webcrypto);
  const keys = await newKeys();
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: `CN=${name}`,
    ...validity(),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  let serial = 1;
  const issue = async (name: { readonly type: 'url' | 'dns'; readonly value: string }): Promise<Leaf> => {
    const own = await newKeys();
    serial += 1;
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial.toString(16).padStart(4, '0'),
      issuer: root.subject,
      ...validity(),
      signingAlgorithm: ALGORITHM,
      publicKey: own.publicKey,
      signingKey: keys.privateKey,
      extensions: [
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
        new x509.SubjectAlternativeNameExtension([name], true),
      ],
    });
    const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', own.privateKey));
    const key = `-----BEGIN PRIVATE KEY-----\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`;
    return { certificate: certificate.toString('pem'), key };
  };
  return {
    root: root.toString('pem'),
    issue: (uri) => issue({ type: 'url', value: uri }),
    issueServing: (host) => issue({ type: 'dns', value: host }),
  };
}

/** What an Envoy watches in `directory`; written beside it and moved into place, so that it never reads half a file. */
export async function writeIdentity(directory: string, leaf: Leaf, bundle: readonly Authority[]): Promise<void> {
  await mkdir(directory, { recursive: true });
  const chain = { inline_string: leaf.certificate };
  await writeSecret(directory, 'default', { tls_certificate: { certificate_chain: chain, private_key: { inline_string: leaf.key } } });
  await writeSecret(directory, 'bundle', {
    validation_context: { trusted_ca: { inline_string: bundle.map(({ root }) => root).join('\n') } },
  });
}

async function writeSecret(directory: string, name: string, secret: object): Promise<void> {
  const resource = { '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret', name, ...secret };
  const beside = join(`${directory}.${name}.new`);
  // YAML takes JSON as it is.
  await writeFile(beside, JSON.stringify({ resources: [resource] }), { mode: 0o600 });
  await rename(beside, join(directory, `${name}.yaml`));
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
}

function validity(): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(Date.now() + HOUR_MS) };
}
