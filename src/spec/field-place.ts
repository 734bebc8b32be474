/**
 * Where a spec says what a plan holds: from a place in the plan, such as `routes.beta.retries.on`, to the path of the field in
 * the file of the service, or of the mesh where the service only has what the mesh gives to all.
 */
import { z } from 'zod';

export interface WrittenPlace {
  readonly in: 'service' | 'mesh';
  /** As far as it is written; a field that nobody wrote is named all the same. */
  readonly path: readonly PropertyKey[];
}

const LAST_ROUTE = 'default';
const FROM_MESH = ['mtls', 'telemetry'];

const fieldsSchema = z.record(z.string(), z.unknown());
const listSchema = z.array(z.unknown());

/** `allowEntries`: by the index of a rule in the plan, the entry of `allow` that says it. */
export function writtenPlace(where: string, service: unknown, mesh: unknown, allowEntries: readonly number[]): WrittenPlace {
  const candidates = candidatesOf(where, service, allowEntries);
  for (const path of candidates) {
    const found = written(service, path);
    if (found.length > 0) return { in: 'service', path: found };
  }
  const [wanted = []] = candidates;
  const inMesh = FROM_MESH.includes(String(wanted[0])) ? written(mesh, wanted) : [];
  if (inMesh.length > 0) return { in: 'mesh', path: inMesh };
  return { in: 'service', path: (candidates.at(-1) ?? []).slice(0, 1) };
}

/** The best first: a route's own field, then the service's, which routes have where they have none. */
function candidatesOf(where: string, service: unknown, allowEntries: readonly number[]): readonly PropertyKey[][] {
  const [top = '', ...parts] = where.split('.');
  const rest = parts.join('.');
  if (top === 'routes') return routePaths(parts, service);
  if (top === 'allow')
    return [
      [
        'allow',
        ...(allowEntries[Number(parts[0])] === undefined ? [] : [allowEntries[Number(parts[0])] ?? 0]),
        ...parts.slice(1).filter((part) => part !== 'callers'),
      ],
    ];
  if (top === 'egress' || top === 'ingress')
    return [[top, ...indexWhere(childOf(service, top), (entry) => entry === rest || childOf(entry, 'host') === rest)]];
  return [[top, ...parts]];
}

function routePaths([name = '', ...parts]: readonly string[], service: unknown): PropertyKey[][] {
  const part = parts[0] === 'split' ? ['rollout'] : parts;
  const routes = childOf(service, 'routes');
  const index = indexWhere(routes, (route) => childOf(route, 'name') === name);
  if (name === LAST_ROUTE || index.length === 0) return [[...part]];
  if (part[0] === 'match') return [['routes', ...index, ...matchPath(part, childOf(childOf(routes, index[0] ?? 0), 'match'))]];
  const own = childOf(childOf(routes, index[0] ?? 0), part[0] ?? '') === undefined ? [] : [['routes', ...index, ...part]];
  return [...own, [...part]];
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
