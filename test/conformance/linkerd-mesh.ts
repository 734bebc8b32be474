/** A Linkerd mesh whose certificates the whole app makes, as whom the docs say: a real API server, Linkerd's own identity, three workloads and a pod that nothing restarts. */
import { generateKeyPairSync } from 'node:crypto';
import { expect } from 'vitest';
import { linkerdIdentity } from '../../src/adapters/linkerd-identity.ts';
import { MemoryVault } from '../../src/adapters/memory-vault.ts';
import { linkerdDataPlane } from '../../src/dataplanes/linkerd/data-plane.ts';
import { linkerdTrust } from '../../src/dataplanes/linkerd/trust.ts';
import { loadHead } from '../../src/journal/journal.ts';
import { pendingKey } from '../../src/journal/stream.ts';
import { delegateIssuer, makeAuthority } from '../../src/trust/authorities.ts';
import { signsUnder } from '../../src/trust/certificates.ts';
import type { DataPlaneTrust, DelegatedIssuer } from '../../src/trust/data-plane-trust.ts';
import { trustStream, trustStreamId } from '../../src/trust/trust-stream.ts';
import { certificatesSpec } from '../trust/samples.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { tokenOfTheDocs } from './documented-roles.ts';
import { connector } from './kubernetes-connector.ts';
import { LINKERD_NAMESPACE } from './linkerd-identity.ts';
import { type LinkerdPods, linkerdPods, type Tally } from './linkerd-pods.ts';
import { type Running, startingTogether } from './process.ts';
import { type RotatingMesh, rotatingMesh } from './rotating-mesh.ts';

const LEAF_S = 20;
const SPEC = `apiVersion: meshwright.dev/v1
kind: Mesh
name: shop
dataPlanes:
  - { name: west, kind: linkerd, cluster: { kubeconfigSetting: WEST } }
certificates: { leafLife: ${LEAF_S}s, issuerLife: ${20 * LEAF_S}s, rootLife: 10h }
`;

type Members = Awaited<ReturnType<DataPlaneTrust['look']>>;

export interface LinkerdMesh extends Running {
  readonly api: ApiServer;
  readonly pods: LinkerdPods;
  /** The app, from when it adopts the spec; repeatable. */
  adopt(): Promise<RotatingMesh>;
  /** Why what was decided is not there yet; `undefined`: it is. */
  owed(): Promise<string | undefined>;
  /** By name, such as `west/web-1.shop`. */
  members(): Promise<Readonly<Record<string, Members[number]>>>;
  /** Four pairs that call each other, a handshake for each call. */
  traffic(): { stop(): Promise<Tally> };
  /** Everybody trusts the mesh's root alone, and has a leaf under it. */
  expectOneRoot(): Promise<void>;
  /** Merged into the Secret or the ConfigMap, whoever they belong to. */
  write(kind: 'secrets' | 'configmaps', data: Readonly<Record<string, string>>): Promise<void>;
}

/** PEM, of an authority that is not the mesh's. */
export interface OtherAuthority {
  readonly root: string;
  readonly issuer: DelegatedIssuer;
}

export async function otherAuthority(): Promise<OtherAuthority> {
  const vault = new MemoryVault();
  const asked = { spec: certificatesSpec(), trustDomain: 'cluster.local', now: Date.now() };
  const authority = await makeAuthority(vault, { ...asked, wish: 'other' });
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
  const issued = await delegateIssuer(vault, authority, { ...asked, publicKey: spki });
  return { root: authority.certificate, issuer: { ...issued, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() } };
}

export const issuerEntries = ({ certificate, key }: DelegatedIssuer) => ({ 'tls.crt': base64(certificate), 'tls.key': base64(key) });

/** `before`: the authority that Linkerd has had; left out, it is installed after the spec was adopted. */
export function startLinkerdMesh(before?: OtherAuthority): Promise<LinkerdMesh> {
  return startingTogether(async (started) => {
    const api = started.add(await startApiServer());
    for (const namespace of [LINKERD_NAMESPACE, 'shop']) await api.namespace(namespace);
    const home = { namespace: LINKERD_NAMESPACE };
    await api.admin.mustApply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { ...home, name: 'default' } });
    const documented = await tokenOfTheDocs(api, 'linkerd.md', 'Certificates');

    const west = (): DataPlaneTrust => {
      const cluster = connector(api, documented);
      const lives = { leafLifeMs: LEAF_S * 1_000, skewMs: LEAF_S * 250 };
      const place = { dataPlane: 'west', controlPlaneNamespace: LINKERD_NAMESPACE, takeOver: before !== undefined };
      return linkerdTrust({ ...place, cluster, identity: linkerdIdentity(cluster), lives, now: Date.now });
    };
    let mesh: RotatingMesh | undefined;
    const adopt = async (): Promise<RotatingMesh> => {
      mesh ??= started.add(
        await rotatingMesh(
          { mesh: 'shop', spec: SPEC },
          {
            dataPlane: (documents) => linkerdDataPlane({ cluster: connector(api), documents, takeOver: false, observe: true }),
            trust: west,
          },
        ),
      );
      return mesh;
    };

    if (before) {
      const secret = {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { ...home, name: 'linkerd-identity-issuer' },
        type: 'kubernetes.io/tls',
      };
      const roots = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...home, name: 'linkerd-identity-trust-roots' } };
      await api.admin.mustApply({ ...secret, data: issuerEntries(before.issuer) }, { ...roots, data: { 'ca-bundle.crt': before.root } });
    } else {
      await adopt();
    }
    const pods = started.add(await linkerdPods(api, { leafSeconds: LEAF_S }));
    for (const component of ['identity', 'destination', 'proxy-injector']) {
      await pods.deploy(LINKERD_NAMESPACE, `linkerd-${component}`, component);
    }
    for (const name of ['web', 'catalog', 'cart']) await pods.deploy('shop', name);
    await pods.bare('shop', 'legacy');
    const members = async () => Object.fromEntries((await west().look('shop', Date.now())).map((each) => [each.id, each]));

    return {
      api,
      pods,
      adopt,
      members,
      async owed() {
        const { documents } = await adopt();
        const { pending } = (await loadHead(documents, trustStream, trustStreamId('shop'))).head;
        const effect = pending[pendingKey('trust', 'west')];
        return effect && (effect.error ?? 'It is being brought.');
      },
      traffic() {
        const calling = [
          ['web', 'catalog'],
          ['cart', 'catalog'],
          ['web', 'legacy'],
          ['legacy', 'cart'],
        ].map(([from = '', to = '']) => pods.calls(from, to));
        return {
          async stop() {
            const tallies = await Promise.all(calling.map((each) => each.stop()));
            return {
              calls: tallies.reduce((sum, { calls }) => sum + calls, 0),
              failures: tallies.flatMap(({ failures }) => failures),
            };
          },
        };
      },
      async expectOneRoot() {
        const { current } = await (await adopt()).state();
        const seen = Object.values(await members());
        // Seven proxies, and what identity signs with.
        expect(seen).toHaveLength(8);
        for (const { trusts, presents, trouble } of seen) {
          expect(trouble).toBeUndefined();
          expect(trusts).toEqual([current?.fingerprint]);
          expect(current && presents && signsUnder(current, presents.issuer)).toBe(true);
        }
      },
      async write(kind, data) {
        const name = kind === 'secrets' ? 'linkerd-identity-issuer' : 'linkerd-identity-trust-roots';
        const path = `/api/v1/namespaces/${LINKERD_NAMESPACE}/${kind}/${name}`;
        const { status, body } = await api.admin.ask('PATCH', path, { data }, 'application/merge-patch+json');
        if (status !== 200) throw new Error(JSON.stringify(body));
      },
    };
  });
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
