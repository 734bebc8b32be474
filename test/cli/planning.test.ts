/** What the command line says of a spec before anybody applies it: to whom it means what, what that becomes, what would change. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Api, startApi, TOKEN } from './api-server.ts';
import { type Ran, runCli } from './run-cli.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'meshwright-plan-'));
  await mkdir(join(directory, 'spec'));
});
afterEach(() => rm(directory, { recursive: true }));

const HEADER = 'apiVersion: meshwright.dev/v1\n';
const mesh = (fields = '', planes = '[{ name: edge, kind: envoy }, { name: aks, kind: istio }]') => ({
  path: 'mesh.yaml',
  text: `${HEADER}kind: Mesh\nname: shop\ndataPlanes: ${planes}\n${fields}`,
});
const service = (name: string, fields = 'stable: v1\n') => ({
  path: `${name}.yaml`,
  text: `${HEADER}kind: Service\nname: ${name}\nport: 8080\n${fields}`,
});
const write = async (...files: readonly { path: string; text: string }[]) => {
  for (const { path, text } of files) await writeFile(join(directory, 'spec', path), text);
};
const plan = (...args: string[]): Promise<Ran> => runCli(['plan', 'spec', ...args], { directory });

describe('plan', () => {
  it('says what each data plane would be given, in the order of applying', async () => {
    await write(mesh(), service('catalog'));
    expect(await plan()).toEqual({
      code: 0,
      err: '',
      out: [
        'shop: 1 service, 2 data planes',
        '',
        'catalog on edge (envoy)',
        '  Cluster catalog.default|v1',
        '  ClusterLoadAssignment catalog.default|v1',
        '  RouteConfiguration outbound',
        '',
        'catalog on aks (istio)',
        '  DestinationRule default/catalog',
        '  VirtualService default/catalog',
      ].join('\n'),
    });
  });

  it('says what a data plane says only nearly, and what it refuses with the line that asks for it; exits 3', async () => {
    await write(mesh(), service('catalog', 'stable: v1\ntelemetry:\n  accessLog: errors\n  tracing: 5\n'));
    const { code, out, err } = await plan();
    expect(code).toBe(3);
    expect(out).toMatch(
      /catalog on edge \(envoy\)\n {2}nearly telemetry.accessLog: .*\n {2}refused telemetry.tracing: .* \[NoTraceCollector\]/,
    );
    expect(out).toContain('  VirtualService default/catalog');
    expect(out).not.toContain('RouteConfiguration');
    expect(err.split('\n')).toEqual([
      'A data plane cannot say what this spec means, and `apply` would refuse it:',
      expect.stringMatching(/^spec\/catalog.yaml:8:12: telemetry.tracing: catalog on edge \(envoy\): .* \[NoTraceCollector\]$/),
    ]);
  });

  it('says that nothing is rendered before there is a version', async () => {
    await write(mesh('', '[{ name: aks, kind: istio }]'), service('catalog', ''));
    const { code, out } = await plan();
    expect(code).toBe(0);
    expect(out).not.toContain('VirtualService');
    expect(out).toMatch(/catalog: without `stable` and before the first deployment/);
  });

  it('is JSON for scripts: fidelity of every field, and whole resources', async () => {
    await write(mesh('', '[{ name: aks, kind: istio }]'), service('catalog'));
    const printed: unknown = JSON.parse((await plan('--json')).out);
    expect(printed).toMatchObject({
      mesh: 'shop',
      plans: [
        {
          service: 'catalog',
          dataPlane: 'aks',
          kind: 'istio',
          fidelity: expect.arrayContaining([{ field: 'protocol.http', where: 'protocol', judgement: { kind: 'exact' } }]),
          resources: [{ kind: 'DestinationRule' }, { kind: 'VirtualService', spec: { hosts: ['catalog'] } }],
        },
      ],
    });
  });

  it('says everything that is wrong with a spec, as compilers do', async () => {
    await write(mesh(), service('catalog', 'stable: v1\nprot: 1\n'));
    expect(await plan()).toEqual({
      code: 1,
      out: '',
      err: 'The spec cannot be read; mend these and ask again.\nspec/catalog.yaml:6:1: prot: `prot` is not a field here; did you mean `port`?',
    });
    expect(await runCli(['plan', 'elsewhere'], { directory })).toMatchObject({ code: 2, err: 'There is no folder or file elsewhere.' });
  });
});

describe('plan --against', () => {
  let api: Api;
  beforeEach(async () => {
    api = await startApi();
  });
  afterEach(() => api.close());
  const against = (...args: string[]): Promise<Ran> =>
    runCli(['plan', 'spec', '--against', ...args], { directory, environment: { MESHWRIGHT_URL: api.url, MESHWRIGHT_TOKEN: TOKEN } });
  const aks = mesh('', '[{ name: aks, kind: istio }]');

  it('says what would be added, changed and where, removed, and what stays', async () => {
    await api.app.apply([aks, service('catalog'), service('cart'), service('search')], { actor: 'test' });
    await write(aks, service('catalog', 'stable: v1\ntimeout: 2s\n'), service('cart'), service('web'));
    const { code, out } = await against();
    expect(code).toBe(0);
    expect(out.split('\n\n').slice(1)).toEqual([
      'cart on aks (istio)\n  no change',
      'catalog on aks (istio)\n  ~ VirtualService default/catalog: spec.http[0].timeout',
      'web on aks (istio)\n  + DestinationRule default/web\n  + VirtualService default/web',
      'search on aks (istio)\n  - DestinationRule default/search\n  - VirtualService default/search',
    ]);
    expect(api.asked.map(({ method }) => method)).not.toContain('POST');
  });

  it('leaves the weights of a rollout under way as they are', async () => {
    const files = [aks, service('catalog', 'stable: v1\nrollout: { steps: [{ weight: 10, hold: 1h }] }\n')];
    await api.app.apply(files, { actor: 'test' });
    const deployment = { specversion: '1.0', id: '1', source: '/ci', type: 'Meshwright.Deployment.Requested' };
    await api.app.receiveEvent({ ...deployment, time: new Date().toISOString(), data: { service: 'catalog', version: 'v2' } });
    await write(...files);
    expect((await against()).out).toContain('catalog on aks (istio)\n  no change');
    const changes = z.object({ plans: z.array(z.object({ changes: z.array(z.unknown()), resources: z.array(z.unknown()) })) });
    const { plans } = changes.parse(JSON.parse((await against('--json')).out));
    expect(plans[0]?.changes).toEqual([]);
    expect(JSON.stringify(plans[0]?.resources)).toContain('"weight":10');
  });

  it('has everything to add where no such mesh is adopted, and says when nobody answers', async () => {
    await write(aks, service('catalog'));
    expect((await against()).out).toContain('  + VirtualService default/catalog');
    const nobody = await runCli(['--url', 'http://127.0.0.1:1', 'plan', 'spec', '--against'], { directory });
    expect(nobody).toMatchObject({ code: 1, out: '', err: expect.stringContaining('No meshwright answers') });
  });
});
