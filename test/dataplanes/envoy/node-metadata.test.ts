/** What an Envoy says of itself survives its bootstrap, and what it says badly is refused with the field named. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderBootstrap } from '../../../src/dataplanes/envoy/bootstrap.ts';
import { nodeMessage, parseNode } from '../../../src/dataplanes/envoy/node-metadata.ts';
import type { EnvoyNode } from '../../../src/dataplanes/envoy/resources.ts';

const name = fc.constantFrom('catalog', 'v1', 'vm-17.westeurope', 'x');
const address = fc.constantFrom('127.0.0.1', '0.0.0.0', '::1', '10.1.2.3');
const port = fc.integer({ min: 1, max: 65_535 });
const arbitraryNode: fc.Arbitrary<EnvoyNode> = fc
  .tuple(
    fc.record({ id: name, mesh: name, dataPlane: name }),
    fc.option(fc.record({ address, port })),
    fc.option(fc.record({ service: name, version: name, address, port, workloadPort: port })),
    fc.option(fc.record({ name, namespace: name, address, port })),
    fc.option(fc.record({ directory: fc.constantFrom('/var/lib/meshwright', '/x', 'C:/identity') })),
    fc.option(fc.constantFrom('/etc/pki/tls/certs/ca-bundle.crt', 'C:/authorities.pem')),
  )
  .map(([node, outbound, inbound, gateway, identity, authorities]) => ({
    ...node,
    ...(outbound === null ? {} : { outbound }),
    ...(inbound === null ? {} : { inbound }),
    ...(gateway === null ? {} : { gateway }),
    ...(identity === null ? {} : { identity }),
    ...(authorities === null ? {} : { authorities }),
  }));

const xds = { address: '127.0.0.1', port: 18_000 };
const valid = {
  id: 'n',
  metadata: { meshwright: { mesh: 'sample', data_plane: 'vms', outbound: { address: '127.0.0.1', port: 15_001 } } },
};

describe('a node', () => {
  it('is read back from its bootstrap as it was', () => {
    fc.assert(
      fc.property(arbitraryNode, (node) => {
        const written = JSON.parse(JSON.stringify(renderBootstrap({ node, xds })));
        expect(parseNode(written.node)).toEqual({ ok: true, node });
      }),
    );
  });

  it('may say more than is asked, as Envoy itself does', () => {
    const { id, metadata } = valid;
    expect(parseNode({ id, cluster: 'vms', user_agent_name: 'envoy', metadata: { ...metadata, other: 1 } })).toMatchObject({ ok: true });
  });

  it.each([
    ['no node', undefined, 'node: '],
    ['no metadata', { id: 'n' }, 'node.metadata: '],
    ['no id', { ...valid, id: '' }, 'node.id: '],
    ['metadata of something else', { id: 'n', metadata: { istio: {} } }, 'node.metadata.meshwright: '],
    ['a port that is none', withOutbound({ address: '127.0.0.1', port: 70_000 }), 'node.metadata.meshwright.outbound.port: '],
    [
      'a host name to listen at',
      withOutbound({ address: 'localhost', port: 80 }),
      'node.metadata.meshwright.outbound.address: use an IP address',
    ],
  ])('with %s is refused, and told where', (_, node, where) => {
    const parsed = parseNode(node);
    expect(parsed).toMatchObject({ ok: false, reason: 'NodeNotUnderstood' });
    expect(parsed.ok ? '' : parsed.message.slice(0, where.length)).toBe(where);
  });
});

describe('a bootstrap', () => {
  const node: EnvoyNode = { id: 'n', mesh: 'sample', dataPlane: 'vms' };

  it('names its node and data plane to Envoy', () => {
    expect(renderBootstrap({ node, xds }).node).toEqual(nodeMessage(node));
    expect(nodeMessage(node)).toEqual({ id: 'n', cluster: 'vms', metadata: { meshwright: { mesh: 'sample', data_plane: 'vms' } } });
  });

  it('opens an administration port only when asked', () => {
    expect(renderBootstrap({ node, xds })).not.toHaveProperty('admin');
    const admin = { address: '127.0.0.1', port: 9901 };
    expect(renderBootstrap({ node, xds, admin })).toMatchObject({
      admin: { address: { socket_address: { address: '127.0.0.1', port_value: 9901 } } },
    });
  });

  it('carries a token to the xds server and nowhere else', () => {
    const text = JSON.stringify(renderBootstrap({ node, xds, token: 's3cret' }));
    expect(text.split('s3cret')).toHaveLength(2);
    expect(text).toContain('"initial_metadata":[{"key":"authorization","value":"Bearer s3cret"}]');
    expect(JSON.stringify(renderBootstrap({ node, xds }))).not.toContain('initial_metadata');
  });

  it('resolves the server where it is given by name', () => {
    const typeOf = (address: string) =>
      JSON.stringify(renderBootstrap({ node, xds: { address, port: 18_000 } })).match(/"type":"(\w+)"/)?.[1];
    expect([typeOf('xds.internal'), typeOf('10.0.0.1'), typeOf('::1')]).toEqual(['STRICT_DNS', 'STATIC', 'STATIC']);
  });
});

function withOutbound(outbound: { address: string; port: number }) {
  return { id: 'n', metadata: { meshwright: { mesh: 'sample', data_plane: 'vms', outbound } } };
}
