/** What is known of a service's versions over all its data planes, as one word each. */
import type { Readiness } from '../rollouts/commands.ts';
import type { ServiceState } from '../rollouts/state.ts';
import type { EffectPorts } from './effects.ts';

/** A data plane that cannot be asked knows nothing: unknown stops the way up and never the way back. */
export async function readinessNow(
  ports: Pick<EffectPorts, 'dataPlane' | 'now' | 'report'>,
  mesh: string,
  service: string,
  state: ServiceState,
): Promise<(version: string) => Readiness> {
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
  return (version) => {
    const words = known.map((versions) => versions[version] ?? 'unknown');
    if (words.length > 0 && words.every((word) => word === 'ready')) return 'ready';
    return words.length > 0 && words.every((word) => word === 'none') ? 'none' : 'unknown';
  };
}
