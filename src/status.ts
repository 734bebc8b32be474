/** Reading the whole: what each service of each mesh is at, for CLI, page and API. Nothing here writes. */
import type { Documents } from './journal/documents.ts';
import { commitsOf } from './journal/history.ts';
import { loadHead } from './journal/journal.ts';
import type { Commit } from './journal/stream.ts';
import type { AdoptedMesh } from './reconcile/adopted-specs.ts';
import { dryRunReport } from './reconcile/dry-run.ts';
import type { DryRunReport } from './reconcile/dry-run-report.ts';
import { nextDeadline } from './rollouts/deadlines.ts';
import { differenceText } from './rollouts/difference.ts';
import { serviceStream, serviceStreamId } from './rollouts/service-stream.ts';
import { releaseKey, type ServiceState } from './rollouts/state.ts';
import { whyBack } from './rollouts/way-back.ts';
import type { TrustStatus } from './rotating.ts';
import { trustStreamId } from './trust/trust-stream.ts';

export interface ServiceStatus {
  readonly mesh: string;
  readonly service: string;
  /** Of the head. */
  readonly version: number;
  readonly stable: string | null;
  readonly split: readonly { readonly version: string; readonly weight: number }[];
  readonly rollout: RolloutStatus | null;
  readonly queued: string | null;
  readonly rejected: readonly { readonly release: string; readonly at: number; readonly because: string }[];
  /** Data planes at rest that have something else than was decided, and in what; `more`: beside these. */
  readonly drift: readonly {
    readonly dataPlane: string;
    readonly since: number;
    readonly differences: readonly string[];
    readonly more: number;
  }[];
  /** Data planes of it with `observe: false`: what was applied counts there, whatever is served. */
  readonly unobserved: readonly string[];
  /** In `mtls: shadow`, by data plane: what would have been refused, as it was seen last. */
  readonly shadow: readonly (Pick<DryRunReport, 'dataPlane' | 'since' | 'refused' | 'lastRefusedAt' | 'unseen'> & {
    /** The newest of those that are told apart. */
    readonly callers: readonly { readonly caller: string; readonly refused: number }[];
  })[];
  /** What is still owed, with the last error of its tries. */
  readonly pending: readonly { readonly what: string; readonly since: number; readonly error?: string }[];
}

export interface RolloutStatus {
  readonly candidate: string;
  readonly phase: string;
  /** From 1; 0 before the first. */
  readonly step: number;
  readonly steps: number;
  readonly startedAt: number;
  /** What ends this phase if nothing else does, and when (epoch ms). */
  readonly deadline: { readonly name: string; readonly at: number } | null;
  readonly because: string | null;
}

export async function serviceStatus(documents: Documents, { mesh, spec }: AdoptedMesh, service: string): Promise<ServiceStatus> {
  const { head } = await loadHead(documents, serviceStream, serviceStreamId(mesh, service));
  const { state } = head;
  return {
    mesh,
    service,
    version: head.version,
    stable: state.stable?.version ?? null,
    split: state.split,
    rollout: rolloutStatus(state),
    queued: state.queued?.version ?? null,
    rejected: Object.values(state.rejected).map(({ release, at, cause }) => ({ release: releaseKey(release), at, because: cause.message })),
    drift: Object.entries(state.drift).map(([dataPlane, { since, differences, more }]) => ({
      dataPlane,
      since,
      differences: differences.map(differenceText),
      more,
    })),
    unobserved: spec.dataPlanes
      .filter((dataPlane) => 'observe' in dataPlane && !dataPlane.observe && state.spec?.dataPlanes.includes(dataPlane.name))
      .map(({ name }) => name)
      .sort(),
    shadow: await shadowOf(documents, mesh, state),
    pending: Object.values(head.pending).map(({ kind, target, since, error }) => ({
      what: `${kind} ${target}`,
      since,
      ...(error ? { error } : {}),
    })),
  };
}

const NAMED_CALLERS = 5;

/** What is past its time the store takes away by itself. */
async function shadowOf(documents: Documents, mesh: string, { spec }: ServiceState): Promise<ServiceStatus['shadow']> {
  if (spec?.mtls?.stage !== 'shadow') return [];
  const places = spec.dataPlanes.map((dataPlane) => ({ mesh, service: spec.name, dataPlane }));
  const reports = await Promise.all(places.map((where) => dryRunReport(documents, where, 0)));
  return reports
    .filter((report) => report !== undefined)
    .map(({ service: _service, at: _at, proxies: _proxies, callers, ...report }) => {
      return { ...report, callers: callers.slice(0, NAMED_CALLERS).map(({ caller, refused }) => ({ caller, refused })) };
    });
}

function rolloutStatus(state: ServiceState): RolloutStatus | null {
  const { rollout } = state;
  if (!rollout) return null;
  const { phase, candidate, steps, startedAt } = rollout;
  const step = phase.name === 'shifting' || phase.name === 'holding' || phase.name === 'paused' ? phase.step + 1 : 0;
  return {
    candidate: candidate.version,
    phase: phase.name,
    step,
    steps: steps.length,
    startedAt,
    deadline: nextDeadline(state) ?? null,
    because: because(state),
  };
}

const WAITS_BECAUSE = {
  AlertFiring: 'an alert is firing',
  NotReady: 'not seen ready on every data plane',
  TrustChanging: 'a rotation of the mesh changes whom workloads trust, and not all are seen to have it yet',
} as const;

function because(state: ServiceState): string | null {
  const phase = state.rollout?.phase;
  switch (phase?.name) {
    case 'waiting':
      return WAITS_BECAUSE[phase.because];
    case 'holding':
      return phase.heldBy ?? null;
    case 'shifting':
      return phase.refusal ? `${phase.refusal.dataPlane} refused it: ${phase.refusal.message}` : null;
    case 'blocked':
    case 'returning':
      return whyBack(phase.cause, state);
    default:
      return null;
  }
}

/** Every service of every adopted mesh, in order of name. */
export async function wholeStatus(documents: Documents, meshes: readonly AdoptedMesh[]): Promise<readonly ServiceStatus[]> {
  const names = meshes.flatMap((adopted) => adopted.services.map(({ name }) => ({ adopted, mesh: adopted.mesh, name })));
  names.sort((a, b) => (`${a.mesh}/${a.name}` < `${b.mesh}/${b.name}` ? -1 : 1));
  return Promise.all(names.map(({ adopted, name }) => serviceStatus(documents, adopted, name)));
}

export interface Overview {
  readonly services: readonly ServiceStatus[];
  readonly trust: readonly TrustStatus[];
  readonly journal: readonly (Commit & { readonly stream: string })[];
}

const NEWEST_OF_EACH = 20;
const NEWEST_OF_ALL = 100;
const LOOKED_AT_ONCE_MS = 1_000;

/**
 * What the page shows. However many look at it, the heads are read once a second, and of each journal only what came since:
 * commits do not change. A failure is not kept.
 */
export function overviews(
  documents: Documents,
  adopted: () => Promise<readonly AdoptedMesh[]>,
  trusts: () => Promise<readonly TrustStatus[]>,
  now: () => number,
): () => Promise<Overview> {
  const newest = new Map<string, readonly Commit[]>();
  let last: { readonly at: number; readonly overview: Promise<Overview> } | undefined;

  async function newestOf(stream: string, version: number): Promise<readonly Commit[]> {
    const known = newest.get(stream) ?? [];
    const until = known.at(-1)?.version ?? 0;
    if (until >= version) return known;
    const since = await commitsOf(documents, stream, Math.max(until, version - NEWEST_OF_EACH));
    const commits = [...known, ...since].slice(-NEWEST_OF_EACH);
    newest.set(stream, commits);
    return commits;
  }

  async function look(): Promise<Overview> {
    const [services, trust] = await Promise.all([wholeStatus(documents, await adopted()), trusts()]);
    const streams = new Map([
      ...services.map(({ mesh, service, version }) => [serviceStreamId(mesh, service), version] as const),
      ...trust.map(({ mesh, version }) => [trustStreamId(mesh), version] as const),
    ]);
    const journals = await Promise.all(
      [...streams].map(async ([stream, version]) => (await newestOf(stream, version)).map((commit) => ({ ...commit, stream }))),
    );
    for (const stream of newest.keys()) if (!streams.has(stream)) newest.delete(stream);
    const journal = journals.flat().sort((a, b) => b.at - a.at || b.version - a.version);
    return { services, trust, journal: journal.slice(0, NEWEST_OF_ALL) };
  }

  return () => {
    const at = now();
    if (last && at >= last.at && at < last.at + LOOKED_AT_ONCE_MS) return last.overview;
    const mine = { at, overview: look() };
    last = mine;
    mine.overview.catch(() => {
      if (last === mine) last = undefined;
    });
    return mine.overview;
  };
}
