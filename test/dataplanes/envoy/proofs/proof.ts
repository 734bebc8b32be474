/**
 * A proof that Envoy does what a field of a plan says: two plans that differ in the field alone, and something seen of requests
 * (or, where no request can show it, read at Envoy's admin interface) that differs with them.
 */
import type { Json } from '../../../../src/journal/documents.ts';
import type { AllowRule, PlannedRoute, ServicePlan } from '../../../../src/plan/plan.ts';
import type { LocalIssuer } from '../../../adapters/local-issuer.ts';
import type { Answer, Call, Received } from '../workload.ts';

/** What a plan says besides the least one can say: all to v1. */
export interface Said extends Partial<Omit<ServicePlan, 'mesh' | 'service' | 'namespace' | 'routes' | 'security'>> {
  /** Before the one that matches everything. */
  readonly routes?: readonly PlannedRoute[];
  /** Of the one that matches everything. */
  readonly route?: Partial<PlannedRoute>;
}

/** `http2` speaks HTTP/2, `bad` and `worse` answer 503, `dead` takes no connection. */
export type WorkloadName = 'v1' | 'v2' | 'http2' | 'bad' | 'worse' | 'dead';
export interface Placed {
  readonly at: WorkloadName;
  readonly version?: 'v1' | 'v2';
  readonly region?: string;
}

/** One of the two services, called through an Envoy. */
export interface Service {
  readonly name: string;
  call(over?: Partial<Omit<Call, 'host'>>): Promise<Answer>;
  /** By the gateway, under another name. */
  enter(host: string): Promise<Answer>;
  /** What has reached a workload of this service. */
  received(at: Exclude<WorkloadName, 'dead'>): readonly Received[];
  release(at: Exclude<WorkloadName, 'dead'>): void;
  /** Requests sent to the cluster of a version, copies included. */
  sent(version: 'v1' | 'v2'): Promise<number>;
  /** Requests that wait for a connection to v1. */
  pending(): Promise<number>;
  /** Endpoints of v1 that are ejected. */
  ejected(): Promise<number>;
  /** Endpoints of v1 that were to be ejected and were not, for too many are already. */
  keptIn(): Promise<number>;
  /** The cluster of v1 as Envoy has it. */
  cluster(): Promise<Json>;
}

interface CallingProof {
  readonly kind: 'calling';
  readonly says: readonly [Said, Said];
  /** Unless given: v1 and v2 at the workloads of these names. */
  readonly endpoints?: readonly Placed[];
  readonly observe: (service: Service) => Promise<Json>;
  readonly shows: readonly [Json, Json];
}

export interface Secured {
  readonly stage: 'permissive' | 'shadow' | 'strict';
  readonly allow: readonly AllowRule[];
  /** Tokens that are asked for. */
  readonly tokens?: { readonly from: IssuerName; readonly audience: string; readonly roles?: readonly string[] };
}

export type IssuerName = 'ours' | 'others';

/** A workload behind an Envoy with an identity. */
export interface Receiver {
  /** The status, or `closed` where there is no answer. `by`: a service account of the namespace, over mTLS; none: plaintext. */
  ask(by: 'web' | 'admin' | undefined, over?: Partial<Omit<Call, 'host' | 'port'>>): Promise<number | 'closed'>;
  issuer(name: IssuerName): LocalIssuer;
  /** Requests that `allow` would have refused. */
  shadowDenied(): Promise<number>;
}

interface ReceivingProof {
  readonly kind: 'receiving';
  readonly says: readonly [Secured, Secured];
  readonly observe: (receiver: Receiver) => Promise<Json>;
  readonly shows: readonly [Json, Json];
}

export type Proof = CallingProof | ReceivingProof;

/** The service's answers, one after the other. */
export async function inTurn<T>(count: number, ask: () => Promise<T>): Promise<readonly T[]> {
  const answers: T[] = [];
  for (let sent = 0; sent < count; sent += 1) answers.push(await ask());
  return answers;
}

/** The statuses of a request that is under way and so many more that come then: each is answered, waits for a connection or is at the workload before any is let go. */
export async function besideOne(service: Service, more: number): Promise<readonly number[]> {
  let answered = 0;
  const ask = async () => {
    const { status } = await service.call({ headers: { 'x-do': 'wait' } });
    answered += 1;
    return status;
  };
  const first = ask();
  await until(async () => service.received('v1').length === 1);
  const answers = Promise.all([first, ...Array.from({ length: more }, ask)]);
  // In this order one that goes on to the workload meanwhile is missed, and looked for again, rather than counted twice.
  await until(async () => answered + service.received('v1').length + (await service.pending()) > more);
  await until(async () => {
    service.release('v1');
    return answered > more;
  });
  return (await answers).toSorted();
}

/** Looks until it is so. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
}
