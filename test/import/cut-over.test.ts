/** The order of leaving a mesh: authorization is known to the new mesh before traffic is there, and enforced last. */
import { describe, expect, it } from 'vitest';
import { rendererOf } from '../../src/dataplanes/renderers.ts';
import { type CutOverService, cutOver } from '../../src/import/cut-over.ts';
import { authoredDataPlaneSchema } from '../../src/spec/authored-data-planes.ts';
import type { DataPlaneKind } from '../../src/spec/schema.ts';

const fidelityOf = (kind: DataPlaneKind) =>
  rendererOf(authoredDataPlaneSchema.parse({ kind, name: kind, ...(kind === 'consul' ? { defaultPolicy: 'deny' } : {}) })).fidelity;
const allowing = (name: string, ...callers: readonly string[]): CutOverService => ({
  name,
  namespace: 'shop',
  serviceAccount: name,
  mtls: 'strict',
  allow: [{ callers: callers.map((serviceAccount) => ({ namespace: 'shop', serviceAccount })) }],
});
const steps = (to: DataPlaneKind, services: readonly CutOverService[]) =>
  cutOver(services, { from: ['osm'], to, fidelity: fidelityOf(to) });
const placeOf = (all: ReturnType<typeof steps>, text: RegExp): number => all.findIndex(({ step }) => text.test(step));

describe('cutting over from OSM', () => {
  it('to Istio: permissive, then traffic, then shadow, then strict, each before the next', () => {
    const all = steps('istio', [allowing('orders', 'web'), allowing('stock', 'orders')]);
    const places = [/`mtls: permissive`/, /^Move the workloads/, /^`mtls: shadow`/, /^`mtls: strict`/, /take its objects away/].map(
      (text) => placeOf(all, text),
    );
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(places[0]).toBe(1);
  });

  it('moves what is called before what calls it, also in circles', () => {
    const all = steps('istio', [allowing('c'), allowing('b', 'c'), allowing('a', 'b')]);
    expect(all[placeOf(all, /^Move/)]?.services).toEqual(['a', 'b', 'c']);
    const circle = steps('istio', [allowing('a', 'b'), allowing('b', 'a')]);
    expect(circle[placeOf(circle, /^Move/)]?.services.toSorted()).toEqual(['a', 'b']);
  });

  it('to a mesh that knows strict only: authorization is there and enforced before anything moves', () => {
    const all = steps('consul', [allowing('orders', 'web')]);
    expect(placeOf(all, /^`mtls: strict`/)).toBeLessThan(placeOf(all, /^Move/));
    expect(placeOf(all, /shadow`, and/)).toBe(-1);
  });

  it('to Gateway API stops: it says nothing of who may call', () => {
    const all = steps('gateway-api', [allowing('orders', 'web')]);
    expect(all[0]).toMatchObject({ step: expect.stringMatching(/^STOP: .*NoSecurityInGatewayApi/), services: ['orders'] });
    expect(placeOf(all, /^Move/)).toBe(-1);
  });
});
