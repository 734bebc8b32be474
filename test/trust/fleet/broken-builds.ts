/** Rules of a rotation, each left out; the histories have to find every one of them. */
import type { Break } from '../../simulation/builds.ts';

const break_ = (name: string, file: string, ...edits: readonly (readonly [string, string])[]): Break => ({
  name,
  file: `src/trust/${file}.ts`,
  edits: edits.map(([find, replace]) => ({ find, replace })),
});

export const BROKEN_BUILDS: readonly Break[] = [
  break_('the old root is dropped though leafs under it are presented', 'phases', [
    'return (member) => both(member) && presentsUnder(to)(member);',
    'return both;',
  ]),
  break_('the new root signs before everybody trusts it', 'phases', ['      return both;', '      return () => true;']),
  break_(
    'trust and issuer change in one write',
    'state',
    ["    case 'distributing':\n", ''],
    ["    case 'issuing':\n    case 'soaking':", "    case 'distributing':\n    case 'issuing':\n    case 'soaking':"],
  ),
  break_('a data plane that was not seen is ready', 'gates', ['behind.length === 0 && unseen === undefined', 'behind.length === 0']),
  break_('who is silent is ready', 'gates', ['if (isSilent || member.trouble', 'if (member.trouble']),
  break_('who is silent is not counted', 'gates', [
    'if (hasLeft(member, look.at, lives)) continue;',
    'if (hasLeft(member, look.at, lives) || member.seenAt <= since) continue;',
  ]),
  break_('leafs that were given and not seen do not count', 'gates', [
    'Math.max(presents?.notAfter ?? 0, mayPresentUntil ?? 0,',
    'Math.max(presents?.notAfter ?? 0,',
  ]),
  break_('the soak counts from when the old signer was told to stop', 'phases', [
    "('passedAt' in phase ? (phase.passedAt ?? now) : now)",
    '(phase.since + now * 0)',
  ]),
  break_('nothing soaks', 'phases', ['lastOfOldSigner(rotation, now) + soakMs(lives)', 'now']),
  break_('an abort drops the new root while leafs under it are alive', 'phases', ['const isFirst =', 'const isFirst = false &&']),
  break_('an abort drops the new root at once', 'phases', [
    "      draft.record({ type: 'IssuerReturned' }).bring();\n      return;\n    case 'pruned':",
    "      draft.record({ type: 'IssuerReturned' }).record({ type: 'NewRootDropped' }).bring();\n      return;\n    case 'pruned':",
  ]),
  break_('an abort signs by the old root before everybody trusts it again', 'phases', [
    "draft.record({ type: 'RootsRestored' }).key",
    "draft.record({ type: 'RootsRestored' }).record({ type: 'IssuerReturned' }).key",
  ]),
  break_('leafs are forgotten that were issued to live longer', 'evolve', [
    'if (was <= lifeMs) return state;',
    'if (was <= lifeMs || at > 0) return state;',
  ]),
  break_(
    'a look from before a phase is believed',
    'phases',
    ['if (!phase || look.at <= (phase.passedAt ?? phase.since)) return;', 'if (!phase) return;'],
    ['const judged = judgeSince(state, look, phase.passedAt ?? phase.since);', 'const judged = judgeSince(state, look, 0);'],
  ),
  break_('forward again is as if everybody trusted both', 'phases', [
    "if (name === 'restoring') draft.record({ type: 'BundlePruned' });",
    "if (name === 'restoring') draft.record({ type: 'SoakBegun', until: draft.context.now });",
  ]),
  break_('a way back to a root that ends is held for ever', 'decide', ['if (turn !== undefined && now >= turn) turned(draft);', '']),
  break_('whoever never comes back is waited for', 'gates', ['if (hasLeft(member, look.at, lives)) continue;', '']),
];
