/** Five ways to get the core wrong that tests of single parts pass over; the simulation has to find each of them. */
import type { Break } from './builds.ts';

export const BROKEN_BUILDS: readonly Break[] = [
  {
    name: 'no fence on writes',
    file: 'src/reconcile/model.ts',
    edits: [{ find: 'if (current && stored >= revision) {', replace: 'if (current && stored === revision) {' }],
  },
  {
    name: 'delivery id outside the batch',
    file: 'src/journal/journal.ts',
    edits: [
      // Looked up before and written down after the commit, which gets an id of its own.
      {
        find: '    const decision = await decide(loaded.head.state, loaded.head.version, at);',
        replace: `    const seen = await documents.read(stream, \`seen~\${documentIdOf(delivery.id)}\`);
    const found = seen && (await documents.read(stream, \`\${documentIdOf(delivery.id)}~\${seen.document.ordinal}\`));
    if (found) return { answer: answerOf(stream, found), claimed: [] };
    const decision = await decide(loaded.head.state, loaded.head.version, at);`,
      },
      {
        find: "id: documentIdOf(delivery.id), kind: 'commit'",
        replace: `id: \`\${documentIdOf(delivery.id)}~\${version}\`, kind: 'commit'`,
      },
      { find: "if (outcome.outcome === 'exists' && outcome.index === 0)", replace: 'if (found)' },
      {
        find: '      const claimed = Object.values(head.pending).filter((effect) => effect.revision === head.version);',
        replace: `      const id = \`seen~\${documentIdOf(delivery.id)}\`;
      await documents.batch(stream, [{ op: 'upsert', document: { partition: stream, id, kind: 'seen', ordinal: head.version, body: {} } }]);
      const claimed = Object.values(head.pending).filter((effect) => effect.revision === head.version);`,
      },
    ],
  },
  {
    name: 'way back waits for convergence',
    file: 'src/rollouts/way-back.ts',
    edits: [
      {
        find: "if (!rollout || !stable || rollout.phase.name === 'returning') return;",
        replace: "if (!rollout || !stable || rollout.phase.name === 'returning' || rollout.phase.name === 'shifting') return;",
      },
    ],
  },
  {
    name: 'sweep ignores pending',
    file: 'src/journal/journal.ts',
    edits: [
      {
        find: 'const times = Object.values(head.pending).map((effect) => effect.notBefore);',
        replace: 'const times: number[] = [];',
      },
    ],
  },
  {
    name: 'ties in time decided by arrival',
    file: 'src/rollouts/deployments.ts',
    edits: [
      {
        find: 'return a.tie === b.tie ? 0 : a.tie < b.tie ? -1 : 1;',
        replace: 'return 0;',
      },
    ],
  },
];
