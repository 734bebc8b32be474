/**
 * Whom the outside means: the services of the adopted specs that a deployment brings a version of, and those that an
 * alert speaks for. None is an answer (it is parked, or a card says so), and so are several.
 */
import { isVersion } from '../spec/names.ts';
import type { AlertSelector, DeploymentSource, ServiceSpec } from '../spec/schema.ts';
import type { Alert } from './alerts.ts';
import type { Deployment } from './deployments.ts';

export interface AdoptedMesh {
  readonly mesh: string;
  readonly services: readonly ServiceSpec[];
}

export interface ServiceVersion {
  readonly mesh: string;
  readonly service: string;
  readonly version: string;
  readonly digest?: string;
}

export interface ServiceName {
  readonly mesh: string;
  readonly service: string;
}

const MESH_PROPERTY = 'meshwright.mesh';
const SERVICE_PROPERTY = 'meshwright.service';

/** In the order of `meshes`, each service once. A request without a mesh means the service of that name in every mesh. */
export function servicesFor(deployment: Deployment, meshes: readonly AdoptedMesh[]): readonly ServiceVersion[] {
  return meshes.flatMap(({ mesh, services }) =>
    services.flatMap((service): ServiceVersion[] => {
      const brought = versionFor(deployment.from, mesh, service);
      return brought === undefined ? [] : [{ mesh, service: service.name, ...brought }];
    }),
  );
}

function versionFor(from: Deployment['from'], mesh: string, service: ServiceSpec): { version: string; digest?: string } | undefined {
  if (from.kind === 'request') {
    if (from.service !== service.name || (from.mesh !== undefined && from.mesh !== mesh)) return undefined;
    return { version: from.version, ...(from.digest === undefined ? {} : { digest: from.digest }) };
  }
  for (const source of service.deployments) {
    if (from.kind === 'registry' && 'repository' in source && sameRepository(source.repository, from.repository)) {
      return { version: from.tag, digest: from.digest };
    }
    if (from.kind === 'resource') {
      const version = versionInResource(source, from.resourceId);
      if (version !== undefined) return { version };
    }
  }
  return undefined;
}

/** Hosts are compared in any case; the path of a repository is lower case by the distribution spec, so only its own spelling counts. */
function sameRepository(a: string, b: string): boolean {
  return withHostInLowerCase(a) === withHostInLowerCase(b);
}

function withHostInLowerCase(repository: string): string {
  const slash = repository.indexOf('/');
  return repository.slice(0, slash).toLowerCase() + repository.slice(slash);
}

/** Segment by segment, in any case (Azure changes the case of ids inside one event); the version keeps the case it came in. */
function versionInResource(source: DeploymentSource, resourceId: string): string | undefined {
  if (!('resource' in source)) return undefined;
  const pattern = source.resource.split('/');
  const segments = withoutEndSlash(resourceId).split('/');
  if (pattern.length !== segments.length) return undefined;
  let version: string | undefined;
  for (const [index, part] of pattern.entries()) {
    const found = segmentPattern(part).exec(segments[index] ?? '');
    if (found === null) return undefined;
    version = found.groups?.version ?? version;
  }
  return version !== undefined && isVersion(version) ? version : undefined;
}

function segmentPattern(part: string): RegExp {
  const source = part.split(/(\*|\{version\})/).map((piece) => {
    if (piece === '*') return '.*';
    return piece === '{version}' ? '(?<version>.+)' : piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${source.join('')}$`, 'i');
}

/**
 * Custom properties `meshwright.service` (and `meshwright.mesh`) name the service and win over everything else, also when
 * there is no such service: then the alert fits nothing. Otherwise every service one of whose `alerts` entries holds.
 */
export function servicesForAlert(alert: Alert, meshes: readonly AdoptedMesh[]): readonly ServiceName[] {
  const mesh = alert.custom[MESH_PROPERTY];
  const service = alert.custom[SERVICE_PROPERTY];
  return meshes
    .filter((adopted) => mesh === undefined || adopted.mesh === mesh)
    .flatMap((adopted) =>
      adopted.services
        .filter((spec) => (service === undefined ? spec.alerts.some((selector) => speaksFor(selector, alert)) : spec.name === service))
        .map((spec) => ({ mesh: adopted.mesh, service: spec.name })),
    );
}

/** An entry that gives nothing would hold of every alert, so it holds of none. */
function speaksFor({ rule, target, dimension }: AlertSelector, alert: Alert): boolean {
  if (rule === undefined && target === undefined && dimension === undefined) return false;
  return (
    (rule === undefined || same(rule, alert.rule)) &&
    (target === undefined || alert.targets.some((each) => same(withoutEndSlash(target), withoutEndSlash(each)))) &&
    (dimension === undefined || alert.dimensions.some(({ name, value }) => same(name, dimension.name) && value === dimension.value))
  );
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function withoutEndSlash(resourceId: string): string {
  return resourceId.replace(/\/$/, '');
}
