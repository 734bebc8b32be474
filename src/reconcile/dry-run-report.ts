/**
 * What a stage that only looks has shown so far: how many requests `allow` would have refused on a data plane, by which proxies, of which
 * callers and when last; and whether that lets a service become strict. Pure: counts and times come in.
 */
import { z } from 'zod';
import type { DryRun, DryRunCaller } from './data-plane.ts';

/** Refusals that were seen this long ago are history: the rules, or the callers, have changed since. */
const QUIET_MS = 3_600_000;
const REMEMBERED = 100;
const NAMED = 5;

const proxySchema = z.object({
  proxy: z.string(),
  counter: z.string().exactOptional(),
  /** As it counts since it started. */
  count: z.number(),
  /** Of those, and of what it counted before it started anew. */
  refused: z.number(),
  /** Epoch ms; absent: never. */
  lastAt: z.number().exactOptional(),
});

const callerSchema = z.object({
  caller: z.string(),
  /** As it is counted, by counter. */
  counts: z.record(z.string(), z.number()),
  refused: z.number(),
  lastAt: z.number(),
});

export const dryRunReportSchema = z.object({
  service: z.string(),
  dataPlane: z.string(),
  /** Epoch ms of the first look in this stage, and of the last. */
  since: z.number(),
  at: z.number(),
  refused: z.number(),
  /** The look that last saw more refusals than the one before. */
  lastRefusedAt: z.number().exactOptional(),
  proxies: z.array(proxySchema),
  /** Where they are told apart; of `refused` the rest is of others. */
  callers: z.array(callerSchema).default([]),
  /** Why the last look could not see all. */
  unseen: z.string().exactOptional(),
});
export type DryRunReport = Readonly<z.infer<typeof dryRunReportSchema>>;

type Proxy = DryRunReport['proxies'][number];
type Caller = DryRunReport['callers'][number];

export const emptyReport = (service: string, dataPlane: string, now: number): DryRunReport => {
  return { service, dataPlane, since: now, at: now, refused: 0, proxies: [], callers: [] };
};

/** A proxy that counts less than it did has started anew; all that one not seen before has counted is new. */
export function counted(before: DryRunReport, seen: DryRun, now: number): DryRunReport {
  const known = new Map(before.proxies.map((proxy) => [keyOf(proxy), proxy]));
  let more = 0;
  const present = seen.proxies.map((proxy): Proxy => {
    const { wouldRefuse, ...named } = proxy;
    const was = known.get(keyOf(proxy));
    known.delete(keyOf(proxy));
    const added = was && wouldRefuse >= was.count ? wouldRefuse - was.count : wouldRefuse;
    more += added;
    const lastAt = added > 0 ? now : was?.lastAt;
    return { ...named, count: wouldRefuse, refused: (was?.refused ?? 0) + added, ...(lastAt === undefined ? {} : { lastAt }) };
  });
  const left = [...known.values()].filter(({ refused }) => refused > 0);
  const lastRefusedAt = more > 0 ? now : before.lastRefusedAt;
  const proxies = [...present, ...left].toSorted((a, b) => (b.lastAt ?? 0) - (a.lastAt ?? 0) || (a.proxy < b.proxy ? -1 : 1));
  const { unseen: _seen, ...rest } = before;
  const unseen = seen.unseen ?? (seen.proxies.length === 0 ? 'No proxy of the service is seen, so that nothing was counted.' : undefined);
  return {
    ...rest,
    at: now,
    refused: before.refused + more,
    ...(lastRefusedAt === undefined ? {} : { lastRefusedAt }),
    proxies: proxies.slice(0, Math.max(REMEMBERED, present.length)),
    callers: countedCallers(before.callers, seen.callers ?? [], now),
    ...(unseen === undefined ? {} : { unseen }),
  };
}

const keyOf = ({ proxy, counter }: Pick<Proxy, 'proxy' | 'counter'>): string => JSON.stringify([proxy, counter]);

/** What a counter has counted of one caller never sinks but where it is being forgotten. */
function countedCallers(before: readonly Caller[], seen: readonly DryRunCaller[], now: number): Caller[] {
  const known = new Map(before.map((caller) => [caller.caller, caller]));
  const present = [...Map.groupBy(seen, ({ caller }) => caller)].map(([caller, counts]): Caller => {
    const was = known.get(caller);
    known.delete(caller);
    const before = (counter: string): number => was?.counts[counter] ?? 0;
    const added = counts.reduce((sum, { counter, wouldRefuse }) => sum + Math.max(0, wouldRefuse - before(counter)), 0);
    return {
      caller,
      counts: Object.fromEntries(counts.map(({ counter, wouldRefuse }) => [counter, Math.max(wouldRefuse, before(counter))])),
      refused: (was?.refused ?? 0) + added,
      lastAt: added > 0 || !was ? now : was.lastAt,
    };
  });
  const callers = [...present, ...known.values()].toSorted((a, b) => b.lastAt - a.lastAt || (a.caller < b.caller ? -1 : 1));
  return callers.slice(0, Math.max(REMEMBERED, present.length));
}

export const notSeen = (before: DryRunReport, unseen: string, now: number): DryRunReport => ({ ...before, at: now, unseen });

/** Why the service may not become strict now, in sentences; `undefined`: nothing speaks against it. */
export function againstStrict(report: DryRunReport, now: number): string | undefined {
  const { service, dataPlane, unseen } = report;
  const blind = unseen === undefined ? [] : [`It is not known whom ${service} would refuse on ${dataPlane}: ${unseen}`];
  const against = [...blind, ...refusedLately(report, now)];
  return against.length === 0 ? undefined : against.join(' ');
}

function refusedLately({ service, dataPlane, since, refused, lastRefusedAt, proxies, callers }: DryRunReport, now: number): string[] {
  if (lastRefusedAt === undefined || now - lastRefusedAt >= QUIET_MS) return [];
  const recent = <Seen extends { lastAt?: number }>(all: readonly Seen[]): readonly Seen[] =>
    all.filter(({ lastAt }) => lastAt !== undefined && now - lastAt < QUIET_MS);
  const calling = recent(callers).map(({ caller }) => caller);
  const of = calling.length === 0 ? '' : `, of ${someOf(calling)}`;
  const by = someOf([...new Set(recent(proxies).map(({ proxy }) => proxy))]);
  const what = calling.length === 0 ? 'name their callers' : 'name those that may call';
  return [
    `${service} would have refused ${refused} requests on ${dataPlane} since ${instant(since)}, the last seen at ${instant(lastRefusedAt)}${of}, by ${by}: ${what} in \`allow\`, and wait until there was none for an hour.`,
  ];
}

const someOf = (names: readonly string[]): string =>
  `${names.slice(0, NAMED).join(', ')}${names.length > NAMED ? ` and ${names.length - NAMED} more` : ''}`;

const instant = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
