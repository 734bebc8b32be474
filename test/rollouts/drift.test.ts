/** Drift: people hear of it once when it appears, is another or is gone; what nobody else owns is put back, the rest is said. */
import { describe, expect, it } from 'vitest';
import type { ServiceCommand } from '../../src/rollouts/commands.ts';
import { type Difference, differenceText } from '../../src/rollouts/difference.ts';
import { MINUTE, resting, returning, type Story, serviceSpec, specify, T0 } from './story.ts';

const gone: Difference = { kind: 'missing', resource: 'VirtualService shop/catalog' };
const edited: Difference = {
  kind: 'changed',
  resource: 'VirtualService shop/catalog',
  path: 'spec.http[0].route[0].weight',
  wanted: '90',
  found: '10',
  by: { manager: 'kubectl-edit', operation: 'Update', at: T0 },
  restorable: false,
};

const seen = (...differences: readonly Difference[]): ServiceCommand => ({ type: 'NoteDrift', dataPlane: 'east', differences });
const drifted = (...differences: readonly Difference[]): Story => resting().given(seen(...differences));

describe('drift that appears', () => {
  it('is recorded, told, and put back where nobody else owns it, on its data plane alone', () => {
    const story = resting().when(seen(gone)).thenRecords('DriftFound').thenOwes('serve east', 'card drifted');
    expect(story.state.drift).toEqual({ east: { since: T0, differences: [gone], more: 0 } });
  });

  it('is only told where another manager owns it: who, and what to do', () => {
    resting()
      .when(seen(edited))
      .thenOwes('card drifted')
      .thenSays('spec.http[0].route[0].weight of VirtualService shop/catalog is 10 and should be 90, says kubectl-edit')
      .thenSays('kubectl-edit owns it: let it leave that alone, or set `takeOver: true`');
  });

  it('is put back while a version is taken back, and leaves that as it is', () => {
    returning().when(seen(gone)).thenOwes('serve east', 'card drifted').thenPhase('returning');
  });

  it('on a data plane that is not of the service is nobody’s', () => {
    resting()
      .when({ type: 'NoteDrift', dataPlane: 'moon', differences: [gone] })
      .thenChangesNothing('NotItsDataPlane');
  });

  it('in more ways than a head can hold is counted', () => {
    const many = Array.from({ length: 30 }, (_, index): Difference => ({ kind: 'missing', resource: `Service shop/v${index}` }));
    const story = drifted(...many).thenSays(/And 27 more\.$/);
    expect(story.state.drift.east).toMatchObject({ differences: { length: 20 }, more: 10 });
    story.when(seen(...many.toReversed())).thenChangesNothing('NothingNew');
    story.when(seen(...many.slice(1))).thenRecords('DriftFound');
  });
});

describe('drift that stands', () => {
  it('says nothing when it is seen again, in whatever order and whenever its author came by', () => {
    const later: Difference = { ...edited, by: { at: T0 + MINUTE, operation: 'Update', manager: 'kubectl-edit' } };
    drifted(edited, gone).when(seen(gone, later)).thenChangesNothing('NothingNew');
  });

  it('is told again when it is another, and began when the first of it did', () => {
    const story = drifted(gone).after(MINUTE).when(seen(gone, edited)).thenRecords('DriftFound').thenOwes('serve east', 'card drifted');
    expect(story.state.drift.east).toEqual({ since: T0, differences: [gone, edited], more: 0 });
    const by = { manager: 'argocd', operation: 'Apply' };
    story.when(seen(gone, { ...edited, by })).thenRecords('DriftFound');
  });

  it('is told when it is gone, once', () => {
    const story = drifted(gone).when(seen()).thenRecords('DriftGone').thenOwes('card drift-gone');
    expect(story.state.drift).toEqual({});
    story.when(seen()).thenChangesNothing('NothingNew');
  });

  it('appears anew after it was gone', () => {
    drifted(gone).given(seen()).when(seen(gone)).thenRecords('DriftFound');
  });

  it('is forgotten with the data plane that the service leaves, and with the service', () => {
    const moved = drifted(gone).given(specify(serviceSpec({ dataPlanes: ['west'] }), 2));
    expect(moved.state.drift).toEqual({});
    expect(drifted(gone).given(specify(serviceSpec(), 2)).state.drift).toHaveProperty('east');
    expect(drifted(gone).given({ type: 'Retire', specVersion: 2 }).state.drift).toEqual({});
  });
});

describe('a difference in words', () => {
  it.each<[string, Difference]>([
    ['VirtualService shop/catalog is gone; who deleted it is not kept.', gone],
    [
      'spec.http of VirtualService shop/catalog is missing and should be []; who changed it is not kept.',
      { kind: 'changed', resource: 'VirtualService shop/catalog', path: 'spec.http', wanted: '[]', restorable: true },
    ],
    [
      'spec.http[0].mirror of X a/b is {} and should not be there, says helm (Update, 2026-11-22 14:00:00 UTC). helm owns it: let it leave that alone, or set `takeOver: true` on the data plane.',
      {
        kind: 'changed',
        resource: 'X a/b',
        path: 'spec.http[0].mirror',
        found: '{}',
        by: { manager: 'helm', operation: 'Update', at: T0 },
        restorable: false,
      },
    ],
    ['X a/b is there again and should not be, says helm.', { kind: 'left-over', resource: 'X a/b', by: { manager: 'helm' } }],
    [
      'X a/b routes it already. It is from helm.',
      { kind: 'foreign', resource: 'X a/b', message: 'X a/b routes it already.', by: { manager: 'helm' } },
    ],
    ['edge-1: it serves something older.', { kind: 'behind', resource: 'edge-1', message: 'it serves something older.' }],
  ])('%s', (text, difference) => {
    expect(differenceText(difference)).toBe(text);
  });
});
