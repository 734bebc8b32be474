/**
 * A data plane that is asked over a network, made fit for the loop: what takes traffic back never waits for its answer, what was
 * just applied is looked at for a moment rather than once, since control planes need some 100 ms to push it, and all of it together
 * ends before the effect's claim does.
 */
import { setTimeout as after } from 'node:timers/promises';
import type { DataPlane } from '../reconcile/data-plane.ts';

export interface Patience {
  /** How long a decision waits for readiness; later it is unknown, and known to the next decision. */
  readonly readinessMs: number;
  /** How long one is waited for that must be fresh: where traffic is led for the first time. Part of what is short of a claim, too. */
  readonly freshMs: number;
  /** How long an answer about readiness is good. */
  readonly rememberMs: number;
  /** How long may be applied, looked at what was, and taken away what came before: together short of an effect's claim. */
  readonly applyMs: number;
  readonly observeMs: number;
  readonly pruneMs: number;
  readonly lookEachMs: number;
}

export const PATIENCE: Patience = {
  readinessMs: 300,
  freshMs: 1_500,
  rememberMs: 2_000,
  applyMs: 6_000,
  observeMs: 4_000,
  pruneMs: 3_000,
  lookEachMs: 150,
};

type Known = Awaited<ReturnType<DataPlane['readiness']>>;

/** By data plane and service; kept for as long as the process lives, since connectors are made anew for each use. */
export function remoteDataPlanes(now: () => number, patience: Patience = PATIENCE): (key: string, dataPlane: DataPlane) => DataPlane {
  const answers = new Map<string, { readonly at: number; readonly versions: Known }>();
  const asking = new Map<string, Promise<Known>>();

  return (key, dataPlane) => {
    const ask = (mesh: string, service: string): Promise<Known> => {
      const place = `${key} ${mesh} ${service}`;
      const known = answers.get(place);
      if (known && now() - known.at < patience.rememberMs) return Promise.resolve(known.versions);
      const running = asking.get(place);
      if (running) return running;
      const asked = dataPlane
        .readiness(mesh, service, now())
        .then((versions) => {
          answers.set(place, { at: now(), versions });
          return versions;
        })
        .finally(() => asking.delete(place));
      asking.set(place, asked);
      // Whoever waits for it hears of the failure; nobody may be left.
      asked.catch(() => {});
      return asked;
    };

    const { prune } = dataPlane;
    return {
      ...dataPlane,
      apply: (fragment) => dataPlane.apply(fragment, AbortSignal.timeout(patience.applyMs)),
      ...(prune ? { prune: (fragment) => prune(fragment, AbortSignal.timeout(patience.pruneMs)) } : {}),
      async observe(fragment, at) {
        const until = now() + patience.observeMs;
        const deadline = AbortSignal.timeout(patience.observeMs);
        for (;;) {
          const seen = await dataPlane.observe(fragment, at, deadline);
          if (seen.kind !== 'waiting' || now() + patience.lookEachMs >= until) return seen;
          await after(patience.lookEachMs);
        }
      },
      async readiness(mesh, service, at, fresh) {
        // What was known a moment ago may be of before the service had a plan by which its versions are told apart.
        const asked = fresh ? dataPlane.readiness(mesh, service, at) : ask(mesh, service);
        const given = new AbortController();
        const late = after(fresh ? patience.freshMs : patience.readinessMs, undefined, { signal: given.signal }).then(
          () => ({}),
          () => ({}),
        );
        try {
          return await Promise.race([asked, late]);
        } finally {
          given.abort();
        }
      },
    };
  };
}
