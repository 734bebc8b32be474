/** The use cases, wired once over the adapters they are given. Every trigger, and the simulation, goes through this door. */

import { type Archive, archive } from './archive.ts';
import { type Streamed, streamJournal } from './auditing.ts';
import { type DeadLetterPlace, type DeadLetters, deadLetters } from './dead-letters.ts';
import { type DriftReport, type DriftScope, driftSeen, lookForDriftIn, lookWhereOwed } from './drift-report.ts';
import { createIssuing, type Issuing } from './issuing.ts';
import type { Anchors } from './journal/anchors.ts';
import type { AuditLog } from './journal/audit-rows.ts';
import type { Documents } from './journal/documents.ts';
import { commitsOf } from './journal/history.ts';
import { listParked, type Parked, readParked } from './journal/parked.ts';
import type { Answer, Commit, Delivery } from './journal/stream.ts';
import type { Channel } from './notifications/channel.ts';
import { type Received, receiveAlert, receiveEvent, receiveQueued } from './receive.ts';
import { type AdoptedMesh, adoptedMeshes, keepSpecs } from './reconcile/adopted-specs.ts';
import type { DataPlane } from './reconcile/data-plane.ts';
import { tending } from './reconcile/tending.ts';
import type { ServiceCommand } from './rollouts/commands.ts';
import { serviceStreamId } from './rollouts/service-stream.ts';
import { type Rotating, rotating } from './rotating.ts';
import { meshStreamId } from './spec/adoption.ts';
import type { CertificatesSpec } from './spec/certificates-schema.ts';
import { openedServices } from './spec/held-calls.ts';
import { problemsInOrder, readSpec, type SpecFile, type SpecPlaces, type SpecProblem } from './spec/read-spec.ts';
import { revision } from './spec/revision.ts';
import type { DataPlaneSpec, MeshSpec } from './spec/schema.ts';
import { refusedProblems, specFidelity } from './spec-fidelity.ts';
import { type Overview, overviews, type ServiceStatus, serviceStatus, wholeStatus } from './status.ts';
import { type Strictness, strictness } from './strictness.ts';
import type { TokenVerifier } from './trust/attestation.ts';
import type { DataPlaneTrust } from './trust/data-plane-trust.ts';
import type { Vault } from './trust/vault.ts';

export interface Adapters {
  readonly documents: Documents;
  /** Epoch ms. */
  readonly now: () => number;
  /** Asks for `wake(stream)` at `at` (epoch ms). May be lost: the sweep finds it too. */
  readonly setAlarm: (stream: string, at: number) => Promise<void>;
  /** `undefined`: this build does not reach such a data plane; an adoption that needs it is refused. */
  readonly connect: (mesh: MeshSpec, dataPlane: DataPlaneSpec) => DataPlane | undefined;
  /** Left out: no certificates are made here, and a spec that asks for them is refused. */
  readonly trust?: TrustAdapters;
  /** `undefined`: the mesh names no channel. */
  readonly channel: (mesh: MeshSpec) => Channel | undefined;
  /** Where Azure puts what it could not deliver; left out: there is only what is parked. */
  readonly deadLetters?: readonly DeadLetterPlace[];
  /** Where the journal is anchored each day; left out: nowhere. */
  readonly anchors?: Anchors;
  /** Where commits are streamed to for auditors; left out: nowhere. */
  readonly auditLog?: AuditLog;
  /** Tells operators of what failed and will be tried again. */
  readonly report: (problem: string, error: unknown) => void;
}

export interface TrustAdapters {
  /** Why there is no vault for such a spec; one sentence. */
  readonly refusal: (spec: CertificatesSpec) => string | undefined;
  /** Where the authorities of such a spec are kept. */
  readonly vault: (spec: CertificatesSpec) => Promise<Vault>;
  /** `undefined`: this build cannot change whom the workloads of such a data plane trust. */
  readonly connect: (mesh: MeshSpec, dataPlane: DataPlaneSpec) => DataPlaneTrust | undefined;
  /** Believes the tokens of clusters and of Entra ID. */
  readonly tokens: TokenVerifier;
  /** Cryptographically so. */
  readonly random: (bytes: number) => Uint8Array;
}

export type ByHand = ServiceCommand & { type: 'Pause' | 'Resume' | 'Promote' | 'Abort' };

export type Applied =
  | { readonly ok: true; readonly mesh: string; readonly revision: string; readonly answer: Answer }
  /** `notAllowedIn`: the mesh that it is of, where `mayAdopt` said no. */
  | { readonly ok: false; readonly problems: readonly SpecProblem[]; readonly notAllowedIn?: string };

/** `mayAdopt`: whether who applies it may change this mesh; left out: any. */
export interface Applying {
  readonly actor: string;
  readonly acceptRefusals?: boolean;
  readonly mayAdopt?: (mesh: string) => Promise<boolean>;
}

export interface SilentEndpoints {
  readonly dataPlane: string;
  readonly service: string;
  readonly text: string;
  readonly at: number;
}

export interface App {
  /** One event, parsed from JSON. */
  receiveEvent(body: unknown, options?: { actor?: string; again?: boolean }): Promise<Received>;
  /** The events in one message of a queue that Event Grid delivers to. */
  receiveQueued(message: unknown): Promise<readonly Received[]>;
  receiveAlert(body: unknown): Promise<Received>;
  /**
   * Adopts a whole spec, or says everything that is wrong with it and changes nothing. `acceptRefusals`: also where services become
   * strict that would refuse calls, or of which nobody can see whether they would.
   */
  apply(files: readonly SpecFile[], delivery: Applying): Promise<Applied>;
  /** `undefined`: no such service. */
  byHand(mesh: string, service: string, delivery: { id: string; actor: string }, command: ByHand): Promise<Answer | undefined>;
  wake(stream: string): Promise<void>;
  observed(mesh: string, services: readonly string[]): Promise<void>;
  /** Endpoints a data plane keeps though their leases ran out (`at`: epoch ms): people are told. */
  silentEndpoints(mesh: string, silent: readonly SilentEndpoints[]): Promise<void>;
  sweep(): Promise<{ readonly streams: number; readonly failed: number }>;
  /** Asks for every alarm anew: for a host whose queue has not outlived it. */
  renewAlarms(): Promise<void>;
  meshes(): Promise<readonly AdoptedMesh[]>;
  /** `undefined`: no spec of such a mesh is adopted. */
  adopted(mesh: string): Promise<AdoptedMesh | undefined>;
  /** Looks for drift now, of one mesh or service where it is named. */
  lookForDrift(of?: DriftScope): Promise<readonly DriftReport[]>;
  /** Looks for drift of what has just come to be served, and where an event told of a change. */
  lookWhereOwed(): Promise<readonly DriftReport[]>;
  /** What was seen when it was looked for last, within a day. */
  drift(of?: DriftScope): Promise<readonly DriftReport[]>;
  /** What services in `mtls: shadow` would refuse. */
  readonly strictness: Pick<Strictness, 'look' | 'seen' | 'lookAtAll'>;
  /** Certificates: what they are at, and rotating their roots. */
  readonly rotating: Rotating;
  /** Leafs for workloads; `undefined`: no certificates are made here. */
  readonly issuing: Issuing | undefined;
  status(): Promise<readonly ServiceStatus[]>;
  /** Every service, and the newest commits of all of them, newest first; at most a second old. */
  overview(): Promise<Overview>;
  service(mesh: string, service: string): Promise<ServiceStatus | undefined>;
  history(mesh: string, service: string | undefined, after: number, limit: number): Promise<readonly Commit[]>;
  /** All that came and was not acted on, here and where Azure puts it. */
  readonly deadLetters: DeadLetters;
  /** The whole journal, out of here and into an empty installation. */
  readonly archive: Archive;
  /** What was decided since the last time, into the audit log. @throws when that does not take it. */
  streamJournal(): Promise<Streamed>;
  /** A page of deliveries nobody could act on, see `listParked`. */
  parked(after?: number, limit?: number): Promise<readonly Parked[]>;
  /** One of them with what came; `undefined`: no such delivery. */
  parkedOne(id: string): Promise<(Parked & { readonly text: string }) | undefined>;
}

export function createApp(adapters: Adapters): App {
  const { documents, now, report } = adapters;
  const adopted = adoptedMeshes(documents);
  const archived = archive({ documents, now, ...(adapters.anchors && { anchors: adapters.anchors }) });

  async function dataPlane(mesh: string, name: string): Promise<DataPlane | undefined> {
    const spec = (await adopted.one(mesh))?.spec;
    const found = spec?.dataPlanes.find((each) => each.name === name);
    return spec && found ? adapters.connect(spec, found) : undefined;
  }

  const trust = {
    async vault(spec: CertificatesSpec): Promise<Vault> {
      if (!adapters.trust) throw new Error('No certificates are made here.');
      return adapters.trust.vault(spec);
    },
    async dataPlaneTrust(mesh: string, name: string): Promise<DataPlaneTrust | undefined> {
      const spec = (await adopted.one(mesh))?.spec;
      const found = spec?.dataPlanes.find((each) => each.name === name);
      return spec && found ? adapters.trust?.connect(spec, found) : undefined;
    },
  };

  const tended = tending({
    documents,
    now,
    report,
    setAlarm: adapters.setAlarm,
    dataPlane,
    ...trust,
    async channel(mesh) {
      const spec = (await adopted.one(mesh))?.spec;
      return spec ? adapters.channel(spec) : undefined;
    },
  });
  const stages = strictness({ documents, now, report, dataPlane }, adopted);
  const certificates = rotating({ documents, now, report, ...trust, tending: tended, meshes: adopted.all });
  const receiving = { documents, now, tending: tended, meshes: adopted.all };

  const has = async (mesh: string, service: string): Promise<boolean> =>
    (await adopted.one(mesh))?.services.some(({ name }) => name === service) ?? false;

  return {
    receiveEvent: (body, options) => receiveEvent(receiving, body, options?.actor, options?.again),
    receiveQueued: (message) => receiveQueued(receiving, message),
    receiveAlert: (body) => receiveAlert(receiving, body),

    async apply(files, { actor, acceptRefusals = false, mayAdopt }) {
      const reading = readSpec(files);
      if (!reading.ok) return reading;
      const { mesh, services, places } = reading;
      if (mayAdopt && !(await mayAdopt(mesh.name))) return { ok: false, problems: [], notAllowedIn: mesh.name };
      const problems = [
        ...unreachable(adapters, mesh, places),
        ...uncertified(adapters.trust, mesh, places),
        ...(await certificates.problems(mesh)).map(places.problemOfMesh),
        ...refusedProblems(specFidelity(mesh, services), places),
      ];
      if (problems.length > 0) return { ok: false, problems: problemsInOrder(problems, files) };
      const before = (await adopted.one(mesh.name))?.services ?? [];
      const opened = openedServices(before, services).map(({ service, where, message, gone }) =>
        gone ? places.problemOfMesh(message) : places.problemOfService(service, where, message),
      );
      if (opened.length > 0) return { ok: false, problems: problemsInOrder(opened, files) };
      const early = acceptRefusals ? [] : await stages.problems(mesh.name, { before, after: services }, places);
      if (early.length > 0) return { ok: false, problems: problemsInOrder(early, files) };
      const hashes = revision(mesh, services);
      const kept = services.map((spec) => ({ hash: hashes.services[spec.name] ?? '', spec }));
      await keepSpecs(documents, mesh.name, kept);
      // Not by content alone: going back to an earlier spec is a new adoption.
      const base = (await adopted.one(mesh.name))?.specVersion ?? 0;
      const evidence = acceptRefusals ? { evidence: { acceptRefusals } } : {};
      const delivery: Delivery = { id: `apply/${mesh.name}/${base}/${hashes.revision}`, actor, recordRefusal: false, ...evidence };
      const command = { type: 'Adopt', revision: hashes.revision, spec: mesh, services: hashes.services } as const;
      const answer = await tended.mesh(mesh.name, delivery, command);
      return { ok: true, mesh: mesh.name, revision: hashes.revision, answer };
    },

    async byHand(mesh, service, { id, actor }, command) {
      if (!(await has(mesh, service))) return undefined;
      return tended.service(mesh, service, { id, actor, recordRefusal: true }, command);
    },

    wake: tended.wake,
    async observed(mesh, services) {
      for (const service of services) await tended.observed(mesh, service);
    },
    async silentEndpoints(mesh, silent) {
      if (silent.length === 0 || !(await adopted.one(mesh))) return;
      for (const { at, ...told } of silent) {
        const delivery: Delivery = { id: `silent/${mesh}/${told.dataPlane}/${told.service}/${at}`, actor: 'xds', recordRefusal: false };
        await tended.mesh(mesh, delivery, { type: 'NoteSilentEndpoints', ...told });
      }
    },
    lookForDrift: (of) => lookForDriftIn(adopted.all, tended, of),
    lookWhereOwed: () => lookWhereOwed(documents, adopted.all, tended, now),
    drift: (of) => driftSeen(documents, adopted.all, now(), of),
    strictness: stages,
    issuing: adapters.trust && createIssuing({ documents, now, ...adapters.trust }),
    rotating: certificates,
    sweep: tended.sweep,
    renewAlarms: tended.renewAlarms,
    meshes: adopted.all,
    adopted: adopted.one,
    status: async () => wholeStatus(documents, await adopted.all()),
    overview: overviews(documents, adopted.all, certificates.all, now),
    async service(mesh, service) {
      const found = await adopted.one(mesh);
      return found?.services.some(({ name }) => name === service) ? serviceStatus(documents, found, service) : undefined;
    },
    history: (mesh, service, after, limit) => {
      const stream = service === undefined ? meshStreamId(mesh) : serviceStreamId(mesh, service);
      return commitsOf(documents, stream, after, limit);
    },
    deadLetters: deadLetters({
      documents,
      now,
      places: adapters.deadLetters ?? [],
      receiveEvent: (body, actor) => receiveEvent(receiving, body, actor),
      receiveAlert: (body) => receiveAlert(receiving, body),
      receiveQueued: (message) => receiveQueued(receiving, message),
      wake: tended.wake,
    }),
    archive: archived,
    streamJournal: () => streamJournal({ documents, archive: archived, log: adapters.auditLog }),
    parked: (after, limit) => listParked(documents, now(), after, limit),
    parkedOne: (id) => readParked(documents, now(), id),
  };
}

/** A data plane nobody can bring anything to would leave every rollout waiting: that is said before, not after. */
function unreachable({ connect }: Adapters, mesh: MeshSpec, places: SpecPlaces): SpecProblem[] {
  return mesh.dataPlanes
    .filter((dataPlane) => !connect(mesh, dataPlane))
    .map((dataPlane) => places.problemOfDataPlane(dataPlane.name, whyUnreachable(dataPlane)));
}

function whyUnreachable(dataPlane: DataPlaneSpec): string {
  const { name, kind } = dataPlane;
  const onlyPlanned = 'until then it can be planned and exported, not applied';
  if (kind === 'consul' && dataPlane.address === undefined) {
    return `${name} has no \`address\`: give the one of Consul's HTTP API; ${onlyPlanned}.`;
  }
  if (kind !== 'consul' && kind !== 'envoy' && dataPlane.cluster === undefined) {
    return `${name} has no \`cluster\`: say how its API server is reached, by \`aks\` or \`kubeconfigSetting\`; ${onlyPlanned}.`;
  }
  return `This version of meshwright renders ${kind} but does not apply it yet; ${name} can be planned and exported.`;
}

/** Certificates that cannot be made, or be rotated everywhere, would leave workloads without one. */
function uncertified(trust: TrustAdapters | undefined, mesh: MeshSpec, places: SpecPlaces): SpecProblem[] {
  if (!mesh.certificates) return [];
  if (!trust) return [places.problemOfMesh('No certificates are made by this meshwright; leave `certificates` out.')];
  const refusal = trust.refusal(mesh.certificates);
  const ofVault = refusal === undefined ? [] : [places.problemOfMesh(refusal)];
  const ofDataPlanes = mesh.dataPlanes
    .filter((dataPlane) => !trust.connect(mesh, dataPlane))
    .map((dataPlane) =>
      places.problemOfDataPlane(
        dataPlane.name,
        `${whyUncertified(dataPlane)}; leave \`certificates\` out, or have ${dataPlane.name} in a mesh of its own.`,
      ),
    );
  return [...ofVault, ...ofDataPlanes];
}

function whyUncertified(dataPlane: DataPlaneSpec): string {
  if (dataPlane.kind === 'istio' && dataPlane.controlPlaneNamespace === 'aks-istio-system' && !dataPlane.caSecrets)
    return `The Istio add-on of AKS takes its CA from secrets of a Key Vault: name it by \`caSecrets: { vault: https://… }\` of ${dataPlane.name}`;
  if (dataPlane.kind === 'osm')
    return `The CA of Open Service Mesh is not rotated: while it runs, osm-controller (1.2, the last) takes another authority in place of its own and never beside it, and started anew it is believed by no sidecar of before (docs/osm.md); \`meshwright import\` leads the mesh to Istio, whose CA is`;
  return `This version of meshwright does not rotate the certificates of ${dataPlane.kind} yet`;
}
