import { describe, expect, it } from 'vitest';
import { readEvent } from '../../src/intake/delivery.ts';
import { readDeployment } from '../../src/intake/deployments.ts';
import { payload } from './payload.ts';

const DIGEST = 'sha256:9f2b1c5e7a40d3862f8c41ab6de0957311c8f2a4e5b60d97c3a1f4e82b7d6c05';

function read(body: unknown) {
  const reading = readEvent(body, 0);
  if (!reading.ok) throw new Error(reading.message);
  return readDeployment(reading.event);
}

function pushed(target: Record<string, unknown>, type = 'Microsoft.ContainerRegistry.ImagePushed') {
  const whole = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: DIGEST, repository: 'catalog', tag: 'v2', ...target };
  return read({
    specversion: '1.0',
    id: '1',
    source: 'registry',
    type,
    time: '2026-11-22T14:03:00Z',
    data: { target: whole, request: { host: 'shop.azurecr.io' } },
  });
}

describe('an image pushed to a registry', () => {
  it.each(['image-pushed.cloudevents', 'image-pushed.event-grid'])('is a deployment of its tag: %s', (name) => {
    expect(read(payload(name))).toEqual({
      kind: 'deployment',
      deliveryId: expect.stringContaining('831e1650-001e-001b-66ab-eeb76e069631'),
      occurredAt: Date.UTC(2026, 10, 22, 14, 2, 57, 276),
      from: { kind: 'registry', repository: 'shop.azurecr.io/catalog', tag: 'v2', digest: DIGEST },
    });
  });

  it.each(['ImagePushed', 'imagepushed', 'microsoft.containerregistry.imagepushed'])('is known by the type %s', (type) => {
    expect(pushed({}, type)).toMatchObject({ kind: 'deployment' });
  });

  it('is none without a tag: platforms of one image are pushed so', () => {
    expect(read(payload('image-pushed-without-tag.cloudevents'))).toMatchObject({ kind: 'ignored', reason: 'NoTag' });
  });

  it('is none when it is a signature, though it looks like an image', () => {
    expect(read(payload('image-signature-pushed.cloudevents'))).toMatchObject({ kind: 'ignored', reason: 'NotAnImage' });
    expect(pushed({ tag: DIGEST.replace(':', '-') })).toMatchObject({ kind: 'ignored', reason: 'NotAnImage' });
  });

  it.each(['application/vnd.cncf.helm.config.v1+json', 'application/vnd.oci.artifact.manifest.v1+json', 'application/spdx+json'])(
    'is none as %s',
    (mediaType) => {
      expect(pushed({ mediaType })).toMatchObject({ kind: 'ignored', reason: 'NotAnImage' });
    },
  );

  it('is parked when its tag can be no version, and says why', () => {
    expect(pushed({ tag: '_internal' })).toMatchObject({
      kind: 'invalid',
      reason: 'TagIsNoVersion',
      message: expect.stringContaining('_internal'),
    });
  });

  it('is parked when what says which image is missing', () => {
    expect(pushed({ repository: undefined })).toMatchObject({
      kind: 'invalid',
      reason: 'MalformedData',
      message: expect.stringContaining('data.target.repository'),
    });
  });

  it('is none when something was deleted', () => {
    expect(read(payload('image-deleted.event-grid'))).toMatchObject({ kind: 'ignored', reason: 'NotADeployment' });
  });
});

describe('a resource written through Resource Manager', () => {
  it.each(['resource-written.event-grid', 'resource-written.cloudevents'])(
    'carries its id and operation, and nothing of who did it: %s',
    (name) => {
      const reading = read(payload(name));
      expect(reading).toEqual({
        kind: 'deployment',
        deliveryId: expect.any(String),
        occurredAt: Date.UTC(2026, 10, 22, 14, 10, 0, 123),
        from: {
          kind: 'resource',
          resourceId: expect.stringMatching(/^\/subscriptions\/.*\/revisions\/catalog--v2$/),
          operation: 'Microsoft.App/containerApps/revisions/write',
        },
      });
    },
  );

  it.each(['ResourceWriteFailure', 'ResourceDeleteSuccess', 'ResourceActionCancel'])('%s brings no version', (type) => {
    expect(read({ specversion: '1.0', id: '1', source: 's', type: `Microsoft.Resources.${type}`, data: {} })).toMatchObject({
      kind: 'ignored',
    });
  });
});

describe('a deployment asked for', () => {
  it.each(['deployment-requested.cloudevents', 'deployment-requested.event-grid'])('names service and version: %s', (name) => {
    expect(read(payload(name))).toMatchObject({
      kind: 'deployment',
      occurredAt: Date.UTC(2026, 10, 22, 13, 3),
      from: { kind: 'request', mesh: 'shop', service: 'catalog', version: 'v2', digest: DIGEST, actor: 'release pipeline 4711' },
    });
  });

  it.each([
    ['service', { version: 'v2' }],
    ['version', { service: 'catalog', version: 'v2 ' }],
    ['mesh', { service: 'catalog', version: 'v2', mesh: 'Shop/..' }],
  ])('is parked when its %s is no name', (field, data) => {
    const reading = read({ specversion: '1.0', id: '1', source: 's', type: 'Meshwright.Deployment.Requested', data });
    expect(reading).toMatchObject({ kind: 'invalid', reason: 'MalformedData', message: expect.stringContaining(`data.${field}`) });
  });
});

it('parks events of other types, naming those it acts on', () => {
  const reading = read({ specversion: '1.0', id: '1', source: 's', type: 'Microsoft.Storage.BlobCreated' });
  expect(reading).toMatchObject({ kind: 'invalid', reason: 'UnknownEventType', message: expect.stringContaining('ImagePushed') });
});
