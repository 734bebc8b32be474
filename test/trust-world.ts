/** A world with certificates: a vault in memory, proxies that follow and are looked at, events as Key Vault sends them. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { MemoryVault } from '../src/adapters/memory-vault.ts';
import type { TrustAdapters } from '../src/app.ts';
import { envoyTrust } from '../src/dataplanes/envoy/trust.ts';
import { putGiven, putIdentities } from '../src/reconcile/identity-observations.ts';
import { readTrust } from '../src/reconcile/model-trust.ts';
import { putNode, putWatcher } from '../src/reconcile/observations.ts';
import type { VaultCertificate } from '../src/trust/vault.ts';
import { rootCertificate } from '../src/trust/x509/profiles.ts';
import { meshFile, serviceFile, World } from './world.ts';

export const place = { mesh: 'shop', dataPlane: 'edge' };
export const SECOND = 1_000;
export const CERTIFICATES = 'certificates: { leafLife: 20s, issuerLife: 1d, rootLife: 30d, attest: [join] }\n';
export const KEY_VAULT = 'certificates: { vault: https://shop.vault.azure.net, leafLife: 20s, issuerLife: 1d, rootLife: 30d }\n';

export class TrustWorld extends World {
  readonly vault: MemoryVault;
  /** What nodes have taken up of the mesh's changes. */
  served = 1;

  constructor(vault = new MemoryVault()) {
    const trust: TrustAdapters = {
      refusal: () => undefined,
      vault: async () => vault,
      connect: (_mesh, { name }) => envoyTrust(this.documents, name, () => {}),
      tokens: { attest: () => Promise.reject(new Error('no token was expected')) },
      random: () => new Uint8Array(16),
    };
    super({ trust });
    this.vault = vault;
  }

  async adopt(certificates = CERTIFICATES): Promise<this> {
    const mesh = meshFile('shop');
    return this.apply({ ...mesh, text: mesh.text + certificates }, serviceFile('catalog'));
  }

  /** Every node has what it is to have by now, and says so. */
  async follow(...nodes: readonly string[]): Promise<void> {
    const trust = await readTrust(this.documents, 'shop');
    if (!trust) throw new Error('nothing was brought');
    const bundle = { offered: [...trust.fingerprints], accepted: [...trust.fingerprints] };
    await putWatcher(this.documents, place, { via: 'x1', aliveUntil: this.now + 3_600 * SECOND }, this.now);
    for (const node of nodes) {
      await putNode(this.documents, place, { node, via: 'x1', served: this.served, bundle }, this.now);
      const leaf = { fingerprint: 'd'.repeat(64), issuer: trust.signer.fingerprint, notAfter: this.now + 20 * SECOND };
      const identity = 'spiffe://cluster.local/ns/shop/sa/web';
      await putGiven(this.documents, place, { node, identity, fingerprint: leaf.fingerprint, notAfter: leaf.notAfter }, this.now);
      await putIdentities(this.documents, place, [{ node, seenAt: this.now, loaded: { roots: [...trust.fingerprints], leaf } }]);
    }
  }

  async rollout(): Promise<string | undefined> {
    return (await this.app.service('shop', 'catalog'))?.rollout?.phase;
  }

  async phase(): Promise<string | undefined> {
    return (await this.app.rotating.status('shop'))?.rotation?.phase.name;
  }

  /** Everybody follows and is looked at each second, `seconds` times; the phases on the way. */
  async pass(seconds: number, ...nodes: readonly string[]): Promise<readonly string[]> {
    const phases: string[] = [];
    for (let passed = 0; passed < seconds; passed += 1) {
      this.now += SECOND;
      await this.follow(...nodes);
      await this.app.sweep();
      const phase = (await this.phase()) ?? 'none';
      if (phases.at(-1) !== phase) phases.push(phase);
    }
    return phases;
  }
}

export const vaultEvent = (type: string, id: string, name = 'shop-root') => ({
  specversion: '1.0',
  id: `${type}/${id}`,
  source: '/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/shop',
  type: `Microsoft.KeyVault.${type}`,
  subject: name,
  data: { Id: id, VaultName: 'shop', ObjectType: 'Certificate', ObjectName: name, Version: id.split('/').at(-1) },
});

/** A version that nobody here has asked for. */
export async function renewedByTheVault({ vault, now }: TrustWorld, name = 'shop-root'): Promise<VaultCertificate> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = { keyId: 'auto', publicKey: publicKey.export({ format: 'der', type: 'spki' }) };
  const signing = {
    sign: async (_: string, _algorithm: string, message: Uint8Array) =>
      sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' }),
  };
  const validity = { notBefore: now, notAfter: now + 30 * 86_400 * SECOND };
  const profile = { trustDomain: 'cluster.local', key, algorithm: 'P-256', serial: new Uint8Array(16).fill(7), ...validity } as const;
  return vault.importCertificate(name, await rootCertificate(signing, profile), privateKey, 'P-256');
}
