/** Cases of the fields that say where a request goes: protocols, splits, conditions of routes. */
import type { Json } from '../../../src/journal/documents.ts';
import type { RouteMatch, WeightedVersion } from '../../../src/plan/plan.ts';
import type { FieldCase, Said } from './field-case.ts';
import { at } from './proto-json.ts';
import type { Said as SaidRequest, Seen } from './seen.ts';

const only = (version: string): readonly WeightedVersion[] => [{ version, weight: 100 }];

const toVersion2 = (match: RouteMatch): Said => ({ routes: [{ name: 'some', match, split: only('v2') }] });

/** Where each of these requests goes. */
const goTo =
  (requests: Readonly<Record<string, SaidRequest>>) =>
  (seen: Seen): Json =>
    Object.fromEntries(Object.entries(requests).map(([name, request]) => [name, seen.goesTo(request)]));

const paths = (...all: readonly string[]) => goTo(Object.fromEntries(all.map((path) => [path, { path }])));
const header = (...values: readonly string[]) =>
  goTo({ none: {}, ...Object.fromEntries(values.map((value) => [value, { headers: { 'x-tenant': value } }])) });
const on = (condition: NonNullable<RouteMatch['headers']>[number]): Said => toVersion2({ headers: [condition] });

/** Of two that match equally closely the first counts, so that a mesh which tries the closer one first says this too. */
const byTenant = { name: 'tenant', match: { headers: [{ name: 'x-tenant', exact: 'a' }] }, split: only('v2') };
const byRegion = { name: 'region', match: { headers: [{ name: 'x-region', exact: 'r' }] }, split: only('v3') };

/** HTTP/2 over a connection of the cluster's own making; `auto` speaks what the caller spoke. */
function upstreamProtocol(seen: Seen): Json {
  const options = seen.httpOptions();
  if (at(options, 'explicit_http_config', 'http2_protocol_options') !== undefined) return 'HTTP/2';
  if (at(seen.cluster(), 'http2_protocol_options') !== undefined) return 'HTTP/2';
  return at(options, 'use_downstream_protocol_config') === undefined ? 'HTTP/1.1' : 'as the caller';
}

const protocol = (a: 'http' | 'http2' | 'grpc', b: 'http' | 'http2' | 'grpc'): FieldCase => ({
  read: upstreamProtocol,
  values: [
    { plan: { protocol: a }, reads: a === 'http' ? 'HTTP/1.1' : 'HTTP/2' },
    { plan: { protocol: b }, reads: b === 'http' ? 'HTTP/1.1' : 'HTTP/2' },
  ],
});

const split = (v1: number, v2: number): Said => ({
  route: {
    split: [
      { version: 'v1', weight: v1 },
      { version: 'v2', weight: v2 },
    ],
  },
});

const conditions: Record<
  | 'route.path.exact'
  | 'route.path.prefix'
  | 'route.path.regex'
  | 'route.methods'
  | 'route.headers.exact'
  | 'route.headers.prefix'
  | 'route.headers.regex'
  | 'route.headers.present'
  | 'route.headers.absent'
  | 'route.headers.twice',
  FieldCase
> = {
  'route.path.exact': {
    read: paths('/a', '/a/b', '/b'),
    values: [
      { plan: toVersion2({ path: { exact: '/a' } }), reads: { '/a': 'v2', '/a/b': 'v1', '/b': 'v1' } },
      { plan: toVersion2({ path: { exact: '/b' } }), reads: { '/a': 'v1', '/a/b': 'v1', '/b': 'v2' } },
    ],
  },
  'route.path.prefix': {
    read: paths('/a', '/ab', '/a/b', '/b'),
    values: [
      { plan: toVersion2({ path: { prefix: '/a' } }), reads: { '/a': 'v2', '/ab': 'v2', '/a/b': 'v2', '/b': 'v1' } },
      { plan: toVersion2({ path: { prefix: '/a/' } }), reads: { '/a': 'v1', '/ab': 'v1', '/a/b': 'v2', '/b': 'v1' } },
    ],
  },
  'route.path.regex': {
    read: paths('/v1/x', '/v1/y', '/v1/x/y', '/w1/x'),
    values: [
      { plan: toVersion2({ path: { regex: '/v[0-9]+/x' } }), reads: { '/v1/x': 'v2', '/v1/y': 'v1', '/v1/x/y': 'v1', '/w1/x': 'v1' } },
      { plan: toVersion2({ path: { regex: '/v[0-9]+/(x|y)' } }), reads: { '/v1/x': 'v2', '/v1/y': 'v2', '/v1/x/y': 'v1', '/w1/x': 'v1' } },
    ],
  },
  'route.methods': {
    read: goTo({ GET: {}, POST: { method: 'POST' }, DELETE: { method: 'DELETE' } }),
    values: [
      { plan: toVersion2({ methods: ['DELETE', 'GET'] }), reads: { GET: 'v2', POST: 'v1', DELETE: 'v2' } },
      { plan: toVersion2({ methods: ['POST'] }), reads: { GET: 'v1', POST: 'v2', DELETE: 'v1' } },
    ],
  },
  'route.headers.exact': {
    read: header('a', 'ab', 'b'),
    values: [
      { plan: on({ name: 'x-tenant', exact: 'a' }), reads: { none: 'v1', a: 'v2', ab: 'v1', b: 'v1' } },
      { plan: on({ name: 'x-tenant', exact: 'b' }), reads: { none: 'v1', a: 'v1', ab: 'v1', b: 'v2' } },
    ],
  },
  'route.headers.prefix': {
    read: header('a', 'ab', 'b'),
    values: [
      { plan: on({ name: 'x-tenant', prefix: 'a' }), reads: { none: 'v1', a: 'v2', ab: 'v2', b: 'v1' } },
      { plan: on({ name: 'x-tenant', prefix: 'b' }), reads: { none: 'v1', a: 'v1', ab: 'v1', b: 'v2' } },
    ],
  },
  'route.headers.regex': {
    read: header('a1', 'a12', 'b'),
    values: [
      { plan: on({ name: 'x-tenant', regex: 'a[0-9]' }), reads: { none: 'v1', a1: 'v2', a12: 'v1', b: 'v1' } },
      { plan: on({ name: 'x-tenant', regex: 'a[0-9]+|b' }), reads: { none: 'v1', a1: 'v2', a12: 'v2', b: 'v2' } },
    ],
  },
  'route.headers.present': {
    read: header('a'),
    values: [
      { plan: on({ name: 'x-tenant', present: true }), reads: { none: 'v1', a: 'v2' } },
      { plan: on({ name: 'x-other', present: true }), reads: { none: 'v1', a: 'v1' } },
    ],
  },
  'route.headers.absent': {
    read: header('a'),
    values: [
      { plan: on({ name: 'x-tenant', present: false }), reads: { none: 'v2', a: 'v1' } },
      { plan: on({ name: 'x-other', present: false }), reads: { none: 'v2', a: 'v2' } },
    ],
  },
  'route.headers.twice': {
    read: header('ab', 'ac', 'b'),
    values: [
      {
        plan: toVersion2({
          headers: [
            { name: 'x-tenant', prefix: 'a' },
            { name: 'x-tenant', regex: '.*b' },
          ],
        }),
        reads: { none: 'v1', ab: 'v2', ac: 'v1', b: 'v1' },
      },
      {
        plan: toVersion2({
          headers: [
            { name: 'x-tenant', prefix: 'a' },
            { name: 'x-tenant', regex: '.*c' },
          ],
        }),
        reads: { none: 'v1', ab: 'v1', ac: 'v2', b: 'v1' },
      },
    ],
  },
};

export const routingCases = {
  'protocol.http': protocol('http', 'http2'),
  'protocol.http2': protocol('http2', 'http'),
  'protocol.grpc': protocol('grpc', 'http'),
  'route.split': {
    read: (seen) => seen.goesTo(),
    values: [
      { plan: split(90, 10), reads: 'v1=90 v2=10' },
      { plan: split(25, 75), reads: 'v1=25 v2=75' },
    ],
  },
  ...conditions,
  'route.order': {
    read: goTo({ tenant: { headers: { 'x-tenant': 'a' } }, both: { headers: { 'x-tenant': 'a', 'x-region': 'r' } } }),
    values: [
      { plan: { routes: [byTenant, byRegion] }, reads: { tenant: 'v2', both: 'v2' } },
      { plan: { routes: [byRegion, byTenant] }, reads: { tenant: 'v2', both: 'v3' } },
    ],
  },
} satisfies Record<string, FieldCase>;
