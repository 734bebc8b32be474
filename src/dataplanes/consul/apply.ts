/**
 * Brings one service's config entries to Consul, make before break, each by check-and-set over the very state it was decided on: a
 * lower revision never overwrites a higher one, and what others wrote is not overwritten unless that was asked for. What is no longer
 * rendered is taken away by `prune`, once what replaced it is seen to be served.
 */
import type { Applied } from '../../reconcile/data-plane.ts';
import { type Entry, entryJson, KINDS, type Kind } from './entries.ts';
import { type Found, found, isUpToDate, leftToOthers, ownerOf, revisionOf, stamped, widened, writtenOver } from './ownership.ts';
import { type Consul, ConsulUnavailable, type Refused } from './server.ts';

const TRIES = 5;

export interface Bringing {
  readonly mesh: string;
  readonly service: string;
  readonly revision: number;
  /** In the order of writing. Empty: the service is gone. */
  readonly entries: readonly Entry[];
  /** Entries that are not meshwright's are written over. */
  readonly takeOver: boolean;
}

export type Live = ReadonlyMap<Kind, Found>;

/** `again`: somebody else was faster, and what was seen counts no more. */
type Step = Applied | 'again';

/** Adds and changes; of a service that is gone, takes everything away. Throws `ConsulUnavailable`. */
export function bring(consul: Consul, bringing: Bringing): Promise<Applied> {
  return untilUndisturbed(consul, bringing, (live) => {
    if (bringing.entries.length === 0) return takeAway(consul, bringing, live);
    return write(consul, bringing, live, (entry) => widened(entry, live.get(entry.kind)));
  });
}

/** Takes away what only served what came before; for when `bringing` is seen to be served. Throws `ConsulUnavailable`. */
export function prune(consul: Consul, bringing: Bringing): Promise<Applied> {
  return untilUndisturbed(consul, bringing, async (live) => {
    const written = await write(consul, bringing, live, (entry) => entry);
    return written === 'again' || written.kind === 'refused' ? written : takeAway(consul, bringing, live);
  });
}

/** All entries of the service's name, whoever wrote them. */
export async function look(consul: Consul, service: string): Promise<Live | Refused> {
  const outcomes = await Promise.all(KINDS.map(async (kind) => ({ kind, outcome: await consul.read(kind, service) })));
  const live = new Map<Kind, Found>();
  for (const { kind, outcome } of outcomes) {
    if (outcome.kind === 'refused') return outcome;
    if (outcome.kind === 'found') live.set(kind, found(outcome.entry, outcome.index));
  }
  return live;
}

async function untilUndisturbed(consul: Consul, bringing: Bringing, attempt: (live: Live) => Promise<Step>): Promise<Applied> {
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const live = await look(consul, bringing.service);
    if ('message' in live) return live;
    if (holdsNewer(live, bringing)) return { kind: 'applied' };
    const step = foreign(live, bringing) ?? (await attempt(live));
    if (step !== 'again') return step;
  }
  throw new ConsulUnavailable(`The entries of ${bringing.service} are being changed by others without pause.`);
}

const isOurs = (live: Found, { mesh, service }: Bringing): boolean => ownerOf(live, mesh, service).kind === 'ours';

export const holdsNewer = (live: Live, bringing: Bringing): boolean =>
  [...live.values()].some((each) => isOurs(each, bringing) && revisionOf(each) > bringing.revision);

/** Looked at before anything is written, so that nothing is half applied. */
function foreign(live: Live, { mesh, service, entries, takeOver }: Bringing): Refused | undefined {
  for (const { kind, name } of entries) {
    const there = live.get(kind);
    const owner = there && ownerOf(there, mesh, service);
    if (owner === undefined || owner.kind === 'ours') continue;
    const refused = (message: string): Refused => ({ kind: 'refused', message: `${kind} ${name} ${message}` });
    if (owner.kind === 'another')
      return refused(`is of ${owner.service} in mesh ${owner.mesh}; Consul has one service of a name, so that one of them needs another.`);
    if (owner.controller) return refused('is kept by consul-k8s from a resource on Kubernetes; delete that, or it would be written back.');
    if (!takeOver) return refused('was written by somebody else; delete it, or set `takeOver` on the data plane to have it overwritten.');
  }
  return undefined;
}

async function write(consul: Consul, { entries, revision }: Bringing, live: Live, shaped: (entry: Entry) => Entry): Promise<Step> {
  for (const entry of entries) {
    const there = live.get(entry.kind);
    const wanted = writtenOver(shaped(stamped(entry, revision)), there);
    if (there && isUpToDate(wanted, there)) continue;
    const outcome = await consul.write(entryJson(wanted), there?.index ?? 0);
    if (outcome.kind === 'moved') return 'again';
    if (outcome.kind === 'refused') return { kind: 'refused', message: `${entry.kind} ${entry.name}: ${outcome.message}` };
  }
  return { kind: 'applied' };
}

/** Of ours what is not rendered, what names others before them. */
async function takeAway(consul: Consul, bringing: Bringing, live: Live): Promise<Step> {
  for (const kind of KINDS.toReversed()) {
    const there = live.get(kind);
    if (!there || !isOurs(there, bringing) || bringing.entries.some((entry) => entry.kind === kind)) continue;
    const rest = leftToOthers(kind, bringing.service, there);
    const outcome = rest ? await consul.write(entryJson(rest), there.index) : await consul.remove(kind, bringing.service, there.index);
    if (outcome.kind === 'moved') return 'again';
    if (outcome.kind === 'refused') return { kind: 'refused', message: `${kind} ${bringing.service}: ${outcome.message}` };
  }
  return { kind: 'applied' };
}
