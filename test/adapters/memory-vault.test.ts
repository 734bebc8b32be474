/** The memory vault passes the contract of vaults. */
import { MemoryVault } from '../../src/adapters/memory-vault.ts';
import { describeVault } from './vault.contract.ts';

describeVault('a vault in memory', async () => {
  const vault = new MemoryVault();
  return { vault, other: vault, close: async () => {} };
});
