/**
 * Old and new code on one store, as while a deployment replaces the functions: what newer code wrote older code never writes over,
 * and what it cannot decide it refuses so that the delivery comes again; the rest goes on.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { append, NewerHeadError } from '../src/journal/journal.ts';
import type { StreamKind } from '../src/journal/stream.ts';
import { decide } from '../src/rollouts/decide.ts';
import type { ServiceEvent } from '../src/rollouts/events.ts';
import { serviceStream, serviceStreamId } from '../src/rollouts/service-stream.ts';
import type { ServiceState } from '../src/rollouts/state.ts';
import { deployment, MINUTE, meshFile, serviceFile, World } from './world.ts';

type NewerEvent = ServiceEvent | { readonly type: 'Teleported'; readonly to: string };

const isTeleported = (stored: unknown): stored is { type: 'Teleported'; to: string } =>
  typeof stored === 'object' && stored !== null && 'type' in stored && stored.type === 'Teleported';

/** The next version of meshwright: it knows an event more, and says so by its schema. */
const newerServiceStream: StreamKind<ServiceState, NewerEvent> = {
  ...serviceStream,
  schema: serviceStream.schema + 1,
  evolve: (state, event, context) => (event.type === 'Teleported' ? state : serviceStream.evolve(state, event, context)),
  parseEvent: (stored) => (isTeleported(stored) ? stored : serviceStream.parseEvent(stored)),
};
const stream = serviceStreamId('shop', 'catalog');

describe('a service whose stream newer code has written', () => {
  let world: World;
  const write = (id: string, event: NewerEvent) =>
    append(
      world.documents,
      newerServiceStream,
      stream,
      { id, actor: 'newer', recordRefusal: true },
      () => world.now,
      () => ({
        kind: 'accepted',
        events: [event],
        effects: [{ kind: 'serve', target: 'edge' }],
        message: 'It is elsewhere.',
      }),
    );
  const stored = async () => ({
    head: await world.documents.read(stream, 'head'),
    commits: (await world.documents.list({ partition: stream, kind: 'commit' })).length,
    parked: await world.app.parked(),
  });
  beforeEach(async () => {
    world = await new World().apply(meshFile('shop'), serviceFile('catalog'), serviceFile('cart'));
    await world.seen('shop');
    await write('n1', { type: 'Teleported', to: 'elsewhere' });
  });

  it('is left to newer code: the delivery is refused by throwing, and nothing is written or parked', async () => {
    const before = await stored();
    await expect(world.app.receiveEvent(deployment('d1', 'catalog', 'v2'))).rejects.toThrow(NewerHeadError);
    await expect(world.app.byHand('shop', 'catalog', { id: 'h1', actor: 'kim' }, { type: 'Pause' })).rejects.toThrow(NewerHeadError);
    expect(await stored()).toEqual(before);
  });

  it('loses no delivery: newer code decides it when it comes again, once', async () => {
    const event = deployment('d1', 'catalog', 'v2');
    const { commits } = await stored();
    await expect(world.app.receiveEvent(event)).rejects.toThrow(NewerHeadError);
    const takes = () =>
      append(
        world.documents,
        newerServiceStream,
        stream,
        { id: 'd1', actor: 'deployment request', recordRefusal: true },
        () => world.now,
        (state, version, at) =>
          decide(
            state,
            { type: 'Deploy', release: { version: 'v2' } },
            { now: at, version: version + 1, readinessOf: () => 'ready', notReadyOn: () => [] },
          ),
      );
    expect((await takes()).answer).toMatchObject({ outcome: 'accepted', repeated: false });
    expect((await takes()).answer).toMatchObject({ outcome: 'accepted', repeated: true });
    await expect(world.app.receiveEvent(event)).rejects.toThrow(NewerHeadError);
    expect((await stored()).commits).toBe(commits + 1);
  });

  it('holds up no other: deliveries, alarms and the sweep go on with the rest', async () => {
    expect(await world.app.receiveEvent(deployment('d2', 'cart', 'v2'))).toMatchObject({ answers: [{ outcome: 'accepted' }] });
    const before = await stored();
    world.now += MINUTE;
    await world.report('shop');
    const swept = await world.app.sweep();
    expect(swept.failed).toBe(1);
    expect(swept.streams).toBeGreaterThan(1);
    expect(world.problems).toEqual([expect.stringContaining(`could not tend ${stream}`)]);
    expect((await stored()).head).toEqual(before.head);
    expect(await world.split('cart')).toHaveProperty('v2');
  });
});

describe('a sweep', () => {
  it('ends before the next one comes, however slow the world is; what it left the next one does', async () => {
    const names = Array.from({ length: 30 }, (_, index) => `service-${index}`);
    const world = await new World().apply(meshFile('shop'), ...names.map((name) => serviceFile(name)));
    await world.seen('shop');
    for (const name of names) await world.app.receiveEvent(deployment(name, name, 'v2'));
    world.now += 60 * MINUTE;
    await world.report('shop');
    const { documents } = world;
    // Each batch takes three seconds, and ten streams are tended side by side.
    const slow = world.instance({
      read: (partition, id) => documents.read(partition, id),
      list: (query) => documents.list(query),
      due: (now, limit) => documents.due(now, limit),
      removeExpired: (now, limit) => documents.removeExpired(now, limit),
      batch: (partition, operations) => {
        world.now += 3_000;
        return documents.batch(partition, operations);
      },
    });
    const first = await slow.sweep();
    expect(first.streams).toBeGreaterThan(0);
    expect(first.streams).toBeLessThan(names.length);
    for (let sweeps = 0; sweeps < 20; sweeps += 1) await slow.sweep();
    for (const name of names) expect(await world.split(name)).toHaveProperty('v2');
  });
});
