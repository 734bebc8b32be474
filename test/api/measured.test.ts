/** What alert rules watch: when the first certificate ends, how many are late, and how long the longest has been owed. */
import { describe, expect, it } from 'vitest';
import { measured } from '../../src/api/measured.ts';
import type { TrustStatus } from '../../src/rotating.ts';
import type { ServiceStatus } from '../../src/status.ts';
import { inventoryOf, type ServingCertificate } from '../../src/trust/inventory.ts';
import { DAY, MINUTE, T0 } from '../trust/samples.ts';
import { distributing, resting, type Story } from '../trust/story.ts';

const serving = (days: number, now: number): ServingCertificate => ({
  name: 'www',
  certificateId: 'https://vault.example/certificates/www/1',
  notBefore: T0,
  notAfter: now + days * DAY,
  enabled: true,
});

const trustOf = (story: Story, certificates: readonly ServingCertificate[] = [], pending: TrustStatus['pending'] = []): TrustStatus => ({
  mesh: 'shop',
  version: story.version,
  rotation: null,
  ended: [],
  inventory: inventoryOf(story.state, story.look(), certificates, story.now),
  pending,
});

const service = (more: Partial<Pick<ServiceStatus, 'pending' | 'rollout'>> = {}): ServiceStatus => ({
  mesh: 'shop',
  service: 'catalog',
  version: 1,
  stable: 'v1',
  split: [],
  rollout: null,
  queued: null,
  rejected: [],
  drift: [],
  unobserved: [],
  shadow: [],
  pending: [],
  ...more,
});

describe('what alert rules watch', () => {
  it('is nothing where there is nothing', () => {
    expect(measured(T0, [], [])).toEqual({ certificateEndsInSeconds: null, certificatesLate: 0, stuckForSeconds: 0 });
  });

  it('is when the first ends of the root in force and of the certificates that servers have', () => {
    const story = resting();
    const root = ((story.state.current?.notAfter ?? 0) - story.now) / 1_000;
    expect(measured(story.now, [trustOf(story)], []).certificateEndsInSeconds).toBe(Math.floor(root));
    expect(measured(story.now, [trustOf(story, [serving(3, story.now), serving(9, story.now)])], []).certificateEndsInSeconds).toBe(
      3 * 86_400,
    );
    expect(measured(story.now, [trustOf(story, [serving(-1, story.now)])], []).certificateEndsInSeconds).toBe(-86_400);
  });

  it('is how many should have been replaced by now, of any kind', () => {
    const story = distributing();
    expect(measured(story.now, [trustOf(story)], []).certificatesLate).toBe(0);
    expect(measured(story.now, [trustOf(story, [serving(-1, story.now)])], []).certificatesLate).toBe(1);
  });

  it('is the longest that anything has been owed, to a data plane or of certificates', () => {
    const owed = (minutes: number) => ({ pending: [{ what: 'bring west', since: T0 - minutes * MINUTE }] });
    expect(measured(T0, [], [service(owed(3)), service(owed(40)), service()]).stuckForSeconds).toBe(40 * 60);
    expect(measured(T0, [trustOf(resting(), [], owed(5).pending)], [service(owed(3))]).stuckForSeconds).toBe(5 * 60);
  });

  it('is also how long a deadline has been over, and not that there is one to come', () => {
    const due = (at: number) => ({
      rollout: { candidate: 'v2', phase: 'holding', step: 1, steps: 2, startedAt: T0, deadline: { name: 'hold', at }, because: null },
    });
    expect(measured(T0, [], [service(due(T0 + MINUTE))]).stuckForSeconds).toBe(0);
    expect(measured(T0, [], [service(due(T0 - 2 * MINUTE))]).stuckForSeconds).toBe(120);
  });
});
