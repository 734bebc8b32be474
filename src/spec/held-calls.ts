/**
 * What a spec may not do where mTLS or tokens hold calls back: ask for it before anything is there that would, and take it away in
 * passing. To open a service is a step of its own: `mtls: permissive`, or a spec that says no more of `tokens` and is otherwise in place.
 */
import type { SpecClash } from './outside-names.ts';
import type { ServiceSpec } from './schema.ts';

/** Services that are to hold calls back, or report them, and have nothing written until a version is known. */
export function heldWithoutStable(services: readonly ServiceSpec[]): readonly SpecClash[] {
  return services.flatMap(({ name, mtls, tokens, stable }) => {
    if (stable !== undefined) return [];
    if (mtls === undefined || mtls.stage === 'permissive') {
      const message =
        '`tokens` needs it: until a version is known nothing is written, so nobody would be asked for one; say which version serves';
      return tokens ? [{ service: name, where: 'stable', message }] : [];
    }
    const none = mtls.stage === 'strict' ? 'hold nobody back' : 'report nobody';
    const message = `\`mtls: ${mtls.stage}\` needs it: until a version is known nothing is written, so \`${mtls.stage}\` would ${none}; say which version serves`;
    return [{ service: name, where: 'stable', message }];
  });
}

export interface Opened extends SpecClash {
  /** The spec does not name it any more. */
  readonly gone: boolean;
}

/** What would let everybody call who is held back now: a service that goes, or leaves a data plane, or says nothing of mTLS any more. To say no more of tokens is a step of its own. */
export function openedServices(before: readonly ServiceSpec[], after: readonly ServiceSpec[]): readonly Opened[] {
  const next = new Map(after.map((service) => [service.name, service]));
  return before.flatMap(({ name, mtls, tokens, dataPlanes }): Opened[] => {
    const isStrict = mtls?.stage === 'strict';
    if (!isStrict && !tokens) return [];
    const service = next.get(name);
    const [is, first] = isStrict ? ['is `mtls: strict`', 'with `mtls: permissive`'] : ['asks for `tokens`', 'without `tokens`'];
    const opened = (where: string, what: string): Opened => {
      const message = `\`${name}\` ${is}, and ${what} would let everybody call its workloads; apply it ${first} first`;
      return { service: name, where, message, gone: service === undefined };
    };
    if (!service) return [opened('name', 'taking it out of the spec')];
    const left = dataPlanes.filter((dataPlane) => !service.dataPlanes.includes(dataPlane));
    if (left.length > 0) return [opened('dataPlanes', `taking it from ${left.join(', ')}`)];
    return service.mtls || !isStrict ? [] : [opened('mtls', 'saying nothing of `mtls` any more')];
  });
}
