/** The HTTP API of an installation, as its people and senders use it, with the mesh `shop` and its service `catalog`. */

import { z } from 'zod';
import { conforms } from '../api/conforming.ts';

const statusSchema = z.object({
  version: z.number(),
  stable: z.string().nullable(),
  split: z.array(z.object({ version: z.string(), weight: z.number() })),
  rollout: z.object({ candidate: z.string(), phase: z.string(), step: z.number() }).nullable(),
  rejected: z.array(z.object({ release: z.string(), because: z.string() })),
  pending: z.array(z.object({ what: z.string() })),
});
export type Status = z.infer<typeof statusSchema>;

const journalSchema = z.object({ commits: z.array(z.object({ actor: z.string(), events: z.array(z.looseObject({ type: z.string() })) })) });

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  /** Parsed, if it was JSON. */
  readonly body: unknown;
}

export interface Api {
  /** With the token of this installation, unless `headers` say otherwise. A text is sent as it is, everything else as JSON. */
  call(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Adopts the mesh `shop` with the service `catalog`, which begins with v1 and has these lines on top. */
  apply(lines: string): Promise<void>;
  deploy(version: string): Promise<Answer>;
  /** Of `catalog`. */
  status(): Promise<Status>;
  /** Of `catalog`: the types of all events, in order. */
  events(): Promise<readonly string[]>;
}

export function apiOf(url: string, token: string): Api {
  async function call(method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const contentType = response.headers.get('content-type') ?? '';
    const answer = { status: response.status, contentType, body: contentType.includes('json') ? JSON.parse(text) : text };
    conforms({ method, path, ...answer });
    return answer;
  }

  return {
    call,

    async apply(lines) {
      const files = [
        { path: 'mesh.yaml', text: MESH_FILE },
        { path: 'catalog.yaml', text: `${CATALOG_FILE}${lines}\n` },
      ];
      const answer = await call('POST', '/apply', { files });
      if (answer.status !== 200) throw new Error(`The spec was not adopted: ${JSON.stringify(answer.body)}`);
    },

    deploy: (version) => call('POST', '/meshes/shop/services/catalog/rollout', { version }),
    status: async () => statusSchema.parse((await call('GET', '/meshes/shop/services/catalog')).body),
    async events() {
      const { body } = await call('GET', '/meshes/shop/services/catalog/journal?limit=1000');
      return journalSchema.parse(body).commits.flatMap(({ events }) => events.map(({ type }) => type));
    },
  };
}

const MESH_FILE = `apiVersion: meshwright.dev/v1
kind: Mesh
name: shop
dataPlanes:
  - { name: edge, kind: envoy }
`;

const CATALOG_FILE = `apiVersion: meshwright.dev/v1
kind: Service
name: catalog
port: 8080
stable: v1
alerts:
  - rule: catalog-errors
`;
