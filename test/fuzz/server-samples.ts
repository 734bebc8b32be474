/** Answers of servers, as they were seen: of Kubernetes, Consul, istiod, Envoy; and a kubeconfig. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Json } from '../../src/journal/documents.ts';

const pem = z.string();
const [chain] = z
  .object({ chains: z.array(z.object({ leaf: pem, intermediates: z.array(pem), roots: z.array(pem) })).min(1) })
  .parse(JSON.parse(readFileSync(new URL('certificates.json', import.meta.url), 'utf8'))).chains;
const ROOTS = chain?.roots.join('') ?? '';
const CHAIN = [chain?.leaf, ...(chain?.intermediates ?? [])].join('');
const base64 = (text: string): string => Buffer.from(text).toString('base64');

const object = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'catalog', namespace: 'shop', uid: 'u-1', resourceVersion: '42', labels: { app: 'catalog' }, annotations: {} },
  spec: { hosts: ['catalog'] },
};

export const apiAnswers: readonly Json[] = [
  object,
  { kind: 'VirtualServiceList', metadata: { continue: '' }, items: [object, object] },
  {
    kind: 'Status',
    status: 'Failure',
    message: 'Apply failed with 1 conflict: conflict with "helm" using networking.istio.io/v1: .spec.hosts',
    reason: 'Conflict',
    details: {
      causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "helm" using networking.istio.io/v1', field: '.spec.hosts' }],
    },
    code: 409,
  },
  {
    kind: 'Status',
    status: 'Failure',
    message: 'virtualservices "catalog" not found',
    reason: 'NotFound',
    details: { name: 'catalog' },
    code: 404,
  },
  {
    kind: 'Status',
    status: 'Failure',
    message: 'virtualservices is forbidden: User "x" cannot list resource',
    reason: 'Forbidden',
    code: 403,
  },
  { kind: 'APIGroup', versions: [{ groupVersion: 'networking.istio.io/v1', version: 'v1' }] },
  { kind: 'SelfSubjectAccessReview', status: { allowed: true } },
  { kind: 'TokenRequest', status: { token: 'abc', expirationTimestamp: '2026-11-22T14:00:00Z' } },
];

export const consulAnswers: readonly Json[] = [
  true,
  {
    Kind: 'service-router',
    Name: 'catalog',
    Routes: [{ Match: { HTTP: { PathPrefix: '/' } } }],
    Meta: { owner: 'meshwright' },
    CreateIndex: 1,
    ModifyIndex: 7,
  },
  {
    Chain: {
      ServiceName: 'catalog',
      StartNode: 'router:catalog.default.default',
      Nodes: {
        'router:catalog.default.default': { Type: 'router', Name: 'catalog', Routes: [{ NextNode: 'splitter:catalog.default.default' }] },
      },
      Targets: { 'v1.catalog.default.default.dc1': { ID: 'v1.catalog.default.default.dc1', ServiceSubset: 'v1' } },
    },
  },
  [{ Node: { Node: 'n1' }, Service: { ID: 'catalog-1', Service: 'catalog', Meta: { version: 'v1' } }, Checks: [{ Status: 'passing' }] }],
  { Roots: [{ ID: 'a', Active: true, RootCert: ROOTS, IntermediateCerts: null }] },
  { Provider: 'consul', Config: { LeafCertTTL: '72h', PrivateKey: '', RootCert: '' } },
  { catalog: [], web: ['v1'] },
  [{ Node: 'n1', Address: '10.0.0.1', ServiceID: 'catalog-1', ServiceAddress: '', ServicePort: 8080, ServiceKind: 'connect-proxy' }],
  { DebugConfig: { ACLDefaultPolicy: 'deny' } },
];

const active = (name: string, secret: Json): Json => ({ name, version_info: '1', last_updated: '2026-11-22T14:00:00Z', secret });
export const dumps: readonly Json[] = [
  {
    configs: [
      active('default', {
        name: 'default',
        tls_certificate: { certificate_chain: { inline_bytes: base64(CHAIN) }, private_key: { inline_string: '[redacted]' } },
      }),
      active('bundle', { name: 'bundle', validation_context: { trusted_ca: { inline_bytes: base64(ROOTS) } } }),
    ],
    certificates: [{ ca_cert: [{ serial_number: '40aa' }], cert_chain: [{ serial_number: '40bb' }] }],
    stats: [
      { name: 'sds.default.update_success', value: 1 },
      { name: 'sds.bundle.update_rejected', value: 0 },
    ],
  },
  { configs: [active('default', { tls_certificate: { certificate_chain: { inline_string: CHAIN } } })], certificates: [], stats: [] },
];

export const pages: readonly Json[] = [
  [
    {
      proxy: 'catalog-1.shop',
      cluster_sent: 'a',
      cluster_acked: 'a',
      route_sent: 'b',
      route_acked: '',
      resources: { 'type.googleapis.com/x': { lastError: 'no' } },
    },
  ],
  {
    clients: [
      {
        connectionId: 'catalog-1.shop-7',
        watches: { 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment': ['outbound|80||catalog'] },
      },
    ],
  },
  {
    configs: [
      {
        virtualHosts: [
          {
            domains: ['catalog.shop'],
            routes: [
              {
                name: 'default',
                metadata: { filterMetadata: { istio: { config: '/apis/networking.istio.io/v1/namespaces/shop/virtual-service/catalog' } } },
                route: { weightedClusters: { clusters: [{ name: 'outbound|80|v1|catalog', weight: 90 }] } },
              },
            ],
          },
        ],
      },
    ],
  },
];

const text = `apiVersion: v1
kind: Config
current-context: shop
clusters:
  - name: shop
    cluster: { server: 'https://127.0.0.1:6443', certificate-authority-data: ${base64(ROOTS)} }
contexts:
  - name: shop
    context: { cluster: shop, user: kim }
users:
  - name: kim
    user: { token: not-a-secret }
`;
export const KUBECONFIG: { readonly text: string; readonly value: Json } = { text, value: JSON.parse(JSON.stringify(parse(text))) };
