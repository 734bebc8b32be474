/**
 * How the config entries of a service in Consul differ from what is rendered. An entry of ours is ours whole, but for what others
 * have in service-defaults. Consul keeps nobody's name beside what is written, so that it is not known who changed one.
 */
import type { Json } from '../../journal/documents.ts';
import type { Difference } from '../../reconcile/data-plane.ts';
import { type FieldPath, pathText, valuesOf } from '../field-text.ts';
import { type Bringing, holdsNewer, look, writtenByAnother } from './apply.ts';
import { type Entry, isObject, isSame } from './entries.ts';
import { type Found, ownerOf, writtenOver } from './ownership.ts';
import type { Consul } from './server.ts';

/** Of a service that is at rest. Throws where it cannot be read: `ConsulUnavailable`, or an Error with what Consul refused. */
export async function storedDrift(consul: Consul, bringing: Bringing): Promise<readonly Difference[]> {
  const live = await look(consul, bringing.service);
  if ('message' in live) throw new Error(live.message);
  if (holdsNewer(live, bringing)) {
    return [{ kind: 'foreign', resource: bringing.service, message: writtenByAnother(bringing.service) }];
  }
  const { mesh, service, entries } = bringing;
  const leftOver = [...live].filter(
    ([kind, there]) => ownerOf(there, mesh, service).kind === 'ours' && !entries.some((entry) => entry.kind === kind),
  );
  return [
    ...entries.flatMap((entry) => differencesOf(entry, live.get(entry.kind), bringing)),
    ...leftOver.map(([kind]): Difference => ({ kind: 'left-over', resource: `${kind} ${service}` })),
  ];
}

function differencesOf(entry: Entry, there: Found | undefined, { mesh, service, takeOver }: Bringing): readonly Difference[] {
  const resource = `${entry.kind} ${entry.name}`;
  if (!there) return [{ kind: 'missing', resource }];
  const owner = ownerOf(there, mesh, service);
  if (owner.kind === 'another') {
    const message = `${resource} is of ${owner.service} in mesh ${owner.mesh} now; Consul has one service of a name, so that one of them needs another.`;
    return [{ kind: 'foreign', resource, message }];
  }
  const kept = owner.kind === 'stranger' && (owner.controller || !takeOver);
  if (kept) {
    const whose = owner.controller
      ? 'is kept by consul-k8s from a resource on Kubernetes'
      : 'was written by somebody else, over what was there';
    const message = `${resource} ${whose}; delete that, or ${owner.controller ? 'it is written back' : 'set `takeOver: true` on the data plane'}.`;
    return [{ kind: 'foreign', resource, message }];
  }
  return changes(writtenOver(entry, there).fields, there.fields, []).map(({ path, ...values }) => {
    return { kind: 'changed', resource, path: pathText(path), ...values, restorable: true };
  });
}

interface Change {
  readonly path: FieldPath;
  readonly wanted?: string;
  readonly found?: string;
}

/** Consul leaves out of its answers what is empty, 0 or false. */
function changes(wanted: Json | undefined, found: Json | undefined, path: FieldPath): readonly Change[] {
  if (isSame(wanted, found)) return [];
  if (Array.isArray(wanted) && Array.isArray(found) && wanted.length === found.length) {
    return wanted.flatMap((item, index) => changes(item, found[index], [...path, index]));
  }
  if (isObject(wanted) && isObject(found)) {
    const keys = [...new Set([...Object.keys(wanted), ...Object.keys(found)])];
    return keys.flatMap((key) => changes(wanted[key], found[key], [...path, key]));
  }
  return [{ path, ...valuesOf(wanted, found) }];
}
