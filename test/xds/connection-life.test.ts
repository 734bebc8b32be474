/**
 * How long a connection lives at real Envoys: nothing is verified again once it is open, so that it must end with the leaf that it
 * was opened with, and no request with it. Connections are kept, and shared by many requests.
 */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { Agent, request } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { envoyTrust } from '../../src/dataplanes/envoy/trust.ts';
import { fingerprintOf } from '../../src/reconcile/model-trust.ts';
import type { TrustMaterial } from '../../src/trust/data-plane-trust.ts';
import { type Authority, createAuthority } from '../dataplanes/envoy/identities.ts';
import { LOOPBACK } from '../dataplanes/envoy/workload.ts';
import { until } from '../e2e/until.ts';
import { constantly } from './constantly.ts';
import { type MeshOptions, spiffe, startMesh, TRUST_DOMAIN } from './mtls-mesh.ts';
import { envoyForTests } from './real-envoy.ts';

const envoy = await envoyForTests();
const allow = [{ callers: [{ namespace: 'shop', serviceAccount: 'web' }] }];
/** Our callers leave after 2 s, and nobody would be told to before a minute. */
const callersLeave = { leafLifeMs: 2_000, skewMs: 60_000 };
/** Whoever does not leave after 2 s is told after 5 s, and is left 3 s later. */
const othersAreLeft = { leafLifeMs: 2_000, skewMs: 6_000 };
/** How many requests go by while something is as it is. */
const SOME = 100;

const UPSTREAM = 'cluster.catalog.shop\\|v1';
const INBOUND = 'http.inbound';

async function started(lives: TrustMaterial['lives'], protocol: MeshOptions['protocol'] = 'http') {
  const mesh = await startMesh({ protocol, connections: 'kept' });
  const trust = envoyTrust(mesh.documents, 'vms', () => void fetch(`${mesh.door}/poke/shop`, { method: 'POST' }));
  let revision = 0;
  const bring = async (roots: readonly Authority[], signer: Authority): Promise<void> => {
    revision += 1;
    const material = {
      mesh: 'shop',
      trustDomain: TRUST_DOMAIN,
      revision,
      roots: roots.map(({ root }) => root),
      signer: { fingerprint: fingerprintOf(signer.root), certificate: signer.root },
      renewWithinMs: 1_000,
      lives,
    };
    expect(await trust.bring(material)).toEqual({ kind: 'brought' });
  };
  await bring([mesh.authority], mesh.authority);
  const { port } = await mesh.receive('catalog');
  await mesh.served(await mesh.plan({ stage: 'strict', allow }));
  return {
    mesh,
    bring,
    port,
    /** Leafs of the connections over which the last requests came, as the Envoy before the workload has verified them. */
    leafsOf: (last: number): readonly string[] => [
      ...new Set(
        mesh.workload.received.slice(-last).map(({ headers }) => /Hash=(\w+)/.exec(String(headers['x-forwarded-client-cert']))?.[1] ?? ''),
      ),
    ],
  };
}
type Started = Awaited<ReturnType<typeof started>>;

/** None ended but by its caller, without a request under way; and no caller was ever told to leave. */
async function expectCallersLeft({ mesh }: Started): Promise<void> {
  expect(await mesh.stat('web', `${UPSTREAM}.upstream_cx_max_duration_reached`)).toBeGreaterThan(0);
  for (const unheard of ['destroy_remote', 'destroy_with_active_rq', 'close_notify', 'connect_fail']) {
    expect([unheard, await mesh.stat('web', `${UPSTREAM}.upstream_cx_${unheard}`)]).toEqual([unheard, 0]);
  }
  expect(await mesh.stat('receiver', `${INBOUND}.downstream_cx_max_duration_reached`)).toBe(0);
}

/** How somebody else connects who has a leaf. */
async function strangerTo({ mesh, port }: Started) {
  const { certificate, key } = await mesh.authority.issue(spiffe('web'));
  await until('the listener is there', async () => (await mesh.admin('receiver', '/listeners')).includes('inbound'));
  return { host: LOOPBACK, port, cert: certificate, key, rejectUnauthorized: false };
}

/** Over HTTP/1, with one answer that did not say that it would end. */
async function idleSocket(tls: Awaited<ReturnType<typeof strangerTo>>): Promise<Duplex> {
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const asked = request({ ...tls, agent, path: '/stranger', headers: { host: 'catalog' } }).end();
  const [socket]: Duplex[] = await once(asked, 'socket');
  const [answer]: IncomingMessage[] = await once(asked, 'response');
  answer?.resume();
  expect([answer?.statusCode, answer?.headers.connection]).toEqual([200, undefined]);
  if (!socket) throw new Error('no socket');
  return socket;
}

describe.skipIf(!envoy)('connections that are kept', () => {
  it.each(['http', 'grpc'] as const)(
    'end with the leaf that they were opened with, and no request with them: %s',
    {
      timeout: 120_000,
    },
    async (protocol) => {
      const world = await started(callersLeave, protocol);
      const { mesh, bring, leafsOf } = world;
      const second = await createAuthority('second');
      const ask = await mesh.caller('web', 'web');
      await until('it is let in', async () => (await ask()).status === 200);
      const calls = constantly([ask, ask, ask]);
      await calls.more(SOME);
      const [former, ...others] = leafsOf(SOME);
      expect([former, others]).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/), []]);

      await bring([mesh.authority, second], mesh.authority);
      for (const id of ['web', 'receiver']) await mesh.loaded(id, 'bundle', 2);
      for (const [id, account] of [
        ['receiver', 'catalog'],
        ['web', 'web'],
      ] as const) {
        await mesh.identify(id, account, second);
        await mesh.loaded(id, 'default', 2);
      }
      await until(
        'no request comes over a connection of before',
        () => mesh.workload.received.length > SOME && !leafsOf(SOME).includes(former ?? ''),
      );
      await bring([second], second);
      for (const id of ['web', 'receiver']) await mesh.loaded(id, 'bundle', 3);
      await calls.more(SOME);
      expect(await calls.stop()).toEqual([]);
      expect(leafsOf(SOME)).toHaveLength(1);
      await expectCallersLeft(world);
    },
  );

  it('end when nobody uses them too', { timeout: 60_000 }, async () => {
    const world = await started(callersLeave);
    const ask = await world.mesh.caller('web', 'web');
    await until('it is let in', async () => (await ask()).status === 200);
    await until('none is left', async () => (await world.mesh.stat('web', `${UPSTREAM}.upstream_cx_active`)) === 0);
    await expectCallersLeft(world);
  });

  it('end no stream that is under way, however long that is', { timeout: 60_000 }, async () => {
    const world = await started(othersAreLeft, 'grpc');
    const { mesh } = world;
    const ask = await mesh.caller('web', 'web');
    await until('it is let in', async () => (await ask()).status === 200);
    const calls = constantly([ask, ask]);
    const session = connectHttp2(`http://${LOOPBACK}:${mesh.portOf('web')}`);
    onTestFinished(() => session.destroy());
    const stream = session.request({ ':method': 'POST', ':authority': 'catalog', 'x-do': 'echo' }, { endStream: false });
    let heard = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => (heard += chunk));
    stream.write('first ');
    await until('it comes back', () => heard === 'first ');
    // Its connection goes on for as long as the stream does, so that the other side tells the caller too.
    // One that was opened later, and waits for nothing: once it has ended, the older one had all the time that it was left.
    const later = await idleSocket(await strangerTo(world));
    await once(later, 'close');
    expect(await mesh.stat('receiver', `${INBOUND}.downstream_cx_max_duration_reached`)).toBeGreaterThan(1);
    stream.end('last');
    await once(stream, 'end');
    expect(heard).toBe('first last');
    await calls.more(SOME);
    expect(await calls.stop()).toEqual([]);
  });
});

describe.skipIf(!envoy)('whoever has a leaf and is none of our Envoys', () => {
  it('is let go over HTTP/1 when the leaf has ended, idle or not, with an answer to what it has asked', { timeout: 60_000 }, async () => {
    const world = await started(othersAreLeft);
    const { mesh } = world;
    const tls = await strangerTo(world);
    const ended = once(await idleSocket(tls), 'close');
    const busy = new Agent({ keepAlive: true });
    onTestFinished(() => busy.destroy());
    const waiting = request({ ...tls, agent: busy, path: '/stranger', headers: { host: 'catalog', 'x-do': 'wait' } }).end();
    const answered = once(waiting, 'response');
    await until('it waits', () => mesh.workload.received.some(({ headers }) => headers['x-do'] === 'wait'));
    await ended;
    await until('both were told', async () => (await mesh.stat('receiver', `${INBOUND}.downstream_cx_max_duration_reached`)) === 2);
    mesh.workload.release();
    const [late] = await answered;
    expect([late.statusCode, late.headers.connection]).toEqual([200, 'close']);
  });

  it('is told over HTTP/2, and what is under way is answered', { timeout: 60_000 }, async () => {
    const world = await started(othersAreLeft);
    const { mesh } = world;
    const tls = await strangerTo(world);
    const session = connectHttp2('https://catalog', { createConnection: () => connectTls(tls) });
    onTestFinished(() => session.destroy());
    const waiting = session.request({ ':path': '/stranger', 'x-do': 'wait' });
    const answered = once(waiting, 'response');
    await until('it waits', () => mesh.workload.received.some(({ headers }) => headers['x-do'] === 'wait'));
    await once(session, 'goaway');
    mesh.workload.release();
    const [headers] = await answered;
    expect(headers[':status']).toBe(200);
    waiting.resume();
    await once(session, 'close');
  });
});
