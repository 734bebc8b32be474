/**
 * Linkerd in memory with the roots of somebody or of the mesh, led to what is wanted: tried until it is brought, while controllers, kubelet and proxies do
 * their part in between. Three authorities, `a`, `b` and `c`, each with an issuer that was handed out.
 */
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { MemoryVault } from '../../../src/adapters/memory-vault.ts';
import { CONFIG_MAPS, SECRETS } from '../../../src/dataplanes/kubernetes/kinds.ts';
import { linkerdTrust } from '../../../src/dataplanes/linkerd/trust.ts';
import { delegateIssuer, makeAuthority } from '../../../src/trust/authorities.ts';
import type { Authority } from '../../../src/trust/certificates.ts';
import type { DelegatedIssuer, TrustMaterial } from '../../../src/trust/data-plane-trust.ts';
import { certificatesSpec, HOUR } from '../../trust/samples.ts';
import { HOME, MemoryMesh, pems } from './memory-mesh.ts';

const vault = new MemoryVault();
/** In whole seconds, as certificates have them. */
export const now = Math.floor(Date.now() / 1_000) * 1_000;
const asked = { spec: certificatesSpec(), trustDomain: 'shop.example', now };

interface Ca {
  readonly authority: Authority;
  readonly issuer: DelegatedIssuer;
}
async function ca(wish: string): Promise<Ca> {
  const authority = await makeAuthority(vault, { ...asked, wish });
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
  const issued = await delegateIssuer(vault, authority, { ...asked, publicKey: spki });
  return { authority, issuer: { ...issued, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() } };
}

export type Name = 'a' | 'b' | 'c';
const PATIENCE = 3;
const NAMES: readonly Name[] = ['a', 'b', 'c'];
export const RESTARTED_CONTROL_PLANE = ['identity', 'destination', 'proxy-injector'].map((each) => `Deployment ${HOME}/linkerd-${each}`);
export const ROOTS = `ConfigMap ${HOME}/linkerd-identity-trust-roots`;
export const ISSUER = `Secret ${HOME}/linkerd-identity-issuer`;

const cas = new Map<Name, Ca>();
// One after another: a vault makes one version at a time.
for (const name of NAMES) cas.set(name, await ca(name));
export const of = (name: Name): Ca => {
  const found = cas.get(name);
  if (!found) throw new Error('It is not made yet.');
  return found;
};
const letters = (text: string): readonly Name[] => [...text].flatMap((each) => NAMES.find((name) => name === each) ?? []);
export const pem = (roots: string): string =>
  letters(roots)
    .map((each) => of(each).authority.certificate)
    .join('');
/** Such as `ab`, whatever order they are in. */
export const read = (text: string): string =>
  NAMES.filter((name) =>
    pems(text).some((each) => new X509Certificate(each).raw.equals(new X509Certificate(of(name).authority.certificate).raw)),
  ).join('');

/** The first signs. */
export const material = (roots: string, revision = 5): TrustMaterial => {
  const [first = 'a'] = letters(roots);
  const { fingerprint, certificate } = of(first).authority.issuer;
  const lives = { leafLifeMs: HOUR, skewMs: 300_000 };
  const all = letters(roots).map((each) => of(each).authority.certificate);
  return {
    mesh: 'shop',
    trustDomain: 'shop.example',
    revision,
    roots: all,
    signer: { fingerprint, certificate },
    renewWithinMs: 1_000,
    lives,
  };
};

/** Linkerd with these roots and an issuer under `signs`, written by an outside authority. */
export async function linkerd(roots: string, signs: Name = 'a', { workloads = ['web', 'cart'], takeOver = false } = {}) {
  const mesh = new MemoryMesh();
  /** Of whoever leads and looks; certificates are made by the mesh's own. */
  const clock = { now };
  mesh.now = now;
  const options = { cluster: mesh, identity: mesh, dataPlane: 'west', controlPlaneNamespace: HOME, takeOver };
  const trust = linkerdTrust({ ...options, lives: { leafLifeMs: HOUR, skewMs: 300_000 }, now: () => clock.now });
  if (roots !== '') {
    mesh.put(CONFIG_MAPS, { metadata: { namespace: HOME, name: 'linkerd-identity-trust-roots' }, data: { 'ca-bundle.crt': pem(roots) } });
    secret(mesh, signs);
    for (const component of ['proxy-injector', 'destination', 'identity']) {
      await mesh.place({ namespace: HOME, name: `linkerd-${component}`, component });
    }
    for (const name of workloads) await mesh.place({ namespace: 'shop', name });
    await mesh.renew();
  }

  /** Tries until it is brought, with everybody doing their part in between; what was said on the way. */
  async function lead(
    wanted: TrustMaterial,
    signer?: Name,
    { stuck = [], late = [], tries = 20 }: { stuck?: readonly string[]; late?: readonly string[]; tries?: number } = {},
  ) {
    const said: string[] = [];
    for (let attempt = 0; attempt < tries; attempt += 1) {
      const held = await trust.signing?.signer();
      const delegate = signer === undefined || held === of(signer).issuer.fingerprint ? undefined : async () => of(signer).issuer;
      const brought = await trust.bring(wanted, delegate);
      if (brought.kind === 'brought') return { brought: true, said };
      // Once it waits for the same thing again and again, nothing else will come.
      if (said.slice(-PATIENCE).filter((each) => each === brought.message).length === PATIENCE) break;
      said.push(brought.message);
      await mesh.settle({ except: stuck });
      mesh.reload();
      await mesh.renew({ except: late });
    }
    return { brought: false, said };
  }
  /** Roots of the mesh's own, so that nothing is left of those of before. */
  async function ours(): Promise<void> {
    await lead(material(roots, 1), signs);
    mesh.writes.length = 0;
  }
  const members = async () => Object.fromEntries((await trust.look('shop', clock.now)).map((each) => [each.id, each]));
  const has = (...names: readonly string[]) => names.flatMap((name) => mesh.anchorsOf(name).map(read));
  return { mesh, trust, lead, ours, members, has, clock };
}

export function secret(mesh: MemoryMesh, signs: Name, entries: readonly [string, string] = ['tls.crt', 'tls.key']): void {
  const { certificate, key } = of(signs).issuer;
  const [first, second] = entries;
  const data = { [first]: base64(certificate), [second]: base64(key) };
  mesh.put(SECRETS, { metadata: { namespace: HOME, name: 'linkerd-identity-issuer' }, type: 'Opaque', data });
}

export const base64 = (text: string): string => Buffer.from(text).toString('base64');
