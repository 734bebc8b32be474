/**
 * A service while it is put together out of many objects, none of which has all of it. Two that say different things of one field
 * are reported, and the first is kept; objects come in a fixed order, so that the same input gives the same spec.
 */
import { isDeepStrictEqual } from 'node:util';
import type { RouteMatch, ServicePlan, WeightedVersion } from '../plan/plan.ts';
import type { AllowRule, Egress, Fault, Ingress, Mirror, MtlsStage } from '../spec/policy-schema.ts';
import type { RetriesSpec, RolloutStep, ServiceSpec } from '../spec/schema.ts';
import type { Finding, Outcome, Say } from './findings.ts';
import type { Inventory } from './inventory.ts';
import type { SourceObject } from './objects.ts';

export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
}

/** As a plan has it, whatever its source: the last route of a service that matches everything is its default. */
export interface DraftRoute {
  readonly name: string;
  readonly match: RouteMatch;
  /** Whole percentages; left out: all versions alike. */
  readonly split?: readonly WeightedVersion[];
  readonly timeoutMs?: number;
  /** Left out: nothing is tried again. */
  readonly retries?: RetriesSpec;
  readonly mirror?: Mirror;
  readonly fault?: Fault;
}

/** In a plan's words. */
type Resilience = {
  -readonly [Key in 'connectTimeoutMs' | 'retryBudget' | 'circuitBreaker' | 'outlierDetection' | 'loadBalancing' | 'failover']: NonNullable<
    ServicePlan[Key]
  >;
};

interface Claimed extends Resilience {
  port: number;
  protocol: ServiceSpec['protocol'];
  versionLabel: string;
  selector: Readonly<Record<string, string>>;
  serviceAccount: string;
  routes: readonly DraftRoute[];
  steps: readonly RolloutStep[];
}

export interface ServiceDraft extends ServiceName {
  readonly fields: Partial<Claimed>;
  /** What the routes came from. */
  routesFrom?: SourceObject;
  mtls?: MtlsStage;
  /** Left out: nothing is said of who may call. */
  allow?: AllowRule[];
  readonly egress: Egress[];
  readonly ingress: Ingress[];
}

export interface Drafts {
  /** Made when it is not there. */
  of(name: ServiceName): ServiceDraft;
  all(): readonly ServiceDraft[];
}

export interface ImportContext {
  readonly objects: readonly SourceObject[];
  readonly inventory: Inventory;
  readonly drafts: Drafts;
  readonly say: Say;
  /** Services that are versions of another one, by `namespace/name`. */
  readonly versionServices: Set<string>;
  /** What Consul does with calls that no intention speaks of; left out: nobody said. */
  readonly consulDefault?: 'allow' | 'deny';
}

export function createDrafts(): Drafts {
  const drafts = new Map<string, ServiceDraft>();
  return {
    of({ namespace, name }) {
      const key = `${namespace}/${name}`;
      const draft = drafts.get(key) ?? { namespace, name, fields: {}, egress: [], ingress: [] };
      drafts.set(key, draft);
      return draft;
    },
    all: () => [...drafts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, draft]) => draft),
  };
}

export interface Claim {
  readonly object: SourceObject;
  readonly field: string;
  /** How the meaning changes; left out: it does not. */
  readonly difference?: string;
}

/** Says what became of the field it came from; `into` is the field of the spec, by its written name. */
export function claim<Key extends keyof Claimed>(
  { say }: Pick<ImportContext, 'say'>,
  draft: ServiceDraft,
  [key, into]: readonly [Key, string],
  value: Claimed[Key],
  { object, field, difference }: Claim,
): void {
  const before = draft.fields[key];
  const about = { service: draft.name, into, field };
  if (before !== undefined && !isDeepStrictEqual(before, value)) {
    say(object, 'not-imported', { ...about, message: 'another object says something else of it, and that is kept; make it one' });
    return;
  }
  draft.fields[key] = value;
  say(object, ...became(about, difference));
}

export const became = (
  about: Omit<Finding, 'object' | 'outcome'>,
  difference: string | undefined,
): [Outcome, Omit<Finding, 'object' | 'outcome'>] =>
  difference === undefined ? ['imported', about] : ['approximated', { ...about, message: difference }];

/** Of an API group and kind, in the order of the objects. */
export const ofKind = ({ objects }: Pick<ImportContext, 'objects'>, group: string, kind: string): readonly SourceObject[] =>
  objects.filter((object) => object.group === group && object.kind === kind);
