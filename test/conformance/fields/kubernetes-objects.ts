/** Writing what a mesh's renderer gives for one plan over what it gave for another: objects it no longer names are taken away. */
import type { JsonObject } from '../../../src/journal/documents.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import type { ApiServer } from '../api-server.ts';
import type { KubeObject } from '../kube-client.ts';
import { isObject } from './proto-json.ts';

/** The objects of each service that were written last. */
export class Written {
  readonly #api: ApiServer;
  readonly #before = new Map<string, readonly KubeObject[]>();

  constructor(api: ApiServer) {
    this.#api = api;
  }

  /** Rejects with the server's words when it does not take one. Fields of other managers stay. */
  async replace(plan: ServicePlan, rendered: readonly JsonObject[]): Promise<void> {
    const objects = rendered.map(kubeObject);
    for (const object of objects) {
      const { status, body } = await this.#api.admin.apply(object, { manager: 'meshwright', force: true });
      if (status >= 300) throw new Error(`${object.kind} ${object.metadata.name} was not taken (${status}): ${JSON.stringify(body)}`);
    }
    const names = new Set(objects.map(nameOf));
    for (const gone of (this.#before.get(plan.service) ?? []).filter((object) => !names.has(nameOf(object)))) {
      await this.#api.admin.ask('DELETE', await this.#api.admin.pathOf(gone));
    }
    this.#before.set(plan.service, objects);
  }
}

const nameOf = ({ apiVersion, kind, metadata }: KubeObject): string => `${apiVersion} ${kind} ${metadata.name}`;

function isKubeObject(object: JsonObject): object is KubeObject {
  const { apiVersion, kind, metadata } = object;
  return typeof apiVersion === 'string' && typeof kind === 'string' && isObject(metadata) && typeof metadata.name === 'string';
}

/** @throws when it has no kind or no name. */
export function kubeObject(object: JsonObject): KubeObject {
  if (!isKubeObject(object)) throw new Error(`Not a Kubernetes object: ${JSON.stringify(object)}`);
  return object;
}
