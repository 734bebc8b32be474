/**
 * The xds server: the ADS protocol on one side, the read model on the other, and between them who sees what, who serves
 * what, and telling it. One process; everything that must survive it is in the store.
 */
import type { ServerCredentials } from '@grpc/grpc-js';
import { showsToken } from '../api/authenticate.ts';
import type { EnvoyNode } from '../dataplanes/envoy/resources.ts';
import type { Documents } from '../journal/documents.ts';
import { type NodeObservation, OBSERVED_MS } from '../reconcile/observations.ts';
import { type AdsServer, type NodeEvent, startAdsServer } from './ads-server.ts';
import { IdentityDesk } from './identities.ts';
import { MeshWatch } from './mesh-watch.ts';
import type { EncodeResource } from './protobuf.ts';
import { hearRefusals, REFUSALS_MS, refusalsTokenOf } from './refusals.ts';
import { openRegistrationDoor } from './registration-door.ts';
import { HEARTBEAT_MS, Reporter } from './reporter.ts';
import { type SeenEvent, SeenNodes } from './seen-nodes.ts';

const LOOK_MS = 1_000;
/** What only some nodes of a data plane have come to is written no sooner: a write to the disk would hold up those still to be served. */
const PARTLY_MS = 250;

export interface XdsServerOptions {
  readonly documents: Documents;
  readonly encode: EncodeResource;
  /** Names this process in what it observes; another one at each start. */
  readonly via: string;
  readonly now: () => number;
  /** Without `credentials`: plaintext. */
  readonly ads: { readonly host: string; readonly port: number; readonly credentials?: ServerCredentials };
  readonly door: { readonly host: string; readonly port: number };
  /** Nodes and those who register endpoints show it. */
  readonly nodeToken: string;
  readonly hints?: { readonly url: string; readonly token: string };
  readonly report: (problem: string, error?: unknown) => void;
}

/** What was seen at one data plane. */
interface Seen {
  readonly nodes: SeenNodes;
  /** By id: those before a workload, which they may not be able to serve. */
  readonly before: Map<string, EnvoyNode>;
  /** The newest sequence that all its nodes were hinted to serve, and the one before it. */
  hinted: number;
  hintedBefore: number;
  /** Some node has come to what it is to serve, and no hint said so. */
  late: boolean;
  telling: boolean;
}

export interface XdsServer {
  readonly adsPort: number;
  readonly doorPort: number;
  stop(): Promise<void>;
}

export async function startXdsServer(options: XdsServerOptions): Promise<XdsServer> {
  const { documents, encode, via, now, report } = options;
  const reporter = new Reporter({ documents, via, now, report, ...(options.hints ? { hints: options.hints } : {}) });
  const refusalsToken = refusalsTokenOf(options.nodeToken);
  const watches = new Map<string, MeshWatch>();
  const seen = new Map<string, Seen>();
  let ads: AdsServer | undefined;
  let soon: NodeJS.Timeout | undefined;

  function watchOf(mesh: string): MeshWatch {
    const known = watches.get(mesh);
    if (known) return known;
    const watch = new MeshWatch({
      mesh,
      documents,
      encode,
      now,
      report,
      refusalsToken,
      onChange: () => ads?.publish(),
      onReadiness: async (dataPlane, service, versions) => {
        await reporter.readiness({ mesh, dataPlane }, service, versions);
        reporter.hint(mesh, [service]);
      },
      onNotice: (dataPlane, notice) => reporter.notice({ mesh, dataPlane }, notice),
    });
    watches.set(mesh, watch);
    return watch;
  }

  function seenAt(mesh: string, dataPlane: string): Seen {
    const key = `${mesh}/${dataPlane}`;
    const known = seen.get(key) ?? { nodes: new SeenNodes(), before: new Map(), hinted: 0, hintedBefore: 0, late: false, telling: false };
    seen.set(key, known);
    return known;
  }

  async function keep(mesh: string, dataPlane: string): Promise<void> {
    const watch = watchOf(mesh);
    if (watch.view(dataPlane)) return;
    await watch.adopt(dataPlane);
    await reporter.heartbeat({ mesh, dataPlane });
  }

  /** A node goes without what its whole data plane does, and what it cannot serve itself, whatever it has accepted. */
  function tell(mesh: string, dataPlane: string, observed: Omit<NodeObservation, 'via'>): void {
    const view = watches.get(mesh)?.view(dataPlane);
    const node = seenAt(mesh, dataPlane).before.get(observed.node);
    const own = node && view?.refusedBy(node);
    const service = node && view?.serviceOf(node);
    const refused = [...(own ? [own] : []), ...(view?.refused() ?? [])];
    const [first] = refused;
    const rejected = observed.rejected ?? (first && { sequence: first.sequence, message: first.message });
    const without = [...new Set([...(observed.without ?? []), ...refused.map(({ name }) => name)])];
    const standing = service === undefined ? observed : { ...observed, service };
    reporter.node({ mesh, dataPlane }, first && rejected ? { ...standing, without, rejected } : standing);
  }

  function onNode(node: EnvoyNode, event: NodeEvent): void {
    const { mesh, dataPlane } = node;
    if (event.fact === 'connected') attempt(keep(mesh, dataPlane), `The model of ${mesh} could not be read yet`);
    const kept = seenAt(mesh, dataPlane);
    if (node.inbound) kept.before.set(node.id, node);
    else kept.before.delete(node.id);
    const observed = kept.nodes.take(node.id, seenEvent(node, event), now());
    if (!observed) return;
    tell(mesh, dataPlane, observed);
    if (event.fact === 'distrusts') reporter.hintTrust(mesh);
    kept.late ||= event.fact === 'served';
    if (observed.without) reporter.hint(mesh, watches.get(mesh)?.view(dataPlane)?.servicesNamed(observed.without) ?? []);
    tellSoon(mesh, dataPlane, kept);
  }

  function seenEvent(node: EnvoyNode, event: NodeEvent): SeenEvent {
    const { mesh, dataPlane, identity } = node;
    if (event.fact === 'connected') return { fact: 'connected', identity: identity !== undefined };
    if (event.fact === 'served')
      return { ...event, without: watches.get(mesh)?.view(dataPlane)?.withoutOf(node, event.without) ?? event.without };
    if (event.fact !== 'offered' && event.fact !== 'trusts' && event.fact !== 'distrusts') return event;
    const { fingerprint, ...seenFact } = event;
    return { ...seenFact, roots: watches.get(mesh)?.view(dataPlane)?.rootsIn(fingerprint) ?? [] };
  }

  /** Once a turn, however many nodes have spoken in it. When the last one has come to a sequence, those it holds can go on. */
  function tellSoon(mesh: string, dataPlane: string, kept: Seen): void {
    if (kept.telling) return;
    kept.telling = true;
    setImmediate(() => {
      kept.telling = false;
      const complete = kept.nodes.complete();
      if (complete <= kept.hinted) {
        writeSoon();
        return;
      }
      const services = watches.get(mesh)?.view(dataPlane)?.changedSince(kept.hinted) ?? [];
      kept.hintedBefore = kept.hinted;
      kept.hinted = complete;
      kept.late = false;
      reporter.hint(mesh, services);
    });
  }

  /** A node that came just before the last hint made those who followed it wait; now it has come to the same. */
  function hintOfLate(mesh: string, dataPlane: string, kept: Seen): void {
    if (!kept.late || kept.nodes.complete() < kept.hinted) return;
    kept.late = false;
    reporter.hint(mesh, watches.get(mesh)?.view(dataPlane)?.changedSince(kept.hintedBefore) ?? []);
  }

  function writeSoon(): void {
    soon ??= setTimeout(() => {
      soon = undefined;
      attempt(reporter.flush(), 'What was seen could not be written');
    }, PARTLY_MS);
  }

  const attempt = (work: Promise<void>, otherwise: string): void => {
    work.catch((error: unknown) => report(`${otherwise}; it is tried again.`, error));
  };

  const refusals = hearRefusals({
    documents,
    via,
    now,
    report,
    authorize: (authorization) => showsToken(authorization, refusalsToken),
    async serviceOf(node) {
      await keep(node.mesh, node.dataPlane);
      const view = watchOf(node.mesh).view(node.dataPlane);
      const service = view?.serviceOf(node);
      return service !== undefined && view?.isInShadow(service) ? service : undefined;
    },
    isInShadow: ({ mesh, dataPlane }, service) => watches.get(mesh)?.view(dataPlane)?.isInShadow(service) ?? true,
  });

  const identities = new IdentityDesk({
    documents,
    now,
    report,
    trustOf: (mesh) => watches.get(mesh)?.trust(),
    writeServed: () => reporter.flush(),
    onChange: (mesh) => reporter.hintTrust(mesh),
  });

  ads = await startAdsServer({
    address: { host: options.ads.host, port: options.ads.port },
    ...(options.ads.credentials ? { credentials: options.ads.credentials } : {}),
    encode,
    authorize: (authorization) => showsToken(authorization, options.nodeToken),
    snapshotFor: (node) => watches.get(node.mesh)?.view(node.dataPlane)?.snapshotFor(node),
    onNode,
    beside: [refusals.method],
  });
  const running = ads;

  const door = await openRegistrationDoor({
    ...options.door,
    nodeToken: options.nodeToken,
    async register(mesh, dataPlane, commands) {
      await keep(mesh, dataPlane);
      await watchOf(mesh).endpoints(dataPlane, commands);
    },
    async identify(mesh, dataPlane, loaded) {
      await keep(mesh, dataPlane);
      return identities.take({ mesh, dataPlane }, loaded);
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
        for (const dataPlane of watch.dataPlanes()) hintOfLate(mesh, dataPlane, seenAt(mesh, dataPlane));
      }
      void identities.flush();
      // Nodes that came while the store was away are waited for here.
      for (const { node, connected } of running.nodes()) {
        if (connected && !watches.get(node.mesh)?.view(node.dataPlane))
          attempt(keep(node.mesh, node.dataPlane), `The model of ${node.mesh} could not be read yet`);
      }
    }, LOOK_MS),
    setInterval(() => {
      for (const [mesh, watch] of watches) {
        for (const dataPlane of watch.dataPlanes()) {
          attempt(reporter.heartbeat({ mesh, dataPlane }), 'The heartbeat could not be written');
          const { nodes, before } = seenAt(mesh, dataPlane);
          nodes.forgetGone(now());
          for (const id of before.keys()) if (!nodes.knows(id)) before.delete(id);
          watch.view(dataPlane)?.forgetUnused();
        }
      }
      identities.forgetSilent();
      // What could not be written before.
      attempt(reporter.flush(), 'What was seen could not be written');
    }, HEARTBEAT_MS),
    setInterval(() => void refusals.flush(), REFUSALS_MS),
    setInterval(() => {
      for (const [mesh, watch] of watches) {
        watch.tellAgain();
        for (const dataPlane of watch.dataPlanes()) {
          for (const node of seenAt(mesh, dataPlane).nodes.connected()) tell(mesh, dataPlane, node);
        }
      }
      refusals.tellAgain();
      attempt(reporter.flush(), 'What was seen could not be written');
    }, OBSERVED_MS / 4),
  ];

  const bound = door.address();
  return {
    adsPort: running.port,
    doorPort: typeof bound === 'object' && bound ? bound.port : options.door.port,
    async stop() {
      for (const timer of timers) clearInterval(timer);
      clearTimeout(soon);
      door.closeAllConnections();
      await new Promise<void>((resolve) => door.close(() => resolve()));
      await running.stop();
      await refusals.flush();
      await identities.flush();
      await reporter.stop();
    },
  };
}
