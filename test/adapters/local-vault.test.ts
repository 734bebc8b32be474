/** The local vault passes the contract of vaults, keeps its files to itself and is whole after every crash. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLocalVault } from '../../src/adapters/local-vault.ts';
import { describeVault } from './vault.contract.ts';

describeVault('a local vault', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'meshwright-vault-'));
  const directory = join(parent, 'vault');
  const [vault, other] = await Promise.all([openLocalVault(directory), openLocalVault(directory)]);
  return { vault, other, close: () => rm(parent, { recursive: true }) };
});
