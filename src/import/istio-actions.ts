/**
 * What an HTTPRoute of Istio does with requests beside sending them: time-out, retries, faults. What Istio does where nothing is written
 * is written into the spec: it tries twice more (istio/istio `pilot/pkg/networking/core/route/retry`).
 */
import type { Fault } from '../spec/policy-schema.ts';
import { RETRY_CONDITIONS, type RetriesSpec } from '../spec/schema.ts';
import { became, type ImportContext, type ServiceDraft } from './draft.ts';
import type { HttpRoute } from './istio-schema.ts';
import type { SourceObject } from './objects.ts';
import { isWholePercent, milliseconds, wholePercent } from './quantities.ts';

const DEFAULT_ATTEMPTS = 2;
const MOST_ATTEMPTS = 10;
const BY_ITSELF = 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes';

export interface RoutePlace {
  readonly context: ImportContext;
  readonly object: SourceObject;
  readonly draft: ServiceDraft;
  /** `spec.http[0]`. */
  readonly at: string;
  /** `routes.beta`, or '' for the service's own. */
  readonly into: string;
}

const inside = ({ draft, at, into }: RoutePlace, field: string, part: string) => ({
  service: draft.name,
  field: `${at}.${field}`,
  into: into === '' ? part : `${into}.${part}`,
});

/** `undefined` is no time-out, which is what Istio has by itself. */
export function timeoutOf(place: RoutePlace, written: string | undefined): number | undefined {
  if (written === undefined) return undefined;
  const ms = milliseconds(written);
  const about = inside(place, 'timeout', 'timeout');
  if (ms === undefined) place.context.say(place.object, 'not-imported', { ...about, message: `\`${written}\` is no duration` });
  else place.context.say(place.object, 'imported', about);
  return ms === 0 ? undefined : ms;
}

/** `undefined` is none. */
export function retriesOf(place: RoutePlace, written: HttpRoute['retries']): RetriesSpec | undefined {
  const { say } = place.context;
  const about = inside(place, 'retries', 'retries');
  if (written?.attempts === 0) {
    say(place.object, 'imported', about);
    return undefined;
  }
  const tokens = (written?.retryOn || BY_ITSELF).split(',').map((token) => token.trim());
  const on = RETRY_CONDITIONS.filter((condition) => tokens.includes(condition));
  const others = tokens.filter((token) => !RETRY_CONDITIONS.some((condition) => condition === token));
  const attempts = Math.min(written?.attempts ?? DEFAULT_ATTEMPTS, MOST_ATTEMPTS);
  const perTry = written?.perTryTimeout === undefined ? 0 : milliseconds(written.perTryTimeout);
  const notes = [
    ...(written ? [] : [`nothing is written, and Istio tries ${DEFAULT_ATTEMPTS} times more by itself: the spec says so`]),
    ...(others.length === 0 ? [] : [`${others.join(', ')} ${others.length === 1 ? 'is' : 'are'} no longer tried again`]),
    ...((written?.attempts ?? 0) > MOST_ATTEMPTS ? [`${MOST_ATTEMPTS} retries, as many as a spec takes`] : []),
    ...(perTry === undefined ? [`\`${written?.perTryTimeout}\` is no duration`] : []),
  ];
  if (on.length === 0) {
    say(place.object, 'not-imported', { ...about, message: `a spec retries on none of ${tokens.join(', ')}: nothing is tried again` });
    return undefined;
  }
  say(place.object, ...became(about, notes.length === 0 ? undefined : notes.join('; ')));
  return { attempts, ...(perTry ? { perTryTimeoutMs: perTry } : {}), on: [...on].sort() };
}

export function faultOf(place: RoutePlace, written: HttpRoute['fault']): Fault | undefined {
  if (!written) return undefined;
  const { delay, abort } = written;
  const delayMs = delay?.fixedDelay === undefined ? undefined : milliseconds(delay.fixedDelay);
  const shares = [delay, abort].flatMap((part) => part?.percentage?.value ?? []);
  const [delayed, aborted] = [wholePercent(delay?.percentage?.value ?? 0), wholePercent(abort?.percentage?.value ?? 0)];
  const fault = {
    ...(delayMs && delayed ? { delay: { ms: delayMs, percent: delayed } } : {}),
    ...(abort?.httpStatus !== undefined && abort.httpStatus >= 200 && aborted
      ? { abort: { status: abort.httpStatus, percent: aborted } }
      : {}),
  };
  const about = inside(place, 'fault', 'fault');
  if (Object.keys(fault).length === 0) {
    place.context.say(place.object, 'not-imported', {
      ...about,
      message: 'it delays or aborts no share of the requests that a spec could name',
    });
    return undefined;
  }
  place.context.say(place.object, ...became(about, shares.every(isWholePercent) ? undefined : 'shares are whole percentages'));
  return fault;
}
