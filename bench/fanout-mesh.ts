/**
 * The mesh that a change is fanned out over, in the shipped processes: a hundred services in mid-canary, so a hundred virtual
 * hosts with two weighted clusters, each with two endpoints; and one of them whose weights are moved over HTTP.
 */
import { z } from 'zod';
import { expectStatus, type Shipped, startShipped, until } from './shipped.ts';

export const MESH = 'bench';
export const DATA_PLANE = 'edge';
const SERVICES = 100;
const VERSIONS = ['v1', 'v2'] as const;
const ENDPOINTS = 2;
const AT_ONCE = 10;
export const SHAPE = `${SERVICES} virtual hosts with ${VERSIONS.length} weighted clusters, ${SERVICES * VERSIONS.length} clusters with ${ENDPOINTS} endpoints`;

const names = Array.from({ length: SERVICES }, (_, index) => `service-${index}`);
const [moving = '', ...resting] = names;
/** The one that is moved, as its virtual host is called. */
export const MOVING_HOST = `${moving}.default`;

export type Move = 'forth' | 'back';
/** What the moved virtual host's last route holds then. */
export const SPLITS: Readonly<Record<Move, string>> = {
  forth: `${MOVING_HOST}|v1=50,${MOVING_HOST}|v2=50`,
  back: `${MOVING_HOST}|v1=100`,
};

export interface FanoutMesh {
  readonly shipped: Shipped;
  /** One request: half of the moved service's traffic to its other version, or all of it back. Rejects when it is not taken in. */
  move(move: Move): Promise<void>;
  /** Waits until the functions know that every node serves it, and nothing is owed any more. */
  seen(move: Move): Promise<void>;
  /** Waits until that holds for every service. */
  allSeen(): Promise<void>;
}

const rolloutSchema = z.object({ service: z.string(), rollout: z.object({ phase: z.string() }).nullable(), pending: z.array(z.unknown()) });
const statusSchema = z.object({ services: z.array(rolloutSchema) });

export async function startFanoutMesh(): Promise<FanoutMesh> {
  const shipped = await startShipped();
  try {
    expectStatus(200, await shipped.call('POST', '/apply', { files: specs() }));
    await shipped.register(MESH, DATA_PLANE, endpoints());
    for (let index = 0; index < resting.length; index += AT_ONCE)
      await Promise.all(resting.slice(index, index + AT_ONCE).map((service) => start(shipped, service)));
    const weighted = async () => (await rollouts(shipped)).filter(({ rollout }) => rollout?.phase === 'shifting').length === resting.length;
    await until(weighted, 'every other service has its weights');
  } catch (error) {
    await shipped.end();
    await shipped.remove();
    throw error;
  }
  return {
    shipped,
    move: (move) => (move === 'forth' ? start(shipped, moving) : abort(shipped)),
    seen: (move) =>
      until(async () => {
        const { rollout, pending } = rolloutSchema.parse((await shipped.call('GET', pathOf(moving))).body);
        return pending.length === 0 && rollout?.phase === (move === 'forth' ? 'holding' : undefined);
      }, `every node is known to have gone ${move}`),
    allSeen: () =>
      until(async () => {
        const all = (await rollouts(shipped)).filter(({ service }) => service !== moving);
        return all.every(({ rollout, pending }) => rollout?.phase === 'holding' && pending.length === 0);
      }, 'every node is known to serve every service'),
  };
}

const pathOf = (service: string): string => `/meshes/${MESH}/services/${service}`;

async function start(shipped: Shipped, service: string): Promise<void> {
  expectStatus(202, await shipped.call('POST', `${pathOf(service)}/rollout`, { version: 'v2', again: true }));
}

async function abort(shipped: Shipped): Promise<void> {
  expectStatus(200, await shipped.call('POST', `${pathOf(moving)}/rollout/abort`));
}

async function rollouts(shipped: Shipped): Promise<z.infer<typeof statusSchema>['services']> {
  return statusSchema.parse((await shipped.call('GET', '/status')).body).services;
}

/** The moved service can be called in either version by a header, so that both its clusters stay: a move changes weights alone. */
function specs(): readonly { readonly path: string; readonly text: string }[] {
  const head = 'apiVersion: meshwright.dev/v1';
  const mesh = [head, 'kind: Mesh', `name: ${MESH}`, 'dataPlanes:', `  - { name: ${DATA_PLANE}, kind: envoy }`];
  const pinned = VERSIONS.map((version) => `{ name: ${version}, match: { headers: { version: ${version} } }, version: ${version} }`);
  const files = names.map((name) => {
    const lines = [head, 'kind: Service', `name: ${name}`, 'port: 8080', 'stable: v1'];
    const rollout = ['rollout:', '  steps: [{ weight: 50, hold: 12h, deadline: 24h }]'];
    return {
      path: `${name}.yaml`,
      text: [...lines, ...rollout, ...(name === moving ? [`routes: [${pinned.join(', ')}]`] : [])].join('\n'),
    };
  });
  return [{ path: 'mesh.yaml', text: mesh.join('\n') }, ...files];
}

function endpoints() {
  return names.flatMap((service, index) =>
    VERSIONS.flatMap((version, which) =>
      Array.from({ length: ENDPOINTS }, (_, host) => ({ service, version, address: `10.${which}.${index}.${host + 1}`, port: 8080 })),
    ),
  );
}
