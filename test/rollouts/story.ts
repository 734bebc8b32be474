/**
 * The words in which a service's specifications are told: given what was decided before, when a command comes, then these
 * events, this split, this phase, these effects. Everything goes through the real `decide` and `evolve`.
 */
import { expect } from 'vitest';
import type { Decision, Effect } from '../../src/decision.ts';
import type { FiredAlert, Readiness, ServiceCommand } from '../../src/rollouts/commands.ts';
import { nextDeadline } from '../../src/rollouts/deadlines.ts';
import { decide } from '../../src/rollouts/decide.ts';
import type { ServiceEvent } from '../../src/rollouts/events.ts';
import { evolve } from '../../src/rollouts/evolve.ts';
import { initialServiceState, type Phase, type Place, type Release, type ServiceState } from '../../src/rollouts/state.ts';
import { type ServiceSpec, serviceSpecSchema } from '../../src/spec/schema.ts';

export const MINUTE = 60_000;
export const T0 = Date.parse('2026-11-22T14:00:00Z');
export const HOLD = 5 * MINUTE;
export const STEP_DEADLINE = 15 * MINUTE;

const step = (weight: number) => ({ weight, holdMs: HOLD, deadlineMs: STEP_DEADLINE });

/** A service on two data planes, v1 stable, steps of 10, 50 and 100 percent. */
export function serviceSpec(fields: Partial<ServiceSpec> = {}): ServiceSpec {
  return serviceSpecSchema.parse({
    name: 'catalog',
    namespace: 'shop',
    port: 8080,
    protocol: 'http',
    dataPlanes: ['east', 'west'],
    versionLabel: 'version',
    stable: 'v1',
    routes: [],
    rollout: {
      strategy: 'canary',
      steps: [step(10), step(50), step(100)],
      pauseDeadlineMs: 60 * MINUTE,
      startDeadlineMs: 30 * MINUTE,
      returnDeadlineMs: 5 * MINUTE,
    },
    alerts: [],
    deployments: [],
    ...fields,
  });
}

export const specify = (spec = serviceSpec(), specVersion = 1): ServiceCommand => ({ type: 'Specify', spec, specVersion });

export function deploy(version: string, more: { digest?: string; place?: Place; again?: boolean } = {}): ServiceCommand {
  const { digest, ...rest } = more;
  return { type: 'Deploy', release: release(version, digest), ...rest };
}

export const release = (version: string, digest?: string): Release => (digest === undefined ? { version } : { version, digest });

/** A push to one registry repository, `minute` minutes after the story's beginning. */
export function push(
  version: string,
  minute: number,
  digest = `sha256:${version}`,
  repository = 'shop.azurecr.io/catalog',
): ServiceCommand {
  return deploy(version, { digest, place: { repository, at: T0 + minute * MINUTE, tie: `${digest}/${version}` } });
}

export function alert(firedAt: number, more: Partial<FiredAlert> = {}): ServiceCommand {
  return { type: 'AlertFired', alert: { id: 'a1', rule: 'catalog-5xx', firedAt, summary: 'too many 5xx', ...more } };
}

export const resolved = (resolvedAt: number, alertId = 'a1'): ServiceCommand => ({
  type: 'AlertResolved',
  alertId,
  rule: 'catalog-5xx',
  resolvedAt,
});

export class Story {
  state: ServiceState = initialServiceState;
  version = 0;
  now = T0;
  readonly events: { event: ServiceEvent; version: number; at: number }[] = [];
  #decision: Decision<ServiceEvent> | undefined;
  readonly #readiness = new Map<string, Readiness>();
  #trustChanges: string | undefined;

  /** Decides and, where accepted, records. */
  give(command: ServiceCommand): Decision<ServiceEvent> {
    const context = {
      now: this.now,
      version: this.version + 1,
      readinessOf: (version: string) => this.#readiness.get(version) ?? 'ready',
      notReadyOn: () => ['edge'],
      ...(this.#trustChanges === undefined ? {} : { trustChanges: this.#trustChanges }),
    };
    const decision = decide(this.state, command, context);
    if (decision.kind === 'accepted') {
      this.version += 1;
      for (const event of decision.events) {
        this.events.push({ event, version: this.version, at: this.now });
        this.state = evolve(this.state, event, { version: this.version, at: this.now });
      }
    }
    this.#decision = decision;
    return decision;
  }

  given(...commands: readonly ServiceCommand[]): this {
    for (const command of commands) expect(this.give(command), JSON.stringify(command)).toMatchObject({ kind: 'accepted' });
    return this;
  }

  when(command: ServiceCommand): this {
    this.give(command);
    return this;
  }

  after(ms: number): this {
    this.now += ms;
    return this;
  }

  /** The mesh's trust is being changed, and not all are seen to have it; `undefined`: no more. */
  trustChanges(why: string | undefined): this {
    this.#trustChanges = why;
    return this;
  }

  /** All versions not named are ready. */
  readiness(version: string, readiness: Readiness): this {
    this.#readiness.set(version, readiness);
    return this;
  }

  /** These data planes (default: all of the spec) are seen to serve the newest revision. */
  served(...dataPlanes: readonly string[]): this {
    const revision = this.version;
    for (const dataPlane of dataPlanes.length > 0 ? dataPlanes : (this.state.spec?.dataPlanes ?? [])) {
      this.give({ type: 'Converged', dataPlane, revision });
    }
    return this;
  }

  /** Time passes to the next deadline, and the alarm rings. */
  elapse(): this {
    const deadline = nextDeadline(this.state);
    if (!deadline) throw new Error('Nothing here has a deadline.');
    this.now = Math.max(this.now, deadline.at);
    return this.when({ type: 'Elapsed', deadline: deadline.name, dueAt: deadline.at });
  }

  thenRecords(...types: readonly ServiceEvent['type'][]): this {
    const decision = this.#decision;
    expect(decision).toMatchObject({ kind: 'accepted' });
    expect(decision?.kind === 'accepted' ? decision.events.map(({ type }) => type) : []).toEqual(types);
    return this;
  }

  thenRefuses(reason: string): this {
    expect(this.#decision).toMatchObject({ kind: 'refused', reason });
    return this;
  }

  thenChangesNothing(reason = 'NothingToDo'): this {
    expect(this.#decision).toMatchObject({ kind: 'unchanged', reason });
    return this;
  }

  thenSays(text: string | RegExp): this {
    expect(this.#decision?.message).toMatch(text);
    return this;
  }

  thenSplit(weights: Readonly<Record<string, number>>): this {
    expect(Object.fromEntries(this.state.split.map(({ version, weight }) => [version, weight]))).toEqual(weights);
    return this;
  }

  thenPhase<Name extends Phase['name']>(name: Name, fields: Partial<Extract<Phase, { name: Name }>> = {}): this {
    expect(this.state.rollout?.phase).toMatchObject({ name, ...fields });
    return this;
  }

  /** Nothing is rolling out, and all traffic is on this version. */
  thenRests(version: string): this {
    expect(this.state.rollout).toBeUndefined();
    expect(this.state.stable?.version).toBe(version);
    return this.thenSplit({ [version]: 100 });
  }

  /** Everything the decision calls for, such as `serve east`, `watch readiness`, `card started`; in any order. */
  thenOwes(...effects: readonly string[]): this {
    const owed = this.#decision?.kind === 'accepted' ? this.#decision.effects : [];
    expect(owed.map(wordOf).sort()).toEqual([...effects].sort());
    return this;
  }

  /** What the decision's cards say in words of their own. */
  toldTexts(): readonly string[] {
    const owed = this.#decision?.kind === 'accepted' ? this.#decision.effects : [];
    return owed.flatMap(({ kind, data }) => (kind === 'card' ? [String(data?.text)] : []));
  }
}

const wordOf = ({ kind, target, data }: Effect): string => `${kind} ${target ?? data?.topic}`;

export const SERVES = ['serve east', 'serve west'];

/** v1 serves alone. */
export const resting = (): Story => new Story().given(specify());
/** v2 has its first 10 percent, not yet seen anywhere. */
export const shifting = (): Story => resting().given(deploy('v2'));
/** v2's first 10 percent are served everywhere; its clock runs. */
export const holding = (): Story => shifting().served();
/** v2's clock has run, but something stood in the way. */
export const overdue = (): Story => holding().readiness('v2', 'unknown').elapse().readiness('v2', 'ready');
export const paused = (): Story => holding().given({ type: 'Pause' });
/** Must go back to v1, which is known to have no ready endpoint. */
export const blocked = (): Story => holding().readiness('v1', 'none').given({ type: 'Abort' });
export const returning = (): Story => holding().given({ type: 'Abort' });
/** v2 has no traffic yet, since it isn't seen ready. */
export const waiting = (): Story => resting().readiness('v2', 'unknown').given(deploy('v2'));
