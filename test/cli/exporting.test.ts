/** Exports: whole or not at all, the same each time, and careful with what others wrote. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { nameOf } from '../../src/cli/resources.ts';
import { type Ran, runCli } from './run-cli.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'meshwright-export-'));
  await mkdir(join(directory, 'spec'));
  await write('mesh', 'kind: Mesh\nname: shop\ndataPlanes: [{ name: edge, kind: envoy }]\n');
  await write('catalog', 'kind: Service\nname: catalog\nport: 8080\nstable: v1\n');
  await write('cart', 'kind: Service\nname: cart\nnamespace: shop\nport: 8080\nstable: v2\n');
});
afterEach(() => rm(directory, { recursive: true }));

const write = (name: string, fields: string) =>
  writeFile(join(directory, 'spec', `${name}.yaml`), `apiVersion: meshwright.dev/v1\n${fields}`);
const exported = (as: string, ...args: string[]): Promise<Ran> =>
  runCli(['export', '--mesh', 'spec', '--as', as, '--out', 'out/here', ...args], { directory });
const out = (name: string) => join(directory, 'out', 'here', name);
const written = async () => (await readdir(join(directory, 'out', 'here'))).sort();
const contents = async () => Promise.all((await written()).map(async (name) => [name, await readFile(out(name), 'utf8')]));

const ISTIO = [
  'cart-01-destinationrule-cart.yaml',
  'cart-02-virtualservice-cart.yaml',
  'catalog-01-destinationrule-catalog.yaml',
  'catalog-02-virtualservice-catalog.yaml',
  'fidelity.json',
];

describe('export', () => {
  it('writes a file for each resource, whatever data planes the spec names; names sort in the order of applying', async () => {
    expect(await exported('istio')).toEqual({ code: 0, err: '', out: '4 files and fidelity.json are in out/here.' });
    expect(await written()).toEqual(ISTIO);
    expect(parse(await readFile(out('cart-02-virtualservice-cart.yaml'), 'utf8'))).toMatchObject({
      kind: 'VirtualService',
      metadata: { name: 'cart', namespace: 'shop' },
      spec: { http: [{ route: [{ destination: { subset: 'v2' }, weight: 100 }] }] },
    });
    expect(JSON.parse(await readFile(out('fidelity.json'), 'utf8'))).toMatchObject({
      mesh: 'shop',
      as: 'istio',
      entries: expect.arrayContaining([
        { service: 'cart', field: 'route.split', where: 'routes.default.split', judgement: { kind: 'exact' } },
        { service: 'catalog', field: 'protocol.http', where: 'protocol', judgement: { kind: 'exact' } },
      ]),
    });
  });

  it('writes for Envoys what they share over all services, each resource once', async () => {
    await exported('envoy');
    const files = (await written()).filter((name) => name !== 'fidelity.json');
    const names = new Set<string>();
    for (const file of files) names.add(JSON.stringify(nameOf(z.looseObject({}).parse(JSON.parse(await readFile(out(file), 'utf8'))))));
    expect(names.size).toBe(files.length);
    expect(files.filter((name) => name.includes('routeconfiguration'))).toHaveLength(1);
    expect(await readFile(out(files.at(-1) ?? ''), 'utf8')).toMatch(/cart[\s\S]*catalog/);
  });

  it('writes for Consul what `consul config write` takes, or the custom resources of consul-k8s', async () => {
    await exported('consul');
    const entry = z.record(z.string(), z.json()).parse(JSON.parse(await readFile(out('catalog-01-service-resolver-catalog.json'), 'utf8')));
    expect(entry).toMatchObject({ Kind: 'service-resolver', Name: 'catalog' });
    expect(await exported('consul', '--custom-resources')).toMatchObject({ code: 0 });
    expect(await readFile(out('catalog-01-serviceresolver-catalog.yaml'), 'utf8')).toMatch(
      /^apiVersion: consul\.hashicorp\.com\/v1alpha1\nkind: ServiceResolver\n/,
    );
    const refused = await exported('istio', '--custom-resources');
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('--custom-resources goes with --as consul alone.') });
  });

  it('writes the same again, and nothing of the export before stays', async () => {
    await exported('istio');
    const first = await contents();
    await exported('istio');
    expect(await contents()).toEqual(first);
    await rm(join(directory, 'spec', 'cart.yaml'));
    await exported('istio');
    expect(await written()).toEqual(ISTIO.filter((name) => !name.startsWith('cart')));
    expect(await exported('envoy')).toMatchObject({ code: 0 });
    expect((await written()).filter((name) => name.endsWith('.yaml'))).toEqual([]);
  });

  it('with anything refused writes only fidelity.json, takes the export before away, names each refusal and exits 3', async () => {
    await exported('envoy');
    await write('cart', 'kind: Service\nname: cart\nport: 8080\nstable: v2\ntelemetry: { tracing: 5 }\n');
    const { code, err } = await exported('envoy');
    expect(code).toBe(3);
    expect(err.split('\n')).toEqual([
      'envoy cannot say what this spec means, and of its files only out/here/fidelity.json is written:',
      expect.stringMatching(/^spec\/cart.yaml:6:23: telemetry.tracing: cart on edge \(envoy\): .* \[NoTraceCollector\]$/),
    ]);
    expect(await written()).toEqual(['fidelity.json']);
    expect(await readFile(out('fidelity.json'), 'utf8')).toContain('NoTraceCollector');
  });

  it('overwrites nothing that no export wrote, or that was changed since, unless it is told to', async () => {
    await mkdir(join(directory, 'out', 'here'), { recursive: true });
    await writeFile(out('catalog-01-destinationrule-catalog.yaml'), 'mine');
    const refused = await exported('istio');
    expect(refused.code).toBe(1);
    expect(refused.err.split('\n')).toEqual([
      'Nothing is written: these are not of the export before, or were changed since; --force overwrites them.',
      join('out', 'here', 'catalog-01-destinationrule-catalog.yaml'),
    ]);
    expect(await written()).toEqual(['catalog-01-destinationrule-catalog.yaml']);
    expect(await exported('istio', '--force')).toMatchObject({ code: 0 });
    expect(await written()).toEqual(ISTIO);
    await writeFile(out('cart-02-virtualservice-cart.yaml'), 'mended by hand');
    expect((await exported('istio')).code).toBe(1);
    expect((await exported('envoy')).code).toBe(1);
    expect(await readFile(out('cart-02-virtualservice-cart.yaml'), 'utf8')).toBe('mended by hand');
  });

  it('takes no foreign fidelity.json for its own, nor one whose names lead elsewhere', async () => {
    await mkdir(join(directory, 'out', 'here'), { recursive: true });
    await writeFile(join(directory, 'precious.yaml'), 'precious');
    for (const foreign of ['{}', 'hello', '{"kind":"Fidelity","files":{"../../precious.yaml":"x"}}']) {
      await writeFile(out('fidelity.json'), foreign);
      expect((await exported('istio')).code).toBe(1);
      expect(await written()).toEqual(['fidelity.json']);
    }
    expect(await exported('istio', '--force')).toMatchObject({ code: 0 });
    expect(await readFile(join(directory, 'precious.yaml'), 'utf8')).toBe('precious');
  });

  it('leaves alone what is beside it', async () => {
    await mkdir(join(directory, 'out', 'here'), { recursive: true });
    await writeFile(out('kustomization.yaml'), 'resources: []');
    await exported('istio');
    expect(await written()).toEqual([...ISTIO, 'kustomization.yaml'].sort());
  });

  it('needs a version for every service, and says where to name it', async () => {
    await write('cart', 'kind: Service\nname: cart\nport: 8080\n');
    const { code, err } = await exported('istio');
    expect(code).toBe(2);
    expect(err).toMatch(/spec\/cart.yaml:1:1: stable: /);
    await expect(readdir(join(directory, 'out'))).rejects.toThrow();
  });

  it('is JSON for scripts', async () => {
    const { out: printed } = await exported('istio', '--json');
    expect(JSON.parse(printed)).toMatchObject({ mesh: 'shop', as: 'istio', files: ISTIO.slice(0, -1), entries: expect.any(Array) });
  });

  it('knows its meshes', async () => {
    expect(await exported('kuma')).toMatchObject({
      code: 2,
      err: expect.stringContaining('envoy, istio, gateway-api, linkerd, osm, consul'),
    });
  });
});
