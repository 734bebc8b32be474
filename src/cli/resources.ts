/** Rendered resources as people speak of them, whatever mesh they are for, and what of them would change. */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';

export type Resource = Readonly<Record<string, unknown>>;

interface Named {
  readonly kind: string;
  /** With its namespace, where it has one. */
  readonly name: string;
}

const kubernetes = z
  .object({ kind: z.string(), metadata: z.object({ name: z.string(), namespace: z.string().optional() }) })
  .transform(({ kind, metadata: { name, namespace } }) => ({ kind, name: namespace === undefined ? name : `${namespace}/${name}` }));
const consul = z.object({ Kind: z.string(), Name: z.string() }).transform(({ Kind, Name }) => ({ kind: Kind, name: Name }));
const envoy = z
  .union([z.object({ '@type': z.string(), cluster_name: z.string() }), z.object({ '@type': z.string(), name: z.string() })])
  .transform((message) => ({
    kind: message['@type'].slice(message['@type'].lastIndexOf('.') + 1),
    name: 'name' in message ? message.name : message.cluster_name,
  }));
const named = z.union([kubernetes, consul, envoy]);

/** Kubernetes objects, Consul's config entries and Envoy's messages have a kind and a name. */
export const nameOf = (resource: Resource): Named => named.parse(resource);

export function kindAndName(resource: Resource): string {
  const { kind, name } = nameOf(resource);
  return `${kind} ${name}`;
}

export interface Change extends Named {
  readonly change: 'added' | 'changed' | 'removed';
  /** Of a change: where, such as `spec.http[0].timeout`. */
  readonly paths?: readonly string[];
}

/** In the order in which they would be applied; what is removed last, as it is when it is done. */
export function changesBetween(before: readonly Resource[], after: readonly Resource[]): readonly Change[] {
  const keyed = (resources: readonly Resource[]) => new Map(resources.map((resource) => [kindAndName(resource), resource]));
  const [old, next] = [keyed(before), keyed(after)];
  const written = [...next].flatMap(([key, resource]): Change[] => {
    const was = old.get(key);
    if (was === undefined) return [{ change: 'added', ...nameOf(resource) }];
    const paths = differences(was, resource, '');
    return paths.length === 0 ? [] : [{ change: 'changed', ...nameOf(resource), paths }];
  });
  const removed = [...old].filter(([key]) => !next.has(key)).map(([, resource]): Change => ({ change: 'removed', ...nameOf(resource) }));
  return [...written, ...removed];
}

const fieldsSchema = z.record(z.string(), z.unknown());
const listSchema = z.array(z.unknown());

/** Where two values differ, as deep as they are of one form. */
function differences(before: unknown, after: unknown, path: string): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  const [oldList, newList] = [listSchema.safeParse(before), listSchema.safeParse(after)];
  if (oldList.success && newList.success) {
    const length = Math.max(oldList.data.length, newList.data.length);
    return Array.from({ length }, (_, index) => differences(oldList.data[index], newList.data[index], `${path}[${index}]`)).flat();
  }
  const [old, next] = [fieldsSchema.safeParse(before), fieldsSchema.safeParse(after)];
  if (oldList.success || newList.success || !old.success || !next.success) return [path];
  const keys = [...new Set([...Object.keys(old.data), ...Object.keys(next.data)])];
  return keys.flatMap((key) => differences(old.data[key], next.data[key], path === '' ? key : `${path}.${key}`));
}
