/**
 * The endpoints of one mesh, registered under leases: a plain value and pure transitions. Two questions are kept apart:
 * what is served to Envoys (as long as it could be right: their own health checks judge health) and what is known to be dead
 * (as soon as it is). So a silent endpoint may be served and known dead at once; only whoever deregisters surely goes.
 */
import { z } from 'zod';
import type { Endpoint } from '../dataplanes/envoy/resources.ts';

export interface Registry {
  /** One an address and port. */
  readonly leases: readonly Lease[];
  /** Every version that had an endpoint, until it has none and no plan names it: what makes "none" different from "never heard of". */
  readonly seen: readonly Version[];
  /** What expiry holds back and has said so. */
  readonly held: readonly string[];
  /** Epoch ms until which silence means nothing, because we may have been the silent ones. */
  readonly suspendedUntil: number;
}

export type Version = Pick<Endpoint, 'service' | 'version'>;
export type Address = Pick<Endpoint, 'address' | 'port'>;

/** `lapsed`: silent for too long, but held and served. `expired`: no longer served, remembered for one lease so that half of a service is counted over time. */
type LeaseState = 'live' | 'lapsed' | 'expired';

export interface Lease {
  readonly endpoint: Endpoint;
  readonly leaseMs: number;
  /** Epoch ms at which it lapses if nothing is heard; once expired, at which it is forgotten. */
  readonly expiresAt: number;
  readonly ready: boolean;
  readonly state: LeaseState;
}

export type RegistryCommand =
  /** Registers or renews; an address that comes back as another version has left the old one. */
  | { readonly kind: 'register'; readonly endpoint: Endpoint; readonly leaseMs: number; readonly ready: boolean }
  | { readonly kind: 'deregister'; readonly address: Address }
  /** Looks at the clock; to be sent every second or so. `planned`: the versions that plans name; without it, none is forgotten. */
  | { readonly kind: 'expire'; readonly planned?: readonly Version[] };

export interface RegistryChange {
  readonly registry: Registry;
  /** Whether anything but a renewal happened: what is served or known may differ. */
  readonly changed: boolean;
  readonly notices: readonly RegistryNotice[];
}

/** What people should hear, once for as long as it lasts. */
export type RegistryNotice =
  | { readonly reason: 'LastEndpointLapsed'; readonly service: string; readonly version: string; readonly message: string }
  | { readonly reason: 'MostEndpointsLapsed'; readonly service: string; readonly message: string };

export type Readiness = 'ready' | 'none' | 'unknown';

export function emptyRegistry(suspendedUntil = 0): Registry {
  return { leases: [], seen: [], held: [], suspendedUntil };
}

/** A registry as it was stored (as JSON). Throws a ZodError on anything else. */
export function restoreRegistry(stored: unknown, suspendedUntil: number): Registry {
  return { ...registrySchema.parse(stored), suspendedUntil };
}

/** `now` is epoch ms. Never throws. */
export function updateRegistry(registry: Registry, command: RegistryCommand, now: number): RegistryChange {
  switch (command.kind) {
    case 'register':
      return register(registry, command, now);
    case 'deregister': {
      if (find(registry, command.address) === undefined) return same(registry);
      return { registry: { ...registry, leases: registry.leases.filter(not(command.address)) }, changed: true, notices: [] };
    }
    case 'expire':
      return now < registry.suspendedUntil ? same(registry) : expire(registry, command.planned, now);
  }
}

/** What Envoys are told: of each version the endpoints that say they are ready, or all of them when none does. */
export function servedEndpoints(registry: Registry): readonly Endpoint[] {
  const served = registry.leases.filter(isServed);
  return [...Map.groupBy(served, ({ endpoint }) => versionKey(endpoint)).values()].flatMap((leases) => {
    const ready = leases.filter((lease) => lease.ready);
    return (ready.length === 0 ? leases : ready).map((lease) => lease.endpoint);
  });
}

/**
 * By service and version, for each version that is not forgotten: `none` = every endpoint has gone, says it isn't ready, or
 * is silent while others are heard of. `unknown` (as are versions that are absent) = some may still be there: all of the data
 * plane is silent, or we may have been the silent ones.
 */
export function readinessOf(registry: Registry, now: number): ReadonlyMap<string, ReadonlyMap<string, Readiness>> {
  const served = registry.leases.filter(isServed);
  const byVersion = Map.groupBy(served, ({ endpoint }) => versionKey(endpoint));
  const lastHeard = served.reduce((last, { expiresAt, leaseMs }) => Math.max(last, expiresAt - leaseMs), Number.NEGATIVE_INFINITY);
  const wordOn = (version: Version): Readiness => {
    const leases = byVersion.get(versionKey(version)) ?? [];
    if (leases.some(({ ready, expiresAt }) => ready && expiresAt > now)) return 'ready';
    const allDead = leases.every(({ ready, expiresAt }) => !ready || expiresAt <= lastHeard);
    return allDead && now >= registry.suspendedUntil ? 'none' : 'unknown';
  };
  const byService = Map.groupBy(registry.seen, ({ service }) => service);
  return new Map([...byService].map(([service, seen]) => [service, new Map(seen.map((each) => [each.version, wordOn(each)]))]));
}

function register(registry: Registry, { endpoint, leaseMs, ready }: RegistryCommand & { kind: 'register' }, now: number): RegistryChange {
  const known = find(registry, endpoint);
  const lease: Lease = { endpoint, leaseMs, ready, expiresAt: now + leaseMs, state: 'live' };
  const renewed =
    known !== undefined &&
    known.ready === ready &&
    known.state === 'live' &&
    known.expiresAt > now &&
    versionKey(known.endpoint) === versionKey(endpoint) &&
    known.endpoint.region === endpoint.region &&
    known.endpoint.mtls === endpoint.mtls;
  const seen = registry.seen.some((each) => versionKey(each) === versionKey(endpoint))
    ? registry.seen
    : [...registry.seen, { service: endpoint.service, version: endpoint.version }];
  const leases = known === undefined ? [...registry.leases, lease] : replace(registry.leases, lease);
  return { registry: { ...registry, leases, seen }, changed: !renewed, notices: [] };
}

function expire(registry: Registry, planned: readonly Version[] | undefined, now: number): RegistryChange {
  const services = [...Map.groupBy(registry.leases, ({ endpoint }) => endpoint.service)];
  const expired = services.map(([service, leases]) => expireService(service, leases, now));
  const states = new Map(expired.flatMap((each) => each.leases).map((lease) => [addressKey(lease.endpoint), lease]));
  const leases = registry.leases.flatMap((lease) => states.get(addressKey(lease.endpoint)) ?? []);
  const changed = leases.length !== registry.leases.length || leases.some((lease, index) => lease !== registry.leases[index]);
  const held = expired.flatMap((each) => each.held);
  const notices = held.filter((notice) => !registry.held.includes(noticeKey(notice)));
  const seen = planned ? remembered(registry.seen, leases, planned) : registry.seen;
  if (!changed && held.length === registry.held.length && notices.length === 0 && seen.length === registry.seen.length)
    return same(registry);
  return { registry: { ...registry, leases, seen, held: held.map(noticeKey) }, changed, notices };
}

/** Of the versions seen, those that have a lease or are in a plan: a service of a thousand releases had a thousand versions. */
function remembered(seen: readonly Version[], leases: readonly Lease[], planned: readonly Version[]): readonly Version[] {
  const known = new Set([...leases.map(({ endpoint }) => endpoint), ...planned].map(versionKey));
  return seen.filter((each) => known.has(versionKey(each)));
}

/** Which leases of a service remain and in what state; those of an unchanged state are the same objects. */
function expireService(
  service: string,
  leases: readonly Lease[],
  now: number,
): { leases: readonly Lease[]; held: readonly RegistryNotice[] } {
  const remembered = leases.filter((lease) => lease.state === 'expired' && now < lease.expiresAt);
  const served = leases.filter(isServed);
  const lapsed = served.filter((lease) => lease.expiresAt <= now);
  const last = lastOfVersions(served, lapsed);
  // A version's only endpoint stays in any case, so it neither counts towards a half nor makes one.
  const alone = last.filter((lease) =>
    served.every((other) => other === lease || versionKey(other.endpoint) !== versionKey(lease.endpoint)),
  );
  const going = lapsed.length - alone.length;
  const countedOver = served.length - alone.length + remembered.length;
  const tooMany = going > 0 && 2 * (going + remembered.length) > countedOver;
  const next = served.map((lease): Lease => {
    if (lease.expiresAt > now) return lease;
    if (tooMany || last.includes(lease)) return lease.state === 'lapsed' ? lease : { ...lease, state: 'lapsed' };
    return { ...lease, state: 'expired', expiresAt: now + lease.leaseMs };
  });
  const held = tooMany ? [mostLapsed(service, going, served.length), ...alone.map(lastLapsed)] : last.map(lastLapsed);
  return { leases: [...remembered, ...next], held };
}

/** Of each version with nothing but lapsed endpoints, the one heard of last. */
function lastOfVersions(served: readonly Lease[], lapsed: readonly Lease[]): readonly Lease[] {
  return [...Map.groupBy(served, ({ endpoint }) => versionKey(endpoint)).values()]
    .filter((leases) => leases.every((lease) => lapsed.includes(lease)))
    .flatMap((leases) => leases.toSorted((a, b) => b.expiresAt - a.expiresAt).slice(0, 1));
}

function lastLapsed({ endpoint: { service, version, address, port } }: Lease): RegistryNotice {
  const message = `Nothing has been heard of the last endpoint of ${service} ${version} (${address}:${port}) for a whole lease; it stays in service until it is deregistered.`;
  return { reason: 'LastEndpointLapsed', service, version, message };
}

function mostLapsed(service: string, lapsed: number, of: number): RegistryNotice {
  const message = `${lapsed} of ${of} endpoints of ${service} fell silent within a lease, too many to believe; they stay in service until they are heard of or deregistered.`;
  return { reason: 'MostEndpointsLapsed', service, message };
}

function isServed(lease: Lease): boolean {
  return lease.state !== 'expired';
}

function find(registry: Registry, address: Address): Lease | undefined {
  return registry.leases.find((lease) => !not(address)(lease));
}

function not({ address, port }: Address): (lease: Lease) => boolean {
  return ({ endpoint }) => endpoint.address !== address || endpoint.port !== port;
}

function replace(leases: readonly Lease[], lease: Lease): readonly Lease[] {
  return leases.map((each) => (not(lease.endpoint)(each) ? each : lease));
}

function same(registry: Registry): RegistryChange {
  return { registry, changed: false, notices: [] };
}

function addressKey({ address, port }: Address): string {
  return `${address} ${port}`;
}

function versionKey({ service, version }: Version): string {
  return `${service} ${version}`;
}

function noticeKey(notice: RegistryNotice): string {
  return notice.reason === 'LastEndpointLapsed' ? `${notice.reason} ${versionKey(notice)}` : `${notice.reason} ${notice.service}`;
}

const endpointSchema = z.object({
  service: z.string(),
  version: z.string(),
  address: z.string(),
  port: z.int(),
  region: z.string().exactOptional(),
  mtls: z.boolean().exactOptional(),
});

const registrySchema: z.ZodType<Registry> = z.object({
  leases: z.array(
    z.object({
      endpoint: endpointSchema,
      leaseMs: z.number(),
      expiresAt: z.number(),
      ready: z.boolean(),
      state: z.enum(['live', 'lapsed', 'expired']),
    }),
  ),
  seen: z.array(z.object({ service: z.string(), version: z.string() })),
  held: z.array(z.string()),
  suspendedUntil: z.number(),
});
