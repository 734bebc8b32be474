/**
 * Speaks to an API server as the tests need it: any request, and server-side apply of an object, with the answer given back as
 * it came. It is not the product's connector: it arranges what that one finds, and looks at what it left.
 */
import { request } from 'node:https';
import { z } from 'zod';
import type { Json, JsonObject } from '../../src/journal/documents.ts';

export interface KubeObject extends JsonObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string } & JsonObject;
}

export interface KubeAnswer {
  readonly status: number;
  /** JSON as parsed, or the text where it is none. */
  readonly body: Json;
}

export interface ApplyOptions {
  /** The field manager; `conformance` unless said. */
  readonly manager?: string;
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

export interface KubeClient {
  /** `path` such as `/api/v1/namespaces`. Rejects only when there is no answer. */
  ask(method: string, path: string, body?: Json, contentType?: string): Promise<KubeAnswer>;
  /** Server-side apply; the refusal is the answer. Rejects when the kind is not served. */
  apply(object: KubeObject, options?: ApplyOptions): Promise<KubeAnswer>;
  /** Applies them in order. Rejects with what the server said to the first that it does not take. */
  mustApply(...objects: readonly KubeObject[]): Promise<void>;
  /** Where an object of this kind and name lives; with `subresource` that of it. */
  pathOf(object: Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>, subresource?: string): Promise<string>;
}

const Resources = z.object({ resources: z.array(z.object({ name: z.string(), kind: z.string(), namespaced: z.boolean() })) });
type Resource = z.infer<typeof Resources>['resources'][number];

/** `url` of the API server, its certificate authority as PEM, and a bearer token. */
export function kubeClient(url: string, authority: string, token: string): KubeClient {
  const known = new Map<string, Resource>();

  const ask: KubeClient['ask'] = (method, path, body, contentType = 'application/json') => {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, accept: 'application/json', 'content-type': contentType };
      const call = request(new URL(path, url), { method, ca: authority, headers, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: parsed(text) }));
      });
      call.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
    });
  };

  async function resource(apiVersion: string, kind: string): Promise<Resource> {
    const key = `${apiVersion}/${kind}`;
    const before = known.get(key);
    if (before) return before;
    const { status, body } = await ask('GET', `${groupPath(apiVersion)}`);
    const served = status === 200 ? Resources.parse(body).resources : [];
    const found = served.find((candidate) => candidate.kind === kind && !candidate.name.includes('/'));
    if (!found) throw new Error(`The API server serves no ${kind} of ${apiVersion}: install its CRD first.`);
    known.set(key, found);
    return found;
  }

  const pathOf: KubeClient['pathOf'] = async ({ apiVersion, kind, metadata }, subresource) => {
    const { name, namespaced } = await resource(apiVersion, kind);
    const scope = namespaced ? `/namespaces/${metadata.namespace ?? 'default'}` : '';
    return `${groupPath(apiVersion)}${scope}/${name}/${metadata.name}${subresource === undefined ? '' : `/${subresource}`}`;
  };

  const apply: KubeClient['apply'] = async (object, { manager = 'conformance', force = false, dryRun = false } = {}) => {
    const query = new URLSearchParams({ fieldManager: manager, force: String(force), ...(dryRun ? { dryRun: 'All' } : {}) });
    return ask('PATCH', `${await pathOf(object)}?${query}`, object, 'application/apply-patch+yaml');
  };

  return {
    ask,
    apply,
    pathOf,
    async mustApply(...objects) {
      for (const object of objects) {
        const { status, body } = await apply(object);
        if (status < 300) continue;
        throw new Error(`${object.kind} ${object.metadata.name} was not taken (${status}): ${JSON.stringify(body)}`);
      }
    },
  };
}

const groupPath = (apiVersion: string): string => (apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`);

function parsed(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
