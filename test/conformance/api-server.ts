/**
 * A real Kubernetes API server over an etcd of its own: token authentication, RBAC, service account tokens, any CRDs. There is
 * no controller manager: nobody makes Endpoints from Pods, and what is deleted in the background stays until it is asked for.
 */
import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { until } from '../e2e/until.ts';
import { freePorts } from '../real-envoy.ts';
import { type CrdSet, crds } from './crds.ts';
import { startEtcd } from './etcd.ts';
import { type KubeClient, kubeClient } from './kube-client.ts';
import { LOOPBACK, type Running, startingTogether, startServer } from './process.ts';
import { serverBinary } from './servers/build.ts';

const ADMIN_TOKEN = 'conformance-admin';
const AUDIENCE = 'https://kubernetes.default.svc';

export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

export interface ApiServer extends Running {
  /** `https://127.0.0.1:<port>` */
  readonly url: string;
  /** PEM of whom to trust for `url`. */
  readonly authority: string;
  readonly adminToken: string;
  /** May do everything. */
  readonly admin: KubeClient;
  client(token: string): KubeClient;
  /** A kubeconfig as text (JSON, which is YAML). */
  kubeconfig(token?: string): string;
  /** A service account `default/<name>` that may do only this, in every namespace; its token. */
  user(name: string, rules: readonly PolicyRule[]): Promise<string>;
  /** The token of a service account, made if need be; for `audience` such as `istio-ca`. */
  serviceAccountToken(namespace: string, name: string, audience?: string): Promise<string>;
  /** Resolves when they are established and served. */
  install(...sets: readonly CrdSet[]): Promise<void>;
  /** Creates what is not there. */
  namespace(name: string, labels?: Readonly<Record<string, string>>): Promise<void>;
}

/** With the CRDs of `sets`. Some 4 s. */
export async function startApiServer(...sets: readonly CrdSet[]): Promise<ApiServer> {
  const command = await serverBinary('kube-apiserver');
  const whole = await startingTogether(async (started) => {
    const etcd = started.add(await startEtcd());
    const folder = await started.folder('api-server');
    const [port = 0] = await freePorts(1);
    const url = `https://${LOOPBACK}:${port}`;
    const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
    await writeFile(join(folder, 'service-accounts.pem'), key, { mode: 0o600 });
    await writeFile(join(folder, 'tokens.csv'), `${ADMIN_TOKEN},admin,admin,system:masters\n`, { mode: 0o600 });
    const certificate = join(folder, 'apiserver.crt');
    started.add(
      await startServer({
        name: 'kube-apiserver',
        command,
        arguments: flags(folder, etcd.url, port),
        folder,
        ready: async () => (await kubeClient(url, await readFile(certificate, 'utf8'), ADMIN_TOKEN).ask('GET', '/readyz')).status === 200,
      }),
    );
    return described(url, await readFile(certificate, 'utf8'));
  });
  try {
    await whole.install(...sets);
    return whole;
  } catch (error) {
    await whole.stop();
    throw error;
  }
}

function flags(folder: string, etcd: string, port: number): readonly string[] {
  const own = {
    'etcd-servers': etcd,
    'cert-dir': folder,
    'bind-address': LOOPBACK,
    'advertise-address': LOOPBACK,
    'secure-port': port,
    'token-auth-file': join(folder, 'tokens.csv'),
    'authorization-mode': 'RBAC',
    'service-account-issuer': AUDIENCE,
    'api-audiences': `${AUDIENCE},istio-ca,identity.l5d.io`,
    'service-account-key-file': join(folder, 'service-accounts.pem'),
    'service-account-signing-key-file': join(folder, 'service-accounts.pem'),
    'service-cluster-ip-range': '10.96.0.0/16',
    'disable-admission-plugins': 'ServiceAccount',
    'endpoint-reconciler-type': 'none',
  };
  return Object.entries(own).map(([flag, value]) => `--${flag}=${value}`);
}

function described(url: string, authority: string): Omit<ApiServer, keyof Running> {
  const client = (token: string) => kubeClient(url, authority, token);
  const admin = client(ADMIN_TOKEN);

  const serviceAccountToken: ApiServer['serviceAccountToken'] = async (namespace, name, audience = AUDIENCE) => {
    await admin.mustApply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name } });
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const spec = { audiences: [audience], expirationSeconds: 3600 };
    const { body } = await admin.ask('POST', path, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec });
    return z.object({ status: z.object({ token: z.string() }) }).parse(body).status.token;
  };

  return {
    url,
    authority,
    adminToken: ADMIN_TOKEN,
    admin,
    client,
    serviceAccountToken,
    kubeconfig(token = ADMIN_TOKEN) {
      const cluster = { server: url, 'certificate-authority-data': Buffer.from(authority).toString('base64') };
      return JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'conformance', cluster }],
        users: [{ name: 'conformance', user: { token } }],
        contexts: [{ name: 'conformance', context: { cluster: 'conformance', user: 'conformance' } }],
        'current-context': 'conformance',
      });
    },
    async user(name, rules) {
      const token = await serviceAccountToken('default', name);
      const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata: { name } };
      await admin.mustApply(
        { ...rbac, kind: 'ClusterRole', rules: rules.map((rule) => ({ ...rule })) },
        {
          ...rbac,
          kind: 'ClusterRoleBinding',
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
          subjects: [{ kind: 'ServiceAccount', namespace: 'default', name }],
        },
      );
      return token;
    },
    async namespace(name, labels = {}) {
      await admin.mustApply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    },
    async install(...sets) {
      for (const set of sets) await install(admin, set);
    },
  };
}

const Served = z.object({
  group: z.string(),
  names: z.object({ kind: z.string() }),
  versions: z.array(z.object({ name: z.string(), served: z.boolean() })),
});

async function install(admin: KubeClient, set: CrdSet): Promise<void> {
  const all = await crds(set);
  if (all.length === 0) throw new Error(`There are no CRDs in ${set}.`);
  await admin.mustApply(...all);
  for (const { metadata, spec } of all) {
    const { group, names, versions } = Served.parse(spec);
    for (const { name } of versions.filter(({ served }) => served)) {
      const object = { apiVersion: `${group}/${name}`, kind: names.kind, metadata: { name: 'any' } };
      // Discovery lists it as soon as it is established, not before.
      await until(`${metadata.name} is served`, async () => (await admin.pathOf(object)) !== '');
    }
  }
}
