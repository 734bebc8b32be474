/** What is measured: times until something ends or has to begin, one phase of each rotation, and counts instead of series a workload. */
import { describe, expect, it } from 'vitest';
import { exposition } from '../../src/api/exposition.ts';
import { gauges } from '../../src/api/metrics.ts';
import type { RotationStatus, TrustStatus } from '../../src/rotating.ts';
import type { ServiceStatus } from '../../src/status.ts';
import { inventoryOf, type ServingCertificate } from '../../src/trust/inventory.ts';
import { rotateBy } from '../../src/trust/timing.ts';
import { authority, certificatesSpec, DAY, LEAF, MINUTE, T0 } from '../trust/samples.ts';
import { distributing, resting, type Story } from '../trust/story.ts';

const rotationOf = ({ state: { rotation } }: Story, more: Partial<RotationStatus> = {}): RotationStatus | null =>
  rotation ? { ...rotation, ...more } : null;

const statusOf = (story: Story, serving: readonly ServingCertificate[] = [], more: Partial<RotationStatus> = {}): TrustStatus => ({
  mesh: 'shop',
  version: story.version,
  rotation: rotationOf(story, more),
  ended: [],
  inventory: inventoryOf(story.state, story.look(), serving, story.now),
  pending: [],
});

const service = (name: string, phase?: string, mesh = 'shop'): ServiceStatus => ({
  mesh,
  service: name,
  version: 1,
  stable: 'v1',
  split: [],
  rollout: phase === undefined ? null : { candidate: 'v2', phase, step: 1, steps: 2, startedAt: T0, deadline: null, because: null },
  queued: null,
  rejected: [],
  drift: [],
  unobserved: [],
  shadow: [],
  pending: [],
});

const lines = (now: number, trust: readonly TrustStatus[], services: readonly ServiceStatus[] = []): readonly string[] =>
  exposition(gauges(now, trust, services)).split('\n');
const starting = (all: readonly string[], start: string) => all.filter((line) => line.startsWith(start));

const serving = (name: string, days: number): ServingCertificate => ({
  name,
  certificateId: `https://vault.example/certificates/${name}/1`,
  notBefore: T0,
  notAfter: T0 + days * DAY,
  enabled: true,
});

describe('what is measured of certificates', () => {
  it('is when each ends, by mesh, kind, role and name', () => {
    const story = distributing();
    const found = lines(story.now, [statusOf(story, [serving('www', 90)])]);
    const left = (notAfter = 0) => (notAfter - story.now) / 1_000;
    const { current, rotation } = story.state;
    expect(starting(found, 'meshwright_certificate_ends_in_seconds{').toSorted()).toEqual(
      [
        `{mesh="shop",kind="issuer",role="current",name="mesh-root"} ${left(current?.issuer.notAfter)}`,
        `{mesh="shop",kind="issuer",role="next",name="mesh-root"} ${left(rotation?.to?.issuer.notAfter)}`,
        `{mesh="shop",kind="root",role="current",name="mesh-root"} ${left(current?.notAfter)}`,
        `{mesh="shop",kind="root",role="next",name="mesh-root"} ${left(rotation?.to?.notAfter)}`,
        `{mesh="shop",kind="serving",name="www"} ${left(T0 + 90 * DAY)}`,
      ].map((rest) => `meshwright_certificate_ends_in_seconds${rest}`),
    );
  });

  it('is below 0 once one has ended, and so is the time for a rotation that should have begun', () => {
    const story = resting();
    const { current = authority(1) } = story.state;
    story.after(current.notAfter + 30_000 - story.now);
    const found = lines(story.now, [statusOf(story)]);
    expect(found).toContain('meshwright_certificate_ends_in_seconds{mesh="shop",kind="root",role="current",name="mesh-root"} -30');
    const late = (rotateBy(current, certificatesSpec()) - story.now) / 1_000;
    expect(late).toBeLessThan(0);
    expect(found).toContain(`meshwright_rotation_begins_in_seconds{mesh="shop"} ${late}`);
  });

  it('has a series for no more than 200 of the vault, those that end first, and counts all', () => {
    const many = Array.from({ length: 300 }, (_, each) => serving(`web-${each}`, 300 + each));
    const found = lines(T0, [statusOf(resting(), many)]);
    const series = starting(found, 'meshwright_certificate_ends_in_seconds{mesh="shop",kind="serving"');
    expect(series).toHaveLength(200);
    expect(series.at(-1)).toContain('name="web-199"');
    expect(found).toContain('meshwright_certificates{mesh="shop",kind="serving",standing="good"} 300');
  });

  it('counts workloads by the standing of their leaf, and gives none a series of its own', () => {
    const story = resting().after(LEAF - 5 * MINUTE);
    for (let each = 0; each < 500; each += 1) story.member(`many-${each}`, { trusts: [1], under: 1 });
    const found = lines(story.now, [statusOf(story)]);
    expect(starting(found, 'meshwright_workloads{')).toEqual([
      'meshwright_workloads{mesh="shop",standing="good"} 500',
      'meshwright_workloads{mesh="shop",standing="due"} 0',
      'meshwright_workloads{mesh="shop",standing="late"} 3',
      'meshwright_workloads{mesh="shop",standing="expired"} 0',
      'meshwright_workloads{mesh="shop",standing="left"} 0',
    ]);
    const gone = story.after(3 * LEAF);
    expect(lines(gone.now, [statusOf(gone)])).toContain('meshwright_workloads{mesh="shop",standing="left"} 503');
  });

  it('counts data planes that nobody can see', () => {
    const story = resting().unseen('west', 'bearer abc: refused');
    const found = lines(story.now, [statusOf(story)]);
    expect(found).toContain('meshwright_data_planes_unseen{mesh="shop"} 1');
    expect(found.join('\n')).not.toContain('bearer');
  });
});

describe('what is measured of a rotation', () => {
  const phases = (story: Story) =>
    starting(lines(story.now, [statusOf(story)]), 'meshwright_rotation_phase{').map((line) => line.replace(/.*phase="([a-z]+)"} /, '$1 '));

  it('is exactly one phase of all there are', () => {
    expect(phases(resting()).filter((line) => line.endsWith(' 1'))).toEqual(['none 1']);
    expect(phases(distributing()).filter((line) => line.endsWith(' 1'))).toEqual(['distributing 1']);
    expect(phases(distributing())).toHaveLength(12);
  });

  it('is whether it is held, and whether it is overdue', () => {
    const story = distributing();
    const by = story.now + MINUTE;
    const at = (now: number, more: Partial<RotationStatus>) => lines(now, [statusOf(story, [], { mustLeaveBy: by, ...more })]);
    expect(at(by - 1, {})).toEqual(
      expect.arrayContaining([
        'meshwright_rotation_held{mesh="shop"} 0',
        'meshwright_rotation_overdue{mesh="shop"} 0',
        'meshwright_rotation_phase_ends_in_seconds{mesh="shop"} 0.001',
      ]),
    );
    expect(at(by, { heldBy: 'edge/kim-laptop is behind' })).toEqual(
      expect.arrayContaining(['meshwright_rotation_held{mesh="shop"} 1', 'meshwright_rotation_overdue{mesh="shop"} 1']),
    );
  });

  it('names nobody', () => {
    const story = distributing();
    const text = lines(story.now, [statusOf(story, [], { startedBy: 'kim@example.com', heldBy: 'kim' })]).join('\n');
    expect(text).not.toMatch(/kim|ada/);
  });
});

describe('what is measured of services', () => {
  it('is how many are in which phase of a rollout, by mesh', () => {
    const found = lines(T0, [], [service('a'), service('b', 'holding'), service('c', 'holding'), service('d', undefined, 'lab')]);
    expect(found).toContain('meshwright_services{mesh="shop",phase="none"} 1');
    expect(found).toContain('meshwright_services{mesh="shop",phase="holding"} 2');
    expect(found).toContain('meshwright_services{mesh="shop",phase="blocked"} 0');
    expect(found).toContain('meshwright_services{mesh="lab",phase="none"} 1');
  });
});
