/**
 * A difference between what was decided for a service and what a data plane has of it, and drift: the differences that stand. Shapes,
 * and the sentences in which people are told of them.
 */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';

/** Who changed something, as the data plane keeps it; `at` is epoch ms. */
const authorSchema = z.object({ manager: z.string(), operation: z.string().exactOptional(), at: z.number().exactOptional() });
export type Author = Readonly<z.infer<typeof authorSchema>>;

const resource = z.string();

export const differenceSchema = z.discriminatedUnion('kind', [
  /** An object or entry of ours is not there. Nobody keeps who deleted it. */
  z.object({ kind: z.literal('missing'), resource }),
  /** Values are JSON, cut where they are long; absent: there is none, or there is to be none. `restorable`: nobody else owns the field. */
  z.object({
    kind: z.literal('changed'),
    resource,
    path: z.string(),
    wanted: z.string().exactOptional(),
    found: z.string().exactOptional(),
    by: authorSchema.exactOptional(),
    restorable: z.boolean(),
  }),
  /** One of ours that is no longer wanted is there again. */
  z.object({ kind: z.literal('left-over'), resource, by: authorSchema.exactOptional() }),
  /** Something of others that changes what ours means; `message` says what to do. */
  z.object({ kind: z.literal('foreign'), resource, message: z.string(), by: authorSchema.exactOptional() }),
  /** A proxy that does not serve what is stored. */
  z.object({ kind: z.literal('behind'), resource, message: z.string() }),
]);
export type Difference = Readonly<z.infer<typeof differenceSchema>>;

export const driftSchema = z.object({
  /** Epoch ms; differences that become others are one drift. */
  since: z.number(),
  differences: z.array(differenceSchema),
  /** How many there are beside these. */
  more: z.number().int(),
});
export type Drift = Readonly<z.infer<typeof driftSchema>>;

/** Whether bringing the data plane to what was decided, as ever, undoes it. */
export const isRestorable = (difference: Difference): boolean =>
  difference.kind === 'missing' || difference.kind === 'left-over' || (difference.kind === 'changed' && difference.restorable);

/** Whether they are the same but for the times: whoever owns a field may write the same again. */
export const isSame = (one: readonly Difference[], other: readonly Difference[]): boolean =>
  isDeepStrictEqual(one.map(withoutTime), other.map(withoutTime));

function withoutTime(difference: Difference): Difference {
  if (!('by' in difference) || !difference.by) return difference;
  const { at: _at, ...by } = difference.by;
  return { ...difference, by };
}

/** The order in which they are kept and told, however they were found. */
export const inOrder = (differences: readonly Difference[]): Difference[] =>
  differences.toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));

const placeOf = (difference: Difference): string =>
  `${difference.resource} ${'path' in difference ? difference.path : ''} ${difference.kind}`;

/** One or two sentences: what, who, and what to do where nothing is done by itself. */
export function differenceText(difference: Difference): string {
  const { resource } = difference;
  switch (difference.kind) {
    case 'missing':
      return `${resource} is gone; who deleted it is not kept.`;
    case 'left-over':
      return `${resource} is there again and should not be${by(difference.by)}.`;
    case 'changed': {
      const { path, wanted, found, restorable } = difference;
      const is = found === undefined ? 'is missing' : `is ${found}`;
      const should = wanted === undefined ? 'should not be there' : `should be ${wanted}`;
      return `${path} of ${resource} ${is} and ${should}${by(difference.by)}.${restorable ? '' : owned(difference.by)}`;
    }
    case 'foreign':
      return `${difference.message}${difference.by ? ` It is from ${authorText(difference.by)}.` : ''}`;
    case 'behind':
      return `${resource}: ${difference.message}`;
  }
}

const by = (author: Author | undefined): string => (author ? `, says ${authorText(author)}` : '; who changed it is not kept');

const owned = (author: Author | undefined): string =>
  ` ${author?.manager ?? 'Somebody else'} owns it: let it leave that alone, or set \`takeOver: true\` on the data plane.`;

function authorText({ manager, operation, at }: Author): string {
  const how = [operation, at === undefined ? undefined : `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`];
  const known = how.filter((each) => each !== undefined);
  return known.length === 0 ? manager : `${manager} (${known.join(', ')})`;
}
