/** The whole app for one mesh whose certificates it makes: real time, alarms of this process, a vault in memory, data planes that are given. */
import { randomBytes } from 'node:crypto';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { MemoryVault } from '../../src/adapters/memory-vault.ts';
import { type App, createApp } from '../../src/app.ts';
import { commitsOf } from '../../src/journal/history.ts';
import { loadHead } from '../../src/journal/journal.ts';
import type { DataPlane } from '../../src/reconcile/data-plane.ts';
import type { DataPlaneTrust } from '../../src/trust/data-plane-trust.ts';
import { trustEventSchema } from '../../src/trust/events.ts';
import type { TrustState } from '../../src/trust/state.ts';
import { trustStream, trustStreamId } from '../../src/trust/trust-stream.ts';
import { type Running, stopping } from './process.ts';

export interface RotatingMesh extends Running {
  readonly app: App;
  readonly documents: MemoryDocuments;
  /** What failed and was tried again. */
  readonly problems: readonly string[];
  state(): Promise<TrustState>;
  /** `type` of each event of its trust so far. */
  events(): Promise<readonly string[]>;
}

/** `spec`: YAML of the mesh. */
export async function rotatingMesh(
  { mesh, spec }: { readonly mesh: string; readonly spec: string },
  connect: { readonly dataPlane: (documents: MemoryDocuments) => DataPlane; readonly trust: () => DataPlaneTrust },
): Promise<RotatingMesh> {
  const documents = new MemoryDocuments();
  const vault = new MemoryVault();
  const problems: string[] = [];
  const timers = new Set<NodeJS.Timeout>();
  const waking = new Set<Promise<void>>();
  let over = false;
  const report = (problem: string, error: unknown): void => void problems.push(`${problem} ${String(error)}`);
  const app = createApp({
    documents,
    now: Date.now,
    setAlarm: async (stream, at) => {
      if (over) return;
      const timer = setTimeout(
        () => {
          timers.delete(timer);
          const woken: Promise<void> = app
            .wake(stream)
            .catch((error: unknown) => report(`${stream} could not be woken.`, error))
            .finally(() => waking.delete(woken));
          waking.add(woken);
        },
        Math.max(0, at - Date.now()),
      );
      timers.add(timer);
    },
    connect: () => connect.dataPlane(documents),
    trust: {
      refusal: () => undefined,
      vault: async () => vault,
      connect: () => connect.trust(),
      tokens: {
        attest: async () => {
          throw new Error('Nobody comes here for a leaf: the mesh signs by itself.');
        },
      },
      random: randomBytes,
    },
    channel: () => undefined,
    report,
  });
  const applied = await app.apply([{ path: 'mesh.yaml', text: spec }], { actor: 'kim' });
  if (!applied.ok) throw new Error(JSON.stringify(applied.problems));
  return {
    app,
    documents,
    problems,
    state: async () => (await loadHead(documents, trustStream, trustStreamId(mesh))).head.state,
    events: async () =>
      (await commitsOf(documents, trustStreamId(mesh))).flatMap(({ events }) => events.map((event) => trustEventSchema.parse(event).type)),
    ...stopping(async () => {
      over = true;
      for (const timer of timers) clearTimeout(timer);
      await Promise.allSettled(waking);
    }),
  };
}
