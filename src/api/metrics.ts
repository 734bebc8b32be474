/**
 * What is measured of meshes: until when certificates count, where a rotation is, how many services are in which phase of a rollout. Workloads
 * and services are counted, none has a series of its own; no name of a person, no key, no address.
 */
import type { RotationStatus, TrustStatus } from '../rotating.ts';
import type { ServiceStatus } from '../status.ts';
import type { Gauge, Sample } from './exposition.ts';

/** Of the certificates of servers in one vault, those that end first have a series; all are counted. */
const MOST_SERVING = 200;
const STANDINGS = ['good', 'due', 'late', 'expired'] as const;
const PHASES: Readonly<Record<RotationStatus['phase']['name'] | 'none', true>> = {
  none: true,
  preparing: true,
  prepared: true,
  distributing: true,
  issuing: true,
  soaking: true,
  pruned: true,
  retired: true,
  restoring: true,
  returning: true,
  dropping: true,
  discarding: true,
};
const ROLLOUTS = ['none', 'waiting', 'shifting', 'holding', 'paused', 'blocked', 'returning'];

/** `now`: epoch ms. */
export const gauges = (now: number, trust: readonly TrustStatus[], services: readonly ServiceStatus[]): readonly Gauge[] => [
  ...certificateGauges(now, trust),
  ...rotationGauges(now, trust),
  {
    name: 'meshwright_services',
    help: 'Services by the phase of their rollout; none where nothing is rolled out.',
    samples: meshesOf(services).flatMap((mesh) =>
      counts({ mesh }, 'phase', ROLLOUTS, phasesOf(services.filter((service) => service.mesh === mesh))),
    ),
  },
];

const phasesOf = (services: readonly ServiceStatus[]): readonly string[] => services.map(({ rollout }) => rollout?.phase ?? 'none');
const meshesOf = (services: readonly ServiceStatus[]): readonly string[] => [...new Set(services.map(({ mesh }) => mesh))];
const seconds = (ms: number): number => Math.round(ms) / 1_000;

function certificateGauges(now: number, trust: readonly TrustStatus[]): readonly Gauge[] {
  return [
    {
      name: 'meshwright_certificate_ends_in_seconds',
      help: 'Seconds until a certificate ends, below 0 once it has. Of servers in the vault: those that end first.',
      samples: trust.flatMap(({ mesh, inventory }) => {
        const serving = inventory.certificates.filter(({ kind }) => kind === 'serving').slice(0, MOST_SERVING);
        const own = inventory.certificates.filter(({ kind }) => kind !== 'serving');
        return [...own, ...serving].map(({ kind, role, name, notAfter }) => ({
          labels: { mesh, kind, ...(role === null ? {} : { role }), name },
          value: seconds(notAfter - now),
        }));
      }),
    },
    {
      name: 'meshwright_certificates',
      help: 'Certificates by what is to be done about them.',
      samples: trust.flatMap(({ mesh, inventory }) =>
        ['root', 'issuer', 'serving'].flatMap((kind) => {
          const standings = inventory.certificates.filter((each) => each.kind === kind).map(({ standing }) => standing);
          return counts({ mesh, kind }, 'standing', STANDINGS, standings);
        }),
      ),
    },
    {
      name: 'meshwright_workloads',
      help: 'Workloads by the standing of their leaf; left: all that it can have has ended, and no rotation waits for it.',
      samples: trust.flatMap(({ mesh, inventory }) => {
        const standings = inventory.workloads.map(({ left, standing }) => (left ? 'left' : standing));
        return counts({ mesh }, 'standing', [...STANDINGS, 'left'], standings);
      }),
    },
    {
      name: 'meshwright_data_planes_unseen',
      help: 'Data planes whose workloads could not be looked at.',
      samples: trust.map(({ mesh, inventory }) => ({ labels: { mesh }, value: inventory.unseen.length })),
    },
  ];
}

function rotationGauges(now: number, trust: readonly TrustStatus[]): readonly Gauge[] {
  const ofEach = (value: (status: TrustStatus) => number | undefined | null): readonly Sample[] =>
    trust.flatMap((status) => {
      const found = value(status);
      return found === undefined || found === null ? [] : [{ labels: { mesh: status.mesh }, value: found }];
    });
  const until = (time: number | undefined | null) => (time === undefined || time === null ? undefined : seconds(time - now));
  return [
    {
      name: 'meshwright_rotation_begins_in_seconds',
      help: 'Seconds until a rotation of the root in force has to begin; below 0 where it should have.',
      samples: ofEach(({ inventory }) => until(inventory.rotateBy)),
    },
    {
      name: 'meshwright_rotation_phase',
      help: '1 for the phase that the rotation of the root is in, 0 for all others.',
      samples: trust.flatMap(({ mesh, rotation }) => counts({ mesh }, 'phase', Object.keys(PHASES), [rotation?.phase.name ?? 'none'])),
    },
    {
      name: 'meshwright_rotation_held',
      help: '1 where the phase waits for something that was said.',
      samples: ofEach(({ rotation }) => (rotation?.heldBy === undefined ? 0 : 1)),
    },
    {
      name: 'meshwright_rotation_overdue',
      help: '1 where the phase should have been left by now.',
      samples: ofEach(({ rotation }) => (rotation?.mustLeaveBy !== undefined && now >= rotation.mustLeaveBy ? 1 : 0)),
    },
    {
      name: 'meshwright_rotation_phase_ends_in_seconds',
      help: 'Seconds until the phase has to be left; below 0 once it is overdue.',
      samples: ofEach(({ rotation }) => until(rotation?.mustLeaveBy)),
    },
  ];
}

/** How many there are of each of `values`, 0 too. */
const counts = (labels: Sample['labels'], label: string, values: readonly string[], of: readonly string[]): readonly Sample[] =>
  values.map((value) => ({ labels: { ...labels, [label]: value }, value: of.filter((each) => each === value).length }));
