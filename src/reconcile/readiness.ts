/** What is known of a service's versions over all its data planes, as one word each. */
import type { ServiceContext } from '../rollouts/commands.ts';
import type { ServiceState } from '../rollouts/state.ts';
import type { EffectPorts } from './effects.ts';

/** A data plane that cannot be asked knows nothing: unknown stops the way up and never the way back. */
export async function readinessNow(
  ports: Pick<EffectPorts, 'dataPlane' | 'now' | 'report'>,
  mesh: string,
  service: string,
  state: ServiceState,
): Promise<Pick<ServiceContext, 'readinessOf' | 'notReadyOn'>> {
  const dataPlanes = state.spec?.dataPlanes ?? [];
  const known = await Promise.all(
    dataPlanes.map(async (name) => {
      try {
        return (await (await ports.dataPlane(mesh, name))?.readiness(mesh, service, ports.now())) ?? {};
      } catch (error) {
        ports.report(`The readiness of ${service} on ${name} could not be read.`, error);
        return {};
      }
    }),
  );
  const wordsFor = (version: string) => known.map((versions) => versions[version] ?? 'unknown');
  return {
    readinessOf(version) {
      const words = wordsFor(version);
      if (words.length > 0 && words.every((word) => word === 'ready')) return 'ready';
      return words.length > 0 && words.every((word) => word === 'none') ? 'none' : 'unknown';
    },
    notReadyOn(version) {
      const words = wordsFor(version);
      return dataPlanes.filter((_, index) => words[index] !== 'ready');
    },
  };
}
