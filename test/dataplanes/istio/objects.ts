/**
 * The objects that the Istio renderer gives, to the field: what is not written down here does not parse. And plans that Istio
 * refuses nothing of.
 */
import { z } from 'zod';
import { istioFidelity } from '../../../src/dataplanes/istio/fidelity.ts';
import { renderIstio } from '../../../src/dataplanes/istio/render.ts';
import { isRefusal, judge } from '../../../src/plan/fidelity.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import { arbitraryPlan } from '../../plan/arbitraries.ts';

const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** Istio refuses less than 1 ms; proto JSON has no unit but seconds. */
const duration = z
  .string()
  .regex(/^[0-9]+(\.[0-9]{3})?s$/)
  .refine((text) => Number.parseFloat(text) >= 0.001);
const percentage = z.strictObject({ value: z.int().min(1).max(100) });
const labels = z.record(z.string(), z.string());
const metadata = z.strictObject({ name: z.string().regex(DNS_LABEL), namespace: z.string(), labels });
const annotated = z.strictObject({ ...metadata.shape, annotations: z.strictObject({ 'istio.io/dry-run': z.enum(['true', 'false']) }) });
/** Empty, it would select the whole namespace. */
const selector = z.strictObject({ matchLabels: labels.refine((given) => Object.keys(given).length > 0) });
const stringMatch = z.union([
  z.strictObject({}),
  z.strictObject({ exact: z.string() }),
  z.strictObject({ prefix: z.string() }),
  z.strictObject({ regex: z.string() }),
]);
const NETWORKING = z.literal('networking.istio.io/v1');
const SECURITY = z.literal('security.istio.io/v1');

const policyOfVersion = z.strictObject({
  connectionPool: z
    .strictObject({
      tcp: z.strictObject({ maxConnections: z.int().min(1).optional(), connectTimeout: duration.optional() }).optional(),
      http: z
        .strictObject({
          http1MaxPendingRequests: z.int().min(1).optional(),
          http2MaxRequests: z.int().min(1).optional(),
          maxRequestsPerConnection: z.int().min(1).optional(),
          h2UpgradePolicy: z.literal('UPGRADE').optional(),
        })
        .optional(),
    })
    .optional(),
  retryBudget: z.strictObject({ percent: z.int().min(1).max(100), minRetryConcurrency: z.int().min(1) }).optional(),
});

const destinationRule = z.strictObject({
  apiVersion: NETWORKING,
  kind: z.literal('DestinationRule'),
  metadata,
  spec: z.strictObject({
    host: z.string(),
    trafficPolicy: z
      .strictObject({
        loadBalancer: z
          .strictObject({
            simple: z.enum(['LEAST_REQUEST', 'RANDOM', 'ROUND_ROBIN']).optional(),
            consistentHash: z.strictObject({ httpHeaderName: z.string() }).optional(),
            localityLbSetting: z
              .union([
                z.strictObject({ enabled: z.literal(true), failoverPriority: z.array(z.string()) }),
                z.strictObject({ enabled: z.literal(false) }),
              ])
              .optional(),
          })
          .optional(),
        outlierDetection: z
          .strictObject({
            consecutive5xxErrors: z.int().min(0),
            interval: duration.optional(),
            baseEjectionTime: duration.optional(),
            maxEjectionPercent: z.int().min(1).max(100).optional(),
          })
          .optional(),
      })
      .optional(),
    subsets: z.array(z.strictObject({ name: z.string().regex(DNS_LABEL), labels, trafficPolicy: policyOfVersion.optional() })),
  }),
});

const destination = z.strictObject({
  host: z.string(),
  subset: z.string(),
  port: z.strictObject({ number: z.int().min(1) }).optional(),
});

const virtualService = z.strictObject({
  apiVersion: NETWORKING,
  kind: z.literal('VirtualService'),
  metadata,
  spec: z.strictObject({
    hosts: z.array(z.string()).min(1),
    gateways: z
      .array(z.string().regex(/^[^/]+\/[^/]+$/))
      .min(1)
      .optional(),
    http: z.array(
      z.strictObject({
        name: z.string(),
        match: z
          .array(
            z.strictObject({
              uri: stringMatch.optional(),
              method: stringMatch.optional(),
              headers: z.record(z.string(), stringMatch).optional(),
              withoutHeaders: z.record(z.string(), stringMatch).optional(),
            }),
          )
          .min(1)
          .optional(),
        route: z.array(z.strictObject({ destination, weight: z.int().min(0).max(100) })),
        timeout: duration.optional(),
        retries: z.union([
          z.strictObject({ attempts: z.literal(0) }),
          z.strictObject({ attempts: z.int().min(1), perTryTimeout: duration.optional(), retryOn: z.string().min(1) }),
        ]),
        fault: z
          .strictObject({
            delay: z.strictObject({ fixedDelay: duration, percentage }).optional(),
            abort: z.strictObject({ httpStatus: z.int().min(200).max(599), percentage }).optional(),
          })
          .optional(),
        mirrors: z.array(z.strictObject({ destination, percentage })).optional(),
      }),
    ),
  }),
});

const peerAuthentication = z.strictObject({
  apiVersion: SECURITY,
  kind: z.literal('PeerAuthentication'),
  metadata,
  spec: z.strictObject({ selector, mtls: z.strictObject({ mode: z.enum(['STRICT', 'PERMISSIVE']) }) }),
});

const requestAuthentication = z.strictObject({
  apiVersion: SECURITY,
  kind: z.literal('RequestAuthentication'),
  metadata,
  spec: z.strictObject({
    selector,
    jwtRules: z
      .array(
        z.strictObject({
          issuer: z.string().min(1),
          /** None would be all. */
          audiences: z.array(z.string().min(1)).length(1),
          jwksUri: z.string().startsWith('https://'),
          fromHeaders: z.tuple([z.strictObject({ name: z.literal('Authorization'), prefix: z.literal('Bearer ') })]),
          forwardOriginalToken: z.literal(true),
        }),
      )
      .length(1),
  }),
});

/** What refuses calls without a token: nothing but conditions of a token, none of them empty. */
const tokenPolicy = z.strictObject({
  apiVersion: SECURITY,
  kind: z.literal('AuthorizationPolicy'),
  metadata: z.strictObject({
    ...metadata.shape,
    name: z.string().regex(/^[a-z0-9-]+\.tokens$/),
    annotations: z.strictObject({ 'istio.io/dry-run': z.literal('false') }),
  }),
  spec: z.strictObject({
    selector,
    action: z.literal('DENY'),
    rules: z
      .array(
        z.strictObject({
          when: z
            .array(z.strictObject({ key: z.string().startsWith('request.auth.'), notValues: z.array(z.string().min(1)).min(1) }))
            .length(1),
        }),
      )
      .min(2),
  }),
});

const allowPolicy = z.strictObject({
  apiVersion: SECURITY,
  kind: z.literal('AuthorizationPolicy'),
  metadata: annotated,
  spec: z.strictObject({
    selector,
    action: z.literal('ALLOW'),
    /** No rules allow nobody; an empty rule, an empty condition would allow everybody or be refused. */
    rules: z.array(
      z.strictObject({
        from: z.array(z.strictObject({ source: z.strictObject({ principals: z.array(z.string()).min(1) }) })).length(1),
        to: z
          .array(
            z.strictObject({
              operation: z
                .strictObject({ methods: z.array(z.string()).min(1).optional(), paths: z.array(z.string()).min(1).optional() })
                .refine((operation) => Object.keys(operation).length > 0),
            }),
          )
          .length(1)
          .optional(),
      }),
    ),
  }),
});

const serviceEntry = z.strictObject({
  apiVersion: NETWORKING,
  kind: z.literal('ServiceEntry'),
  metadata,
  spec: z.strictObject({
    hosts: z.array(z.string()).length(1),
    exportTo: z.tuple([z.literal('.')]),
    location: z.literal('MESH_EXTERNAL'),
    resolution: z.literal('DNS'),
    ports: z.array(z.strictObject({ number: z.int(), name: z.string(), protocol: z.enum(['HTTP', 'TLS']) })).min(1),
  }),
});

const served = z.strictObject({ mode: z.literal('SERVER') });
const telemetry = z.strictObject({
  apiVersion: z.literal('telemetry.istio.io/v1'),
  kind: z.literal('Telemetry'),
  metadata,
  spec: z.strictObject({
    selector,
    accessLogging: z
      .array(
        z.strictObject({
          match: served,
          providers: z.array(z.strictObject({ name: z.string() })),
          filter: z.strictObject({ expression: z.string() }).optional(),
        }),
      )
      .optional(),
    tracing: z.array(z.strictObject({ match: served, randomSamplingPercentage: z.int().min(1).max(100) })).optional(),
  }),
});

const objectSchema = z.union([
  destinationRule,
  virtualService,
  peerAuthentication,
  requestAuthentication,
  allowPolicy,
  tokenPolicy,
  serviceEntry,
  telemetry,
]);
export type IstioObject = z.infer<typeof objectSchema>;

export const renderable = arbitraryPlan.filter((plan) => !judge(plan, istioFidelity).some(isRefusal));

/** Fails on a field that is not written down above. */
export function rendered(plan: ServicePlan) {
  const objects = z.array(objectSchema).parse(renderIstio(plan));
  const rules = objects.filter((object) => object.kind === 'DestinationRule');
  const services = objects.filter((object) => object.kind === 'VirtualService');
  const [rule] = rules;
  const [inside, ...outside] = services;
  if (!rule || rules.length > 1 || !inside) throw new Error('There is one DestinationRule, and a VirtualService at least.');
  return {
    objects,
    rule,
    /** The host of the service inside the mesh. */
    inside,
    /** Its names outside. */
    outside,
    authentication: objects.find((object) => object.kind === 'PeerAuthentication'),
    authorization: objects.flatMap((object) => allowPolicy.safeParse(object).data ?? [])[0],
    /** Who verifies tokens, and what refuses calls without one. */
    tokens: objects.flatMap((object) => requestAuthentication.safeParse(object).data ?? tokenPolicy.safeParse(object).data ?? []),
    entries: objects.filter((object) => object.kind === 'ServiceEntry'),
    telemetry: objects.find((object) => object.kind === 'Telemetry'),
  };
}
