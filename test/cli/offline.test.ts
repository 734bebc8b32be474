/** What the command line prints by itself: Envoy's bootstrap and the JSON Schemas. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { renderBootstrap } from '../../src/dataplanes/envoy/bootstrap.ts';
import { parseNode } from '../../src/dataplanes/envoy/node-metadata.ts';
import { jsonSchema } from '../../src/spec/json-schema.ts';
import { runCli } from './run-cli.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'meshwright-cli-'));
});
afterAll(() => rm(directory, { recursive: true }));

const cli = (...args: string[]) => runCli(args, { directory });
const bootstrap = (...args: string[]) =>
  cli('envoy', 'bootstrap', '--node', 'vm-7', '--mesh', 'shop', '--data-plane', 'vms', '--xds', 'xds.internal:18000', ...args);

describe('envoy bootstrap', () => {
  it('is what an Envoy is started with: all that was given, and nothing that was not', async () => {
    await writeFile(join(directory, 'token'), 'node-token\n');
    const { code, out } = await bootstrap(
      ...['--outbound', '127.0.0.1:15001', '--inbound', '[::]:15006', '--workload', 'catalog/v1:8080'],
      ...['--gateway', '0.0.0.0:8443', '--gateway-name', 'edge/public', '--identity', '/var/lib/meshwright/identity'],
      ...['--authorities', '/etc/pki/tls/certs/ca-bundle.crt'],
      ...['--admin', '127.0.0.1:9901', '--token-file', 'token'],
    );
    expect(code).toBe(0);
    const printed: unknown = JSON.parse(out);
    const node = {
      id: 'vm-7',
      mesh: 'shop',
      dataPlane: 'vms',
      outbound: { address: '127.0.0.1', port: 15_001 },
      inbound: { service: 'catalog', version: 'v1', address: '::', port: 15_006, workloadPort: 8080 },
      gateway: { name: 'public', namespace: 'edge', address: '0.0.0.0', port: 8443 },
      identity: { directory: '/var/lib/meshwright/identity' },
      authorities: '/etc/pki/tls/certs/ca-bundle.crt',
    };
    const xds = { address: 'xds.internal', port: 18_000 };
    expect(printed).toEqual(renderBootstrap({ node, xds, admin: { address: '127.0.0.1', port: 9901 }, token: 'node-token' }));
    expect(parseNode(z.object({ node: z.unknown() }).parse(printed).node)).toEqual({ ok: true, node });
    expect((await bootstrap('--outbound', '127.0.0.1:15001')).out).not.toMatch(/admin|authorization|inbound|gateway|identity|authorities/);
  });

  it.each([
    [[], 'give --outbound, --inbound with --workload, or --gateway'],
    [['--outbound', 'localhost:15001'], '--outbound needs an IP address and a port'],
    [['--outbound', '127.0.0.1:0'], '--outbound needs an address and a port'],
    [['--outbound', '127.0.0.1:65536'], '--outbound needs an address and a port'],
    [['--inbound', '127.0.0.1:15006'], 'Give --inbound <address:port> together with --workload'],
    [['--workload', 'catalog/v1:8080'], 'Give --inbound <address:port> together with --workload'],
    [['--inbound', '127.0.0.1:15006', '--workload', 'catalog:8080'], 'Give --inbound <address:port> together with --workload'],
    [['--inbound', '127.0.0.1:15006', '--workload', 'catalog/v1:99999'], 'The xds server would not understand this node'],
    [['--gateway', '0.0.0.0:8443'], 'Give --gateway <address:port> together with --gateway-name'],
    [['--gateway', '0.0.0.0:8443', '--gateway-name', 'public'], 'Give --gateway <address:port> together with --gateway-name'],
    [['--outbound', '127.0.0.1:15001', '--identity', 'here'], 'use an absolute path without a slash at its end'],
    [['--outbound', '127.0.0.1:15001', '--authorities', 'ca.pem'], 'use an absolute path without a slash at its end'],
    [['--outbound', '127.0.0.1:15001', '--identity', '/here/'], 'use an absolute path without a slash at its end'],
    [['--outbound', '127.0.0.1:15001', '--token-file', 'absent'], 'The token file absent cannot be read.'],
  ])('is not printed for %j', async (args, sentence) => {
    const { code, out, err } = await bootstrap(...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(sentence);
  });
});

describe('schema', () => {
  it.each(['Mesh', 'Service'] as const)('of a %s is the one that specs are read by', async (kind) => {
    const { code, out } = await cli('schema', kind);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(jsonSchema(kind))));
  });
});
