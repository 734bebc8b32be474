/** One stream's answers, request by request. */
import { describe, expect, it } from 'vitest';
import { createContentFor } from '../../src/xds/node-content.ts';
import { type AdsStream, createAdsStream, type Step, type StreamRequest } from '../../src/xds/stream-state.ts';
import { encode, type Mesh, type Service, setOf, snapshotOf } from './modelled-mesh.ts';

describe('one stream', () => {
  const one = (weights: Service['weights']): Mesh => ({
    inbound: false,
    services: { a: { weights, badVersions: [], badRoutes: false, revisions: [0, 0, 0] } },
  });
  const first = snapshotOf(5, one({ v1: 100 }));
  const second = snapshotOf(6, one({ v1: 100, v2: 0 }), first);
  const ask = (type: StreamRequest['type'], more: Partial<StreamRequest> = {}): StreamRequest => ({
    type,
    version: '',
    nonce: '',
    names: [],
    ...more,
  });
  const answered = (stream: AdsStream, { responses }: Step, names: readonly string[] = []): Step => {
    const last = responses.at(-1);
    if (!last) throw new Error('nothing was sent');
    return stream.receive(ask(last.type, { version: last.version, nonce: last.nonce, names }));
  };
  const start = () => {
    const stream = createAdsStream(createContentFor(encode), setOf);
    stream.update(first);
    return stream;
  };

  it('gives a response the sequence as its version and, at the same content, the same nonce on every stream', () => {
    const [response] = start().receive(ask('cluster')).responses;
    expect(response).toMatchObject({ type: 'cluster', version: '5' });
    expect(start().receive(ask('cluster')).responses[0]?.nonce).toBe(response?.nonce);
  });

  it('passes over what answers an older response: the names it holds are of before', () => {
    const mesh = (weight: number, revision: number): Mesh => ({
      inbound: false,
      services: { a: { weights: { v1: weight }, badVersions: [], badRoutes: false, revisions: [0, revision, 0] } },
    });
    const stream = start();
    const names = ['a.v1'];
    answered(stream, stream.receive(ask('cluster')));
    const old = stream.receive(ask('endpoints', { names }));
    answered(stream, old, names);
    answered(stream, stream.receive(ask('listener')));
    answered(stream, stream.receive(ask('route', { names: ['out'] })), ['out']);
    expect(stream.update(snapshotOf(7, mesh(100, 1), first)).responses).toMatchObject([{ type: 'endpoints' }]);
    const late = ask('endpoints', { version: '5', nonce: old.responses[0]?.nonce ?? '', names: ['a.v0'] });
    expect(stream.receive(late)).toEqual({ responses: [], facts: [] });
    expect(stream.update(snapshotOf(8, mesh(10, 1), first)).responses).toMatchObject([{ type: 'route' }]);
  });

  it('skips to the newest when several snapshots came before an answer, and never back', () => {
    const stream = start();
    const sent = stream.receive(ask('cluster'));
    expect(stream.update(second).responses).toEqual([]);
    expect(stream.update(snapshotOf(9, one({ v3: 100 }))).responses).toEqual([]);
    expect(stream.update(second).responses).toEqual([]);
    expect(answered(stream, sent).responses).toMatchObject([{ type: 'cluster', version: '9' }]);
  });

  it('sends again what was asked for no more and then is', () => {
    const stream = start();
    answered(stream, stream.receive(ask('cluster')));
    const names = ['a.v1'];
    const sent = stream.receive(ask('endpoints', { names }));
    const nonce = sent.responses[0]?.nonce ?? '';
    expect(answered(stream, sent, names).responses).toEqual([]);
    expect(stream.receive(ask('endpoints', { version: '5', nonce })).responses).toEqual([]);
    expect(stream.receive(ask('endpoints', { version: '5', nonce, names })).responses).toMatchObject([
      { type: 'endpoints', nonce: `${nonce}-again` },
    ]);
  });

  it('sends no route to a cluster that may still wait for the bundle, as when it comes back before it got that', () => {
    const secured = (weight: number): Mesh => ({
      inbound: false,
      services: { a: { weights: { v1: weight }, badVersions: [], badRoutes: false, revisions: [0, 0, 0], secured: true } },
    });
    const before = createAdsStream(createContentFor(encode), setOf);
    before.update(snapshotOf(5, secured(100)));
    const sent = before.receive(ask('cluster'));
    answered(before, before.receive(ask('endpoints', { names: ['a.v1'] })), ['a.v1']);
    expect(before.receive(ask('secret', { names: ['bundle'] })).responses).toMatchObject([{ type: 'secret' }]);

    // It has read the clusters, which is what its version says, and neither the bundle nor anything else since.
    const stream = createAdsStream(createContentFor(encode), setOf, before.remember());
    stream.update(snapshotOf(5, secured(100)));
    stream.receive(ask('cluster', { version: sent.responses[0]?.version ?? '' }));
    stream.receive(ask('endpoints', { version: '5', names: ['a.v1'] }));
    answered(stream, stream.receive(ask('listener')));
    expect(stream.receive(ask('route', { names: ['out'] })).responses).toEqual([]);
    const bundle = stream.receive(ask('secret', { names: ['bundle'] }));
    expect(bundle.responses).toMatchObject([{ type: 'secret' }]);
    expect(answered(stream, bundle, ['bundle']).responses).toMatchObject([{ type: 'route' }]);
  });
});
