/**
 * What is imported, as it comes: Kubernetes objects and Consul's config entries out of YAML and JSON, lists of them taken apart. An
 * entry of Consul becomes the custom resource that consul-k8s has for it (`control-plane/api/v1alpha1`), so that each kind is read once.
 */
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { opensTooMuch } from '../spec/yaml-documents.ts';

const MAX_BYTES = 64 * 1024 * 1024;
const MAX_ALIASES = 100;
/** Deeper than any object of a mesh; what walks through one calls itself for each level. */
const MAX_DEPTH = 200;
const NESTED = 'this is nested too deeply';
const CONSUL = 'consul.hashicorp.com/v1alpha1';

export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

export type Fields = Readonly<Record<string, unknown>>;

export interface SourceObject {
  /** The file it was in, or the address of the server that gave it. */
  readonly file: string;
  /** Of its `apiVersion`; '' for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** When the server made it; '' when nobody says. */
  readonly created: string;
  /** The kind of the controller that made it, such as `Canary`. */
  readonly owner?: string;
  readonly spec: Fields;
}

export interface UnreadableFile {
  readonly file: string;
  readonly message: string;
}

const fieldsSchema = z.record(z.string(), z.unknown());
const textsSchema = z.record(z.string(), z.string());
const objectSchema = z.looseObject({
  apiVersion: z.string().min(1),
  kind: z.string().min(1),
  metadata: z.looseObject({
    name: z.string().min(1),
    namespace: z.string().min(1).default('default'),
    creationTimestamp: z.string().nullish(),
    labels: textsSchema.nullish(),
    annotations: textsSchema.nullish(),
    ownerReferences: z.array(z.looseObject({ kind: z.string(), controller: z.boolean().optional() })).nullish(),
  }),
  spec: fieldsSchema.nullish(),
});
const listSchema = z.looseObject({ kind: z.string().endsWith('List').optional(), items: z.array(z.unknown()) });
const entrySchema = z.looseObject({ Kind: z.string().min(1), Name: z.string().min(1), Namespace: z.string().optional() });

/** In the order of the files; `unreadable` holds what is in none of the forms. */
export function readObjects(files: readonly SourceFile[]): {
  readonly objects: readonly SourceObject[];
  readonly unreadable: readonly UnreadableFile[];
} {
  const objects: SourceObject[] = [];
  const unreadable: UnreadableFile[] = [];
  for (const file of files) {
    const read = readValues(file);
    if (typeof read === 'string') unreadable.push({ file: file.path, message: read });
    else for (const value of read) take(file.path, value, objects, unreadable);
  }
  return { objects, unreadable };
}

/** Of a value that a server gave. */
export function objectsIn(file: string, value: unknown): ReturnType<typeof readObjects> {
  const objects: SourceObject[] = [];
  const unreadable: UnreadableFile[] = [];
  take(file, value, objects, unreadable);
  return { objects, unreadable };
}

function readValues({ path, text }: SourceFile): readonly unknown[] | string {
  if (Buffer.byteLength(text) > MAX_BYTES) return 'the file is larger than 64 MiB; split it';
  try {
    if (path.endsWith('.json')) return [JSON.parse(text)];
    if (opensTooMuch(text)) return NESTED;
    const documents = parseAllDocuments(text, { prettyErrors: false, logLevel: 'error' });
    const parsed = Array.isArray(documents) ? documents : [];
    const [error] = parsed.flatMap(({ errors }) => errors);
    if (error) return `this is not valid YAML: ${error.message.slice(0, 300)}`;
    return parsed.map((document): unknown => document.toJS({ maxAliasCount: MAX_ALIASES })).filter((value) => value !== null);
  } catch (error) {
    return error instanceof Error ? `it cannot be read: ${error.message.slice(0, 300)}` : 'it cannot be read';
  }
}

function take(file: string, value: unknown, objects: SourceObject[], unreadable: UnreadableFile[]): void {
  const message = unusable(value);
  if (message === undefined) takeAll(file, value, objects, unreadable);
  else unreadable.push({ file, message });
}

/** Level by level: it takes no stack. */
function unusable(value: unknown): string | undefined {
  let level = [value];
  for (let depth = 0; depth <= MAX_DEPTH; depth += 1) {
    const halved = level.some((each) => typeof each === 'string' && !each.isWellFormed());
    if (halved) return 'it holds half a character (a lone surrogate), which no spec can hold; write it whole';
    level = level.flatMap((each) => (typeof each === 'object' && each !== null ? Object.entries(each).flat() : []));
    if (level.length === 0) return undefined;
  }
  return NESTED;
}

function takeAll(file: string, value: unknown, objects: SourceObject[], unreadable: UnreadableFile[]): void {
  if (Array.isArray(value)) {
    for (const each of value) takeAll(file, each, objects, unreadable);
    return;
  }
  const entry = entrySchema.safeParse(value);
  if (entry.success) {
    objects.push(ofEntry(file, entry.data));
    return;
  }
  const list = listSchema.safeParse(value);
  if (list.success) {
    takeAll(file, list.data.items, objects, unreadable);
    return;
  }
  const object = objectSchema.safeParse(value);
  if (object.success) objects.push(ofKubernetes(file, object.data));
  else unreadable.push({ file, message: 'this is no Kubernetes object, no list of them and no config entry of Consul' });
}

function ofKubernetes(file: string, { apiVersion, kind, metadata, spec, ...beside }: z.infer<typeof objectSchema>): SourceObject {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  const { name, namespace, labels, annotations, ownerReferences, creationTimestamp } = metadata;
  const owner = ownerReferences?.find(({ controller }) => controller !== false)?.kind;
  const { status: _, ...fields } = beside;
  return {
    file,
    group: group ?? '',
    version: version ?? '',
    kind,
    namespace,
    name,
    labels: labels ?? {},
    annotations: annotations ?? {},
    created: creationTimestamp ?? '',
    ...(owner === undefined ? {} : { owner }),
    // Older kinds have their fields beside the metadata.
    spec: spec ?? fields,
  };
}

const SERVERS_OWN = ['Kind', 'Name', 'Namespace', 'Partition', 'Meta', 'Hash', 'CreateIndex', 'ModifyIndex'];

function ofEntry(file: string, entry: z.infer<typeof entrySchema>): SourceObject {
  const { Kind, Name, Namespace } = entry;
  const kind = Kind.split('-')
    .map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`)
    .join('');
  const own = Object.fromEntries(Object.entries(entry).filter(([key]) => !SERVERS_OWN.includes(key)));
  const [group = '', version = ''] = CONSUL.split('/');
  return {
    file,
    group,
    version,
    kind,
    namespace: Namespace ?? 'default',
    name: Name,
    labels: {},
    annotations: {},
    created: '',
    spec: { ...renamed(own), ...(kind === 'ServiceIntentions' ? { destination: { name: Name } } : {}) },
  };
}

/** The fields whose keys are names that people chose. */
const NAMED = ['subsets', 'failover', 'requestHeaders', 'responseHeaders', 'meta'];
/** Consul works these out for each source of an intention. */
const WORKED_OUT = ['Precedence', 'Type', 'LegacyID', 'LegacyMeta', 'LegacyCreateTime', 'LegacyUpdateTime'];

function renamed(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([key]) => !WORKED_OUT.includes(key))
      .map(([key, value]) => {
        const name =
          key === 'HTTP' ? 'http' : key === 'TLS' ? 'tls' : key === 'JWT' ? 'jwt' : `${key.slice(0, 1).toLowerCase()}${key.slice(1)}`;
        return [name, NAMED.includes(name) ? byName(value) : inside(value)];
      }),
  );
}

function byName(value: unknown): unknown {
  const fields = fieldsSchema.safeParse(value);
  return fields.success ? Object.fromEntries(Object.entries(fields.data).map(([key, each]) => [key, inside(each)])) : value;
}

function inside(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inside);
  const fields = fieldsSchema.safeParse(value);
  return fields.success ? renamed(fields.data) : value;
}
