/**
 * What a spec may not do where mTLS holds calls back: ask for it before anything is there that would, and take it away in passing.
 * To open a service is a step of its own, with a word for it: `mtls: permissive`.
 */
import type { SpecClash } from './outside-names.ts';
import type { ServiceSpec } from './schema.ts';

/** Services that are to hold calls back, or report them, and have nothing written until a version is known. */
export function heldWithoutStable(services: readonly ServiceSpec[]): readonly SpecClash[] {
  return services.flatMap(({ name, mtls, stable }) => {
    if (mtls === undefined || mtls.stage === 'permissive' || stable !== undefined) return [];
    const none = mtls.stage === 'strict' ? 'hold nobody back' : 'report nobody';
    const message = `\`mtls: ${mtls.stage}\` needs it: until a version is known nothing is written, so \`${mtls.stage}\` would ${none}; say which version serves`;
    return [{ service: name, where: 'stable', message }];
  });
}

export interface Opened extends SpecClash {
  /** The spec does not name it any more. */
  readonly gone: boolean;
}

/** What would let everybody call who is held back now: a service that goes, or leaves a data plane, or says nothing of mTLS any more. */
export function openedServices(before: readonly ServiceSpec[], after: readonly ServiceSpec[]): readonly Opened[] {
  const next = new Map(after.map((service) => [service.name, service]));
  return before.flatMap(({ name, mtls, dataPlanes }): Opened[] => {
    if (mtls?.stage !== 'strict') return [];
    const service = next.get(name);
    const opened = (where: string, what: string): Opened => {
      const message = `\`${name}\` is \`mtls: strict\`, and ${what} would let everybody call its workloads; apply it with \`mtls: permissive\` first`;
      return { service: name, where, message, gone: service === undefined };
    };
    if (!service) return [opened('name', 'taking it out of the spec')];
    const left = dataPlanes.filter((dataPlane) => !service.dataPlanes.includes(dataPlane));
    if (left.length > 0) return [opened('dataPlanes', `taking it from ${left.join(', ')}`)];
    return service.mtls ? [] : [opened('mtls', 'saying nothing of `mtls` any more')];
  });
}
