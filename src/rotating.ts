/**
 * Certificates as people meet them: what a mesh's trust is at, with what every workload was seen to trust and present, and the ways to step
 * in. Nothing here decides; commands go to the mesh's trust as every other does.
 */
import type { Documents } from './journal/documents.ts';
import { commitsOf } from './journal/history.ts';
import { loadHead } from './journal/journal.ts';
import { type Answer, type Commit, type Delivery, type Head, pendingKey } from './journal/stream.ts';
import type { AdoptedMesh } from './reconcile/adopted-specs.ts';
import type { Tending } from './reconcile/tending.ts';
import { lookAtFleet, type TrustPorts } from './reconcile/trust-effects.ts';
import { DEFAULT_TRUST_DOMAIN } from './spec/adoption.ts';
import type { MeshSpec } from './spec/schema.ts';
import type { TrustCommand } from './trust/commands.ts';
import { expiringOf } from './trust/expiring.ts';
import type { FleetLook } from './trust/gates.ts';
import { type Inventory, inventoryOf, type ServingCertificate } from './trust/inventory.ts';
import { rotationPlan } from './trust/rotation-plan.ts';
import type { ApprovedGate, Rotation, TrustState } from './trust/state.ts';
import { mustLeaveBy, rootsOf } from './trust/timing.ts';
import { trustStream, trustStreamId } from './trust/trust-stream.ts';

export type RotationStatus = Pick<Rotation, 'id' | 'cause' | 'startedAt' | 'startedBy' | 'phase' | 'approvals' | 'heldBy' | 'aborted'> & {
  /** Epoch ms. */
  readonly mustLeaveBy?: number;
};

export interface TrustStatus {
  readonly mesh: string;
  /** Of the head. */
  readonly version: number;
  readonly rotation: RotationStatus | null;
  readonly ended: TrustState['ended'];
  readonly inventory: Inventory;
  /** What is still owed, with the last error of its tries. */
  readonly pending: readonly { readonly what: string; readonly since: number; readonly error?: string }[];
}

/** How a person steps into a rotation. */
export type RotationStep =
  | { readonly action: 'abort'; readonly reason?: string }
  | { readonly action: 'proceed' }
  | { readonly action: 'approve'; readonly gate: ApprovedGate }
  /** Past a gate, whoever is behind: of the rotation and its phase that were looked at. */
  | { readonly action: 'force'; readonly rotation: string; readonly phase: string };

export interface Rotating {
  /** Why such a spec of a mesh cannot follow the one that is in force, as far as its trust is concerned; one sentence each. */
  problems(mesh: MeshSpec): Promise<readonly string[]>;
  /** With the serving certificates in its vault. `undefined`: the mesh's spec has no certificates. */
  status(mesh: string): Promise<TrustStatus | undefined>;
  /** Every mesh that has certificates; no vault is asked. */
  all(): Promise<readonly TrustStatus[]>;
  /** As `all`, with serving certificates as the vaults listed them within ten minutes, however often it is asked. */
  measured(): Promise<readonly TrustStatus[]>;
  rotate(mesh: string, delivery: Asked, of: { readonly compromised: boolean; readonly reason?: string }): Promise<Answer | undefined>;
  /** What a rotation would do, or what one under way has still to do. */
  plan(mesh: string, compromised: boolean): Promise<ReturnType<typeof rotationPlan> | undefined>;
  stepIn(mesh: string, delivery: Asked, step: RotationStep): Promise<Answer | undefined>;
  /**
   * Looks at every mesh's vault and rotation, as events would have it: finds what none of them said. Begins the rotation that is due, and
   * tells people of what is due, late or over and of what cannot be seen, once in each of its standings.
   */
  takeInventory(): Promise<void>;
  /** Something was seen of whom a workload trusts, or what it presents. */
  observed(mesh: string): Promise<void>;
  history(mesh: string, after: number, limit: number): Promise<readonly Commit[]>;
}

interface Asked {
  readonly id: string;
  readonly actor: string;
}

export interface RotatingPorts extends Pick<TrustPorts, 'documents' | 'now' | 'vault' | 'dataPlaneTrust' | 'report'> {
  readonly tending: Tending;
  readonly meshes: () => Promise<readonly AdoptedMesh[]>;
}

const LISTED_FOR_MS = 600_000;

export function rotating(ports: RotatingPorts): Rotating {
  const { documents, now, tending } = ports;

  async function governed(mesh: string): Promise<Head<TrustState> | undefined> {
    const head = await trustHead(documents, mesh);
    return head.state.spec ? head : undefined;
  }

  const give = async (mesh: string, { id, actor }: Asked, command: TrustCommand): Promise<Answer | undefined> =>
    (await governed(mesh)) ? tending.trust.give(mesh, { id, actor, recordRefusal: true }, command) : undefined;

  const look = (mesh: string, head: Head<TrustState>): Promise<FleetLook> => lookAtFleet(ports, mesh, head);

  async function statusOf(mesh: string, head: Head<TrustState>, serving: readonly ServingCertificate[]): Promise<TrustStatus> {
    const { state, version, pending } = head;
    const seen = await look(mesh, head);
    return {
      mesh,
      version,
      rotation: rotationStatus(state),
      ended: state.ended,
      inventory: inventoryOf(state, seen, serving, now()),
      pending: Object.values(pending).map(({ kind, target, since, error }) => ({
        what: `${kind} ${target}`,
        since,
        ...(error ? { error } : {}),
      })),
    };
  }

  /** Those of the vault that are no root or issuer. `undefined`: it cannot be asked, which is reported; the rest is told. */
  async function servingIn({ spec }: TrustState): Promise<readonly ServingCertificate[] | undefined> {
    if (!spec) return [];
    try {
      const { servingCertificates } = await import('./trust/x509/serving.ts');
      return servingCertificates(await (await ports.vault(spec)).list(), spec.name);
    } catch (error) {
      ports.report(`The certificates in the vault of ${spec.name} could not be listed.`, error);
      return undefined;
    }
  }

  async function status(mesh: string): Promise<TrustStatus | undefined> {
    const head = await governed(mesh);
    return head && statusOf(mesh, head, await servingLately(mesh, head.state));
  }

  const listed = new Map<string, { readonly at: number; readonly serving: ReturnType<typeof servingIn> }>();

  /** Vaults count every call; one that does not answer is not asked again sooner either. */
  async function servingLately(mesh: string, state: TrustState): Promise<readonly ServingCertificate[]> {
    const at = now();
    const last = listed.get(mesh);
    const known = last && at < last.at + LISTED_FOR_MS ? last : { at, serving: servingIn(state) };
    listed.set(mesh, known);
    return (await known.serving) ?? [];
  }

  async function allWith(serving: typeof servingLately): Promise<readonly TrustStatus[]> {
    const heads = await Promise.all((await withCertificates()).map(async (mesh) => ({ mesh, head: await governed(mesh) })));
    return Promise.all(heads.flatMap(({ mesh, head }) => (head ? [serving(mesh, head.state).then((of) => statusOf(mesh, head, of))] : [])));
  }

  async function commandOf(mesh: string, head: Head<TrustState>, by: string, step: RotationStep): Promise<TrustCommand> {
    switch (step.action) {
      case 'abort':
        return { type: 'Abort', by, ...(step.reason === undefined ? {} : { reason: step.reason }) };
      case 'proceed':
        return { type: 'Proceed', by };
      case 'approve':
        return { type: 'Approve', by, gate: step.gate };
      case 'force':
        return { type: 'Force', by, rotation: step.rotation, phase: step.phase, look: await look(mesh, head) };
    }
  }

  async function tellOfExpiring(mesh: string): Promise<void> {
    const head = await governed(mesh);
    if (!head) return;
    const { state, pending } = head;
    const serving = await servingIn(state);
    const inventory = inventoryOf(state, await look(mesh, head), serving?.filter(({ enabled }) => enabled) ?? [], now());
    const items = expiringOf(inventory, {
      unrenewed: rootsOf(state)
        .filter((root) => pending[pendingKey('issuer', root.fingerprint)]?.error !== undefined)
        .map(({ issuer }) => issuer.fingerprint),
      isRotating: state.rotation !== undefined,
      ...(serving ? {} : { vault: state.spec?.name ?? mesh }),
    });
    const delivery: Delivery = { id: `expiring/${mesh}/${head.version}/${inventory.at}`, actor: 'meshwright', recordRefusal: false };
    await tending.trust.give(mesh, delivery, { type: 'NoteExpiring', items, rotateBy: inventory.rotateBy });
  }

  /** The newest version that the vault has made by itself since the root in force, and that no rotation was about: its event was lost. */
  async function untoldVersion(mesh: string): Promise<string | undefined> {
    const { spec, current, rotation, ended } = (await trustHead(documents, mesh)).state;
    if (!spec || !current || rotation) return undefined;
    try {
      const versions = await (await ports.vault(spec)).versions(spec.name);
      const newer = versions.slice(0, Math.max(0, versions.map(({ certificateId }) => certificateId).indexOf(current.certificateId)));
      const known = new Set(ended.flatMap(({ certificateIds }) => certificateIds));
      return newer.find(({ enabled, wish, certificateId }) => enabled && wish === undefined && !known.has(certificateId))?.certificateId;
    } catch (error) {
      ports.report(`The versions of ${spec.name} in its vault could not be listed.`, error);
      return undefined;
    }
  }

  const withCertificates = async (): Promise<readonly string[]> =>
    (await ports.meshes()).filter(({ spec }) => spec.certificates).map(({ mesh }) => mesh);

  return {
    problems: async ({ name, ...spec }) => trustProblems((await trustHead(documents, name)).state, spec),
    status,
    all: () => allWith(async () => []),
    measured: () => allWith(servingLately),
    rotate: (mesh, delivery, { compromised, reason }) =>
      give(mesh, delivery, {
        type: 'Rotate',
        cause: compromised ? 'compromised' : 'asked',
        by: delivery.actor,
        ...(reason === undefined ? {} : { reason }),
      }),
    async plan(mesh, compromised) {
      const head = await governed(mesh);
      return head && rotationPlan(head.state, await look(mesh, head), now(), compromised ? 'compromised' : 'asked');
    },
    async stepIn(mesh, delivery, step) {
      const head = await governed(mesh);
      return head && give(mesh, delivery, await commandOf(mesh, head, delivery.actor, step));
    },
    async takeInventory() {
      for (const mesh of await withCertificates()) {
        const day = new Date(now()).toISOString().slice(0, 10);
        const delivery: Delivery = { id: `inventory/${mesh}/${day}`, actor: 'meshwright', recordRefusal: false };
        await tending.trust.give(mesh, delivery, { type: 'Rotate', cause: 'due', by: 'meshwright' });
        const version = await untoldVersion(mesh);
        if (version !== undefined) {
          const command = { type: 'Rotate', cause: 'new-version', by: 'meshwright', version } as const;
          await tending.trust.give(mesh, { ...delivery, id: `${delivery.id}/${version}` }, command);
        }
        await tellOfExpiring(mesh);
      }
    },
    observed: tending.trust.observed,
    history: (mesh, after, limit) => commitsOf(documents, trustStreamId(mesh), after, limit),
  };
}

/** What workloads have now would be refused, or could not be renewed. */
function trustProblems({ current, rotation, spec, trustDomain }: TrustState, next: Omit<MeshSpec, 'name'>): readonly string[] {
  if (!spec || !current) return [];
  const { certificates } = next;
  if (!certificates) {
    return rotation
      ? [`The rotation ${rotation.id} of its root is under way; let it end, or abort it, before \`certificates\` are taken out.`]
      : [];
  }
  const problems: string[] = [];
  if ((next.trustDomain ?? DEFAULT_TRUST_DOMAIN) !== trustDomain) {
    problems.push(
      `Its workloads have names in ${trustDomain} and would refuse those of another trust domain; keep it, or make a mesh of its own.`,
    );
  }
  if (certificates.vault !== spec.vault || certificates.name !== spec.name) {
    problems.push(
      'Its root and issuer are in another vault, or under another name, and could sign no more; keep `vault` and `name` of `certificates`.',
    );
  }
  return problems;
}

const trustHead = async (documents: Documents, mesh: string): Promise<Head<TrustState>> =>
  (await loadHead(documents, trustStream, trustStreamId(mesh))).head;

function rotationStatus(state: TrustState): RotationStatus | null {
  const { rotation } = state;
  if (!rotation) return null;
  const { id, cause, startedAt, startedBy, phase, approvals, heldBy, aborted } = rotation;
  const by = mustLeaveBy(state);
  return {
    id,
    cause,
    startedAt,
    startedBy,
    phase,
    approvals,
    ...(by === undefined ? {} : { mustLeaveBy: by }),
    ...(heldBy === undefined ? {} : { heldBy }),
    ...(aborted === undefined ? {} : { aborted }),
  };
}
