/**
 * The xds server: the ADS protocol on one side, the read model on the other, and between them who sees what, who serves
 * what, and telling it. One process; everything that must survive it is in the store.
 */
import type { ServerCredentials } from '@grpc/grpc-js';
import type { EnvoyNode } from '../dataplanes/envoy/resources.ts';
import type { Documents } from '../journal/documents.ts';
import { type AdsServer, type NodeEvent, startAdsServer } from './ads-server.ts';
import { MeshWatch } from './mesh-watch.ts';
import type { EncodeResource } from './protobuf.ts';
import { openRegistrationDoor } from './registration-door.ts';
import { HEARTBEAT_MS, Reporter } from './reporter.ts';

const LOOK_MS = 1_000;

export interface XdsServerOptions {
  readonly documents: Documents;
  readonly encode: EncodeResource;
  /** Names this process in what it observes; another one at each start. */
  readonly via: string;
  readonly now: () => number;
  readonly ads: { readonly host: string; readonly port: number; readonly credentials: ServerCredentials };
  readonly door: { readonly host: string; readonly port: number };
  /** Nodes and those who register endpoints show it. */
  readonly nodeToken: string;
  readonly hints?: { readonly url: string; readonly token: string };
  readonly report: (problem: string, error?: unknown) => void;
}

export interface XdsServer {
  readonly adsPort: number;
  readonly doorPort: number;
  stop(): Promise<void>;
}

export async function startXdsServer(options: XdsServerOptions): Promise<XdsServer> {
  const { documents, encode, via, now, report } = options;
  const reporter = new Reporter({ documents, via, now, report, ...(options.hints ? { hints: options.hints } : {}) });
  const watches = new Map<string, MeshWatch>();
  /** By data plane: the newest sequence all its nodes were hinted to serve. */
  const hinted = new Map<string, number>();
  let ads: AdsServer | undefined;

  function watchOf(mesh: string): MeshWatch {
    const known = watches.get(mesh);
    if (known) return known;
    const watch = new MeshWatch({
      mesh,
      documents,
      encode,
      now,
      report,
      onChange: () => ads?.publish(),
      onReadiness: (dataPlane, service, versions) => {
        reporter
          .readiness({ mesh, dataPlane }, service, versions)
          .then(() => reporter.hint(mesh, [service]))
          .catch((error: unknown) => report(`The readiness of ${service} could not be written.`, error));
      },
    });
    watches.set(mesh, watch);
    return watch;
  }

  async function keep(mesh: string, dataPlane: string): Promise<void> {
    const watch = watchOf(mesh);
    if (watch.view(dataPlane)) return;
    await watch.adopt(dataPlane);
    await reporter.heartbeat({ mesh, dataPlane });
  }

  function onNode(node: EnvoyNode, event: NodeEvent): void {
    const { mesh, dataPlane } = node;
    const place = { mesh, dataPlane };
    if (event.fact === 'acked') return;
    if (event.fact === 'connected') {
      attempt(keep(mesh, dataPlane), `The model of ${mesh} could not be read yet`);
      return;
    }
    const seen = ads?.nodes().find((each) => each.node.id === node.id);
    const served = seen?.served ?? 0;
    const rejection = event.fact === 'rejected' ? event : seen?.rejection;
    const rejected = rejection ? { rejected: { sequence: rejection.sequence, message: rejection.message.slice(0, 1_000) } } : {};
    reporter.node(place, { node: node.id, served, ...rejected, ...(event.fact === 'disconnected' ? { goneAt: now() } : {}) });
    if (event.fact === 'rejected') reporter.hint(mesh, watches.get(mesh)?.view(dataPlane)?.changedSince(served) ?? []);
    else hintIfComplete(mesh, dataPlane);
  }

  /** When the last node has come to a sequence, those whose plan it holds can go on. */
  function hintIfComplete(mesh: string, dataPlane: string): void {
    const nodes = ads?.nodes().filter(({ node, connected }) => connected && node.mesh === mesh && node.dataPlane === dataPlane) ?? [];
    const complete = Math.min(...nodes.map(({ served }) => served));
    const key = `${mesh}/${dataPlane}`;
    const before = hinted.get(key) ?? 0;
    if (nodes.length === 0 || complete <= before) {
      attempt(reporter.flush(), 'What was seen could not be written');
      return;
    }
    hinted.set(key, complete);
    reporter.hint(mesh, watches.get(mesh)?.view(dataPlane)?.changedSince(before) ?? []);
  }

  const attempt = (work: Promise<void>, otherwise: string): void => {
    work.catch((error: unknown) => report(`${otherwise}; it is tried again.`, error));
  };

  ads = await startAdsServer({
    address: { host: options.ads.host, port: options.ads.port },
    credentials: options.ads.credentials,
    encode,
    authorize: (authorization) => authorization === `Bearer ${options.nodeToken}`,
    snapshotFor: (node) => watches.get(node.mesh)?.view(node.dataPlane)?.snapshotFor(node),
    onNode,
  });
  const running = ads;

  const door = await openRegistrationDoor({
    ...options.door,
    nodeToken: options.nodeToken,
    async register(mesh, dataPlane, commands) {
      await keep(mesh, dataPlane);
      await watchOf(mesh).endpoints(dataPlane, commands);
    },
    poke: (mesh) => {
      const watch = watches.get(mesh);
      if (watch) attempt(watch.look(), `The model of ${mesh} could not be read`);
    },
    health: () => ({ status: 'ok', nodes: running.nodes().filter(({ connected }) => connected).length }),
  });

  const timers = [
    setInterval(() => {
      for (const [mesh, watch] of watches) {
        attempt(watch.look(), `The model of ${mesh} could not be read`);
        attempt(watch.expire(), `The leases of ${mesh} could not be stored`);
      }
      // Nodes that came while the store was away are waited for here.
      for (const { node, connected } of running.nodes()) {
        if (connected && !watches.get(node.mesh)?.view(node.dataPlane))
          attempt(keep(node.mesh, node.dataPlane), `The model of ${node.mesh} could not be read yet`);
      }
    }, LOOK_MS),
    setInterval(() => {
      for (const [mesh, watch] of watches) {
        for (const dataPlane of watch.dataPlanes()) attempt(reporter.heartbeat({ mesh, dataPlane }), 'The heartbeat could not be written');
      }
    }, HEARTBEAT_MS),
  ];

  const bound = door.address();
  return {
    adsPort: running.port,
    doorPort: typeof bound === 'object' && bound ? bound.port : options.door.port,
    async stop() {
      for (const timer of timers) clearInterval(timer);
      door.closeAllConnections();
      await new Promise<void>((resolve) => door.close(() => resolve()));
      await running.stop();
      await reporter.stop();
    },
  };
}
