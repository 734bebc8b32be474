/**
 * What a Kubernetes API server's HTTP answers mean. Format: `Status` of meta/v1
 * (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/); the odd ones were seen on a real server:
 * a type error under server-side apply is a 500 without a reason, and a kind that is not served a 404 without a body.
 */
import { z } from 'zod';
import {
  type ApplyOutcome,
  ClusterUnavailable,
  type DeleteOutcome,
  type FieldOwner,
  type GetOutcome,
  objectSchema,
  type Refused,
  type RemoveOutcome,
  type ResourceKind,
} from '../dataplanes/kubernetes/cluster.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly retryAfter?: string;
  readonly body: string;
  /** Of a 403: how that is granted, where Azure holds the permissions. */
  readonly grant?: (said: string) => string;
}

const statusSchema = z.looseObject({
  message: z.string().default(''),
  reason: z.string().default(''),
  details: z
    .looseObject({
      causes: z
        .array(z.looseObject({ reason: z.string().default(''), message: z.string().default(''), field: z.string().default('') }))
        .default([]),
    })
    .default({ causes: [] }),
});
type Status = z.infer<typeof statusSchema>;

const NOTHING_SAID: Status = { message: '', reason: '', details: { causes: [] } };

/** Which versions of a kind's group the server has; asked only when it does not know the kind. */
export type ServedVersions = () => Promise<readonly string[]>;

/** `what` names the request in messages: "apply VirtualService shop/catalog". */
export async function applyOutcome(answer: HttpAnswer, what: string, kind: ResourceKind, served: ServedVersions): Promise<ApplyOutcome> {
  if (answer.status === 200 || answer.status === 201) return { kind: 'applied' };
  const said = statusOf(answer);
  if (answer.status === 409) {
    const owners = ownersOf(said);
    if (owners.length === 0) return { kind: 'moved' };
    return { kind: 'conflict', owners, message: conflictMessage(what, owners) };
  }
  if (answer.status === 500 && /^failed to create typed/.test(said.message)) return refusal(answer.status, what, said.message);
  return refused(answer, what, kind, served);
}

export async function removeOutcome(answer: HttpAnswer, what: string, kind: ResourceKind, served: ServedVersions): Promise<RemoveOutcome> {
  if (answer.status === 200) return { kind: 'removed' };
  if (answer.status === 409) return { kind: 'moved' };
  return refused(answer, what, kind, served);
}

export async function getOutcome(answer: HttpAnswer, what: string, kind: ResourceKind, served: ServedVersions): Promise<GetOutcome> {
  if (answer.status === 200) return { kind: 'found', object: contentOf(objectSchema, answer, what) };
  if (answer.status === 404 && statusOf(answer).reason === 'NotFound') return { kind: 'absent' };
  return refused(answer, what, kind, served);
}

export async function deleteOutcome(answer: HttpAnswer, what: string, kind: ResourceKind, served: ServedVersions): Promise<DeleteOutcome> {
  if (answer.status === 200 || answer.status === 202) return { kind: 'gone' };
  if (answer.status === 404 && statusOf(answer).reason === 'NotFound') return { kind: 'gone' };
  if (answer.status === 409) return { kind: 'moved' };
  return refused(answer, what, kind, served);
}

/** What a success holds. Throws `ClusterUnavailable` where no API server answers so: something else speaks in its place, for now. */
export function contentOf<Content>(schema: z.ZodType<Content>, { body, status }: HttpAnswer, what: string): Content {
  const content = schema.safeParse(parsed(body));
  if (content.success) return content.data;
  throw new ClusterUnavailable(
    `What answers at the API server's address was asked to ${what}, and answers ${status} and not as Kubernetes does.`,
  );
}

/** Of an answer that is no success: a refusal, or `ClusterUnavailable` is thrown. */
export async function refused(answer: HttpAnswer, what: string, kind: ResourceKind, served: ServedVersions): Promise<Refused> {
  const { status } = answer;
  const { message, reason } = statusOf(answer);
  if (status === 429) throw new ClusterUnavailable(`The API server has no time to ${what}${waits(answer)}.`);
  if (status >= 500) throw new ClusterUnavailable(`The API server failed to ${what} (${status}): ${message || answer.body.slice(0, 200)}`);
  if (status === 401) return refusal(status, what, 'it does not accept these credentials; renew the ones the data plane is reached with.');
  if (status === 403 && !/denied the request/.test(message))
    return refusal(
      status,
      what,
      `${message.replace(/\.$/, '')}. ${answer.grant?.(message) ?? 'Grant that to whom meshwright signs in as.'}`,
    );
  if (status === 404 && reason !== 'NotFound') return refusal(status, what, notServed(kind, await served()));
  return refusal(status, what, message || `status ${status}`);
}

const refusal = (status: number, what: string, why: string): Refused => ({
  kind: 'refused',
  status,
  message: `The API server refuses to ${what}: ${why}`,
});

/** Refused before anything was asked: we have nothing to sign in with. */
export const noAccess = (message: string): Refused => ({ kind: 'refused', status: 401, message });

function notServed({ apiVersion, kind }: ResourceKind, versions: readonly string[]): string {
  if (versions.length === 0) return `it has no ${kind} of ${apiVersion}; install its CRD.`;
  return `it has ${kind} not as ${apiVersion} but only ${versions.join(', ')}; update its CRD.`;
}

function waits({ retryAfter }: HttpAnswer): string {
  return retryAfter === undefined ? '' : ` and asks to wait ${retryAfter} s`;
}

/** `conflict with "helm" using networking.istio.io/v1beta1` and `conflict with "helm" with subresource "status" …`. */
function ownersOf({ details }: Status): readonly FieldOwner[] {
  const conflicts = details.causes.filter(({ reason }) => reason === 'FieldManagerConflict');
  const byManager = Map.groupBy(conflicts, ({ message }) => /^conflict with "((?:[^"\\]|\\.)*)"/.exec(message)?.[1] ?? message);
  return [...byManager].map(([manager, causes]) => ({ manager, fields: causes.map(({ field }) => field) }));
}

function conflictMessage(what: string, owners: readonly FieldOwner[]): string {
  const whose = owners.map(({ manager, fields }) => `${manager} owns ${fields.join(', ')}`).join('; ');
  return `The API server refuses to ${what}: ${whose}. Let its owner leave these fields alone, or tell meshwright to take them (\`takeOver: true\` of the data plane).`;
}

const statusOf = ({ body }: HttpAnswer): Status => statusSchema.safeParse(parsed(body)).data ?? NOTHING_SAID;

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
