/**
 * An API server in memory, as far as objects are applied and taken away. It remembers what was there after each write, so that it
 * can be asked what proxies would do in between.
 */
import type {
  ApplyOutcome,
  Cluster,
  DeleteOutcome,
  DesiredObject,
  HowToApply,
  KubernetesObject,
  ObjectName,
  ResourceKind,
} from '../../../src/dataplanes/kubernetes/cluster.ts';
import type { JsonObject } from '../../../src/journal/documents.ts';

interface Stored {
  readonly desired: DesiredObject;
  readonly resourceVersion: string;
}

const idOf = ({ apiVersion, kind }: ResourceKind, { namespace, name }: ObjectName): string => [apiVersion, kind, namespace, name].join(' ');

export class MemoryCluster implements Cluster {
  /** In the order in which they were made. */
  readonly #stored = new Map<string, Stored>();
  #writes = 0;
  /** What was there after each write, the older first. */
  readonly states: (readonly JsonObject[])[] = [];

  apply(desired: DesiredObject, { over, dryRun }: HowToApply): Promise<ApplyOutcome> {
    const id = idOf(desired.kind, desired.metadata);
    const there = this.#stored.get(id);
    if (there?.resourceVersion !== (over === 'absent' ? undefined : over.resourceVersion)) return Promise.resolve({ kind: 'moved' });
    if (!dryRun) {
      this.#writes += 1;
      const content = { ...there?.desired.content, ...desired.content };
      this.#stored.set(id, { desired: { ...desired, content }, resourceVersion: String(this.#writes) });
      this.#remember();
    }
    return Promise.resolve({ kind: 'applied' });
  }

  get(kind: ResourceKind, name: ObjectName) {
    const there = this.#stored.get(idOf(kind, name));
    return Promise.resolve(there ? ({ kind: 'found', object: objectOf(there) } as const) : ({ kind: 'absent' } as const));
  }

  /** By name, as an API server does. */
  list(kind: ResourceKind, { labels = {} }: { readonly labels?: Readonly<Record<string, string>> }) {
    const objects = [...this.#stored]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .filter(([, { desired }]) => desired.kind.kind === kind.kind && desired.kind.apiVersion === kind.apiVersion)
      .filter(([, { desired }]) => Object.entries(labels).every(([label, value]) => desired.metadata.labels[label] === value))
      .map(([, stored]) => objectOf(stored));
    return Promise.resolve({ kind: 'listed', objects } as const);
  }

  delete(kind: ResourceKind, { metadata }: KubernetesObject): Promise<DeleteOutcome> {
    const id = idOf(kind, metadata);
    const there = this.#stored.get(id);
    if (there && there.resourceVersion !== metadata.resourceVersion) return Promise.resolve({ kind: 'moved' });
    if (this.#stored.delete(id)) this.#remember();
    return Promise.resolve({ kind: 'gone' });
  }

  remove(): never {
    throw new Error('Nobody else writes here.');
  }

  may(): Promise<boolean> {
    return Promise.resolve(true);
  }

  door(): never {
    throw new Error('There are no pods.');
  }

  #remember(): void {
    this.states.push(
      [...this.#stored.values()].map(({ desired: { kind, metadata, content } }) => ({
        apiVersion: kind.apiVersion,
        kind: kind.kind,
        metadata: { ...metadata, labels: { ...metadata.labels }, annotations: { ...metadata.annotations } },
        ...content,
      })),
    );
  }
}

const objectOf = ({ desired: { metadata, content }, resourceVersion }: Stored): KubernetesObject => ({
  ...content,
  metadata: { ...metadata, labels: { ...metadata.labels }, annotations: { ...metadata.annotations }, uid: metadata.name, resourceVersion },
});
