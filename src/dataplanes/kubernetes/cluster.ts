/**
 * The port to a Kubernetes API server: what a mesh that lives on Kubernetes needs of it, and no more. What the server
 * refuses is a value, in one sentence; what may go better next time (429, 5xx, time-outs, nobody there) throws
 * `ClusterUnavailable`. Filled by `src/adapters/kubernetes-cluster.ts`.
 */
import { z } from 'zod';
import type { JsonObject } from '../../journal/documents.ts';
import type { FieldPath } from '../field-text.ts';

export type { FieldPath };

/** The field manager of everything this control plane applies. */
export const FIELD_MANAGER = 'meshwright';
/** That of taking out what others have put there: it owns what the server defaults in its place, and nothing else. */
export const REMOVING_MANAGER = 'meshwright-removing';

/** A kind of objects, with the name it has in paths (`virtualservices`). */
export interface ResourceKind {
  /** `v1` or `group/version`. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
}

export interface ObjectName {
  /** '' for what is in none. */
  readonly namespace: string;
  readonly name: string;
}

/** `VirtualService shop/catalog`. */
export const nameOf = ({ kind }: ResourceKind, { namespace, name }: ObjectName): string =>
  `${kind} ${namespace === '' ? name : `${namespace}/${name}`}`;

const strings = z.record(z.string(), z.string());

/** As the API server answers; everything but the metadata is for the mesh's own room to read. */
export const objectSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().default(''),
    uid: z.string(),
    resourceVersion: z.string(),
    labels: strings.default({}),
    annotations: strings.default({}),
  }),
});
export type KubernetesObject = z.infer<typeof objectSchema>;

/** An object as it is to be. */
export interface DesiredObject {
  readonly kind: ResourceKind;
  readonly metadata: ObjectName & {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  /** Its `spec`, or whatever else it has beside `metadata`. */
  readonly content: JsonObject;
}

export interface HowToApply {
  /**
   * The only state of the object that may be written over; `absent` creates and never changes. (An API server takes no
   * notice of the resourceVersion of an object that is not there, so that one which never was any object's does it; and without
   * its uid an object that was deleted meanwhile would be made anew.)
   */
  readonly over: { readonly resourceVersion: string; readonly uid: string } | 'absent';
  /** Takes fields from other managers. */
  readonly force: boolean;
  /** Everything is checked, admission webhooks included, and nothing is kept. */
  readonly dryRun: boolean;
}

export interface FieldOwner {
  readonly manager: string;
  readonly fields: readonly string[];
}

/** The server will say the same again until somebody changes something; `status` is its HTTP status. */
export interface Refused {
  readonly kind: 'refused';
  readonly status: number;
  readonly message: string;
}

export type ApplyOutcome =
  | { readonly kind: 'applied' }
  /** Somebody else owns these fields, with other values. */
  | { readonly kind: 'conflict'; readonly owners: readonly FieldOwner[]; readonly message: string }
  /** The object is not in the state named by `over` any more. */
  | { readonly kind: 'moved' }
  | Refused;

export type GetOutcome = { readonly kind: 'found'; readonly object: KubernetesObject } | { readonly kind: 'absent' } | Refused;
export type ListOutcome = { readonly kind: 'listed'; readonly objects: readonly KubernetesObject[] } | Refused;
/** `gone`: it is not there, whoever took it away. */
export type DeleteOutcome = { readonly kind: 'gone' } | { readonly kind: 'moved' } | Refused;
export type RemoveOutcome = { readonly kind: 'removed' } | { readonly kind: 'moved' } | Refused;
export type AskOutcome = { readonly kind: 'answered'; readonly status: number; readonly body: string } | Refused;

/** A permission, in the words of an RBAC rule. */
export interface Permission {
  readonly verb: string;
  /** `''` for the core group. */
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  /** Absent = in all namespaces. */
  readonly namespace?: string;
}

export interface PodPort {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
}

/** HTTP GETs to a pod's own loopback, over as few connections as may be. */
export interface PodDoor {
  get(path: string): Promise<AskOutcome>;
  close(): void;
}

export interface Cluster {
  /** Server-side apply of one object under `FIELD_MANAGER`. */
  apply(desired: DesiredObject, how: HowToApply): Promise<ApplyOutcome>;
  get(kind: ResourceKind, name: ObjectName): Promise<GetOutcome>;
  /** Takes fields out of the object, whoever owns them, only in exactly this state of it. */
  remove(kind: ResourceKind, object: KubernetesObject, fields: readonly FieldPath[]): Promise<RemoveOutcome>;
  /** All that carry these labels; without a namespace, in all of them. */
  list(
    kind: ResourceKind,
    where: { readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> },
  ): Promise<ListOutcome>;
  /** Deletes the object only in exactly this state. */
  delete(kind: ResourceKind, object: KubernetesObject): Promise<DeleteOutcome>;
  /** Whether the caller has a permission (SelfSubjectAccessReview). */
  may(permission: Permission): Promise<boolean>;
  /** Through the API server (`pods/portforward`); opened by the first question. */
  door(to: PodPort): PodDoor;
}

/** Transient: the same request may well succeed later. */
export class ClusterUnavailable extends Error {
  override readonly name = 'ClusterUnavailable';
}
