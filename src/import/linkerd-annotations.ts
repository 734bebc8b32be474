/** What Linkerd reads of annotations (policy-controller): time-outs and retries of a route, circuit breaking of a service. */
import type { OutlierDetection } from '../spec/policy-schema.ts';
import { claim, type DraftRoute, type ImportContext, type ServiceDraft } from './draft.ts';
import type { SourceObject } from './objects.ts';
import { milliseconds } from './quantities.ts';

interface Place {
  readonly context: ImportContext;
  readonly object: SourceObject;
  readonly draft: ServiceDraft;
}

/** Of the route, which counts before that of its Service. */
const annotation = ({ context, object, draft }: Place, name: string): string | undefined =>
  object.annotations[name] ?? context.inventory.service(draft)?.annotations[name];

export function linkerdTimeout(place: Place): number | undefined {
  const name = 'timeout.linkerd.io/request';
  const written = annotation(place, name);
  if (written === undefined) return undefined;
  place.context.say(place.object, 'imported', { service: place.draft.name, into: 'timeout', field: `metadata.annotations["${name}"]` });
  return milliseconds(written);
}

export function linkerdRetries(place: Place): DraftRoute['retries'] {
  const limit = Number(annotation(place, 'retry.linkerd.io/limit') ?? 0);
  const http = annotation(place, 'retry.linkerd.io/http');
  if (!limit && http === undefined) return undefined;
  const tokens = (http ?? '').split(',').map((token) => token.trim());
  const on = [
    'connect-failure' as const,
    ...(tokens.some((token) => token === '5xx' || token.startsWith('500')) ? ['5xx' as const] : []),
    ...(tokens.some((token) => /^(gateway-error|50[234])/.test(token)) ? ['gateway-error' as const] : []),
    ...(tokens.includes('409') ? ['retriable-4xx' as const] : []),
    'refused-stream' as const,
  ].sort();
  const perTry = milliseconds(annotation(place, 'retry.linkerd.io/timeout') ?? '');
  const message = `\`${http ?? ''}\` is ${on.join(', ')} in a spec`;
  place.context.say(place.object, 'approximated', {
    service: place.draft.name,
    into: 'retries',
    field: 'metadata.annotations["retry.linkerd.io/http"]',
    message,
  });
  return { attempts: Math.min(10, limit || 1), ...(perTry ? { perTryTimeoutMs: perTry } : {}), on };
}

const ACCRUAL = 'balancer.linkerd.io/failure-accrual';
/** Linkerd's own, for what is left out. */
const DEFAULTS = { failures: 7, penaltyMs: 1_000 };

export function importFailureAccrual(context: ImportContext): void {
  for (const draft of context.drafts.all()) {
    const { object, annotations } = context.inventory.service(draft) ?? {};
    if (!object || annotations?.[ACCRUAL] !== 'consecutive') continue;
    const detection: OutlierDetection = {
      consecutiveErrors: Number(annotations[`${ACCRUAL}-consecutive-max-failures`]) || DEFAULTS.failures,
      intervalMs: 10_000,
      ejectionMs: milliseconds(annotations[`${ACCRUAL}-consecutive-min-penalty`] ?? '') || DEFAULTS.penaltyMs,
      maxEjectionPercent: 100,
    };
    const field = `metadata.annotations["${ACCRUAL}"]`;
    const difference =
      'an endpoint that failed so often in a row gets no requests for a while, as in Linkerd; how the while grows is up to the mesh, and all of them may be out at once';
    claim(context, draft, ['outlierDetection', 'outlierDetection'], detection, { object, field, difference });
  }
}
