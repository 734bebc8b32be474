/** What is brought to an API server for a service on Istio, as its data plane does it, without one. */
import { RENDERED_KINDS, SELECTING_KINDS, SPLITS, VIRTUAL_SERVICE } from '../../src/dataplanes/istio/kinds.ts';
import { renderIstio } from '../../src/dataplanes/istio/render.ts';
import { keepingSubsets } from '../../src/dataplanes/istio/subsets.ts';
import type { Bringing } from '../../src/dataplanes/kubernetes/apply.ts';
import type { ServicePlan } from '../../src/plan/plan.ts';
import { planService } from '../../src/plan/plan-service.ts';
import { readSpec } from '../../src/spec/read-spec.ts';

type Split = Readonly<Record<string, number>>;

/** Of a service in namespace `shop` with this split, given by version, and more lines in its document. */
export function planned(service: string, split: Split, more = ''): ServicePlan {
  const meta = 'apiVersion: meshwright.dev/v1\n';
  const read = readSpec([
    { path: 'm.yaml', text: `${meta}kind: Mesh\nname: shop\ndataPlanes:\n  - { name: west, kind: istio }\n` },
    { path: 'w.yaml', text: `${meta}kind: Service\nname: web\nnamespace: shop\nport: 80\n` },
    { path: 's.yaml', text: `${meta}kind: Service\nname: ${service}\nnamespace: shop\nport: 8080\nstable: v1\nrollout: canary\n${more}` },
  ]);
  const spec = read.ok ? read.services.find(({ name }) => name === service) : undefined;
  if (!spec) throw new Error(JSON.stringify(read));
  return planService('shop', spec, { split: Object.entries(split).map(([version, weight]) => ({ version, weight })) });
}

/** `more`: what is other than with a new data plane that has decided this revision and no later one. */
export const bringing = (service: string, revision: number, split: Split, more: Partial<Bringing> = {}): Bringing => ({
  mesh: 'shop',
  service,
  revision,
  objects: renderIstio(planned(service, split)),
  kinds: RENDERED_KINDS,
  naming: [VIRTUAL_SERVICE],
  splits: SPLITS,
  selecting: SELECTING_KINDS,
  decided: async () => revision,
  gate: async () => undefined,
  force: false,
  widened: keepingSubsets,
  ...more,
});
