/**
 * The vault port for a local host: keys that Node makes, sealed in files. It is for local use: whoever can read its directory as its
 * owner can sign as its authorities. Versions are numbered places that are taken once and never change; what becomes of one (its
 * certificate, disabled, given up) is a file beside it. So a crash between two writes leaves a state that is taken up again, and two
 * processes need no lock.
 */
import { createPrivateKey, createPublicKey, generateKeyPair, sign as signMessage } from 'node:crypto';
import { promisify } from 'node:util';
import { z } from 'zod';
import { type KeyAlgorithm, keyAlgorithmSchema } from '../trust/certificates.ts';
import { type Begun, type Vault, type VaultCertificate, type VaultKey, VaultRefused } from '../trust/vault.ts';
import { publicKeyOf, spkiOf } from './public-keys.ts';
import { SealedFiles, sealedSchema } from './sealed-files.ts';

/** Opens the vault in this directory, and makes it where there is none. @throws VaultRefused where others may read it. */
export async function openLocalVault(directory: string): Promise<Vault> {
  return new LocalVault(await SealedFiles.open(directory));
}

const placeSchema = z.object({ wish: z.string(), algorithm: keyAlgorithmSchema, publicKey: z.base64(), key: sealedSchema });

type Collection = 'certificates' | 'keys';

interface Place extends z.infer<typeof placeSchema> {
  /** `<collection>/<name>/<number>`, which its files begin with, and its id after `local:`. */
  readonly path: string;
}

interface Wished {
  readonly name: string;
  readonly algorithm: KeyAlgorithm;
  readonly wish: string;
}

/** In place of its certificate, so that of completing and giving up only one can happen. */
const GIVEN_UP = '';
/** As Key Vault's, so that no name is a path. */
const NAME = /^[0-9a-zA-Z-]{1,127}$/;
const PLACE_FILE = /^(\d{6})\.json$/;
const ID = /^local:((?:certificates|keys)\/[0-9a-zA-Z-]{1,127}\/\d{6})$/;
const generate = promisify(generateKeyPair);

class LocalVault implements Vault {
  readonly #files: SealedFiles;

  constructor(files: SealedFiles) {
    this.#files = files;
  }

  async begin(wished: Wished): Promise<Begun> {
    const place = await this.#take('certificates', wished);
    const certificate = await this.#certificate(wished.name, place);
    return certificate ? { kind: 'complete', certificate } : { kind: 'pending', ...vaultKey(place) };
  }

  async complete({ name, wish, certificate }: { name: string; wish: string; certificate: Uint8Array }): Promise<VaultCertificate> {
    const place = await this.#find('certificates', name, wish);
    if (!place) throw new VaultRefused(`Nothing was begun for ${wish} in ${name} of the local vault; begin it first.`);
    if (!publicKeyOf(certificate).equals(Buffer.from(place.publicKey, 'base64')))
      throw new VaultRefused(`The certificate for ${wish} is not over the key that was begun for it in ${name}.`);
    await this.#files.write(`${place.path}.der`, certificate);
    const completed = await this.#certificate(name, place);
    if (completed) return completed;
    throw new VaultRefused(`What was begun for ${wish} in ${name} was given up meanwhile; begin it again.`);
  }

  async abandon({ name, wish }: { name: string; wish: string }): Promise<void> {
    const place = await this.#find('certificates', name, wish);
    if (place) await this.#files.write(`${place.path}.der`, GIVEN_UP);
  }

  async versions(name: string): Promise<readonly VaultCertificate[]> {
    const places = await this.#places('certificates', name);
    const read = await Promise.all(places.map((place) => this.#certificate(name, place)));
    return read.filter((each) => each !== undefined).reverse();
  }

  async makeKey(wished: Wished): Promise<VaultKey> {
    return vaultKey(await this.#take('keys', wished));
  }

  async sign(keyId: string, algorithm: KeyAlgorithm, message: Uint8Array): Promise<Uint8Array> {
    const path = await this.#pathOf(keyId);
    const place = await this.#files.readJson(`${path}.json`, placeSchema);
    if (place?.algorithm !== algorithm) throw new VaultRefused(`${keyId} is not a key of ${algorithm}.`);
    if (await this.#files.read(`${path}.disabled`)) throw new VaultRefused(`${keyId} is disabled; enable it to sign with it.`);
    if ((await this.#files.read(`${path}.der`))?.length === 0) throw new VaultRefused(`${keyId} was given up and signs nothing more.`);
    const key = createPrivateKey({ key: this.#files.unseal(path, place.key), format: 'der', type: 'pkcs8' });
    return signMessage(algorithm === 'P-384' ? 'sha384' : 'sha256', message, { key, dsaEncoding: 'ieee-p1363' });
  }

  async setEnabled(id: string, enabled: boolean): Promise<void> {
    const named = ID.exec(id)?.[1];
    if (!enabled && named !== undefined && !(await this.#files.read(`${named}.json`))) return;
    const path = await this.#pathOf(id);
    if (enabled) await this.#files.remove(`${path}.disabled`);
    else await this.#files.write(`${path}.disabled`, '');
  }

  async list(): Promise<readonly VaultCertificate[]> {
    const names = [...(await this.#files.names('certificates'))].sort();
    const newest = await Promise.all(names.map(async (name) => (await this.versions(name)).slice(0, 1)));
    return newest.flat();
  }

  /** The place of a wish, or the next one with a new key. A certificate's is only taken when the one before it is complete. */
  async #take(collection: Collection, { name, algorithm, wish }: Wished): Promise<Place> {
    for (;;) {
      const numbers = await this.#numbers(collection, name);
      const places = await this.#placesAt(collection, name, numbers);
      const own = places.find((place) => place.wish === wish);
      if (own) return own;
      const last = places.at(-1);
      if (collection === 'certificates' && last && !(await this.#certificate(name, last)))
        throw new VaultRefused(`${name} of the local vault has a pending version, begun for ${last.wish}; complete it, or abandon it.`);
      const { publicKey, privateKey } = await newKey(algorithm);
      // Right above all that was looked at, given up or not: who has taken it meanwhile is looked at next, and may have had the same wish.
      const number = (numbers.at(-1) ?? 0) + 1;
      const path = pathOf(collection, name, number);
      const key = this.#files.seal(path, privateKey);
      const content = { wish, algorithm, publicKey: publicKey.toString('base64'), key };
      if (await this.#files.write(`${path}.json`, JSON.stringify(content))) return { ...content, path };
    }
  }

  async #find(collection: Collection, name: string, wish: string): Promise<Place | undefined> {
    return (await this.#places(collection, name)).find((place) => place.wish === wish);
  }

  async #numbers(collection: Collection, name: string): Promise<readonly number[]> {
    if (!NAME.test(name)) throw new VaultRefused(`${name} is no name for a vault: 1 to 127 letters, digits and hyphens.`);
    const files = await this.#files.names(`${collection}/${name}`);
    return files.flatMap((file) => (PLACE_FILE.test(file) ? [Number.parseInt(file, 10)] : [])).sort((a, b) => a - b);
  }

  /** Oldest first, without those that were given up. */
  async #places(collection: Collection, name: string): Promise<readonly Place[]> {
    return this.#placesAt(collection, name, await this.#numbers(collection, name));
  }

  async #placesAt(collection: Collection, name: string, numbers: readonly number[]): Promise<readonly Place[]> {
    const read = await Promise.all(
      numbers.map(async (number) => {
        const path = pathOf(collection, name, number);
        const [place, end] = await Promise.all([this.#files.readJson(`${path}.json`, placeSchema), this.#files.read(`${path}.der`)]);
        return place && end?.length !== 0 ? [{ ...place, path }] : [];
      }),
    );
    return read.flat();
  }

  async #certificate(name: string, place: Place): Promise<VaultCertificate | undefined> {
    const certificate = await this.#files.read(`${place.path}.der`);
    if (!certificate || certificate.length === 0) return undefined;
    const enabled = (await this.#files.read(`${place.path}.disabled`)) === undefined;
    const id = idOf(place);
    return { name, certificateId: id, keyId: id, certificate, enabled, exportable: false, wish: place.wish };
  }

  async #pathOf(id: string): Promise<string> {
    const path = ID.exec(id)?.[1];
    if (path !== undefined && (await this.#files.read(`${path}.json`))) return path;
    throw new VaultRefused(`${id} is no version of a certificate or a key of this local vault.`);
  }
}

const pathOf = (collection: Collection, name: string, number: number) => `${collection}/${name}/${String(number).padStart(6, '0')}`;
const idOf = ({ path }: Pick<Place, 'path'>) => `local:${path}`;
const vaultKey = (place: Place): VaultKey => ({ keyId: idOf(place), publicKey: Buffer.from(place.publicKey, 'base64') });

async function newKey(algorithm: KeyAlgorithm): Promise<{ readonly publicKey: Buffer; readonly privateKey: Buffer }> {
  const { privateKey } =
    algorithm === 'RSA-3072' ? await generate('rsa', { modulusLength: 3072 }) : await generate('ec', { namedCurve: algorithm });
  return { publicKey: spkiOf(createPublicKey(privateKey)), privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }) };
}
