/**
 * Where a spec says what a plan holds: from a place in the plan, such as `routes.beta.retries.on`, to the path of the field in
 * the file of the service, or of the mesh where the service only has what the mesh gives to all.
 */
import { z } from 'zod';
import { authoredEgressSchema } from './authored-outside.ts';

export interface WrittenPlace {
  readonly in: 'service' | 'mesh';
  /** As far as it is written; a field that nobody wrote is named all the same. */
  readonly path: readonly PropertyKey[];
}

const LAST_ROUTE = 'default';
const FROM_MESH = ['mtls', 'telemetry'];
/** Routes have the service's where they say nothing of it. */
const OF_SERVICE = ['timeout', 'retries'];

const fieldsSchema = z.record(z.string(), z.unknown());
const listSchema = z.array(z.unknown());

/** `allowEntries`: by the index of a rule in the plan, the entry of `allow` that says it. */
export function writtenPlace(where: string, service: unknown, mesh: unknown, allowEntries: readonly number[]): WrittenPlace {
  const wanted = pathOf(where, service, allowEntries);
  const found = written(service, wanted);
  const inMesh = FROM_MESH.includes(String(wanted[0])) ? written(mesh, wanted) : [];
  if (inMesh.length > found.length) return { in: 'mesh', path: inMesh };
  return { in: 'service', path: found.length > 0 ? found : wanted.slice(0, 1) };
}

function pathOf(where: string, service: unknown, allowEntries: readonly number[]): readonly PropertyKey[] {
  const [top = '', ...parts] = where.split('.');
  switch (top) {
    case 'routes':
      return routePath(parts, service);
    case 'allow': {
      const entry = allowEntries[Number(parts[0])];
      return entry === undefined ? [top] : [top, entry, ...parts.slice(1)];
    }
    case 'egress': {
      const host = parts.join('.');
      return [top, ...indexWhere(childOf(service, top), (entry) => isCalled(entry, host))];
    }
    case 'ingress': {
      const host = parts.join('.');
      return [top, ...indexWhere(childOf(service, top), (entry) => childOf(entry, 'host') === host)];
    }
    default:
      return [top, ...parts];
  }
}

/** `host` with its port or without. */
function isCalled(entry: unknown, host: string): boolean {
  const [said] = authoredEgressSchema.safeParse([entry]).data ?? [];
  return said !== undefined && [said.host, `${said.host}:${said.port}`].includes(host);
}

/** What a route says itself, or what it has from the service. */
function routePath([name = '', ...parts]: readonly string[], service: unknown): PropertyKey[] {
  const [part = ''] = parts;
  if (part === 'split') return ['rollout'];
  const routes = childOf(service, 'routes');
  const index = indexWhere(routes, (route) => childOf(route, 'name') === name);
  const route = childOf(routes, index[0] ?? 0);
  if (name === LAST_ROUTE || index.length === 0) return parts;
  if (OF_SERVICE.includes(part) && childOf(route, part) === undefined) return parts;
  return ['routes', ...index, ...(part === 'match' ? matchPath(parts, childOf(route, 'match')) : parts)];
}

/** A header's name may hold dots, and is written in any case. */
function matchPath(part: readonly string[], match: unknown): PropertyKey[] {
  const [, condition, ...name] = part;
  if (condition !== 'headers') return [...part];
  const headers = fieldsSchema.safeParse(childOf(match, 'headers')).data ?? {};
  const asWritten = Object.keys(headers).find((each) => each.toLowerCase() === name.join('.'));
  return ['match', 'headers', ...(asWritten === undefined ? [] : [asWritten])];
}

/** As much of `path` as there is. */
function written(document: unknown, path: readonly PropertyKey[]): PropertyKey[] {
  const found: PropertyKey[] = [];
  let here = document;
  for (const segment of path) {
    here = childOf(here, segment);
    if (here === undefined) break;
    found.push(segment);
  }
  return found;
}

function childOf(value: unknown, key: PropertyKey): unknown {
  const list = listSchema.safeParse(value);
  if (list.success) return typeof key === 'number' ? list.data[key] : undefined;
  const fields = fieldsSchema.safeParse(value);
  return fields.success && typeof key === 'string' && Object.hasOwn(fields.data, key) ? fields.data[key] : undefined;
}

function indexWhere(value: unknown, fits: (entry: unknown) => boolean): number[] {
  const index = (listSchema.safeParse(value).data ?? []).findIndex(fits);
  return index === -1 ? [] : [index];
}
