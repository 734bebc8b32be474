/**
 * The files of an identity: `default.yaml` (leaf and key) and `bundle.yaml` (roots), each an SDS response that Envoy reads again when a file is
 * moved into their directory; and the secret by which a workload that has joined comes again. Each is written beside itself, brought to the
 * disk and moved into place: whatever ends this process, a file is the old one or the new one, and a leaf lies with its key.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const LEAF_FILE = 'default.yaml';
const BUNDLE_FILE = 'bundle.yaml';
const SECRET_FILE = 'renewal-secret';
/** The key is in it; so is whoever is to be spoken to. */
const OWNER_ONLY = 0o600;
const NEW = '.new';

/** What its files say of a leaf. */
export interface HeldLeaf {
  /** SHA-256 of the DER, hex. */
  readonly fingerprint: string;
  /** Of the certificate that signed it. */
  readonly issuer: string;
  /** Hex, lower case. */
  readonly serial: string;
  /** Epoch ms. */
  readonly notBefore: number;
  readonly notAfter: number;
}

const inline = z.object({ inline_string: z.string() });
const leafFileSchema = z.object({
  resources: z.tuple([
    z.object({ name: z.literal('default'), tls_certificate: z.object({ certificate_chain: inline, private_key: inline }) }),
  ]),
});

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
export const certificatesIn = (pem: string): readonly X509Certificate[] =>
  (pem.match(CERTIFICATE) ?? []).map((each) => new X509Certificate(each));
/** SHA-256 of the DER, hex. */
export const fingerprintOf = ({ fingerprint256 }: X509Certificate): string => fingerprint256.replaceAll(':', '').toLowerCase();

/** `undefined`: this is no leaf with its issuer that goes with this key. */
export function leafOf(chain: string, key: string): HeldLeaf | undefined {
  try {
    const [leaf, issuer] = certificatesIn(chain);
    if (!leaf || !issuer || !leaf.checkPrivateKey(createPrivateKey(key)) || !leaf.verify(issuer.publicKey)) return undefined;
    return {
      fingerprint: fingerprintOf(leaf),
      issuer: fingerprintOf(issuer),
      serial: leaf.serialNumber.toLowerCase(),
      notBefore: Date.parse(leaf.validFrom),
      notAfter: Date.parse(leaf.validTo),
    };
  } catch {
    return undefined;
  }
}

/** `undefined`: there is none, or none that could be used. */
export async function readLeaf(directory: string): Promise<HeldLeaf | undefined> {
  const text = await readFile(join(directory, LEAF_FILE), 'utf8').catch(() => '');
  const file = leafFileSchema.safeParse(parsed(text));
  if (!file.success) return undefined;
  const { certificate_chain: chain, private_key: key } = file.data.resources[0].tls_certificate;
  return leafOf(chain.inline_string, key.inline_string);
}

export async function writeLeaf(directory: string, chain: string, key: string): Promise<void> {
  const secret = { name: 'default', tls_certificate: { certificate_chain: { inline_string: chain }, private_key: { inline_string: key } } };
  await put(directory, LEAF_FILE, sdsResponse(secret));
}

/** Envoys whose bundle comes from the xds server do not read it, but start only where it is. True: it has changed. */
export async function writeBundle(directory: string, roots: readonly string[]): Promise<boolean> {
  const text = sdsResponse({ name: 'bundle', validation_context: { trusted_ca: { inline_string: roots.join('\n') } } });
  if ((await readFile(join(directory, BUNDLE_FILE), 'utf8').catch(() => '')) === text) return false;
  await put(directory, BUNDLE_FILE, text);
  return true;
}

/** The same at each start; made at the first, before anybody is told of it. */
export async function keepSecret(directory: string, make: () => string): Promise<string> {
  const kept = (await readFile(join(directory, SECRET_FILE), 'utf8').catch(() => '')).trim();
  if (kept !== '') return kept;
  const made = make();
  await put(directory, SECRET_FILE, made);
  return made;
}

/** Makes it, and clears away what an earlier process was writing when it was ended. */
export async function openDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const name of await readdir(directory)) if (name.endsWith(NEW)) await rm(join(directory, name), { force: true });
}

async function put(directory: string, name: string, text: string): Promise<void> {
  const beside = join(directory, `.${name}${NEW}`);
  // What is left there may have another mode.
  await rm(beside, { force: true });
  const handle = await open(beside, 'wx', OWNER_ONLY);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(beside, join(directory, name));
  const folder = await open(directory);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const sdsResponse = (secret: object): string =>
  // YAML takes JSON as it is.
  JSON.stringify({ resources: [{ '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret', ...secret }] });

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
