/** The keys API and what is read of secrets: keys that are made and sign, and the key and the secret that belong to a certificate. */
import { z } from 'zod';
import { type Answer, type Asked, Problem, page } from './answers.ts';
import { type Certificates, newVersion } from './certificates.ts';
import { attributesSchema, type Key, readBody, showKey, showKeyItem, tagsSchema, type Version } from './objects.ts';
import { signEcdsa, signRsa } from './signatures.ts';
import { makePrivateKey } from './x509.ts';

const createSchema = z.object({
  kty: z.enum(['EC', 'RSA']),
  crv: z.string().optional(),
  key_size: z.number().optional(),
  key_ops: z.array(z.string()).default(['sign', 'verify']),
  attributes: attributesSchema,
  tags: tagsSchema,
});
const updateSchema = z.object({ attributes: attributesSchema, tags: tagsSchema });
const signSchema = z.object({ alg: z.string(), value: z.string() });

/** By algorithm: the length of its digest, and what the key has to be. */
const SIGNING = {
  ES256: { length: 32, curve: 'prime256v1' },
  ES384: { length: 48, curve: 'secp384r1' },
  RS256: { length: 32, curve: undefined },
} as const;

interface Found {
  readonly version: Version;
  readonly keyOps: readonly string[];
  readonly managed: boolean;
}

export class Keys {
  readonly byName = new Map<string, Key>();
  readonly #certificates: Certificates;
  readonly #now: () => Date;

  constructor(certificates: Certificates, now: () => Date) {
    this.#certificates = certificates;
    this.#now = now;
  }

  create({ base, body }: Asked, name: string): Answer {
    const { key_ops: keyOps, tags = {}, attributes, ...shape } = readBody(createSchema, body);
    if (this.#certificates.byName.has(name)) throw new Problem(403, 'Forbidden', 'Operation create is not allowed on a managed key.');
    const at = this.#seconds();
    const enabled = attributes?.enabled ?? true;
    const made = { version: newVersion(), privateKey: makePrivateKey(shape), tags, enabled, created: at, updated: at, keyOps };
    this.byName.set(name, { name, versions: [...(this.byName.get(name)?.versions ?? []), made] });
    return { status: 200, body: showKey(base, name, made, keyOps, false) };
  }

  get({ base }: Asked, name: string, version: string | undefined): Answer {
    const { version: found, keyOps, managed } = this.#find(name, version);
    this.#checkEnabled(found, 'get');
    return { status: 200, body: showKey(base, name, found, keyOps, managed) };
  }

  listVersions(asked: Asked, name: string, largest: number): Answer {
    const versions = this.byName.get(name)?.versions ?? this.#certificates.byName.get(name)?.versions ?? [];
    return page(
      asked,
      versions.map((each) => showKeyItem(asked.base, name, each)),
      largest,
    );
  }

  update({ base, body }: Asked, name: string, version: string | undefined): Answer {
    const { attributes, tags } = readBody(updateSchema, body);
    const { version: found, keyOps, managed } = this.#find(name, version);
    if (managed) throw new Problem(403, 'Forbidden', 'Operation update is not allowed on a managed key.');
    const after = {
      ...found,
      keyOps,
      enabled: attributes?.enabled ?? found.enabled,
      tags: tags ?? found.tags,
      updated: this.#seconds(),
    };
    const versions = (this.byName.get(name)?.versions ?? []).map((each) => (each === found ? after : each));
    this.byName.set(name, { name, versions });
    return { status: 200, body: showKey(base, name, after, keyOps, false) };
  }

  /** Over a digest: r || s for ECDSA. */
  sign({ base, body }: Asked, name: string, version: string | undefined): Answer {
    const { alg, value } = readBody(signSchema, body);
    const { version: found, keyOps } = this.#find(name, version);
    this.#checkEnabled(found, 'sign');
    const now = this.#seconds();
    if (now < (found.nbf ?? 0) || now >= (found.exp ?? Number.POSITIVE_INFINITY)) {
      const message = 'Operation sign is not allowed on a key that is not yet valid or has expired.';
      throw new Problem(403, 'Forbidden', message, 'KeyNotYetValidOrExpired');
    }
    if (!keyOps.includes('sign')) throw new Problem(403, 'Forbidden', 'Operation sign is not permitted on this key.');
    const signature = signDigest(alg, found, Buffer.from(value, 'base64url'));
    return { status: 200, body: { kid: `${base}/keys/${name}/${found.version}`, value: signature.toString('base64url') } };
  }

  secret({ base }: Asked, name: string, version: string | undefined): Answer {
    const found = this.#certificates.byName.has(name) ? this.#certificates.version(name, version) : undefined;
    if (!found) throw new Problem(404, 'SecretNotFound', `A secret with (name/id) ${name} was not found in this key vault.`);
    if (!found.enabled) throw new Problem(403, 'Forbidden', 'Operation get is not allowed on a disabled secret.', 'SecretDisabled');
    const { contentType } = this.#certificates.find(name).policy.secret_props;
    if (contentType !== 'application/x-pem-file') throw new Problem(501, 'NotImplemented', 'This stand-in writes no PKCS #12.');
    const key = found.exportable ? found.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString() : '';
    const lines = found.cer.toString('base64').match(/.{1,64}/g) ?? [];
    return {
      status: 200,
      body: {
        value: `${key}-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
        contentType,
        id: `${base}/secrets/${name}/${found.version}`,
        kid: `${base}/keys/${name}/${found.version}`,
        managed: true,
        attributes: { enabled: found.enabled, nbf: found.nbf, exp: found.exp, created: found.created, updated: found.updated },
        tags: found.tags,
      },
    };
  }

  #find(name: string, version: string | undefined): Found {
    const own = this.byName.get(name)?.versions ?? [];
    const key = version === undefined ? own.at(-1) : own.find((each) => each.version === version);
    if (key) return { version: key, keyOps: key.keyOps, managed: false };
    const paired = this.#certificates.byName.get(name)?.versions ?? [];
    const certificate = version === undefined ? paired.at(-1) : paired.find((each) => each.version === version);
    if (certificate) return { version: certificate, keyOps: ['sign', 'verify'], managed: true };
    throw new Problem(404, 'KeyNotFound', `A key with (name/id) ${name}${version ? `/${version}` : ''} was not found in this key vault.`);
  }

  #checkEnabled({ enabled }: Version, operation: string): void {
    if (!enabled) throw new Problem(403, 'Forbidden', `Operation ${operation} is not allowed on a disabled key.`, 'KeyDisabled');
  }

  #seconds(): number {
    return Math.floor(this.#now().getTime() / 1000);
  }
}

function signDigest(alg: string, { privateKey }: Version, digest: Buffer): Buffer {
  const known = Object.entries(SIGNING).find(([name]) => name === alg)?.[1];
  const isRsa = privateKey.asymmetricKeyType === 'rsa';
  if (!known || privateKey.asymmetricKeyDetails?.namedCurve !== known.curve || isRsa !== (known.curve === undefined))
    throw new Problem(400, 'BadParameter', `Key and signing algorithm are incompatible: this key and ${alg}.`);
  if (digest.length !== known.length) throw new Problem(400, 'BadParameter', `Invalid length of 'value': ${digest.length} bytes.`);
  return isRsa ? signRsa(privateKey, digest) : signEcdsa(privateKey, digest);
}
