/** The secrets API for secrets that belong to nothing: set, read, versions, update. Those of certificates are with their keys. */
import { z } from 'zod';
import { type Answer, type Asked, Problem, page } from './answers.ts';
import { newVersion } from './certificates.ts';
import { attributesSchema, readBody, tagsSchema } from './objects.ts';

/** Of the service: https://learn.microsoft.com/azure/key-vault/secrets/about-secrets. */
const MAX_BYTES = 25 * 1024;

const setSchema = z.object({ value: z.string(), contentType: z.string().optional(), attributes: attributesSchema, tags: tagsSchema });
const updateSchema = z.object({ contentType: z.string().optional(), attributes: attributesSchema, tags: tagsSchema });

interface SecretVersion {
  readonly version: string;
  readonly value: string;
  readonly contentType: string | undefined;
  readonly enabled: boolean;
  readonly tags: Readonly<Record<string, string>>;
  /** Epoch seconds. */
  readonly created: number;
  readonly updated: number;
}

export class Secrets {
  /** Newest last. */
  readonly byName = new Map<string, readonly SecretVersion[]>();
  readonly #now: () => Date;

  constructor(now: () => Date) {
    this.#now = now;
  }

  set({ base, body }: Asked, name: string): Answer {
    const { value, contentType, attributes, tags = {} } = readBody(setSchema, body);
    if (Buffer.byteLength(value) > MAX_BYTES) throw new Problem(400, 'BadParameter', 'The secret value is larger than 25600 bytes.');
    const at = this.#seconds();
    const made = { version: newVersion(), value, contentType, enabled: attributes?.enabled ?? true, tags, created: at, updated: at };
    this.byName.set(name, [...(this.byName.get(name) ?? []), made]);
    return { status: 200, body: show(base, name, made) };
  }

  /** Without a version: the newest, be it disabled. */
  get({ base }: Asked, name: string, version: string | undefined): Answer {
    const found = this.#find(name, version);
    if (!found.enabled) throw new Problem(403, 'Forbidden', 'Operation get is not allowed on a disabled secret.', 'SecretDisabled');
    return { status: 200, body: show(base, name, found) };
  }

  listVersions(asked: Asked, name: string, largest: number): Answer {
    const items = (this.byName.get(name) ?? []).map((each) => {
      const { value: _value, ...item } = show(asked.base, name, each);
      return item;
    });
    return page(asked, items, largest);
  }

  update({ base, body }: Asked, name: string, version: string | undefined): Answer {
    const { contentType, attributes, tags } = readBody(updateSchema, body);
    const found = this.#find(name, version);
    const after = {
      ...found,
      contentType: contentType ?? found.contentType,
      enabled: attributes?.enabled ?? found.enabled,
      tags: tags ?? found.tags,
      updated: this.#seconds(),
    };
    this.byName.set(
      name,
      (this.byName.get(name) ?? []).map((each) => (each === found ? after : each)),
    );
    const { value: _value, ...shown } = show(base, name, after);
    return { status: 200, body: shown };
  }

  #find(name: string, version: string | undefined): SecretVersion {
    const versions = this.byName.get(name) ?? [];
    const found = version === undefined ? versions.at(-1) : versions.find((each) => each.version === version);
    if (found) return found;
    throw new Problem(
      404,
      'SecretNotFound',
      `A secret with (name/id) ${name}${version ? `/${version}` : ''} was not found in this key vault.`,
    );
  }

  #seconds(): number {
    return Math.floor(this.#now().getTime() / 1000);
  }
}

const show = (base: string, name: string, { version, value, contentType, enabled, tags, created, updated }: SecretVersion) => ({
  value,
  ...(contentType === undefined ? {} : { contentType }),
  id: `${base}/secrets/${name}/${version}`,
  attributes: { enabled, created, updated, recoveryLevel: 'Recoverable+Purgeable', recoverableDays: 90 },
  tags,
});
