/** What a stage that only looks has shown: proxies count since they started, and may start anew between two looks. */
import { describe, expect, it } from 'vitest';
import { againstStrict, counted, type DryRunReport, emptyReport, notSeen } from '../../src/reconcile/dry-run-report.ts';

const T0 = Date.parse('2026-11-22T14:00:00Z');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Given what was seen at which minute, the report. */
function reported(...looks: readonly (readonly [minute: number, counts: Readonly<Record<string, number>> | string])[]): DryRunReport {
  return looks.reduce(
    (report, [minute, seen]) => {
      const now = T0 + minute * MINUTE;
      if (typeof seen === 'string') return notSeen(report, seen, now);
      const proxies = Object.entries(seen).map(([proxy, wouldRefuse]) => ({ proxy, wouldRefuse }));
      return counted(report, { proxies }, now);
    },
    emptyReport('catalog', 'west', T0),
  );
}

describe('a report of what would be refused', () => {
  it('adds up over proxies, and knows when each was last seen to', () => {
    expect(reported([0, { a: 0, b: 2 }], [5, { a: 3, b: 2 }])).toEqual({
      service: 'catalog',
      dataPlane: 'west',
      since: T0,
      at: T0 + 5 * MINUTE,
      refused: 5,
      lastRefusedAt: T0 + 5 * MINUTE,
      proxies: [
        { proxy: 'a', count: 3, refused: 3, lastAt: T0 + 5 * MINUTE },
        { proxy: 'b', count: 2, refused: 2, lastAt: T0 },
      ],
      callers: [],
    });
  });

  it('counts nothing twice, and nothing away when a proxy starts anew', () => {
    expect(reported([0, { a: 4 }], [5, { a: 4 }]).refused).toBe(4);
    expect(reported([0, { a: 4 }], [5, { a: 1 }], [10, { a: 1 }])).toMatchObject({ refused: 5, proxies: [{ count: 1, refused: 5 }] });
  });

  it('remembers proxies that are gone for what they would have refused', () => {
    const report = reported([0, { a: 4, quiet: 0 }], [5, { b: 1 }]);
    expect(report).toMatchObject({ refused: 5, proxies: [{ proxy: 'b' }, { proxy: 'a', refused: 4, lastAt: T0 }] });
  });

  it('is not made better by a look that failed, and goes on after it', () => {
    const failed = reported([0, { a: 4 }], [5, 'no answer']);
    expect(failed).toMatchObject({ refused: 4, unseen: 'no answer' });
    expect(reported([0, { a: 4 }], [5, 'no answer'], [10, { a: 6 }])).toMatchObject({ refused: 6, lastRefusedAt: T0 + 10 * MINUTE });
    expect(reported([0, { a: 4 }], [5, 'no answer'], [10, { a: 4 }])).not.toHaveProperty('unseen');
  });
});

describe('callers', () => {
  const at = (minute: number) => T0 + minute * MINUTE;
  const seen = (counts: readonly (readonly [caller: string, counter: string, wouldRefuse: number])[]) => ({
    proxies: [...Map.groupBy(counts, ([, counter]) => counter)].map(([counter, all]) => ({
      proxy: 'n1',
      counter,
      wouldRefuse: all.reduce((sum, [, , wouldRefuse]) => sum + wouldRefuse, 0),
    })),
    callers: counts.map(([caller, counter, wouldRefuse]) => ({ caller, counter, wouldRefuse })),
  });
  const named = ({ callers }: DryRunReport) => callers.map(({ caller, refused, lastAt }) => [caller, refused, (lastAt - T0) / MINUTE]);
  const first = counted(
    emptyReport('catalog', 'west', T0),
    seen([
      ['a', 'x1', 3],
      ['b', 'x1', 1],
    ]),
    T0,
  );

  it('are told apart, each with when it was seen last', () => {
    const then = counted(
      first,
      seen([
        ['a', 'x1', 3],
        ['b', 'x1', 4],
      ]),
      at(5),
    );
    expect(named(then)).toEqual([
      ['b', 4, 5],
      ['a', 3, 0],
    ]);
    expect(then.refused).toBe(7);
  });

  it('are added up over counters: another server counts from 0, and the one before is remembered when it is forgotten elsewhere', () => {
    const both = counted(
      first,
      seen([
        ['a', 'x1', 3],
        ['b', 'x1', 1],
        ['a', 'x2', 2],
      ]),
      at(5),
    );
    expect(named(both)).toEqual([
      ['a', 5, 5],
      ['b', 1, 0],
    ]);
    const later = counted(both, seen([['a', 'x2', 3]]), at(10));
    expect(named(later)).toEqual([
      ['a', 6, 10],
      ['b', 1, 0],
    ]);
    expect(later.refused).toBe(7);
  });

  it('are not counted again when some of what was counted is being forgotten', () => {
    const less = counted(
      first,
      seen([
        ['a', 'x1', 2],
        ['b', 'x1', 1],
      ]),
      at(5),
    );
    expect(named(less)).toEqual([
      ['a', 3, 0],
      ['b', 1, 0],
    ]);
    expect(
      named(
        counted(
          less,
          seen([
            ['a', 'x1', 3],
            ['b', 'x1', 1],
          ]),
          at(10),
        ),
      ),
    ).toEqual([
      ['a', 3, 0],
      ['b', 1, 0],
    ]);
  });

  it('are remembered up to a hundred, the latest first', () => {
    const many = (from: string) => Array.from({ length: 100 }, (_, index) => [`${from}${index}`, from, 1] as const);
    const report = counted(counted(emptyReport('catalog', 'west', T0), seen(many('a')), T0), seen(many('b')), at(1));
    expect(report.callers).toHaveLength(100);
    expect(report.callers.every(({ caller }) => caller.startsWith('b'))).toBe(true);
    expect(report.refused).toBe(200);
  });

  it('of the last hour are named by what keeps a service back', () => {
    const then = counted(
      first,
      seen([
        ['a', 'x1', 3],
        ['b', 'x1', 4],
      ]),
      at(5),
    );
    expect(againstStrict(then, at(5))).toContain(
      'the last seen at 2026-11-22 14:05 UTC, of b, a, by n1: name those that may call in `allow`',
    );
    expect(againstStrict(then, at(64))).toContain(', of b, by n1:');
  });

  it('are named beside why not all is seen', () => {
    const blind = counted(
      first,
      {
        ...seen([
          ['a', 'x1', 3],
          ['b', 'x1', 4],
        ]),
        unseen: 'n2 is not connected.',
      },
      at(5),
    );
    expect(againstStrict(blind, at(5))).toMatch(
      /^It is not known whom .*: n2 is not connected\. catalog would have refused 7 .* of b, a, by n1/,
    );
    expect(againstStrict(blind, at(500))).toBe('It is not known whom catalog would refuse on west: n2 is not connected.');
  });
});

describe('becoming strict', () => {
  const against = (report: DryRunReport, minute: number) => againstStrict(report, T0 + minute * MINUTE);

  it('is free to a service that would have refused nobody', () => {
    expect(against(reported([0, { a: 0 }]), 0)).toBeUndefined();
  });

  it('waits for an hour without refusals, and says who has them', () => {
    const report = reported([0, { a: 0, b: 7 }], [5, { a: 2, b: 7 }], [30, { a: 2, b: 7 }]);
    expect(against(report, 30)).toBe(
      'catalog would have refused 9 requests on west since 2026-11-22 14:00 UTC, the last seen at 2026-11-22 14:05 UTC, by a, b: name their callers in `allow`, and wait until there was none for an hour.',
    );
    expect(againstStrict(report, T0 + 5 * MINUTE + HOUR - 1)).toMatch(/ by a: /);
    expect(againstStrict(report, T0 + 5 * MINUTE + HOUR)).toBeUndefined();
  });

  it('waits where nobody can see, or nobody was there to be seen', () => {
    expect(against(reported([0, { a: 0 }], [5, 'The API server does not answer.']), 500)).toBe(
      'It is not known whom catalog would refuse on west: The API server does not answer.',
    );
    expect(against(reported([0, {}]), 0)).toContain('No proxy of the service is seen');
  });
});
