/** Running effects that were claimed: each ends as a settlement, done or again at a time, and a failure of one never stops another. */
import type { Settlement } from '../journal/journal.ts';
import type { PendingEffect } from '../journal/stream.ts';
import type { Channel } from '../notifications/channel.ts';

const RETRIES = { firstMs: 1_000, longestMs: 60_000 };
const CARD_TRIES = 12;
/** A missing role is said with the command that grants it. */
const ERROR_LENGTH = 600;

export interface SettlingPorts {
  /** Epoch ms. */
  readonly now: () => number;
  /** `undefined`: the mesh has no channel. */
  readonly channel: (mesh: string) => Promise<Channel | undefined>;
  readonly report: (problem: string, error: unknown) => void;
}

export const runAll = (
  ports: SettlingPorts,
  effects: readonly PendingEffect[],
  run: (effect: PendingEffect) => Promise<Settlement>,
): Promise<readonly Settlement[]> => Promise.all(effects.map((effect) => attempt(ports, effect, () => run(effect))));

/** Rejects as the first that failed, when none runs any more. */
export async function allEnded(running: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(running);
  await Promise.all(running);
}

async function attempt(ports: SettlingPorts, effect: PendingEffect, run: () => Promise<Settlement>): Promise<Settlement> {
  try {
    return await run();
  } catch (error) {
    return failed(ports, effect, error);
  }
}

export function failed(ports: SettlingPorts, effect: PendingEffect, error: unknown): Settlement {
  const givenUp = effect.kind === 'card' && effect.attempts >= CARD_TRIES;
  ports.report(`The effect ${effect.kind} ${effect.target} failed and ${givenUp ? 'is given up' : 'will be tried again'}.`, error);
  if (givenUp) return { effect, outcome: 'done' };
  return retry(ports, effect, error instanceof Error ? error.message : String(error));
}

export function retry(ports: Pick<SettlingPorts, 'now'>, effect: PendingEffect, error?: string): Settlement {
  const wait = Math.min(RETRIES.firstMs * 2 ** Math.min(effect.attempts - 1, 10), RETRIES.longestMs);
  return { effect, outcome: 'retry', at: ports.now() + wait, ...(error === undefined ? {} : { error: error.slice(0, ERROR_LENGTH) }) };
}

/** Sends the card that an effect is for; `service`: whom it is about, where it is not the mesh itself. */
export async function tell(ports: SettlingPorts, mesh: string, service: string | undefined, effect: PendingEffect): Promise<Settlement> {
  const channel = await ports.channel(mesh);
  if (!channel) return { effect, outcome: 'done' };
  const { topic, ...data } = effect.data ?? {};
  const id = `${mesh}/${service ?? ''}/${effect.target}`;
  const sent = await channel.send({ id, mesh, ...(service ? { service } : {}), topic: String(topic), at: effect.since, data });
  if (sent.kind === 'sent') return { effect, outcome: 'done' };
  if (sent.kind === 'refused' || effect.attempts >= CARD_TRIES) {
    ports.report(`A card about ${service ?? mesh} (${topic}) was given up.`, sent.error);
    return { effect, outcome: 'done' };
  }
  return { effect, outcome: 'retry', at: ports.now() + sent.afterMs, error: sent.error };
}
