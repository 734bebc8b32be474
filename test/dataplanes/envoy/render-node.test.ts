/** What is rendered for one node of Envoy alone: who is let in, how its workload is spoken to, and what is logged. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderNode, unservable } from '../../../src/dataplanes/envoy/render.ts';
import type { EnvoyNode } from '../../../src/dataplanes/envoy/resources.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import { arbitraryPlans } from '../../plan/arbitraries.ts';
import { inbound, node, plan } from './rendered.ts';

describe('the access log', () => {
  it('is off until it is asked for', () => {
    const logs = (over: Partial<ServicePlan>) => JSON.stringify(renderNode(node, [plan(over)])).match(/"access_log":/g)?.length ?? 0;
    expect(logs({})).toBe(0);
    // For calls by mTLS and for those in plaintext.
    expect(logs({ telemetry: { accessLog: 'all' } })).toBe(2);
  });
});

describe('whom a service would refuse', () => {
  const security = { trustDomain: 'mesh.example', serviceAccount: 'catalog', allow: [] };
  const text = (over: Partial<ServicePlan>, token?: string) => JSON.stringify(renderNode(node, [plan(over)], token));

  it('is reported in `shadow` only, over mTLS and in plaintext, and in no line on the standard output', () => {
    expect(text({ security: { ...security, stage: 'shadow' } }, 'the-token').match(/HttpGrpcAccessLogConfig/g)).toHaveLength(2);
    expect(text({ security: { ...security, stage: 'shadow' } })).not.toContain('StdoutAccessLog');
    for (const stage of ['permissive', 'strict'] as const)
      expect(text({ security: { ...security, stage } }, 'the-token')).not.toMatch(/access_log|the-token/);
    expect(text({}, 'the-token')).not.toMatch(/access_log|the-token/);
  });

  it('is reported with a token where there is one', () => {
    const shadow = { security: { ...security, stage: 'shadow' } } as const;
    expect(text(shadow, 'the-token')).toContain('"initial_metadata":[{"key":"authorization","value":"Bearer the-token"}]');
    expect(text(shadow)).not.toContain('initial_metadata');
  });
});

describe("a node's own resources", () => {
  const listenersOf = (one: EnvoyNode, plans: readonly ServicePlan[]) => renderNode(one, plans).filter(({ type }) => type === 'listener');

  it('are none when it neither calls nor is called', () => {
    expect(renderNode({ id: 'n', mesh: 'sample', dataPlane: 'vms' }, [])).toEqual([]);
  });

  it('never hold a time-out or a retry on the way in, whatever its service has', () => {
    fc.assert(
      fc.property(arbitraryPlans, (plans) => {
        for (const each of plans) {
          const before = { ...inbound, service: `${each.service}.${each.namespace}` };
          const text = JSON.stringify(listenersOf({ ...node, inbound: before }, plans)[0]);
          expect(text).not.toContain('retry');
          expect(text).toContain('"timeout":"0s"');
        }
      }),
    );
  });

  it('let nobody in while no plan says who may call, with an identity or without, and say why', () => {
    const { identity: _identity, ...plain } = node;
    for (const each of [node, plain]) {
      for (const plans of [[], [plan({ service: 'stock' })], [plan({}), plan({ namespace: 'other' })]]) {
        expect(listenersOf(each, plans).map(({ name }) => name)).toEqual(['outbound']);
        expect(unservable(each, plans)?.name).toBe('catalog');
        expect(unservable(each, plans)?.message).toMatch(/^No plan of catalog .* takes no calls/);
      }
      expect(listenersOf(each, [plan({})]).map(({ name }) => name)).toEqual(['inbound', 'outbound']);
      expect(unservable(each, [plan({})])).toBeUndefined();
    }
  });

  it('speak to the workload as its service speaks, and as the caller speaks while no plan is known', () => {
    const spoken = (plans: readonly ServicePlan[]) => JSON.stringify(renderNode(node, plans)[0]?.json);
    expect(spoken([plan({ protocol: 'grpc' })])).toContain('"explicit_http_config":{"http2_protocol_options":{}}');
    expect(spoken([plan({})])).toContain('"explicit_http_config":{"http_protocol_options":{}}');
    expect(spoken([])).toContain('use_downstream_protocol_config');
  });
});
