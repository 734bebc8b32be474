/**
 * A directory of files that are written once, whole or not at all, and are readable by their owner alone; and the sealing of what is
 * secret in them (AES-256-GCM under a key in the same directory). Two processes may use it at once: of two that write one name, one wins.
 */
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { VaultRefused } from '../trust/vault.ts';

const KEY_FILE = 'sealing.key';
const KEY_BYTES = 32;

export const sealedSchema = z.object({ iv: z.base64(), tag: z.base64(), data: z.base64() });
export type Sealed = Readonly<z.infer<typeof sealedSchema>>;

export class SealedFiles {
  readonly #directory: string;
  readonly #key: Buffer;

  private constructor(directory: string, key: Buffer) {
    this.#directory = directory;
    this.#key = key;
  }

  /** Makes the directory (0700) and its key (0600) where there are none. @throws VaultRefused where others may read either. */
  static async open(directory: string): Promise<SealedFiles> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await checkPrivate(directory);
    const path = join(directory, KEY_FILE);
    await writeOnce(path, randomBytes(KEY_BYTES));
    await checkPrivate(path);
    const key = await readFile(path);
    if (key.length !== KEY_BYTES) throw damaged(path);
    return new SealedFiles(directory, key);
  }

  /** @returns whether it was this call that wrote it. */
  async write(path: string, content: string | Uint8Array): Promise<boolean> {
    const whole = join(this.#directory, path);
    await mkdir(dirname(whole), { recursive: true, mode: 0o700 });
    return writeOnce(whole, content);
  }

  async read(path: string): Promise<Buffer | undefined> {
    return readFile(join(this.#directory, path)).catch(unlessMissing);
  }

  /** @throws VaultRefused for a file that says something else than was written. */
  async readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
    const content = await this.read(path);
    if (content === undefined) return undefined;
    const { data, success } = jsonText.pipe(schema).safeParse(content.toString());
    if (success) return data;
    throw damaged(join(this.#directory, path));
  }

  async remove(path: string): Promise<void> {
    const whole = join(this.#directory, path);
    await rm(whole, { force: true });
    await syncDirectory(dirname(whole)).catch(unlessMissing);
  }

  /** Names in a directory of it; none where there is no such directory. */
  async names(path: string): Promise<readonly string[]> {
    return (await readdir(join(this.#directory, path)).catch(unlessMissing)) ?? [];
  }

  /** Bound to `where` it belongs: moved elsewhere, it cannot be unsealed. */
  seal(where: string, secret: Uint8Array): Sealed {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv).setAAD(Buffer.from(where));
    const data = Buffer.concat([cipher.update(secret), cipher.final()]);
    return { iv: iv.toString('base64'), tag: cipher.getAuthTag().toString('base64'), data: data.toString('base64') };
  }

  /** @throws VaultRefused for what was not sealed here, for there. */
  unseal(where: string, { iv, tag, data }: Sealed): Buffer {
    const decipher = createDecipheriv('aes-256-gcm', this.#key, Buffer.from(iv, 'base64'), { authTagLength: 16 });
    try {
      decipher.setAAD(Buffer.from(where)).setAuthTag(Buffer.from(tag, 'base64'));
      return Buffer.concat([decipher.update(Buffer.from(data, 'base64')), decipher.final()]);
    } catch {
      throw damaged(join(this.#directory, where));
    }
  }
}

const jsonText = z.string().transform((text, context) => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue('not JSON');
    return z.NEVER;
  }
});

const damaged = (path: string) =>
  new VaultRefused(`${path} is damaged, or was sealed with another ${KEY_FILE}; restore both from one copy.`);

/** Under another name first, so that there is never a part of it, and linked, so that what is there already stays. */
async function writeOnce(path: string, content: string | Uint8Array): Promise<boolean> {
  const draft = `${path}.${randomUUID()}.new`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
    await syncDirectory(dirname(path));
  }
}

/** A name is durable when its directory is. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function checkPrivate(path: string): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) throw new VaultRefused(`${path} is open to others; take that away with \`chmod go= ${path}\`.`);
}

const codeOf = (error: unknown) => (typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined);

function unlessMissing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}
