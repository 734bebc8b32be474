/** The connector on a real Consul: what `test/dataplanes/consul` holds Consul in memory to, and what only the real one says. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consulOverHttp } from '../../src/adapters/consul-http.ts';
import { bring } from '../../src/dataplanes/consul/apply.ts';
import { consulDataPlane } from '../../src/dataplanes/consul/data-plane.ts';
import { entryJson } from '../../src/dataplanes/consul/entries.ts';
import { consulEntries } from '../../src/dataplanes/consul/render.ts';
import type { Consul as ConsulPort } from '../../src/dataplanes/consul/server.ts';
import { decided, fragmentOf, planOf, STRICT, specifyApplying } from '../dataplanes/consul/applying.ts';
import { specifyReturning } from '../dataplanes/consul/returning.ts';
import { type Consul, startConsul } from './consul.ts';
import { haveServers } from './servers/build.ts';

const haveConsul = await haveServers('consul');

describe.skipIf(!haveConsul)('applying to a real Consul', () => {
  let server: Consul;
  let consul: ConsulPort;
  const as = (token: string): ConsulPort => consulOverHttp({ address: server.url, token: () => token });
  const dataPlaneOf = (port: ConsulPort, defaultPolicy: 'allow' | 'deny' = 'deny') =>
    consulDataPlane(port, { defaultPolicy, takeOver: false, decided });

  beforeAll(async () => {
    server = await startConsul('deny');
    consul = as(server.managementToken);
  });
  afterAll(() => server?.stop());

  specifyApplying(() => ({ consul, put: (entry) => server.mustWrite(entry) }));
  specifyReturning(() => ({ consul, put: (entry) => server.mustWrite(entry) }));

  it('says in Consul’s words what it refused of an entry, and which', async () => {
    const entries = consulEntries(planOf('short', { v1: 100 })).map((entry) =>
      entry.kind === 'service-splitter' ? { ...entry, fields: { Splits: [{ Weight: 80, ServiceSubset: 'v1' }] } } : entry,
    );
    expect(await bring(consul, { mesh: 'shop', service: 'short', revision: 1, entries, takeOver: false, decided: async () => 1 })).toEqual({
      kind: 'refused',
      message: 'service-splitter short: Consul answered 500: the sum of all split weights must be 100, not 80.000000',
    });
    const unknown = consulEntries(planOf('unknown', { v1: 100 })).map((entry) => ({ ...entry, fields: { ...entry.fields, Surprise: 1 } }));
    expect(
      await bring(consul, { mesh: 'shop', service: 'unknown', revision: 1, entries: unknown, takeOver: false, decided: async () => 1 }),
    ).toEqual({
      kind: 'refused',
      message: 'service-resolver unknown: Consul answered 400: Request decoding failed: 1 error occurred: * invalid config key "Surprise"',
    });
  });

  it('needs no more than to write the service and its intentions, and says which permission is missing', async () => {
    const enough = await server.user(
      'enough',
      'service "guarded" { policy = "write" intentions = "write" } node_prefix "" { policy = "read" }',
    );
    const guarded = fragmentOf('guarded', 1, planOf('guarded', { v1: 100 }, { security: STRICT }));
    const dataPlane = dataPlaneOf(as(enough));
    expect(await dataPlane.apply(guarded)).toEqual({ kind: 'applied' });
    expect(await dataPlane.observe(guarded, 0)).toEqual({ kind: 'served' });
    expect(await dataPlane.prune?.(guarded)).toEqual({ kind: 'applied' });
    expect(await dataPlane.readiness('shop', 'guarded', 0)).toEqual({ v1: 'none' });

    const reader = await server.user('reader', 'service_prefix "" { policy = "read" }');
    expect(await dataPlaneOf(as(reader)).apply(fragmentOf('guarded', 2, guarded.plan))).toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/^service-resolver guarded: Consul answered 403: .* lacks permission 'service:write' on "guarded"$/),
    });
    expect(await dataPlaneOf(as('nobody')).apply(guarded)).toEqual({ kind: 'refused', message: 'Consul answered 403: ACL not found' });
    await expect(dataPlaneOf(as('nobody')).readiness('shop', 'guarded', 0)).rejects.toThrow('ACL not found');
  });

  it('needs to read what is exported only where the default is to allow', async () => {
    const token = await server.user('exports', 'service "open" { policy = "write" intentions = "write" } mesh = "read"');
    const open = fragmentOf('open', 1, planOf('open', { v1: 100 }, { security: STRICT }));
    expect(await dataPlaneOf(as(token), 'allow').apply(open)).toEqual({ kind: 'applied' });
    await server.mustWrite({ Kind: 'exported-services', Name: 'default', Services: [{ Name: 'open', Consumers: [{ Peer: 'west' }] }] });
    expect(await dataPlaneOf(as(token), 'allow').apply(open)).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('exported-services'),
    });
  });

  it('answers a write over a state that is gone with `moved`', async () => {
    const entry = entryJson({ kind: 'service-defaults', name: 'raced', meta: {}, fields: { Protocol: 'http' } });
    expect(await consul.write(entry, 7)).toEqual({ kind: 'moved' });
    expect(await consul.write(entry, 0)).toEqual({ kind: 'written' });
    expect(await consul.write({ ...entry, Protocol: 'http2' }, 0)).toEqual({ kind: 'moved' });
    expect(await consul.remove('service-defaults', 'raced', 7)).toEqual({ kind: 'moved' });
    const read = await consul.read('service-defaults', 'raced');
    expect(await consul.remove('service-defaults', 'raced', read.kind === 'found' ? read.index : 0)).toEqual({ kind: 'written' });
    expect(await consul.read('service-defaults', 'raced')).toEqual({ kind: 'absent' });
  });

  it('knows the versions whose instances pass their checks', async () => {
    await dataPlaneOf(consul).apply(fragmentOf('checked', 1, planOf('checked', { v1: 90, v2: 10, v3: 0 })));
    for (const [version, Status] of [
      ['v1', 'passing'],
      ['v2', 'critical'],
      ['v4', 'warning'],
    ]) {
      const sidecar = { Port: 20_000, Checks: [{ Name: 'told', TTL: '10m', Status }] };
      await server.ask('PUT', '/v1/agent/service/register', {
        ID: `checked-${version}`,
        Name: 'checked',
        Port: 8080,
        Meta: { version: version ?? '' },
        Connect: { SidecarService: sidecar },
      });
    }
    // What an agent is told comes to the catalogue a moment later.
    await expect
      .poll(() => dataPlaneOf(consul).readiness('shop', 'checked', 0), { timeout: 10_000 })
      .toEqual({ v1: 'ready', v2: 'none', v3: 'none', v4: 'ready' });
  });
});
