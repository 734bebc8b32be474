/**
 * What every rendering for Envoy keeps, whatever the plans: nothing dangles, nothing is named twice, the order of what came
 * in means nothing. What single resources look like is in test/golden; that a real Envoy takes them is in accepted.test.ts.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderNode, renderShared } from '../../../src/dataplanes/envoy/render.ts';
import type { EnvoyResource } from '../../../src/dataplanes/envoy/resources.ts';
import type { Json } from '../../../src/journal/documents.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import { arbitraryEndpoints, arbitraryPlans } from '../../plan/arbitraries.ts';
import { addressesOf, list, member, node, plan, routesOf, virtualHosts } from './rendered.ts';

const plansAndEndpoints = arbitraryPlans.chain((plans) => fc.tuple(fc.constant(plans), arbitraryEndpoints(plans)));

describe('rendering for Envoy', () => {
  it('routes only to clusters that exist, each with an assignment, none without', () => {
    fc.assert(
      fc.property(plansAndEndpoints, ([plans, endpoints]) => {
        const resources = [...renderShared(plans, endpoints), ...renderNode(node, plans)];
        const clusters = new Set(names(resources, 'cluster'));
        for (const target of resources.flatMap((each) => clustersNamed(each.json))) expect(clusters).toContain(target);
        expect(names(resources, 'endpoints')).toEqual(
          names(resources, 'cluster').filter((name) => name.includes('|') && !/^(outside|keys)\|/.test(name)),
        );
      }),
    );
  });

  it('sends each request somewhere: the weights of every route sum to 100', () => {
    fc.assert(
      fc.property(arbitraryPlans, (plans) => {
        for (const splits of routesOf(renderShared(plans, [], node.identity)).map(weightsOf))
          expect(splits.reduce((sum, weight) => sum + weight, 0)).toBe(100);
      }),
    );
  });

  it('keeps the share of every version in every route', () => {
    fc.assert(
      fc.property(arbitraryPlans, (plans) => {
        const declared = plans.flatMap((each) =>
          each.routes.map((route) => route.split.map(({ weight }) => weight).filter((weight) => weight > 0)),
        );
        const rendered = routesOf(renderShared(plans, [], node.identity), isService).map(weightsOf);
        expect(sortedLists(rendered)).toEqual(sortedLists(declared));
      }),
    );
  });

  it('is the same for any order of plans, versions, splits and endpoints', () => {
    fc.assert(
      fc.property(plansAndEndpoints, fc.infiniteStream(fc.nat()), ([plans, endpoints], dice) => {
        const shuffle = <T>(items: readonly T[]): T[] =>
          items
            .map((item) => ({ item, at: dice.next().value }))
            .sort((a, b) => a.at - b.at)
            .map(({ item }) => item);
        const shuffled = shuffle(plans).map((each) => ({
          ...each,
          versions: shuffle(each.versions),
          routes: each.routes.map((route) => ({ ...route, split: shuffle(route.split) })),
        }));
        expect(renderShared(shuffled, shuffle(endpoints))).toEqual(renderShared(plans, endpoints));
      }),
    );
  });

  it('gives no domain to two virtual hosts, and every service its qualified name', () => {
    fc.assert(
      fc.property(arbitraryPlans, (plans) => {
        const domains = virtualHosts(renderShared(plans, [])).flatMap((host) => list(member(host, 'domains')));
        expect(new Set(domains).size).toBe(domains.length);
        for (const each of plans) expect(domains).toContain(`${each.service}.${each.namespace}:${each.port}`);
      }),
    );
  });

  it('gives every endpoint of a known version to that version, once, and to no other', () => {
    fc.assert(
      fc.property(plansAndEndpoints, ([plans, endpoints]) => {
        const assigned = renderShared(plans, endpoints).filter((each) => each.type === 'endpoints');
        for (const assignment of assigned) {
          const [service = '', version] = assignment.name.split('|');
          const mine = endpoints.filter(
            (each) =>
              each.version === version &&
              (each.service === service || (each.service === service.split('.')[0] && isUnique(plans, each.service))),
          );
          const expected = [...new Set(mine.map((each) => `${each.address} ${each.port}`))].sort();
          expect(addressesOf(assignment.json).sort()).toEqual(expected);
        }
      }),
    );
  });
});

describe('names that several services could have', () => {
  const domainsOf = (plans: readonly ServicePlan[]) =>
    virtualHosts(renderShared(plans, [])).map((host) => [member(host, 'name'), member(host, 'domains')]);

  it('a short name goes to the one service that has it', () => {
    expect(domainsOf([plan({})])).toEqual([['catalog.shop', ['catalog', 'catalog:8080', 'catalog.shop', 'catalog.shop:8080']]]);
  });

  it('a short name that two namespaces have goes to neither', () => {
    expect(domainsOf([plan({}), plan({ namespace: 'other', port: 81 })])).toEqual([
      ['catalog.other', ['catalog.other', 'catalog.other:81']],
      ['catalog.shop', ['catalog.shop', 'catalog.shop:8080']],
    ]);
  });

  it('a short name never takes the qualified name of another service', () => {
    const dotted = plan({ service: 'catalog.shop', namespace: 'other', port: 8080 });
    expect(domainsOf([plan({}), dotted])).toEqual([
      ['catalog.shop', ['catalog', 'catalog:8080', 'catalog.shop', 'catalog.shop:8080']],
      ['catalog.shop.other', ['catalog.shop.other', 'catalog.shop.other:8080']],
    ]);
  });

  it('two plans of one qualified name are not rendered at all', () => {
    expect(() => renderShared([plan({}), plan({ port: 81 })], [])).toThrow('Two services of mesh sample are both called catalog.shop');
  });
});

describe('several methods of a route', () => {
  it('are matched letter by letter, whatever letters a token may hold', () => {
    const odd = { name: 'odd', match: { methods: ['GET', 'A.B', 'C|D'] }, split: [{ version: 'v1', weight: 100 }] };
    const [match] = routesOf(renderShared([plan({ routes: [odd] })], [])).map((route) => member(route, 'match'));
    expect(member(match, 'headers')).toEqual([{ name: ':method', string_match: { safe_regex: { regex: 'A\\.B|C\\|D|GET' } } }]);
  });
});

describe('a region', () => {
  const regions = (failover?: readonly string[]) => {
    const at = (port: number, region?: string) => ({
      service: 'catalog',
      version: 'v1',
      address: '10.0.0.1',
      port,
      ...(region ? { region } : {}),
    });
    const endpoints = [at(1), at(2, 'far'), at(3, 'near'), at(4, 'nowhere'), at(5, 'near')];
    const shared = renderShared([plan(failover ? { failover } : {})], endpoints);
    const groups = list(member(shared.find(({ type }) => type === 'endpoints')?.json, 'endpoints'));
    return groups.map((group) => [
      member(group, 'priority'),
      member(member(group, 'locality'), 'region'),
      addressesOf({ endpoints: [group] }).length,
    ]);
  };

  it('is as far as the plan says; one that is not named, or not said, is farther than all', () => {
    expect(regions(['near', 'between', 'far'])).toEqual([
      [0, 'near', 2],
      [1, 'far', 1],
      [2, undefined, 2],
    ]);
  });

  it('means nothing to a plan without an order of them', () => {
    expect(regions()).toEqual([[undefined, undefined, 5]]);
  });
});

describe('a version without endpoints', () => {
  it('has an empty assignment, so that its cluster can warm', () => {
    expect(renderShared([plan({})], []).find((each) => each.type === 'endpoints')?.json).toEqual({
      cluster_name: 'catalog.shop|v1',
      endpoints: [],
    });
  });
});

function names(resources: readonly EnvoyResource[], type: EnvoyResource['type']): string[] {
  return resources.filter((each) => each.type === type).map((each) => each.name);
}

/** Every cluster that a route anywhere in `json` names. */
function clustersNamed(json: Json | undefined): string[] {
  if (Array.isArray(json)) return json.flatMap(clustersNamed);
  if (typeof json !== 'object' || json === null) return [];
  const weighted = list(member(member(json, 'weighted_clusters'), 'clusters')).map((each) => member(each, 'name'));
  const here = [member(member(json, 'route'), 'cluster'), ...weighted].filter((name) => typeof name === 'string');
  return [...here, ...Object.values(json).flatMap(clustersNamed)];
}

function isService(host: Json): boolean {
  return !String(member(host, 'name')).startsWith('outside|');
}

function weightsOf(route: Json): number[] {
  const action = member(route, 'route');
  if (member(action, 'cluster') !== undefined) return [100];
  return list(member(member(action, 'weighted_clusters'), 'clusters')).map((each) => Number(member(each, 'weight')));
}

function sortedLists(lists: readonly (readonly number[])[]): string[] {
  return lists.map((each) => each.toSorted((a, b) => a - b).join(' ')).sort();
}

function isUnique(plans: readonly ServicePlan[], service: string): boolean {
  return plans.filter((each) => each.service === service).length === 1;
}
