/**
 * Writers of one process who race for the same document. While nobody has lost a race, everyone tries at once, so that a
 * slow call holds up no other. Who was too late tries again in turn, and newcomers line up behind: ten who go on trying at
 * once need fifty tries, and the unlucky one most of them. Whoever may wait for nobody stands in no line: one slow call would
 * hold up all behind it. Over these, and over other processes, the etag alone decides.
 */
import type { Documents } from './documents.ts';

/** Somebody else wrote first, again and again. Transient. */
export class ContentionError extends Error {
  override name = 'ContentionError';
}

const MAX_TRIES = 50;

/** By store and document: settles when the last of those who wait has had its turn. */
const turns = new WeakMap<Documents, Map<string, Promise<unknown>>>();

/**
 * `attempt` answers `undefined` when somebody else was faster; what it throws ends the race. `waits`: stands in line once
 * somebody has lost.
 * @throws ContentionError saying `otherwise` when every try came too late.
 */
export async function race<Result>(
  documents: Documents,
  key: string,
  otherwise: string,
  attempt: () => Promise<Result | undefined>,
  waits = true,
): Promise<Result> {
  const goOnTrying = async (): Promise<Result> => {
    for (let tries = 1; tries < MAX_TRIES; tries += 1) {
      const result = await attempt();
      if (result !== undefined) return result;
    }
    throw new ContentionError(otherwise);
  };
  if (!waits) return goOnTrying();
  const first = turns.get(documents)?.has(key) ? undefined : await attempt();
  return first === undefined ? inTurn(documents, key, goOnTrying) : first;
}

function inTurn<Result>(documents: Documents, key: string, work: () => Promise<Result>): Promise<Result> {
  const lasts = turns.get(documents) ?? new Map<string, Promise<unknown>>();
  turns.set(documents, lasts);
  const mine = (lasts.get(key) ?? Promise.resolve()).then(work);
  const over = mine.then(
    () => {},
    () => {},
  );
  lasts.set(key, over);
  void over.then(() => {
    if (lasts.get(key) === over) lasts.delete(key);
  });
  return mine;
}
