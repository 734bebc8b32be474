/** The Key Vault adapter passes the contract of vaults on the stand-in, through the SDKs it uses on Azure. */
import { openKeyVault } from '../../src/adapters/key-vault.ts';
import { startKeyVault } from '../emulators/key-vault/start.ts';
import { describeVault } from './vault.contract.ts';

describeVault('Key Vault, by its stand-in', async () => {
  const keyVault = await startKeyVault({ pageSize: 2 });
  const open = () => openKeyVault({ url: keyVault.url, credential: keyVault.credential(), loopback: true, lookAgainMs: 5 });
  return { vault: await open(), other: await open(), close: keyVault.stop };
});
