/** The local vault passes the contract of vaults, keeps its files to itself, and is whole whatever else uses it and wherever it ended. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLocalVault } from '../../src/adapters/local-vault.ts';
import { type Vault, VaultRefused } from '../../src/trust/vault.ts';
import { describeVault, isSigned, made, pendingOf, rootOver, signed } from './vault.contract.ts';

describeVault('a local vault', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'meshwright-vault-'));
  const directory = join(parent, 'vault');
  const [vault, other] = await Promise.all([openLocalVault(directory), openLocalVault(directory)]);
  return { vault, other, close: () => rm(parent, { recursive: true }) };
});

let directory: string;
let vault: Vault;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'meshwright-vault-'));
  vault = await openLocalVault(directory);
});
afterEach(() => rm(directory, { recursive: true }));

const asked = { name: 'root', algorithm: 'P-256', wish: 'rotation-1' } as const;

async function everything(): Promise<readonly { path: string; mode: number; isFile: boolean }[]> {
  const entries = await readdir(directory, { recursive: true });
  return Promise.all(
    ['', ...entries].map(async (entry) => {
      const path = join(directory, entry);
      const found = await stat(path);
      return { path, mode: found.mode & 0o777, isFile: found.isFile() };
    }),
  );
}

describe('the files of a local vault', () => {
  it('are their owner’s alone, in directories that are', async () => {
    await made(vault, 'root', 'rotation-1');
    const found = await everything();
    expect(found.filter(({ isFile }) => isFile).map(({ mode }) => mode)).toEqual([0o600, 0o600, 0o600]);
    expect(found.filter(({ isFile }) => !isFile).map(({ mode }) => mode)).toEqual([0o700, 0o700, 0o700]);
  });

  it('hold no key that can be read without the sealing key, and leave nothing half written', async () => {
    await made(vault, 'root', 'rotation-1');
    await vault.makeKey({ ...asked, name: 'issuer' });
    const files = (await everything()).filter(({ isFile }) => isFile).map(({ path }) => path);
    expect(files.filter((path) => path.endsWith('.new'))).toEqual([]);
    for (const path of files.filter((each) => each.endsWith('.json'))) {
      const { key } = JSON.parse(await readFile(path, 'utf8'));
      // PKCS #8 of an EC key says in the clear which curve it is on.
      expect(Buffer.from(key.data, 'base64').includes(Buffer.from('06082a8648ce3d030107', 'hex'))).toBe(false);
    }
  });

  it.each([
    ['the directory', '', 0o750],
    ['the sealing key', 'sealing.key', 0o640],
  ])('are not used when others may read %s', async (_what, name, mode) => {
    await chmod(join(directory, name), mode);
    await expect(openLocalVault(directory)).rejects.toThrow(/chmod go=/);
  });

  it.each([
    ['is cut short', (content: string) => content.slice(0, 40)],
    ['has another key in it', (content: string) => content.replace(/"data":"(.)/, (_, first) => `"data":"${first === 'A' ? 'B' : 'A'}`)],
  ])('are refused, and named, when one %s', async (_what, spoil) => {
    const { keyId } = await vault.makeKey(asked);
    const path = join(directory, 'keys/root/000001.json');
    await writeFile(path, spoil(await readFile(path, 'utf8')));
    const refusal = vault.sign(keyId, 'P-256', Buffer.from('x'));
    await expect(refusal).rejects.toThrow(VaultRefused);
    await expect(refusal).rejects.toThrow(/keys\/root\/000001.* is damaged/);
  });

  it('cannot be put in each other’s place', async () => {
    const first = await vault.makeKey(asked);
    await vault.makeKey({ ...asked, wish: 'rotation-2' });
    await copyFile(join(directory, 'keys/root/000002.json'), join(directory, 'keys/root/000001.json'));
    await expect(vault.sign(first.keyId, 'P-256', Buffer.from('x'))).rejects.toThrow(/damaged/);
  });

  it('are refused under names that are paths', async () => {
    for (const name of ['../root', 'a/b', '.', '', 'a'.repeat(128)])
      await expect(vault.makeKey({ ...asked, name })).rejects.toThrow(/is no name for a vault/);
  });
});

describe('a local vault that several processes use', () => {
  it('gives all of them one key for one wish, and one sealing key', async () => {
    const fresh = join(directory, 'shared');
    const answers = await Promise.all([1, 2, 3, 4].map(() => inAnotherProcess(fresh)));
    const [first] = answers;
    expect(first).toMatch(/^local:certificates\/root\/000001 local:keys\/issuer\/000001 [0-9A-Za-z+/=]+$/);
    expect(new Set(answers).size).toBe(1);
    const opened = await openLocalVault(fresh);
    const { keyId, publicKey } = pendingOf(await opened.begin(asked));
    expect(isSigned(publicKey, 'P-256', await signed(opened, keyId))).toBe(true);
    expect((await readdir(join(fresh, 'certificates/root'))).sort()).toEqual(['000001.json']);
  });

  it('gives one key for one wish also to those who begin at once, and have made theirs at different times', async () => {
    const others = await Promise.all([1, 2, 3, 4].map(() => openLocalVault(directory)));
    // Making one takes anything from a moment to a second.
    const keys = await Promise.all(others.map((each) => each.makeKey({ ...asked, algorithm: 'RSA-3072' })));
    expect(new Set(keys.map(({ keyId }) => keyId)).size).toBe(1);
  });

  it('lets only one of several wishes be pending', async () => {
    const others = await Promise.all([1, 2, 3, 4].map(() => openLocalVault(directory)));
    const begun = await Promise.allSettled(others.map((each, at) => each.begin({ ...asked, wish: `rotation-${at}` })));
    expect(begun.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('either completes or gives up', async () => {
    const other = await openLocalVault(directory);
    for (let round = 0; round < 20; round++) {
      const wished = { ...asked, name: `root-${round}` };
      const certificate = await rootOver(vault, pendingOf(await vault.begin(wished)));
      const [completed] = await Promise.allSettled([vault.complete({ ...wished, certificate }), other.abandon(wished)]);
      expect(await vault.versions(wished.name)).toHaveLength(completed.status === 'fulfilled' ? 1 : 0);
    }
  });
});

/** Opens the vault, begins and makes a key, in a process of its own. What it was given: ids and the public key. */
async function inAnotherProcess(path: string): Promise<string> {
  const program = `
    import { openLocalVault } from './src/adapters/local-vault.ts';
    const vault = await openLocalVault(process.argv[1]);
    const begun = await vault.begin({ name: 'root', algorithm: 'P-256', wish: 'rotation-1' });
    const key = await vault.makeKey({ name: 'issuer', algorithm: 'P-256', wish: 'rotation-1' });
    console.log(begun.keyId, key.keyId, Buffer.from(begun.publicKey).toString('base64') + Buffer.from(key.publicKey).toString('base64'));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return output.trim();
}

describe('a local vault whose process ended in the middle', () => {
  it('goes on from every state that its writes can leave', async () => {
    const whole = join(directory, 'whole');
    const first = await openLocalVault(whole);
    await made(first, 'root', 'rotation-1');
    await first.makeKey({ ...asked, name: 'issuer' });
    const writes = ['sealing.key', 'certificates/root/000001.json', 'certificates/root/000001.der', 'keys/issuer/000001.json'];
    for (let done = 0; done <= writes.length; done++) {
      const ended = join(directory, `ended-${done}`);
      await stateAfter(ended, whole, writes.slice(0, done), writes[done]);
      const again = await openLocalVault(ended);
      const begun = await again.begin(asked);
      expect(begun.kind).toBe(done < 3 ? 'pending' : 'complete');
      if (begun.kind === 'pending') await again.complete({ ...asked, certificate: await rootOver(again, begun) });
      const { keyId, publicKey } = await again.makeKey({ ...asked, name: 'issuer' });
      expect(isSigned(publicKey, 'P-256', await signed(again, keyId))).toBe(true);
      const kept = await again.versions('root');
      expect(kept).toHaveLength(1);
      if (done >= 3) expect(kept).toEqual(await first.versions('root'));
    }
  });
});

/** Files that were written, and the draft of the one that was being written. */
async function stateAfter(ended: string, whole: string, written: readonly string[], next: string | undefined): Promise<void> {
  await mkdir(ended, { mode: 0o700 });
  for (const file of written) {
    await mkdir(join(ended, file, '..'), { recursive: true, mode: 0o700 });
    await copyFile(join(whole, file), join(ended, file));
  }
  if (next === undefined) return;
  await mkdir(join(ended, next, '..'), { recursive: true, mode: 0o700 });
  const content = await readFile(join(whole, next));
  await writeFile(join(ended, `${next}.0b6ff1b2-2f3d-4d44-9a6a-1d5d1f4f1a11.new`), content.subarray(0, content.length / 2), {
    mode: 0o600,
  });
}
