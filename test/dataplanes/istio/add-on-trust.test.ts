/**
 * The CA of the Istio add-on of AKS through the secrets of its Key Vault: what is written, in which steps, and that leafs are believed with every mixture of
 * them that may be brought into the cluster. What istiod takes is as a real one does (`test/conformance/aks-rotation.test.ts`).
 */
import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { certificatesIn, covers, fingerprintsOf, issuerAmong } from '../../../src/dataplanes/certificates.ts';
import { isNarrowerOrWider } from '../../../src/dataplanes/istio/acceptance.ts';
import { ENTRIES, type Entry, type Files, isPair, namesOf } from '../../../src/dataplanes/istio/add-on-secrets.ts';
import { addOnTrust } from '../../../src/dataplanes/istio/add-on-trust.ts';
import type { HeldSecret, Secret, VaultSecrets } from '../../../src/dataplanes/istio/vault-secrets.ts';
import { PODS, SECRETS } from '../../../src/dataplanes/kubernetes/kinds.ts';
import type { DelegatedIssuer, TrustMaterial } from '../../../src/trust/data-plane-trust.ts';
import { type AnotherCa, anotherCa } from '../../trust/another-ca.ts';
import { MemoryCluster } from '../kubernetes/memory-cluster.ts';

const NAMESPACE = 'aks-istio-system';
const names = { rootCert: 'root-cert', caCert: 'ca-cert', caKey: 'ca-key', certChain: 'cert-chain' };

/** As a vault: newest versions, with what was disabled of them. */
class MemorySecrets implements VaultSecrets {
  readonly host = 'shop.vault.azure.net';
  readonly held = new Map<string, HeldSecret>();
  readonly disabled: string[] = [];
  #count = 0;
  /** Ends the writer before its n-th write from now. */
  fails = Number.POSITIVE_INFINITY;
  read = async (name: string) => this.held.get(name);
  async write(name: string, secret: Secret, over: string | undefined) {
    this.fails -= 1;
    if (this.fails < 0) throw new Error('It ended here.');
    const there = this.held.get(name);
    if ((there?.revision ?? 0) > secret.revision) return 'newer' as const;
    if (there?.version !== over) return 'moved' as const;
    this.#count += 1;
    this.held.set(name, { ...secret, version: there?.value === secret.value ? there.version : String(this.#count) });
    return 'written' as const;
  }
  async disable(name: string, which: 'all' | 'but-newest') {
    this.disabled.push(`${name} ${which}`);
    if (which === 'all') this.held.delete(name);
  }
}

/** A cluster with the add-on, whose driver brings what it is told to, and an istiod that reads it each time. */
class AddOn {
  readonly cluster = new MemoryCluster();
  readonly secrets = new MemorySecrets();
  /** What it signs with, and hands out. */
  memory: Files | undefined;
  readonly trust = (takeOver = false) =>
    addOnTrust({
      cluster: this.cluster,
      signing: { sample: async () => ({ kind: 'signed', chain: [], roots: this.memory?.['root-cert.pem'] ?? '' }) },
      secrets: this.secrets,
      names,
      dataPlane: 'west',
      controlPlaneNamespace: NAMESPACE,
      leafLifeMs: 1_000,
      takeOver,
    });

  async enable(): Promise<void> {
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
    const metadata = { namespace: NAMESPACE, name: 'istiod-0', labels: { app: 'istiod' }, annotations: {} };
    const content = { spec: { containers: [{ name: 'discovery', env: [] }] }, status };
    await this.cluster.apply({ kind: PODS, metadata, content }, { over: 'absent', force: false, dryRun: false });
  }

  async there(): Promise<Files | undefined> {
    const got = await this.cluster.get(SECRETS, { namespace: NAMESPACE, name: 'cacerts' });
    if (got.kind !== 'found') return undefined;
    const data: Readonly<Record<string, unknown>> = Object(got.object.data);
    const text = (entry: Entry) => Buffer.from(String(data[entry] ?? ''), 'base64').toString('utf8');
    return filesBy(text);
  }

  readonly inVault = (): Files => filesBy((entry) => this.secrets.held.get(namesOf(names)[entry])?.value ?? '');

  async changed(): Promise<readonly Entry[]> {
    const there = await this.there();
    return ENTRIES.filter((entry) => there?.[entry] !== this.inVault()[entry]);
  }

  async bring(entries: readonly Entry[] = ENTRIES): Promise<void> {
    const got = await this.cluster.get(SECRETS, { namespace: NAMESPACE, name: 'cacerts' });
    const files = { ...(await this.there()), ...Object.fromEntries(entries.map((entry) => [entry, this.inVault()[entry]])) };
    const data = Object.fromEntries(Object.entries(files).map(([entry, text]) => [entry, Buffer.from(text).toString('base64')]));
    const metadata = { namespace: NAMESPACE, name: 'cacerts', labels: {}, annotations: {} };
    const over = got.kind === 'found' ? got.object.metadata : ('absent' as const);
    await this.cluster.apply({ kind: SECRETS, metadata, content: { data } }, { over, force: false, dryRun: false });
    this.read((await this.there()) ?? this.inVault());
  }

  /** pilot/pkg/bootstrap/istio_ca.go and security/pkg/pki/util/keycertbundle.go: everything but the chain is looked at. */
  read(files: Files): void {
    const roots = certificatesIn(files['root-cert.pem']);
    const [issuer] = certificatesIn(files['ca-cert.pem']);
    const before = this.memory && fingerprintsOf(certificatesIn(this.memory['root-cert.pem']));
    if (before && !isNarrowerOrWider(before, fingerprintsOf(roots))) return;
    if (issuer && isPair(files) && issuerAmong(issuer, roots)) this.memory = files;
  }

  /** Whoever trusts what istiod says to trust follows a leaf of this moment to one of these. */
  isBelieved(): boolean {
    const { memory } = this;
    const [issuer] = certificatesIn(memory?.['ca-cert.pem'] ?? '');
    if (!memory || !issuer) return false;
    const hasChain = covers(fingerprintsOf(certificatesIn(memory['cert-chain.pem'])), fingerprintsOf([issuer]));
    return hasChain && issuerAmong(issuer, certificatesIn(memory['root-cert.pem'])) !== undefined;
  }
}

const filesBy = (text: (entry: Entry) => string): Files => ({
  'root-cert.pem': text('root-cert.pem'),
  'ca-cert.pem': text('ca-cert.pem'),
  'ca-key.pem': text('ca-key.pem'),
  'cert-chain.pem': text('cert-chain.pem'),
});

describe('the add-on of AKS', () => {
  const cas: AnotherCa[] = [];
  beforeAll(async () => {
    for (let made = 0; made < 3; made++) cas.push(await anotherCa());
  });
  const ca = (letter: string): AnotherCa => {
    const found = cas['abc'.indexOf(letter)];
    if (!found) throw new Error(`There is no CA ${letter}.`);
    return found;
  };
  /** `roots`: the first signs, such as `ba`. */
  const material = (roots: string, revision: number): TrustMaterial => ({
    mesh: 'shop',
    trustDomain: 'cluster.local',
    revision,
    roots: [...roots].map((each) => ca(each).root),
    signer: { fingerprint: '', certificate: '' },
    renewWithinMs: 1_000,
    lives: { leafLifeMs: 1_000, skewMs: 0 },
  });

  /** Enabled over what was written before. */
  async function enabled(root = 'a'): Promise<AddOn> {
    const addOn = new AddOn();
    expect(await addOn.trust().bring(material(root, 1), () => ca(root).issue())).toEqual({ kind: 'brought' });
    await addOn.enable();
    await addOn.bring();
    expect(addOn.isBelieved()).toBe(true);
    return addOn;
  }

  /**
   * Brings the material as the app does, and each time everything that was written in the order that is given. `check` is asked after each entry; what is
   * written at a time is answered.
   */
  async function carried(addOn: AddOn, wanted: TrustMaterial, order: readonly Entry[], check: (step: string) => void): Promise<string[]> {
    const steps: string[] = [];
    const root = ca([...'abc'].find((each) => ca(each).root === wanted.roots[0]) ?? '');
    for (let round = 0; round < 12; round++) {
      const held = await addOn.trust().signing?.signer();
      const isKnown = made.get(root)?.some(({ fingerprint }) => fingerprint === held) ?? false;
      const delegate = async () => {
        const issuer = await root.issue();
        made.set(root, [...(made.get(root) ?? []), issuer]);
        return issuer;
      };
      const brought = await addOn.trust().bring(wanted, isKnown ? undefined : delegate);
      if (brought.kind === 'brought') return steps;
      const changed = await addOn.changed();
      if (changed.length > 0) steps.push(changed.join(' '));
      for (const entry of order.filter((each) => changed.includes(each))) {
        await addOn.bring([entry]);
        check(`${entry} of ${changed.join(' ')}`);
      }
    }
    throw new Error(`It comes to no end: ${steps.join(', ')}`);
  }
  const made = new Map<AnotherCa, DelegatedIssuer[]>();

  const orders: readonly (readonly Entry[])[] = [ENTRIES, ENTRIES.toReversed()];

  it.each(orders.map((order) => [order.join(', '), order] as const))(
    'is rotated, and every leaf is believed, brought as %s',
    async (_what, order) => {
      const addOn = await enabled();
      const check = (step: string) => expect(addOn.isBelieved(), step).toBe(true);
      expect(await carried(addOn, material('ab', 2), order, check)).toContain('root-cert.pem');
      expect(await carried(addOn, material('ba', 3), order, check)).toEqual(['cert-chain.pem', 'ca-cert.pem ca-key.pem', 'cert-chain.pem']);
      expect(await carried(addOn, material('b', 4), order, check)).toEqual(['root-cert.pem']);
      expect(fingerprintsOf(certificatesIn(addOn.memory?.['root-cert.pem'] ?? ''))).toEqual([ca('b').fingerprint]);
      expect(addOn.secrets.held.has('ca-key-next')).toBe(false);
      expect(addOn.secrets.disabled).toContain('ca-key but-newest');
    },
  );

  it.each(orders.map((order) => [order.join(', '), order] as const))(
    'has another root and its issuer in steps of their own where both come at once, and back, brought as %s',
    async (_what, order) => {
      const addOn = await enabled();
      const check = (step: string) => expect(addOn.isBelieved(), step).toBe(true);
      const issuer = ['cert-chain.pem', 'ca-cert.pem ca-key.pem', 'cert-chain.pem'];
      expect(await carried(addOn, material('ba', 2), order, check)).toEqual(['root-cert.pem', ...issuer]);
      expect(await carried(addOn, material('a', 3), order, check)).toEqual([...issuer, 'root-cert.pem']);
    },
  );

  it('ends in whichever write it is, and goes on from there', async () => {
    const ends = new Set<string>();
    for (let writes = 0; writes < 6; writes++) {
      const addOn = await enabled();
      const check = (step: string) => expect(addOn.isBelieved(), `${step}, after ${writes} writes`).toBe(true);
      addOn.secrets.fails = writes;
      await expect(carried(addOn, material('ba', 2), ENTRIES, check)).rejects.toThrow('It ended here.');
      addOn.secrets.fails = Number.POSITIVE_INFINITY;
      ends.add((await addOn.changed()).join(' '));
      await addOn.bring();
      check('what was there when it ended');
      await carried(addOn, material('ba', 2), ENTRIES, check);
      expect(new X509Certificate(addOn.memory?.['ca-cert.pem'] ?? '').checkIssued(new X509Certificate(ca('b').root))).toBe(true);
    }
    expect(ends).toContain('ca-key.pem');
  });

  it('waits for the driver, and says so', async () => {
    const addOn = await enabled();
    for (let again = 0; again < 2; again++)
      expect(await addOn.trust().bring(material('ab', 2))).toEqual({
        kind: 'refused',
        message: expect.stringMatching(
          /^shop\.vault\.azure\.net has another root-cert\.pem than aks-istio-system\/cacerts: waiting for the Secrets Store CSI driver/,
        ),
      });
    await addOn.bring();
    expect(await addOn.trust().bring(material('ab', 2))).toEqual({ kind: 'brought' });
  });

  it('has no issuer written before the cluster has the chain', async () => {
    const addOn = await enabled();
    await addOn.trust().bring(material('a', 2), () => ca('a').issue());
    const written = addOn.inVault();
    for (const early of [[], ['root-cert.pem', 'ca-cert.pem', 'ca-key.pem']] as const) {
      await addOn.bring(early);
      expect(await addOn.trust().bring(material('a', 2))).toMatchObject({ kind: 'refused' });
      expect(addOn.inVault()).toEqual(written);
    }
    await addOn.bring(['cert-chain.pem']);
    await addOn.trust().bring(material('a', 2));
    expect(addOn.inVault()).not.toEqual(written);
  });

  it('has nothing written over what came meanwhile', async () => {
    const addOn = await enabled();
    const others = await ca('a').issue();
    await addOn.trust().bring(material('a', 2), () => ca('a').issue());
    await addOn.bring();
    // One that looked before its turn was over, and comes to write after somebody else's whole way.
    const { write } = addOn.secrets;
    addOn.secrets.write = async (...asked) => {
      addOn.secrets.write = write;
      const key = addOn.secrets.held.get('ca-key');
      if (key) addOn.secrets.held.set('ca-key', { ...key, value: others.key, version: 'meanwhile' });
      return addOn.secrets.write(...asked);
    };
    await expect(addOn.trust().bring(material('a', 2))).rejects.toThrow(
      /ca-key of shop\.vault\.azure\.net was changed by somebody else meanwhile/,
    );
    expect(addOn.inVault()['ca-key.pem']).toBe(others.key);
  });

  it('has a pair of which one half is written completed at once, since no istiod starts with it', async () => {
    const addOn = await enabled();
    await addOn.trust().bring(material('a', 2), () => ca('a').issue());
    await addOn.bring();
    addOn.secrets.fails = 1;
    await expect(addOn.trust().bring(material('a', 2))).rejects.toThrow('It ended here.');
    expect(isPair(addOn.inVault())).toBe(false);
    addOn.secrets.fails = Number.POSITIVE_INFINITY;
    await addOn.trust().bring(material('a', 2));
    expect(isPair(addOn.inVault())).toBe(true);
  });

  it('is refused with the command where it signs with a CA of its own', async () => {
    const addOn = new AddOn();
    await addOn.enable();
    const refused = await addOn.trust().bring(material('a', 1), () => Promise.reject(new Error('It was asked for.')));
    if (refused.kind !== 'refused') throw new Error('It was not refused.');
    expect(refused.message).toMatch(
      /signs with a CA of its own: `az aks mesh disable`; .*`az aks mesh enable --key-vault-id … --root-cert-object-name root-cert --ca-cert-object-name ca-cert --ca-key-object-name ca-key --cert-chain-object-name cert-chain`/,
    );
    // As much as is shown of it.
    expect(refused.message.length).toBeLessThanOrEqual(300);
    expect(addOn.secrets.held.size).toBe(0);
  });

  it('is refused where it has other roots', async () => {
    const addOn = await enabled('c');
    expect(await addOn.trust().bring(material('a', 2), () => ca('a').issue())).toEqual({
      kind: 'refused',
      message: expect.stringMatching(/has other roots .*`az aks mesh disable`/),
    });
  });

  it('is refused where the vault that is named is not the one that it comes from', async () => {
    const addOn = await enabled();
    addOn.secrets.held.delete('ca-cert');
    addOn.secrets.held.delete('ca-key');
    expect(await addOn.trust().bring(material('a', 2), () => Promise.reject(new Error('It was asked for.')))).toEqual({
      kind: 'refused',
      message: expect.stringMatching(/^shop\.vault\.azure\.net has no ca-cert, ca-key, .*that the add-on was enabled with in `caSecrets`/),
    });
  });

  it('has none of the secrets of somebody else written over, unless that is said', async () => {
    const addOn = new AddOn();
    addOn.secrets.held.set('ca-key', { value: 'theirs', revision: 0, version: 'their-1' });
    expect(await addOn.trust().bring(material('a', 1), () => ca('a').issue())).toEqual({
      kind: 'refused',
      message: expect.stringMatching(/^ca-key of shop\.vault\.azure\.net was written by somebody else.*takeOver/),
    });
    expect(await addOn.trust(true).bring(material('a', 1), () => ca('a').issue())).toEqual({ kind: 'brought' });
  });

  it('is not brought what an older decision says, also where a newer one changed nothing', async () => {
    const addOn = await enabled();
    await carried(addOn, material('a', 5), ENTRIES, () => {});
    const before = addOn.inVault();
    expect(await addOn.trust().bring(material('ab', 4))).toEqual({ kind: 'brought' });
    expect(await addOn.trust().bring(material('a', 4), () => Promise.reject(new Error('It was asked for.')))).toEqual({ kind: 'brought' });
    expect(addOn.inVault()).toEqual(before);
    for (const name of Object.values(names)) expect(addOn.secrets.held.get(name)?.revision).toBe(5);
  });
});
