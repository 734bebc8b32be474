/**
 * What a real API server refuses for reasons of its own, each in a sentence that says what and where, as a refusal and not as an
 * error to try again: rules of a CRD, validation of built-in kinds, admission. (Types, conflicts and permissions: `istio-apply.test.ts`;
 * Consul: `consul-applying.test.ts`.)
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApplyOutcome, Cluster, ResourceKind } from '../../src/dataplanes/kubernetes/cluster.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import { until } from '../e2e/until.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { connector } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const have = await haveServers('etcd', 'kube-apiserver');

const HTTP_ROUTE: ResourceKind = { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', plural: 'httproutes' };
const SERVICE: ResourceKind = { apiVersion: 'v1', kind: 'Service', plural: 'services' };
const ENVOY_FILTER: ResourceKind = { apiVersion: 'networking.istio.io/v1alpha3', kind: 'EnvoyFilter', plural: 'envoyfilters' };

describe.skipIf(!have)('an API server refuses', () => {
  let api: ApiServer;
  let cluster: Cluster;
  beforeAll(async () => {
    api = await startApiServer('istio', 'gateway-api');
    await api.namespace('shop');
    cluster = connector(api);
  });
  afterAll(() => api?.stop());

  const apply = (kind: ResourceKind, name: string, spec: JsonObject): Promise<ApplyOutcome> => {
    const metadata = { namespace: 'shop', name, labels: {}, annotations: {} };
    return cluster.apply({ kind, metadata, content: { spec } }, { over: 'absent', force: false, dryRun: true });
  };
  const route = (rule: JsonObject): JsonObject => ({
    parentRefs: [{ group: '', kind: 'Service', name: 'catalog', port: 80 }],
    rules: [{ backendRefs: [{ name: 'catalog-v1', port: 80 }], ...rule }],
  });
  const refusal = (status: number, ...words: readonly string[]) => ({
    kind: 'refused',
    status,
    message: expect.stringMatching(new RegExp(`^The API server refuses to try .*${words.join('.*')}`, 's')),
  });

  it('what a rule of its CRD forbids, in the words of the rule', async () => {
    expect(await apply(HTTP_ROUTE, 'hurried', route({ timeouts: { request: '1s', backendRequest: '5s' } }))).toEqual(
      refusal(422, 'shop/hurried', 'spec.rules\\[0\\].timeouts', 'backendRequest timeout cannot be longer than request timeout'),
    );
  });

  it('a value that the schema of its CRD does not have, with its place', async () => {
    expect(await apply(HTTP_ROUTE, 'lasting', route({ timeouts: { request: '1.5s' } }))).toEqual(
      refusal(422, 'shop/lasting', 'spec.rules\\[0\\].timeouts.request', 'should match'),
    );
  });

  it('a built-in kind that lacks something, with its place', async () => {
    expect(await apply(SERVICE, 'portless', { selector: { app: 'catalog' } })).toEqual(
      refusal(422, 'Service shop/portless', 'spec.ports: Required value'),
    );
  });

  it('what admission denies, in the words of the policy, as managed meshes do with kinds they keep to themselves', async () => {
    const metadata = { name: 'kept' };
    const rules = { apiGroups: ['networking.istio.io'], apiVersions: ['*'], operations: ['CREATE', 'UPDATE'], resources: ['envoyfilters'] };
    await api.admin.mustApply(
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicy',
        metadata,
        spec: {
          matchConstraints: { resourceRules: [rules] },
          validations: [{ expression: 'false', message: 'EnvoyFilter is not supported by this add-on.' }],
        },
      },
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata,
        spec: { policyName: metadata.name, validationActions: ['Deny'] },
      },
    );
    const denied = await until('the policy is in force', async () => {
      const outcome = await apply(ENVOY_FILTER, 'own', { configPatches: [] });
      return outcome.kind === 'refused' && outcome;
    });
    expect(denied).toEqual(refusal(422, 'EnvoyFilter shop/own', 'denied request: EnvoyFilter is not supported by this add-on'));
  });
});
