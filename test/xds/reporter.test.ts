/** Telling what is seen: nothing that was seen is lost to a store that was away, and no hint comes before what it speaks of. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nodesOf, putWatcher } from '../../src/reconcile/observations.ts';
import { Reporter } from '../../src/xds/reporter.ts';
import { type FunctionsDoor, type Knock, openFunctionsDoor } from './functions-door.ts';
import { never, storeThatFails, writing } from './store-that-fails.ts';

const T0 = Date.parse('2026-11-22T14:00:00Z');
const place = { mesh: 'shop', dataPlane: 'vms' };

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
  vi.useRealTimers();
});

async function telling(onKnock?: (knock: Knock) => void | Promise<void>) {
  const store = storeThatFails();
  await putWatcher(store.stored, place, { via: 'x1', aliveUntil: T0 + 60_000 }, T0);
  const functions: FunctionsDoor = await openFunctionsDoor(onKnock);
  cleanUp.push(functions.stop);
  const problems: string[] = [];
  const heard: (() => void)[] = [];
  const reporter = new Reporter({
    documents: store.documents,
    via: 'x1',
    now: () => T0,
    hints: { url: functions.url, token: 'secret' },
    report: (problem) => {
      problems.push(problem);
      for (const one of heard.splice(0)) one();
    },
  });
  cleanUp.push(() => reporter.stop());
  return {
    store,
    functions,
    problems,
    reporter,
    servedBy: async () => Object.fromEntries((await nodesOf(store.stored, place, T0)).map(({ node, served }) => [node, served])),
    reported: () => new Promise<void>((resolve) => heard.push(resolve)),
  };
}

/** Resolves with the hints once there are so many. */
function hints(count: number) {
  const enough = Promise.withResolvers<readonly Knock[]>();
  const knocks: Knock[] = [];
  return {
    onKnock(knock: Knock) {
      knocks.push(knock);
      if (knocks.length === count) enough.resolve(knocks);
    },
    all: enough.promise,
  };
}

describe('what was seen of a node', () => {
  it('is in the store before the functions are told of it', async () => {
    const first = hints(1);
    let writtenBefore: unknown;
    const { reporter, servedBy } = await telling(async (knock) => {
      writtenBefore = await servedBy();
      first.onKnock(knock);
    });
    reporter.node(place, { node: 'a', served: 7 });
    reporter.hint('shop', ['catalog']);
    expect(await first.all).toEqual([{ path: '/observations', authorization: 'Bearer secret', mesh: 'shop', services: ['catalog'] }]);
    expect(writtenBefore).toEqual({ a: 7 });
  });

  it('is written with the next flush when a write failed, and only then hinted', async () => {
    const first = hints(1);
    const { store, reporter, servedBy, problems, functions } = await telling(first.onKnock);
    store.fails = writing('node');
    reporter.node(place, { node: 'a', served: 7 });
    reporter.hint('shop', ['catalog']);
    await reporter.flush();
    expect(problems).toEqual(['What was seen at shop/vms could not be written; it is tried again.']);
    expect(functions.knocks).toEqual([]);

    store.fails = never;
    reporter.node(place, { node: 'b', served: 8 });
    reporter.hint('shop', ['cart']);
    expect(await first.all).toMatchObject([{ services: ['catalog', 'cart'] }]);
    expect(await servedBy()).toEqual({ a: 7, b: 8 });
  });

  it('is not overwritten by an older word of it that could not be written', async () => {
    const { store, reporter, servedBy } = await telling();
    store.fails = ({ kinds }) => {
      if (kinds.includes('node')) reporter.node(place, { node: 'a', served: 9 });
      return kinds.includes('node');
    };
    reporter.node(place, { node: 'a', served: 7 });
    await reporter.flush();
    store.fails = never;
    await reporter.flush();
    expect(await servedBy()).toEqual({ a: 9 });
  });

  it('at one mesh holds up no hint of another', async () => {
    const first = hints(1);
    const { store, reporter } = await telling(first.onKnock);
    store.fails = ({ partition, kinds }) => kinds.includes('node') && partition.includes('/shop/');
    reporter.node(place, { node: 'a', served: 7 });
    reporter.hint('shop', ['catalog']);
    reporter.hint('bank', ['ledger']);
    expect(await first.all).toMatchObject([{ mesh: 'bank', services: ['ledger'] }]);
  });
});

describe('a hint', () => {
  const services = Array.from({ length: 250 }, (_, index) => `s${index}`);

  it('of many services is given in parts, none of them twice', async () => {
    const three = hints(3);
    const { reporter } = await telling(three.onKnock);
    reporter.hint('shop', services);
    const parts = (await three.all).map((knock) => knock.services);
    expect(parts.map(({ length }) => length)).toEqual([100, 100, 50]);
    expect(parts.flat()).toEqual(services);
  });

  it.each([400, 401, 404])('that is answered %i is reported, and not given again', async (status) => {
    const { reporter, functions, problems, reported } = await telling();
    functions.status = status;
    reporter.hint('shop', services);
    await reported();
    expect(problems).toEqual([
      `The functions at ${functions.url} could not be told of shop (they answered ${status}); their sweep will find it.`,
    ]);
    expect(functions.knocks).toHaveLength(1);
  });

  it('that is answered 503 is given again, and reported when that was in vain six times', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    const { reporter, functions, problems } = await telling();
    functions.status = 503;
    reporter.hint('shop', ['catalog']);
    while (problems.length === 0) await waitsEnd();
    expect(functions.knocks).toHaveLength(6);
    expect(problems).toEqual([expect.stringContaining('(they answered 503)')]);
  });

  it.each([429, 503])('that is taken after an answer of %i is nothing to report', async (status) => {
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    const second = hints(2);
    const { reporter, functions, problems } = await telling((knock) => {
      functions.status = functions.knocks.length === 1 ? status : 202;
      second.onKnock(knock);
    });
    reporter.hint('shop', ['catalog']);
    while (functions.knocks.length < 2) await waitsEnd();
    expect(await second.all).toMatchObject([{ services: ['catalog'] }, { services: ['catalog'] }]);
    await reporter.flush();
    expect(problems).toEqual([]);
  });
});

describe('a hint of a mesh’s trust', () => {
  it('is given at once, and no more for whatever comes within a second; that is given once the second is over', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    const [first, second] = [hints(1), hints(2)];
    const { reporter, functions } = await telling((knock) => {
      first.onKnock(knock);
      second.onKnock(knock);
    });
    reporter.hintTrust('shop');
    await first.all;
    for (let time = 0; time < 20; time += 1) reporter.hintTrust('shop');
    // Of another mesh, given and taken after all that could have been given of this one.
    await answered(reporter, functions, 'bank', 2);
    vi.advanceTimersByTime(999);
    await answered(reporter, functions, 'edge', 3);
    expect(functions.knocks.map(({ mesh }) => mesh)).toEqual(['shop', 'bank', 'edge']);

    while (functions.knocks.length < 4) await secondPasses();
    for (let time = 0; time < 5; time += 1) await secondPasses();
    expect(functions.knocks.map(({ mesh }) => mesh)).toEqual(['shop', 'bank', 'edge', 'shop']);

    reporter.hintTrust('shop');
    while (functions.knocks.length < 5) await new Promise((resolve) => setImmediate(resolve));
    expect(functions.knocks.at(-1)).toMatchObject({ mesh: 'shop', trust: true });
  });

  async function answered(reporter: Reporter, functions: FunctionsDoor, mesh: string, knocks: number): Promise<void> {
    reporter.hintTrust(mesh);
    while (functions.knocks.length < knocks) await new Promise((resolve) => setImmediate(resolve));
  }

  async function secondPasses(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    vi.advanceTimersByTime(1_000);
  }
});

/** Whatever waits for a time, waits no longer. */
async function waitsEnd(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  vi.advanceTimersByTime(60_000);
}

describe('endpoints that are silent and kept all the same', () => {
  it('are told to the functions, for people', async () => {
    const first = hints(1);
    const { reporter, problems } = await telling(first.onKnock);
    reporter.notice(place, { service: 'catalog', message: 'The last endpoint of catalog v1 is silent.' });
    const silent = [{ dataPlane: 'vms', service: 'catalog', text: 'The last endpoint of catalog v1 is silent.', at: T0 }];
    expect(await first.all).toMatchObject([{ path: '/observations', authorization: 'Bearer secret', mesh: 'shop', services: [], silent }]);
    expect(problems).toEqual(['The last endpoint of catalog v1 is silent.']);
  });
});
