/** What a data plane is to have, as it follows from a mesh's trust. */
import { describe, expect, it } from 'vitest';
import { materialOf } from '../../src/reconcile/trust-effects.ts';
import { certificatesSpec, LEAF, SKEW } from '../trust/samples.ts';
import { resting, specify } from '../trust/story.ts';

describe('what a data plane is to have', () => {
  it('holds how long leafs live by the newest spec, under a revision of its own', () => {
    const story = resting();
    const before = materialOf('shop', story.state, 3);
    expect(before?.lives).toEqual({ leafLifeMs: LEAF, skewMs: SKEW });
    story.given(specify(certificatesSpec({ leafLifeMs: LEAF / 2 }), 2));
    const after = materialOf('shop', story.state, 3);
    expect(after?.lives.leafLifeMs).toBe(LEAF / 2);
    expect(after?.revision).toBeGreaterThan(before?.revision ?? Number.POSITIVE_INFINITY);
    expect(after?.roots).toEqual(before?.roots);
  });
});
