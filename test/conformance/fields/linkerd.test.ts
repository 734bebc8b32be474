/**
 * Linkerd's exact fields, as far as a real API server with its CRDs goes: what was applied is there in full, and differs for two values.
 * What Linkerd's controllers and proxies make of it is not tested, since they are not to be had.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linkerdRenderer } from '../../../src/dataplanes/linkerd/renderer.ts';
import type { Json, JsonObject } from '../../../src/journal/documents.ts';
import { isRefusal, judge } from '../../../src/plan/fidelity.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import { type ApiServer, startApiServer } from '../api-server.ts';
import type { KubeObject } from '../kube-client.ts';
import { haveServers } from '../servers/build.ts';
import { caseOf, exactFields, plansOf, testedFields } from './exact-fields.ts';
import { type Ground, NAMESPACE } from './field-case.ts';
import { linkerdTests } from './field-tests.ts';
import { kubeObject, Written } from './kubernetes-objects.ts';
import { at } from './proto-json.ts';

const have = await haveServers('etcd', 'kube-apiserver');
const ground: Ground = { dataPlane: 'linkerd', trustDomain: 'cluster.local' };

/** An empty map is not kept, and says that none of ours is left. */
const withoutEmpty = (object: KubeObject): JsonObject =>
  JSON.parse(JSON.stringify(object, (key, value) => (key === 'annotations' && Object.keys(value).length === 0 ? undefined : value)));

describe.skipIf(!have)('linkerd: two values of each field that is exact are there in full at a real API server, and differ', () => {
  let api: ApiServer;
  let written: Written;
  beforeAll(async () => {
    api = await startApiServer('gateway-api', 'linkerd');
    written = new Written(api);
    await api.namespace(NAMESPACE);
  });
  afterAll(() => api?.stop());

  /** What the server holds of the plan's objects once they are applied. */
  async function held(plan: ServicePlan): Promise<readonly Json[]> {
    const { service: name, namespace, selector, port } = plan;
    const users = { selector: { ...selector }, ports: [{ name: 'calls', port }] };
    await api.admin.mustApply({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: users });
    const rendered = linkerdRenderer.render(plan).map(kubeObject);
    await written.replace(plan, rendered);
    return Promise.all(
      rendered.map(async (object) => {
        const { body } = await api.admin.ask('GET', await api.admin.pathOf(object));
        expect(body).toMatchObject(withoutEmpty(object));
        const [labels, annotations] = [at(body, 'metadata', 'labels') ?? null, at(body, 'metadata', 'annotations') ?? null];
        return { kind: object.kind, name: object.metadata.name, labels, annotations, spec: at(body, 'spec') ?? null };
      }),
    );
  }

  it('have each a case', () => {
    expect(exactFields(linkerdTests).filter((field) => !caseOf(linkerdTests, field))).toEqual([]);
  });

  it.each(testedFields(linkerdTests))('$field', async (tested) => {
    const [first, second] = plansOf(linkerdTests, tested, ground);
    const refused = (plan: ServicePlan): boolean => judge(plan, linkerdTests.fidelity).some(isRefusal);
    expect(refused(first), 'the first value is refused').toBe(false);
    expect(refused(second), 'the second value is refused').toBe(linkerdTests.single?.includes(tested.field) ?? false);
    const before = await held(first);
    if (!refused(second)) expect(await held(second)).not.toEqual(before);
  });
});
