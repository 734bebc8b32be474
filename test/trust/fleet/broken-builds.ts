/** Rules of a rotation, each left out; the histories have to find every one of them. */
import type { Break } from '../../simulation/builds.ts';
import type { Mood } from './temper.ts';

/** A name alone is a file of the trust room. `mood`: of the histories that come to where the rule counts. */
interface Caught {
  readonly broken: Break;
  readonly mood: Mood;
}

const break_ = (mood: Mood, name: string, file: string, ...edits: readonly (readonly [string, string])[]): Caught => ({
  mood,
  broken: { name, file: file.includes('/') ? file : `src/trust/${file}.ts`, edits: edits.map(([find, replace]) => ({ find, replace })) },
});

export const BROKEN_BUILDS: readonly Caught[] = [
  break_('slow signers', 'the old root is dropped though leafs under it are presented', 'phases', [
    'return (member) => both(member) && presentsUnder(to)(member);',
    'return both;',
  ]),
  break_('wavering late', 'the new root signs before everybody trusts it', 'phases', ['      return both;', '      return () => true;']),
  break_(
    'rough',
    'trust and issuer change in one write',
    'state',
    ["    case 'distributing':\n", ''],
    ["    case 'issuing':\n    case 'soaking':", "    case 'distributing':\n    case 'issuing':\n    case 'soaking':"],
  ),
  break_('wavering late', 'a data plane that was not seen is ready', 'gates', [
    'behind.length === 0 && unseen === undefined',
    'behind.length === 0',
  ]),
  break_('wavering early', 'who is silent is ready', 'gates', ['if (isSilent || member.trouble', 'if (member.trouble']),
  break_('slow proxies', 'who is silent is not counted', 'gates', [
    'if (hasLeft(member, look.at, lives)) continue;',
    'if (hasLeft(member, look.at, lives) || member.seenAt <= since) continue;',
  ]),
  break_('slow proxies', 'leafs that were given and not seen do not count', 'gates', [
    'Math.max(presents?.notAfter ?? 0, mayPresentUntil ?? 0,',
    'Math.max(presents?.notAfter ?? 0,',
  ]),
  break_('slow signers', 'the soak counts from when the old signer was told to stop', 'phases', [
    "('passedAt' in phase ? (phase.passedAt ?? now) : now)",
    '(phase.since + now * 0)',
  ]),
  break_('respecifying', 'nothing soaks', 'phases', ['lastOfOldSigner(rotation, now) + soakMs(lives)', 'now']),
  break_('doubting', 'an abort drops the new root while leafs under it are alive', 'phases', [
    'const isFirst =',
    'const isFirst = false &&',
  ]),
  break_('doubting', 'an abort drops the new root at once', 'phases', [
    "      draft.record({ type: 'IssuerReturned' }).bring();\n      return;\n    case 'pruned':",
    "      draft.record({ type: 'IssuerReturned' }).record({ type: 'NewRootDropped' }).bring();\n      return;\n    case 'pruned':",
  ]),
  break_('wavering late', 'an abort signs by the old root before everybody trusts it again', 'phases', [
    "draft.record({ type: 'RootsRestored' }).key",
    "draft.record({ type: 'RootsRestored' }).record({ type: 'IssuerReturned' }).key",
  ]),
  break_('respecifying', 'leafs are forgotten that were issued to live longer', 'evolve', [
    'if (was <= lifeMs) return state;',
    'if (was <= lifeMs || at > 0) return state;',
  ]),
  break_(
    'wavering early',
    'a look from before a phase is believed',
    'phases',
    ['if (!phase || look.at <= (phase.passedAt ?? phase.since)) return;', 'if (!phase) return;'],
    ['const judged = judgeSince(state, look, phase.passedAt ?? phase.since);', 'const judged = judgeSince(state, look, 0);'],
  ),
  break_('wavering late', 'forward again is as if everybody trusted both', 'phases', [
    "if (name === 'restoring') draft.record({ type: 'BundlePruned' });",
    "if (name === 'restoring') draft.record({ type: 'SoakBegun', until: draft.context.now });",
  ]),
  break_('ending', 'a way back to a root that ends is held for ever', 'elapsed', [
    'if (turn !== undefined && now >= turn) turned(draft);',
    '',
  ]),
  break_('forcing', 'nobody is named whom a forced gate breaks', 'by-hand', [
    'behind: behind.slice(0, 20)',
    'behind: behind.slice(20, 20)',
  ]),
  break_('forcing', 'a data plane that was not seen is not named when a gate is forced', 'gates', [
    'unseen: notLookedAt,',
    'unseen: notLookedAt.slice(0, 0),',
  ]),
  break_('releasing', 'what was called for before certificates were released is waited for', 'evolve', [
    'establishing: false, renewing: [], specVersion',
    'establishing: false, specVersion',
  ]),
  break_(
    'slow proxies',
    'a rollout and a rotation wait for each other',
    'src/reconcile/change-lock.ts',
    [' || rotation.phase.passedAt !== undefined', ''],
    ["|| rollout?.phase.name === 'returning';", "|| rollout?.phase.name === 'returning' || rollout?.phase.name === 'holding';"],
  ),
  break_('slow proxies', 'a rollout waits for a rotation as long as that takes', 'src/rollouts/standing.ts', [
    'now < deadline ? trustChanges : undefined',
    'deadline > 0 ? trustChanges : now > 0 ? undefined : undefined',
  ]),
  break_('rough', 'whoever never comes back is waited for', 'gates', ['if (hasLeft(member, look.at, lives)) continue;', '']),
];
