/**
 * What an event says about deployments: an image pushed to a registry (Azure Container Registry), a resource written (Azure
 * Resource Manager), or a version asked for by name (our own event, from CI/CD or a person). Which services it means is for `matching.ts`.
 * Formats: https://learn.microsoft.com/azure/event-grid/event-schema-container-registry and event-schema-resource-groups.
 */
import { z } from 'zod';
import { isVersion, nameSchema, versionSchema } from '../spec/names.ts';
import type { DeliveredEvent } from './delivery.ts';
import { readInstant } from './instant.ts';

export interface PushedImage {
  readonly kind: 'registry';
  /** `<registry host>/<repository>`, the host in lower case. */
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}
export interface WrittenResource {
  readonly kind: 'resource';
  readonly resourceId: string;
  /** Such as `Microsoft.App/containerApps/write`. */
  readonly operation: string;
}
export interface RequestedVersion {
  readonly kind: 'request';
  readonly mesh?: string;
  readonly service: string;
  readonly version: string;
  readonly digest?: string;
  /** Who asks, in the sender's words: not authenticated. */
  readonly actor?: string;
}

export interface Deployment {
  readonly kind: 'deployment';
  readonly deliveryId: string;
  /** Epoch ms at the source; orders the pushes to one repository only. */
  readonly occurredAt: number;
  readonly from: PushedImage | WrittenResource | RequestedVersion;
}

export type DeploymentReading =
  | Deployment
  /** Right, and nothing to act on. */
  | { readonly kind: 'ignored'; readonly reason: 'NotADeployment' | 'NoTag' | 'NotAnImage'; readonly message: string }
  /** To be parked where people look. */
  | { readonly kind: 'invalid'; readonly reason: 'UnknownEventType' | 'MalformedData' | 'TagIsNoVersion'; readonly message: string };

const IMAGE_MEDIA_TYPES = new Set([
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
]);
/** Signatures, attestations and SBOMs are tagged after the image they speak of, and look like images otherwise. */
const REFERRER_TAG = /^sha256-[0-9a-f]{64}(?:\.[a-z]+)?$/;

const pushData = z.object({
  timestamp: z.string().nullish(),
  target: z.object({
    mediaType: z.string().min(1).max(256),
    digest: z.string().min(1).max(256),
    repository: z.string().min(1).max(512),
    tag: z.string().max(256).nullish(),
  }),
  request: z.object({ host: z.string().min(1).max(256) }),
});

const writeData = z.object({ resourceUri: z.string().max(2048).nullish(), operationName: z.string().max(256).nullish() });

const requestData = z.object({
  mesh: nameSchema.nullish(),
  service: nameSchema,
  version: versionSchema,
  digest: z.string().min(1).max(256).nullish(),
  actor: z.string().min(1).max(256).nullish(),
});

/** Event types are compared in any case, those of a registry also without their prefix (older events have none). */
export function readDeployment(event: DeliveredEvent): DeploymentReading {
  const type = event.type.toLowerCase();
  const registryType = type.replace(/^microsoft\.containerregistry\./, '');
  if (registryType === 'imagepushed') return readPush(event);
  if (['imagedeleted', 'chartpushed', 'chartdeleted'].includes(registryType)) return notADeployment(event);
  if (type === 'microsoft.resources.resourcewritesuccess') return readWrite(event);
  if (/^microsoft\.resources\.resource(?:write|delete|action)(?:success|failure|cancel)$/.test(type)) return notADeployment(event);
  if (type === 'meshwright.deployment.requested') return readRequest(event);
  return {
    kind: 'invalid',
    reason: 'UnknownEventType',
    message: `${event.type} is no event about deployments; subscribe to ImagePushed or ResourceWriteSuccess, or send Meshwright.Deployment.Requested`,
  };
}

function readPush(event: DeliveredEvent): DeploymentReading {
  const parsed = pushData.safeParse(event.data);
  if (!parsed.success) return malformed(event, parsed.error);
  const { target, request, timestamp } = parsed.data;
  const host = request.host.toLowerCase().replace(/:443$/, '');
  const repository = `${host}/${target.repository}`;
  const tag = target.tag ?? '';
  if (!IMAGE_MEDIA_TYPES.has(target.mediaType.toLowerCase()) || REFERRER_TAG.test(tag)) {
    return {
      kind: 'ignored',
      reason: 'NotAnImage',
      message: `what was pushed to ${repository} is no container image (${target.mediaType}, tag ${tag || 'none'})`,
    };
  }
  if (tag === '')
    return {
      kind: 'ignored',
      reason: 'NoTag',
      message: `${target.digest} was pushed to ${repository} without a tag; a tag says which version it is`,
    };
  if (!isVersion(tag)) {
    return {
      kind: 'invalid',
      reason: 'TagIsNoVersion',
      message: `the tag ${tag} of ${repository} can't be the name of a version: use up to 63 letters, digits, -, _ and ., beginning and ending with a letter or digit`,
    };
  }
  const occurredAt = readInstant(timestamp ?? '') ?? event.time;
  return {
    kind: 'deployment',
    deliveryId: event.deliveryId,
    occurredAt,
    from: { kind: 'registry', repository, tag, digest: target.digest },
  };
}

function readWrite(event: DeliveredEvent): DeploymentReading {
  const parsed = writeData.safeParse(event.data);
  if (!parsed.success) return malformed(event, parsed.error);
  const resourceId = parsed.data.resourceUri ?? event.subject;
  if (resourceId === '') {
    return {
      kind: 'invalid',
      reason: 'MalformedData',
      message: `${event.type}: neither data.resourceUri nor the subject says which resource was written`,
    };
  }
  const from: WrittenResource = { kind: 'resource', resourceId, operation: parsed.data.operationName ?? '' };
  return { kind: 'deployment', deliveryId: event.deliveryId, occurredAt: event.time, from };
}

function readRequest(event: DeliveredEvent): DeploymentReading {
  const parsed = requestData.safeParse(event.data);
  if (!parsed.success) return malformed(event, parsed.error);
  const { mesh, service, version, digest, actor } = parsed.data;
  const from: RequestedVersion = {
    kind: 'request',
    ...(mesh ? { mesh } : {}),
    service,
    version,
    ...(digest ? { digest } : {}),
    ...(actor ? { actor } : {}),
  };
  return { kind: 'deployment', deliveryId: event.deliveryId, occurredAt: event.time, from };
}

function notADeployment(event: DeliveredEvent): DeploymentReading {
  return { kind: 'ignored', reason: 'NotADeployment', message: `${event.type} brings no new version` };
}

function malformed(event: DeliveredEvent, error: z.ZodError): DeploymentReading {
  const issue = error.issues[0];
  const where = ['data', ...(issue?.path ?? [])].join('.');
  return { kind: 'invalid', reason: 'MalformedData', message: `${event.type}: ${where}: ${issue?.message ?? 'it has the wrong form'}` };
}
