/** Which kubeconfigs are good enough to sign in with unattended, and what is said of the others. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { readKubeconfig } from '../../src/adapters/kubeconfig.ts';

const CLUSTER = { server: 'https://west:6443', 'certificate-authority-data': 'Y2E=' };

const kubeconfig = (user: object, cluster: object = CLUSTER): string =>
  stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'west', cluster }],
    users: [{ name: 'ci', user }],
    contexts: [
      { name: 'west', context: { cluster: 'west', user: 'ci' } },
      { name: 'east', context: { cluster: 'nowhere', user: 'ci' } },
    ],
    'current-context': 'west',
  });

const refusal = async (text: string, context?: string): Promise<string> => {
  const read = await readKubeconfig(text, context);
  return 'message' in read ? read.message : 'taken';
};

describe('a kubeconfig', () => {
  it('is its text, in YAML or JSON', async () => {
    const yaml = kubeconfig({ token: 'secret' });
    const config = await readKubeconfig(yaml);
    expect('message' in config ? config : config.getCurrentCluster()?.server).toBe('https://west:6443');
    expect(await refusal(kubeconfig({ 'client-certificate-data': 'Yw==', 'client-key-data': 'aw==' }))).toBe('taken');
  });

  it('is the path of a file, and what that names lies beside it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
    try {
      const file = join(folder, 'config');
      await writeFile(file, kubeconfig({ token: 'secret' }, { server: 'https://west:6443', 'certificate-authority': 'ca.crt' }));
      const config = await readKubeconfig(file);
      expect('message' in config ? config : config.getCurrentCluster()?.caFile).toBe(join(folder, 'ca.crt'));
      await expect(readKubeconfig(join(folder, 'none'))).rejects.toThrow('ENOENT');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('that signs in by running a program is refused, with its name', async () => {
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'kubelogin', args: ['get-token'], interactiveMode: 'Never' };
    expect(await refusal(kubeconfig({ exec }))).toBe(
      'The kubeconfig cannot be used: its user ci signs in by the plug-in kubelogin, which meshwright does not run; give a token, or `aks`.',
    );
    expect(await refusal(kubeconfig({ 'auth-provider': { name: 'azure', config: {} } }))).toContain('signs in by an auth provider');
  });

  it('whose server is asked in plain text is refused: a token would be sent to whoever listens', async () => {
    expect(await refusal(kubeconfig({ token: 't' }, { ...CLUSTER, server: 'http://west:8080' }))).toContain(
      'its cluster west has no `server` that is an https address.',
    );
  });

  it('that leaves the server unverified is refused', async () => {
    expect(await refusal(kubeconfig({ token: 't' }, { server: 'https://west:6443', 'insecure-skip-tls-verify': true }))).toContain(
      "does not have the server's certificate verified",
    );
  });

  it('without the context that is asked for is refused, with those it has', async () => {
    expect(await refusal(kubeconfig({ token: 't' }), 'north')).toBe(
      'The kubeconfig cannot be used: it has no context north with a cluster; it has west, east.',
    );
    expect(await refusal(kubeconfig({ token: 't' }), 'east')).toContain('it has no context east with a cluster');
  });
});
