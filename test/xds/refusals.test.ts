/** The access log service as Envoys meet it, over real gRPC: who may report, what is counted of it, and when that is written. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { showsToken } from '../../src/api/authenticate.ts';
import { refusalsOf } from '../../src/reconcile/observations.ts';
import { grpcStatus, startGrpcServer } from '../../src/xds/grpc-server.ts';
import { hearRefusals, refusalsTokenOf } from '../../src/xds/refusals.ts';
import { until } from '../e2e/until.ts';
import { entries, identifying, message, openLogStream, overMtls, structOf } from './access-log-stream.ts';
import { never, storeThatFails, writing } from './store-that-fails.ts';

const T0 = Date.parse('2026-11-22T14:00:00Z');
const place = { mesh: 'shop', dataPlane: 'vms' };
const token = refusalsTokenOf('nodes');
const web = 'spiffe://mesh.example/ns/shop/sa/web';
const LOG = 'would-be-refused';

/** envoy.config.core.v3.Node of an Envoy before a workload of the service. */
function nodeOf(id: string, service = 'catalog'): Uint8Array {
  const inbound = { service, version: 'v1', address: '127.0.0.1', port: 15_006, workload_port: 8080 };
  return message([1, id], [3, structOf({ meshwright: { mesh: 'shop', data_plane: 'vms', inbound } })]);
}

async function hearing() {
  const store = storeThatFails();
  const problems: string[] = [];
  const shadow = new Set(['catalog']);
  const state = { modelIsAway: false };
  const heard = hearRefusals({
    documents: store.documents,
    via: 'x1',
    now: () => T0,
    report: (problem) => problems.push(problem),
    authorize: (authorization) => showsToken(authorization, token),
    async serviceOf({ inbound }) {
      if (state.modelIsAway) throw new Error('the model is away');
      return inbound && shadow.has(inbound.service) ? inbound.service : undefined;
    },
    isInShadow: (_, service) => shadow.has(service),
  });
  const server = await startGrpcServer({ address: { host: '127.0.0.1', port: 0 }, methods: [heard.method], maxMessageBytes: 100_000 });
  onTestFinished(() => server.stop());
  return {
    store,
    problems,
    shadow,
    state,
    heard,
    open(authorization: string | undefined = `Bearer ${token}`) {
      const stream = openLogStream(server.port, authorization);
      onTestFinished(() => stream.close());
      return stream;
    },
    /** What is written of a service, once so much is. */
    counted: (refused: number, service = 'catalog') =>
      until(`${refused} are written of ${service}`, async () => {
        await heard.flush();
        const found = await refusalsOf(store.stored, place, service, T0);
        return found.reduce((sum, each) => sum + each.refused, 0) === refused && found;
      }),
  };
}

describe('an Envoy', () => {
  it('is counted by its node, whatever the number of its streams and messages', async () => {
    const { open, counted } = await hearing();
    const [one, other] = [open(), open()];
    one.send(identifying(nodeOf('n1'), LOG, overMtls(web)));
    one.send(entries(overMtls(web), overMtls(web)));
    other.send(identifying(nodeOf('n1'), LOG, overMtls(web)));
    const callers = [{ caller: web, refused: 4 }];
    expect(await counted(4)).toEqual([{ node: 'n1', via: 'x1', service: 'catalog', since: T0, refused: 4, callers }]);
  });

  it.each([
    ['without a token', ''],
    ["with the nodes' token, which does not come with the listener", 'Bearer nodes'],
  ])('%s may not report', async (_, authorization) => {
    const { open } = await hearing();
    expect(await open(authorization).ended()).toMatchObject({
      code: grpcStatus.unauthenticated,
      details: expect.stringContaining('token'),
    });
  });

  it.each([
    ['that does not say who it is', entries(overMtls(web)), 'must name its node'],
    ['with another log', identifying(nodeOf('n1'), 'everything', overMtls(web)), 'must name its node, and its log as would-be-refused'],
    ['of another kind', identifying(message([1, 'n1']), LOG, overMtls(web)), 'meshwright envoy bootstrap'],
    ['that speaks something else', new TextEncoder().encode('GET / HTTP/1.1'), 'no StreamAccessLogsMessage'],
  ])('%s is told so', async (_, bytes, words) => {
    const { open, heard, store } = await hearing();
    const stream = open();
    stream.send(bytes);
    expect(await stream.ended()).toMatchObject({ code: grpcStatus.invalidArgument, details: expect.stringContaining(words) });
    await heard.flush();
    expect(await refusalsOf(store.stored, place, 'catalog', T0)).toEqual([]);
  });

  it('before a service that is not in shadow is not counted; one that leaves it is not written any more', async () => {
    const { open, counted, shadow, heard, store } = await hearing();
    const stream = open();
    stream.send(identifying(nodeOf('n1', 'cart'), LOG, overMtls(web)));
    const other = open();
    other.send(identifying(nodeOf('n2'), LOG, overMtls(web)));
    await counted(1);
    expect(await refusalsOf(store.stored, place, 'cart', T0)).toEqual([]);
    shadow.delete('catalog');
    await heard.flush();
    shadow.add('catalog');
    other.send(entries(overMtls(web), overMtls(web)));
    // It begins anew.
    await counted(2);
  });

  it('that reports while the model cannot be read is not counted, which is said, and is when it can', async () => {
    const { open, counted, state, problems } = await hearing();
    const stream = open();
    state.modelIsAway = true;
    stream.send(identifying(nodeOf('n1'), LOG, overMtls(web)));
    await until('it is said', () => problems.length > 0);
    expect(problems).toEqual(['What n1 would have refused could not be counted.']);
    state.modelIsAway = false;
    stream.send(entries(overMtls(web), overMtls(web)));
    await counted(2);
  });
});

describe('counts', () => {
  it('are written when they have changed, and not when they have not', async () => {
    const { open, counted, heard, store, problems } = await hearing();
    const stream = open();
    stream.send(identifying(nodeOf('n1'), LOG, overMtls(web)));
    await counted(1);
    // A write would fail, and be said.
    store.fails = writing('refusals');
    await heard.flush();
    expect(problems).toEqual([]);
    heard.tellAgain();
    await heard.flush();
    expect(problems).toHaveLength(1);
  });

  it('that could not be written are written with the next, and the problem is said', async () => {
    const { open, counted, heard, store, problems } = await hearing();
    store.fails = writing('refusals');
    const stream = open();
    stream.send(identifying(nodeOf('n1'), LOG, overMtls(web)));
    await until('it could not be written', async () => {
      await heard.flush();
      return problems.length > 0;
    });
    expect(problems[0]).toMatch(/^What Envoys of shop\/vms would have refused could not be written/);
    store.fails = never;
    await counted(1);
  });
});
