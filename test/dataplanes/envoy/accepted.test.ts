/** A real Envoy takes what is rendered: every golden case, and plans nobody thought of. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderBootstrap } from '../../../src/dataplanes/envoy/bootstrap.ts';
import { renderNode, renderShared } from '../../../src/dataplanes/envoy/render.ts';
import type { EnvoyNode, EnvoyResource } from '../../../src/dataplanes/envoy/resources.ts';
import type { JsonObject } from '../../../src/journal/documents.ts';
import { goldenCases } from '../../golden/case.ts';
import { arbitraryEndpoints, arbitraryPlans } from '../../plan/arbitraries.ts';
import { realEnvoy } from '../../real-envoy.ts';
import { createAuthority, writeIdentity } from './identities.ts';
import { staticConfiguration, waitingConfiguration } from './static-configuration.ts';

const envoy = await realEnvoy();
const node: EnvoyNode = {
  id: 'catalog-v1-0',
  mesh: 'sample',
  dataPlane: 'vms',
  outbound: { address: '127.0.0.1', port: 15_001 },
  inbound: { service: 'catalog', version: 'v1', address: '127.0.0.1', port: 15_006, workloadPort: 8080 },
  gateway: { name: 'public', namespace: 'edge', address: '127.0.0.1', port: 15_080 },
};
const bootstrap = renderBootstrap({
  node,
  xds: { address: '127.0.0.1', port: 18_000 },
  admin: { address: '127.0.0.1', port: 9901 },
  token: 'secret',
});

describe.skipIf(envoy === undefined)('a real Envoy', () => {
  let folder = '';
  let known: EnvoyNode = node;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'meshwright-envoy-'));
    const directory = join(folder, 'identity');
    const authority = await createAuthority('mesh');
    await writeIdentity(directory, await authority.issue('spiffe://mesh.example/ns/shop/sa/catalog'), [authority]);
    known = { ...node, identity: { directory } };
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  /** Envoy's own words; rejects with them when it refuses. */
  async function verdict(name: string, configuration: JsonObject): Promise<string> {
    const file = join(folder, `${name}.json`);
    await writeFile(file, JSON.stringify(configuration));
    const { stdout, stderr } = await promisify(execFile)(envoy ?? '', ['--mode', 'validate', '--log-level', 'warn', '-c', file]);
    return `${stdout}${stderr}`;
  }

  async function expectAccepted(name: string, resources: readonly EnvoyResource[]) {
    for (const [kind, configure] of Object.entries({ waiting: waitingConfiguration, static: staticConfiguration })) {
      const words = await verdict(`${name}-${kind}`, configure(bootstrap, resources));
      expect(words).toContain('OK');
      // Deprecated fields are taken with a warning, until they aren't.
      expect(words.toLowerCase()).not.toContain('deprecated');
    }
  }

  it('takes the bootstrap, with the server given by address or by name', async () => {
    expect(await verdict('address', bootstrap)).toContain('OK');
    expect(await verdict('name', renderBootstrap({ node, xds: { address: 'localhost', port: 18_000 } }))).toContain('OK');
  });

  it.each(goldenCases())('takes the golden case $name', async ({ name, plans, endpoints }) => {
    const asWhom = plans.some(({ security }) => security !== undefined) ? { plain: node, known } : { plain: node };
    for (const [who, one] of Object.entries(asWhom))
      await expectAccepted(`${name}-${who}`, [...renderShared(plans, endpoints, one.identity), ...renderNode(one, plans)]);
  });

  it('takes twenty arbitrary meshes, half of them as one with an identity', { timeout: 60_000 }, async () => {
    const meshes = arbitraryPlans.chain((plans) => fc.tuple(fc.constant(plans), arbitraryEndpoints(plans)));
    for (const [index, [plans, endpoints]] of fc.sample(meshes, { seed: 7, numRuns: 20 }).entries()) {
      const one = index % 2 === 0 ? node : known;
      await expectAccepted(`arbitrary-${index}`, [...renderShared(plans, endpoints, one.identity), ...renderNode(one, plans)]);
    }
  });

  it('takes a regular expression of more instructions than its own default allows', async () => {
    const plan = goldenCases().find(({ name }) => name === 'simple')?.plans[0];
    if (plan === undefined) throw new Error('the golden case `simple` is gone');
    const long = {
      name: 'long',
      match: { path: { regex: '/v[0-9]+/[A-Za-z0-9-]{1,300}/[A-Za-z0-9-]{1,300}' } },
      split: [{ version: 'v1', weight: 100 }],
    };
    const resources = [...renderShared([{ ...plan, routes: [long, ...plan.routes] }], []), ...renderNode(node, [plan])];
    await expectAccepted('regex', resources);
    const { layered_runtime: _, ...without } = bootstrap;
    await expect(verdict('regex-by-default', staticConfiguration(without, resources))).rejects.toThrow('max program size');
  });

  it('refuses a route to a cluster that is not there, so that these tests could see one', async () => {
    const plan = goldenCases().find(({ name }) => name === 'simple')?.plans ?? [];
    const resources = [...renderShared(plan, []), ...renderNode(node, plan)].filter((each) => each.name !== 'catalog.shop|v1');
    await expect(verdict('dangling', staticConfiguration(bootstrap, resources))).rejects.toThrow('unknown cluster');
  });
});
