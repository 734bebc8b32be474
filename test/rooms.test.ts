/** The directions between the rooms, from the real import graph; each rule is shown to catch a file that breaks it. */
import { describe, expect, it } from 'vitest';
import { covers, importProblems, importsOf, roomOf } from './import-rules.ts';
import { importing, made, product } from './product-files.ts';

/** What a room may import of others: everything else of a room is its own business. */
const TABLE: Readonly<Record<string, readonly string[]>> = {
  'src/decision.ts': [],
  'src/spec': ['src/decision.ts'],
  'src/plan': ['src/spec/policy-schema.ts', 'src/spec/schema.ts'],
  'src/rollouts': ['src/decision.ts', 'src/spec/schema.ts'],
  'src/trust': ['src/decision.ts', 'src/spec/certificates-schema.ts'],
  'src/intake': ['src/spec/names.ts', 'src/spec/schema.ts'],
  'src/journal': ['src/decision.ts'],
  'src/notifications': [
    'src/rollouts/commands.ts',
    'src/rollouts/draft.ts',
    'src/spec/adoption.ts',
    'src/spec/duration.ts',
    'src/trust/draft.ts',
  ],
  'src/reconcile': [
    'src/decision.ts',
    'src/journal/*',
    'src/notifications/channel.ts',
    'src/plan/plan-service.ts',
    'src/plan/plan.ts',
    'src/plan/stored-plan.ts',
    'src/rollouts/commands.ts',
    'src/rollouts/deadlines.ts',
    'src/rollouts/decide.ts',
    'src/rollouts/difference.ts',
    'src/rollouts/drift.ts',
    'src/rollouts/events.ts',
    'src/rollouts/service-stream.ts',
    'src/rollouts/state.ts',
    'src/spec/adoption.ts',
    'src/spec/certificates-schema.ts',
    'src/spec/schema.ts',
    'src/trust/certificates.ts',
    'src/trust/data-plane-trust.ts',
    'src/trust/*',
  ],
  'src/dataplanes': [
    'src/journal/documents.ts',
    'src/plan/fidelity.ts',
    'src/plan/plan.ts',
    'src/reconcile/data-plane.ts',
    'src/reconcile/model-trust.ts',
    'src/reconcile/model.ts',
    'src/reconcile/observations.ts',
    'src/spec/schema.ts',
    'src/trust/data-plane-trust.ts',
    'src/reconcile/identity-observations.ts',
  ],
  'src/adapters': [
    'src/dataplanes/consul/authority.ts',
    'src/dataplanes/consul/data-plane.ts',
    'src/dataplanes/consul/server.ts',
    'src/dataplanes/consul/trust.ts',
    'src/dataplanes/istio/signing-service.ts',
    'src/dataplanes/kubernetes/cluster.ts',
    // A request for a leaf whose key nobody keeps.
    'src/agent/signing-request.ts',
    'src/environment.ts',
    'src/journal/documents.ts',
    'src/journal/hash.ts',
    'src/notifications/adaptive-card.ts',
    'src/notifications/channel.ts',
    'src/notifications/words.ts',
    'src/reconcile/data-plane.ts',
    'src/spec/schema.ts',
    'src/trust/attestation.ts',
    'src/trust/certificates.ts',
    'src/trust/data-plane-trust.ts',
    'src/trust/vault.ts',
    'src/trust/x509/self-issued.ts',
  ],
  // Who gets a leaf: trust decides, the vault signs.
  'src/issuing.ts': [
    'src/issuing-log.ts',
    'src/journal/documents.ts',
    'src/journal/journal.ts',
    'src/reconcile/identity-observations.ts',
    'src/shown-tokens.ts',
    'src/spec/certificates-schema.ts',
    'src/spec/names.ts',
    'src/trust/attestation.ts',
    'src/trust/certificates.ts',
    'src/trust/identity.ts',
    'src/trust/issuing.ts',
    'src/trust/state.ts',
    'src/trust/trust-stream.ts',
    'src/trust/vault.ts',
    'src/trust/x509/profiles.ts',
    'src/trust/x509/signing-request.ts',
    'src/workload-tokens.ts',
  ],
  'src/issuing-log.ts': ['src/journal/documents.ts'],
  'src/shown-tokens.ts': [
    'src/journal/documents.ts',
    'src/journal/hash.ts',
    'src/journal/races.ts',
    'src/trust/attestation.ts',
    'src/trust/identity.ts',
  ],
  'src/workload-tokens.ts': [
    'src/journal/documents.ts',
    'src/journal/hash.ts',
    'src/journal/races.ts',
    'src/trust/attestation.ts',
    'src/trust/identity.ts',
  ],
  // The use cases: wired over the rooms, adapters come in as data.
  'src/receive.ts': [
    'src/receive-vault.ts',
    'src/intake/*',
    'src/journal/documents.ts',
    'src/journal/parked.ts',
    'src/journal/stream.ts',
    'src/reconcile/adopted-specs.ts',
    'src/reconcile/owed-looks.ts',
    'src/reconcile/tending.ts',
    'src/rollouts/commands.ts',
  ],
  'src/receive-vault.ts': [
    'src/intake/vault-events.ts',
    'src/journal/stream.ts',
    'src/reconcile/adopted-specs.ts',
    'src/reconcile/tending.ts',
    'src/trust/commands.ts',
  ],
  'src/drift-report.ts': [
    'src/journal/documents.ts',
    'src/reconcile/adopted-specs.ts',
    'src/reconcile/drift.ts',
    'src/reconcile/owed-looks.ts',
    'src/reconcile/tending.ts',
    'src/rollouts/difference.ts',
  ],
  'src/status.ts': [
    'src/journal/*',
    'src/reconcile/adopted-specs.ts',
    'src/reconcile/dry-run-report.ts',
    'src/reconcile/dry-run.ts',
    'src/rollouts/deadlines.ts',
    'src/rollouts/difference.ts',
    'src/rollouts/service-stream.ts',
    'src/rollouts/state.ts',
    'src/rollouts/way-back.ts',
    'src/rotating.ts',
    'src/trust/trust-stream.ts',
  ],
  // Objects of other meshes in, the files of a spec out: pure, for the command line.
  'src/import': [
    // How prefixes are written as expressions, to know them again.
    'src/dataplanes/kubernetes/regex.ts',
    'src/plan/fidelity.ts',
    'src/plan/plan.ts',
    'src/spec/authored-fields.ts',
    'src/spec/duration.ts',
    'src/spec/names.ts',
    'src/spec/policy-schema.ts',
    'src/spec/read-spec.ts',
    'src/spec/schema.ts',
  ],
  // Reads running meshes for the command line.
  'src/mesh-reading.ts': [
    'src/adapters/consul-config.ts',
    'src/adapters/kubeconfig.ts',
    'src/adapters/kubernetes-cluster.ts',
    'src/dataplanes/kubernetes/cluster.ts',
  ],
  'src/strictness.ts': [
    'src/reconcile/adopted-specs.ts',
    'src/reconcile/dry-run-report.ts',
    'src/reconcile/dry-run.ts',
    'src/spec/read-spec.ts',
    'src/spec/schema.ts',
  ],
  // What people are told before anything is adopted: asked by the app and by the command line.
  'src/spec-fidelity.ts': [
    'src/dataplanes/renderers.ts',
    'src/plan/fidelity.ts',
    'src/plan/plan-service.ts',
    'src/spec/read-spec.ts',
    'src/spec/schema.ts',
  ],
  'src/rotating.ts': [
    'src/journal/documents.ts',
    'src/journal/history.ts',
    'src/journal/journal.ts',
    'src/journal/stream.ts',
    'src/reconcile/adopted-specs.ts',
    'src/reconcile/tending.ts',
    'src/reconcile/trust-effects.ts',
    'src/spec/adoption.ts',
    'src/spec/schema.ts',
    'src/trust/*',
    'src/trust/x509/serving.ts',
  ],
  'src/app.ts': [
    'src/drift-report.ts',
    'src/issuing.ts',
    'src/receive.ts',
    'src/rotating.ts',
    'src/spec-fidelity.ts',
    'src/status.ts',
    'src/strictness.ts',
    'src/trust/attestation.ts',
    'src/trust/data-plane-trust.ts',
    'src/trust/vault.ts',
    'src/journal/*',
    'src/notifications/channel.ts',
    'src/reconcile/adopted-specs.ts',
    'src/reconcile/data-plane.ts',
    'src/reconcile/tending.ts',
    'src/rollouts/commands.ts',
    'src/rollouts/service-stream.ts',
    'src/spec/*',
  ],
  // What chooses adapters.
  'src/environment.ts': [],
  'src/azure.ts': ['src/app.ts', 'src/certificate-adapters.ts', 'src/data-planes.ts', 'src/environment.ts', 'src/adapters/*'],
  'src/certificate-adapters.ts': [
    'src/app.ts',
    'src/adapters/*',
    'src/dataplanes/envoy/trust.ts',
    'src/environment.ts',
    'src/journal/documents.ts',
    'src/spec/certificates-schema.ts',
    'src/trust/attestation.ts',
    'src/trust/vault.ts',
  ],
  'src/data-planes.ts': [
    'src/adapters/*',
    'src/dataplanes/envoy/observe.ts',
    'src/dataplanes/gateway-api/data-plane.ts',
    'src/dataplanes/istio/data-plane.ts',
    'src/dataplanes/istio/trust.ts',
    'src/dataplanes/linkerd/data-plane.ts',
    'src/dataplanes/osm/data-plane.ts',
    'src/environment.ts',
    'src/journal/documents.ts',
    'src/reconcile/data-plane.ts',
    'src/reconcile/model.ts',
    'src/spec/schema.ts',
    'src/trust/data-plane-trust.ts',
  ],
  'src/wiring.ts': ['src/app.ts', 'src/azure.ts', 'src/environment.ts', 'src/api/authenticate.ts', 'src/local/adapters.ts'],
  // Programs and their doors.
  'src/api': ['src/app.ts', 'src/receive.ts', 'src/rotating.ts', 'src/status.ts', 'src/wiring.ts', 'src/journal/stream.ts'],
  'src/dashboard': ['src/status.ts', 'src/notifications/standing-words.ts'],
  'src/local': [
    'src/app.ts',
    'src/certificate-adapters.ts',
    'src/api/authenticate.ts',
    'src/data-planes.ts',
    'src/environment.ts',
    'src/wiring.ts',
    'src/adapters/*',
    'src/api/stranger.ts',
    'src/dataplanes/envoy/*',
    'src/journal/documents.ts',
    'src/journal/stream.ts',
  ],
  'src/xds': [
    'src/adapters/*',
    'src/api/authenticate.ts',
    'src/api/problem.ts',
    'src/api/stranger.ts',
    'src/dataplanes/envoy/*',
    'src/journal/documents.ts',
    'src/plan/plan.ts',
    'src/reconcile/model-trust.ts',
    'src/reconcile/model.ts',
    'src/reconcile/observations.ts',
    'src/trust/certificates.ts',
    'src/reconcile/identity-observations.ts',
  ],
  // Beside an Envoy, over HTTP alone.
  'src/agent': ['src/adapters/http-exchange.ts'],
  // Over HTTP; it opens no store. What can be planned without a running meshwright, it plans itself.
  'src/cli': [
    'src/agent/process.ts',
    'src/dataplanes/consul/custom-resources.ts',
    'src/dataplanes/envoy/*',
    'src/dataplanes/renderers.ts',
    'src/import/*',
    'src/mesh-reading.ts',
    'src/notifications/standing-words.ts',
    'src/plan/fidelity.ts',
    'src/plan/plan-service.ts',
    'src/spec-fidelity.ts',
    'src/spec/authored-data-planes.ts',
    'src/spec/json-schema.ts',
    'src/spec/read-spec.ts',
    'src/spec/schema.ts',
  ],
  functions: ['src/wiring.ts', 'src/api/*', 'src/dashboard/page.ts', 'src/issuing.ts', 'src/rotating.ts', 'src/spec/names.ts'],
};

const DOMAIN_ROOMS = [
  'src/spec',
  'src/plan',
  'src/rollouts',
  'src/trust',
  'src/intake',
  'src/journal',
  'src/notifications',
  'src/reconcile',
  'src/dataplanes',
  'src/import',
];
const PURE_ROOMS = ['src/spec', 'src/plan', 'src/rollouts', 'src/intake', 'src/import'];
const CHOOSE_ADAPTERS = [
  'src/agent',
  'src/data-planes.ts',
  'src/azure.ts',
  'src/certificate-adapters.ts',
  'src/mesh-reading.ts',
  'src/local',
  'src/xds',
  'src/wiring.ts',
];

describe('what a room imports of others', () => {
  it('is in the table', () => {
    expect(product.length).toBeGreaterThan(80);
    expect(product.flatMap((file) => importProblems(file, TABLE))).toEqual([]);
  });

  it.each([
    ['a type', importing('src/rollouts/new.ts', '../journal/journal.ts')],
    ['a value over lines', made('src/plan/new.ts', "import {\n  a,\n  b,\n} from '../rollouts/state.ts';")],
    ['an effect', made('src/spec/new.ts', "import '../adapters/sqlite-documents.ts';")],
    ['an import at run time', made('src/journal/new.ts', "const x = await import('../adapters/cosmos-documents.ts');")],
    ['an export from elsewhere', made('src/intake/new.ts', "export * from '../rollouts/state.ts';")],
    ['insides beyond the table', importing('functions/new.ts', '../src/rollouts/decide.ts')],
    ['a program, from a room', importing('src/reconcile/new.ts', '../local/host/host.ts')],
    ['the app, from an adapter', importing('src/adapters/new.ts', '../app.ts')],
    ['anything, from a room that is not listed', importing('src/newcomer/new.ts', '../spec/schema.ts')],
  ])('is caught when it is not: %s', (_what, file) => {
    expect(importProblems(file, TABLE)).toHaveLength(1);
  });

  it('is free inside a room, for packages and for what the table lists', () => {
    for (const target of ['./state.ts', 'zod', 'node:crypto', '../spec/schema.ts'])
      expect(importProblems(importing('src/rollouts/new.ts', target), TABLE)).toEqual([]);
    expect(importsOf(importing('src/rollouts/new.ts', './state.ts'))).toEqual(['src/rollouts/state.ts']);
  });
});

describe('the table', () => {
  const entries = Object.entries(TABLE).flatMap(([room, targets]) => targets.map((target) => [room, target] as const));

  it('lists nothing that is not there', () => {
    const missing = entries.filter(([, target]) => !product.some(({ path }) => covers(target, path)));
    expect(missing).toEqual([]);
    expect(Object.keys(TABLE).filter((room) => !product.some(({ path }) => roomOf(path) === room))).toEqual([]);
  });

  it('lets the pure rooms know neither the journal nor adapters', () => {
    expect(entries.filter(([room, target]) => PURE_ROOMS.includes(room) && /^src\/(journal|adapters|reconcile)\//.test(target))).toEqual(
      [],
    );
  });

  it('lets no room know the app, a program or what chooses adapters', () => {
    const upwards =
      /^(functions\/|src\/(app|azure|wiring|environment|receive|spec-fidelity|status)\.ts|src\/(api|cli|local|xds|agent|dashboard|adapters)\/)/;
    expect(entries.filter(([room, target]) => DOMAIN_ROOMS.includes(room) && upwards.test(target))).toEqual([]);
  });

  it('lets only those know adapters who choose them', () => {
    expect(entries.filter(([room, target]) => target.startsWith('src/adapters/') && !CHOOSE_ADAPTERS.includes(room))).toEqual([]);
  });

  it('lets the command line and the page know no store', () => {
    const stores = /^src\/(adapters|journal)\//;
    expect(entries.filter(([room, target]) => ['src/cli', 'src/dashboard'].includes(room) && stores.test(target))).toEqual([]);
  });

  it('lets data planes know the plan, how they are reached and the interfaces they fill, and no rollout', () => {
    expect(TABLE['src/dataplanes']?.filter((target) => /^src\/(rollouts|spec|intake|trust)\//.test(target))).toEqual([
      'src/spec/schema.ts',
      'src/trust/data-plane-trust.ts',
    ]);
  });
});
