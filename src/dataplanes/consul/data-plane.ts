/**
 * Consul as a data plane: applying writes config entries, observing compares them and the discovery chain that Consul has compiled
 * from them, readiness reads the health of the instances. Which proxies have taken what was compiled, Consul tells nobody.
 */
import type { JsonObject } from '../../journal/documents.ts';
import { isRefusal, judge } from '../../plan/fidelity.ts';
import type { DataPlane, Observation } from '../../reconcile/data-plane.ts';
import type { Fragment } from '../../reconcile/model.ts';
import { type Bringing, bring, holdsNewer, type Live, look, prune } from './apply.ts';
import { notYetCompiled } from './chain.ts';
import { storedDrift } from './drift.ts';
import { isObject } from './entries.ts';
import { consulFidelity } from './fidelity.ts';
import { inTime } from './in-time.ts';
import { isUpToDate, ownerOf, stamped, widened, writtenOver } from './ownership.ts';
import { consulEntries } from './render.ts';
import type { Consul, Instance, Refused } from './server.ts';
import { conditionOf } from './subsets.ts';

/**
 * How long nothing may change before it is said what is seen. An agent pushes 200 ms after the first change it hears of; and a change
 * some 200 ms after another one can cost its proxies their endpoints for as long (`resetWatchesFromChain` in Consul 1.22).
 */
const QUIET_MS = 500;
/** Each entry that is written wakes whoever waits. */
const LOOKS = 8;

export interface ConsulOptions {
  /** What happens to a call that no intention speaks of. */
  readonly defaultPolicy: 'allow' | 'deny';
  /** Entries that are not meshwright's are written over. */
  readonly takeOver: boolean;
  /** The newest revision that is decided here for a service; 0: none is. */
  readonly decided: (mesh: string, service: string) => Promise<number>;
}

export function consulDataPlane(consul: Consul, { defaultPolicy, takeOver, decided }: ConsulOptions): DataPlane {
  const bringing = ({ mesh, service, revision, plan }: Fragment): Bringing => {
    const entries = plan === null ? [] : consulEntries(plan);
    return { mesh, service, revision, entries, takeOver, decided: () => decided(mesh, service) };
  };

  return {
    async apply(fragment, until) {
      const asked = inTime(consul, until);
      const gate = async () => refusalOf(fragment) ?? (defaultPolicy === 'allow' ? openToPeers(asked, fragment) : undefined);
      return bring(asked, { ...bringing(fragment), gate });
    },

    drift: (fragment) => storedDrift(consul, bringing(fragment)),

    prune: (fragment, until) => prune(inTime(consul, until), bringing(fragment)),

    async observe(fragment, _now, until) {
      try {
        return await seenAtRest(inTime(consul, until), bringing(fragment));
      } catch (error) {
        if (!until?.aborted) throw error;
        return { kind: 'waiting', for: [], because: 'Consul did not say in time what it has.' };
      }
    },

    async readiness(_mesh, service) {
      const [resolver, listed] = await Promise.all([consul.read('service-resolver', service), consul.instances(service)]);
      for (const each of [resolver, listed]) if (each.kind === 'refused') throw new Error(each.message);
      if (resolver.kind !== 'found' || listed.kind !== 'listed') return {};
      return readinessOf(resolver.entry, listed.instances);
    },
  };
}

/** What is refused of a plan is refused before anything new of it is written. */
function refusalOf({ plan }: Fragment): Refused | undefined {
  const refusal = plan === null ? undefined : judge(plan, consulFidelity).find(isRefusal);
  return refusal && { kind: 'refused', message: `${refusal.where}: ${refusal.judgement.sentence}` };
}

/** Where Consul allows by default, `*` denies everybody of this cluster; callers of others it has no word for. */
async function openToPeers(consul: Consul, { service, plan }: Fragment): Promise<Refused | undefined> {
  if (plan?.security?.stage !== 'strict') return undefined;
  const exported = await consul.read('exported-services', 'default');
  if (exported.kind === 'refused') return exported;
  if (exported.kind === 'absent' || !Array.isArray(exported.entry.Services)) return undefined;
  const named = exported.entry.Services.some((each) => isObject(each) && (each.Name === service || each.Name === '*'));
  const message = `exported-services gives ${service} to other clusters, whose callers Consul allows by default; take it out there, or set Consul's default to deny.`;
  return named ? { kind: 'refused', message } : undefined;
}

async function seenAtRest(consul: Consul, bringing: Bringing): Promise<Observation> {
  for (let looks = 1; ; looks += 1) {
    const seen = await seenNow(consul, bringing);
    const next = await consul.chain(bringing.service, { index: seen.index, waitMs: QUIET_MS });
    if (next.kind === 'refused') throw new Error(next.message);
    if (next.index !== seen.index && looks < LOOKS) continue;
    return seen.because === undefined ? { kind: 'served' } : { kind: 'waiting', for: [], because: seen.because };
  }
}

/** `because`: what is missing; `index`: to wait from. */
async function seenNow(consul: Consul, bringing: Bringing): Promise<{ readonly index: number; readonly because?: string }> {
  const [chain, live] = await Promise.all([consul.chain(bringing.service), look(consul, bringing.service)]);
  if (chain.kind === 'refused') throw new Error(chain.message);
  if (isRefused(live)) throw new Error(live.message);
  const missing = notYetWritten(bringing, live) ?? (bringing.entries.length === 0 ? undefined : notYetCompiled(live, chain.chain));
  return { index: chain.index, ...(missing === undefined ? {} : { because: `Consul does not have ${missing} of this revision.` }) };
}

const isRefused = (seen: Live | Refused): seen is Refused => 'message' in seen;

/** In words; a newer revision is as good. */
function notYetWritten(bringing: Bringing, live: Live): string | undefined {
  if (holdsNewer(live, bringing)) return undefined;
  const { mesh, service, revision, entries } = bringing;
  for (const entry of entries) {
    const there = live.get(entry.kind);
    if (!there || ownerOf(there, mesh, service).kind !== 'ours') return `the ${entry.kind}`;
    if (!isUpToDate(writtenOver(widened(stamped(entry, revision), there), there), there)) return `the ${entry.kind}`;
  }
  const left = [...live].find(([, each]) => entries.length === 0 && ownerOf(each, mesh, service).kind === 'ours');
  return left && `taken away the ${left[0]}`;
}

/** Versions that the resolver names and those of instances; which key of Meta holds the version, the resolver knows. */
function readinessOf(resolver: JsonObject, instances: readonly Instance[]): Readonly<Record<string, 'ready' | 'none'>> {
  const subsets = isObject(resolver.Subsets) ? Object.values(resolver.Subsets).filter(isObject) : [];
  const versions: Record<string, 'ready' | 'none'> = {};
  for (const { Filter } of subsets) {
    const condition = typeof Filter === 'string' ? conditionOf(Filter) : undefined;
    if (!condition) continue;
    versions[condition.value] ??= 'none';
    for (const { meta, serves } of instances) {
      const version = meta[condition.key];
      if (version !== undefined) versions[version] = serves || versions[version] === 'ready' ? 'ready' : 'none';
    }
  }
  return versions;
}
