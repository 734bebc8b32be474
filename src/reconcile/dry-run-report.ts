/**
 * What a stage that only looks has shown so far: how many requests `allow` would have refused on a data plane, by which proxies and when
 * last; and whether that lets a service become strict. Pure: counts and times come in.
 */
import { z } from 'zod';
import type { DryRunCount } from './data-plane.ts';

/** Refusals that were seen this long ago are history: the rules, or the callers, have changed since. */
const QUIET_MS = 3_600_000;
const REMEMBERED_PROXIES = 100;
const NAMED = 5;

const proxySchema = z.object({
  proxy: z.string(),
  /** As it counts since it started. */
  count: z.number(),
  /** Of those, and of what it counted before it started anew. */
  refused: z.number(),
  /** Epoch ms; absent: never. */
  lastAt: z.number().exactOptional(),
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
  /** Why the last look could not see all. */
  unseen: z.string().exactOptional(),
});
export type DryRunReport = Readonly<z.infer<typeof dryRunReportSchema>>;

type Proxy = DryRunReport['proxies'][number];

export const emptyReport = (service: string, dataPlane: string, now: number): DryRunReport => {
  return { service, dataPlane, since: now, at: now, refused: 0, proxies: [] };
};

/** A proxy that counts less than it did has started anew; all that one not seen before has counted is new. */
export function counted(before: DryRunReport, counts: readonly DryRunCount[], now: number): DryRunReport {
  const known = new Map(before.proxies.map((proxy) => [proxy.proxy, proxy]));
  const present = counts.map(({ proxy, wouldRefuse }): Proxy => {
    const was = known.get(proxy);
    known.delete(proxy);
    const more = was && wouldRefuse >= was.count ? wouldRefuse - was.count : wouldRefuse;
    const lastAt = more > 0 ? now : was?.lastAt;
    return { proxy, count: wouldRefuse, refused: (was?.refused ?? 0) + more, ...(lastAt === undefined ? {} : { lastAt }) };
  });
  const left = [...known.values()].filter(({ refused }) => refused > 0);
  const more = present.reduce((sum, { proxy, refused }) => sum + refused - refusedBy(before, proxy), 0);
  const lastRefusedAt = more > 0 ? now : before.lastRefusedAt;
  const proxies = [...present, ...left].toSorted((a, b) => (b.lastAt ?? 0) - (a.lastAt ?? 0) || (a.proxy < b.proxy ? -1 : 1));
  const { unseen: _seen, ...rest } = before;
  return {
    ...rest,
    at: now,
    refused: before.refused + more,
    ...(lastRefusedAt === undefined ? {} : { lastRefusedAt }),
    proxies: proxies.slice(0, Math.max(REMEMBERED_PROXIES, present.length)),
    ...(counts.length === 0 ? { unseen: 'No proxy of the service is seen, so that nothing was counted.' } : {}),
  };
}

const refusedBy = ({ proxies }: DryRunReport, name: string): number => proxies.find(({ proxy }) => proxy === name)?.refused ?? 0;

export const notSeen = (before: DryRunReport, unseen: string, now: number): DryRunReport => ({ ...before, at: now, unseen });

/** Why the service may not become strict now, in sentences; `undefined`: nothing speaks against it. */
export function againstStrict(
  { service, dataPlane, since, refused, lastRefusedAt, proxies, unseen }: DryRunReport,
  now: number,
): string | undefined {
  if (unseen !== undefined) return `It is not known whom ${service} would refuse on ${dataPlane}: ${unseen}`;
  if (lastRefusedAt === undefined || now - lastRefusedAt >= QUIET_MS) return undefined;
  const recent = proxies.filter(({ lastAt }) => lastAt !== undefined && now - lastAt < QUIET_MS).map(({ proxy }) => proxy);
  const named = `${recent.slice(0, NAMED).join(', ')}${recent.length > NAMED ? ` and ${recent.length - NAMED} more` : ''}`;
  return `${service} would have refused ${refused} requests on ${dataPlane} since ${instant(since)}, the last seen at ${instant(lastRefusedAt)}, by ${named}: name their callers in \`allow\`, and wait until there was none for an hour.`;
}

const instant = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
