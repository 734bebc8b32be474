/**
 * Brings one service's config entries to Consul. Requests are first taken from whom the plan gives none; then make before break, each
 * by check-and-set over the very state it was decided on: a lower revision never overwrites a higher one, and what others wrote is not
 * overwritten unless that was asked for. What is no longer rendered is taken away by `prune`, once what replaced it is seen to be served.
 */
import type { Applied } from '../../reconcile/data-plane.ts';
import { type Entry, entryJson, isSame, KINDS, type Kind } from './entries.ts';
import {
  type Found,
  found,
  isUpToDate,
  leadsItself,
  leadsOn,
  leftToOthers,
  ownerOf,
  revisionOf,
  stamped,
  widened,
  writtenOver,
} from './ownership.ts';
import { type Consul, ConsulUnavailable, type Refused } from './server.ts';
import { takenBack } from './way-back.ts';

const TRIES = 5;

export interface Bringing {
  readonly mesh: string;
  readonly service: string;
  readonly revision: number;
  /** In the order of writing. Empty: the service is gone. */
  readonly entries: readonly Entry[];
  /** The newest revision that is decided here; 0: none is. */
  readonly decided: () => Promise<number>;
  /** Why it may not be brought; asked once requests are taken from whom the plan gives none. */
  readonly gate?: () => Promise<Refused | undefined>;
  /** Entries that are not meshwright's are written over. */
  readonly takeOver: boolean;
}

export type Live = ReadonlyMap<Kind, Found>;

/** `again`: somebody else was faster, and what was seen counts no more. */
type Step = Applied | 'again';

/** Adds and changes; of a service that is gone, takes everything away. Throws `ConsulUnavailable`. */
export function bring(consul: Consul, bringing: Bringing): Promise<Applied> {
  return untilUndisturbed(consul, bringing, async (live) => {
    if (bringing.entries.length === 0) return takeAway(consul, bringing, live);
    if (await takeRequests(consul, bringing, live)) return 'again';
    const refusal = foreign(live, bringing) ?? (await bringing.gate?.());
    if (refusal) return refusal;
    const resolver = live.get('service-resolver');
    const asBefore = leadsItself(resolver) && !isLed(live, bringing);
    const written = await write(consul, bringing, live, (entry) => {
      return widened(asBefore ? leadsOn(entry, resolver) : entry, live.get(entry.kind));
    });
    return asBefore && written !== 'again' && written.kind === 'applied' ? 'again' : written;
  });
}

/** Takes away what only served what came before; for when `bringing` is seen to be served. Throws `ConsulUnavailable`. */
export function prune(consul: Consul, bringing: Bringing): Promise<Applied> {
  return untilUndisturbed(consul, bringing, async (live) => {
    const written = foreign(live, bringing) ?? (await write(consul, bringing, live, (entry) => entry));
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
    const newest = newestOf(live, bringing);
    // Asked after the look: who finds nothing because the service was retired meanwhile does not make it anew.
    const decided = await bringing.decided();
    if (newest > Math.max(decided, bringing.revision)) return { kind: 'refused', message: writtenByAnother(bringing.service) };
    // Whoever brings the newer one sees to it.
    if (Math.max(newest, decided) > bringing.revision) return { kind: 'applied' };
    const step = await attempt(live);
    if (step !== 'again') return step;
  }
  throw new ConsulUnavailable(`The entries of ${bringing.service} are being changed by others without pause.`);
}

const isOurs = (live: Found, { mesh, service }: Bringing): boolean => ownerOf(live, mesh, service).kind === 'ours';

const newestOf = (live: Live, bringing: Bringing): number =>
  Math.max(0, ...[...live.values()].filter((each) => isOurs(each, bringing)).map(revisionOf));

export const holdsNewer = (live: Live, bringing: Bringing): boolean => newestOf(live, bringing) > bringing.revision;

/** Of entries with a revision that was never decided here. */
export const writtenByAnother = (service: string): string =>
  `The entries of ${service} carry a later revision than there is here, so that nothing is written over them: another meshwright writes them, or the state of this one is older than they are. Let one of them go, or delete the entries.`;

/** Splitter and router divide requests as they are to. */
const isLed = (live: Live, { entries }: Bringing): boolean =>
  entries.every(({ kind, fields }) => (kind !== 'service-splitter' && kind !== 'service-router') || isSame(live.get(kind)?.fields, fields));

/** Whether anything is another than it was seen to be. What is refused here is refused again, and said, when all is written. */
async function takeRequests(consul: Consul, bringing: Bringing, live: Live): Promise<boolean> {
  const dividing = new Map([...live].filter(([kind, there]) => kind === 'service-resolver' || isOurs(there, bringing)));
  let isChanged = false;
  for (const { kind, fields, over } of takenBack(bringing.entries, dividing)) {
    const taken = stamped({ kind, name: bringing.service, meta: over.meta, fields }, bringing.revision);
    const outcome = await consul.write(entryJson(taken), over.index);
    // Routes may lead to the splitter that was to be written before.
    if (outcome.kind === 'refused') return isChanged;
    isChanged = true;
    if (outcome.kind === 'moved') return isChanged;
  }
  return isChanged;
}

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
