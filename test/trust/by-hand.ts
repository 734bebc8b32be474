/** What people tell a rotation in its specifications. */
import type { Story } from './story.ts';

export const abort = { type: 'Abort', by: 'ada' } as const;
export const proceed = (by = 'eve') => ({ type: 'Proceed', by }) as const;
export const approve = (gate: 'issuing' | 'pruning', by: string) => ({ type: 'Approve', gate, by }) as const;

export const force = (story: Story) =>
  ({
    type: 'Force',
    by: 'ada',
    rotation: story.state.rotation?.id ?? '',
    phase: story.state.rotation?.phase.name ?? '',
    look: story.look(),
  }) as const;
