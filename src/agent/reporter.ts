/**
 * Tells the xds server what the Envoy has loaded, again and again, and hears from it who signs. A proxy that is not there is not spoken for: it
 * leaves the count by its silence.
 */
import { readFile } from 'node:fs/promises';
import { type LoadedReport, reportLoaded, type Told } from './doors.ts';
import { EnvoyAbsent, lookAtEnvoy, type Refused, refusedStill, type SeenEnvoy, troubleOf } from './envoy-admin.ts';
import type { AgentClock, LeafKeeper, Say } from './leaf-keeper.ts';
import { retryDelay } from './renewal.ts';
import type { AgentSettings } from './settings.ts';

/** Until the xds server has said how often. */
const FIRST_EVERY_MS = 5_000;
const SPREAD = 0.2;
/** Four tries in this time, however long the xds server or the Envoy is away. */
const LONGEST_TROUBLE = 900;
const LONGEST_SILENCE_MS = 60_000;

export interface EnvoyReporter {
  /** One look and one report; resolves with when the next is due, in ms. */
  report(): Promise<number>;
}

export function envoyReporter(
  settings: AgentSettings & { readonly reporting: NonNullable<AgentSettings['reporting']> },
  keeper: Pick<LeafKeeper, 'held' | 'hurry'>,
  clock: Pick<AgentClock, 'chance'>,
  say: Say,
): EnvoyReporter {
  const { reporting, mesh, dataPlane, node } = settings;
  let everyMs = FIRST_EVERY_MS;
  let before: SeenEnvoy | undefined;
  let refused: Refused = {};
  let failures = 0;
  let standing = '';

  /** Once for each time that it changes. */
  const told = (event: string, message: string): void => {
    if (message !== standing) say(event, message);
    standing = message;
  };

  async function look(): Promise<Pick<LoadedReport, 'identity' | 'loaded' | 'trouble'>> {
    try {
      const seen = await lookAtEnvoy(reporting.admin);
      refused = refusedStill(refused, before, seen);
      before = seen;
      const trouble = troubleOf(seen, refused, keeper.held());
      const { loaded, identity } = seen;
      return { loaded, ...(identity === undefined ? {} : { identity }), ...(trouble === undefined ? {} : { trouble }) };
    } catch (error) {
      if (error instanceof EnvoyAbsent) throw error;
      return { loaded: { roots: [] }, trouble: `${messageOf(error).slice(0, LONGEST_TROUBLE)}.` };
    }
  }

  async function tell(): Promise<Told> {
    const seen = await look();
    const token = (await readFile(reporting.nodeTokenFile, 'utf8')).trim();
    const answer = await reportLoaded(reporting.xds, token, { mesh, dataPlane, node, ...seen });
    if (seen.trouble !== undefined) told('EnvoyTroubled', seen.trouble);
    else told('EnvoyReported', 'What Envoy has loaded is reported.');
    return answer;
  }

  return {
    async report() {
      try {
        const { signer, renewWithinMs, reportEveryMs } = await tell();
        failures = 0;
        everyMs = reportEveryMs;
        if (signer) keeper.hurry(signer, renewWithinMs);
        return Math.round(everyMs * (1 - SPREAD * clock.chance()));
      } catch (error) {
        failures += 1;
        if (error instanceof EnvoyAbsent) before = undefined;
        told(error instanceof EnvoyAbsent ? 'EnvoyAbsent' : 'NotReported', `Nothing is reported: ${messageOf(error)}.`);
        return retryDelay(failures, { leftMs: 0, lifeMs: LONGEST_SILENCE_MS }, clock.chance());
      }
    },
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
