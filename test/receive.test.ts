/** Events from outside: each service they mean is given them under one id, and what fits nothing is kept and said. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../src/adapters/memory-documents.ts';
import { payload } from './intake/payload.ts';
import { forwarding, UnreliableDocuments } from './journal/unreliable-documents.ts';
import { deployment, meshFile, serviceFile, shop, T0, World } from './world.ts';

const REPOSITORY = `rollout: canary\ndeployments: [{ repository: shop.azurecr.io/catalog }]`;

/** Two services fed by one repository. */
async function twoServices(): Promise<World> {
  const world = new World();
  await world.apply(meshFile('shop'), serviceFile('catalog', REPOSITORY), serviceFile('preview', REPOSITORY));
  await world.seen('shop');
  return world;
}

describe('a message of a queue that Event Grid delivers to', () => {
  const event = () => payload('image-pushed.cloudevents');
  const inBase64 = (content: unknown) => Buffer.from(JSON.stringify(content)).toString('base64');

  it.each([
    ['as Event Grid puts it there, in base64', () => inBase64(event())],
    ['as text', () => JSON.stringify(event())],
    ['parsed by the worker', () => event()],
    ['in a list', () => inBase64([event()])],
  ])('is the event that it holds: %s', async (_, message) => {
    const world = await twoServices();
    expect(await world.app.receiveQueued(message())).toMatchObject([
      { kind: 'answered', answers: [{ outcome: 'accepted' }, { outcome: 'accepted' }] },
    ]);
    // By the front door it is the same delivery.
    expect(await world.app.receiveEvent(event())).toMatchObject({ answers: [{ repeated: true }, { repeated: true }] });
  });

  it('that holds several events holds one that is parked, and the others count', async () => {
    const world = await twoServices();
    expect(await world.app.receiveQueued(inBase64([{ nothing: 'known' }, event()]))).toMatchObject([
      { kind: 'parked', reason: 'NotAnEvent' },
      { kind: 'answered' },
    ]);
  });

  it.each(['hello', '', 'aGVsbG8=', '42', 'bnVsbA=='])('that is no event (%j) is parked, and comes no more', async (message) => {
    const world = await twoServices();
    expect(await world.app.receiveQueued(message)).toMatchObject([{ kind: 'parked', reason: 'NotAnEvent' }]);
  });

  it('whose event could not be kept comes again: it throws', async () => {
    const world = await twoServices();
    const crashed = world.instance(new UnreliableDocuments(world.documents, { call: 2, when: 'before' }));
    await expect(crashed.receiveQueued(inBase64(event()))).rejects.toThrow();
    expect(await world.app.receiveQueued(inBase64(event()))).toMatchObject([{ kind: 'answered' }]);
  });
});

describe('an event that names several services', () => {
  const pushed = () => payload('image-pushed.cloudevents');

  it('is committed in the stream of each, under the same delivery id', async () => {
    const world = await twoServices();
    const received = await world.app.receiveEvent(pushed());
    expect(received).toMatchObject({
      kind: 'answered',
      answers: [
        { outcome: 'accepted', stream: 'service/shop/catalog' },
        { outcome: 'accepted', stream: 'service/shop/preview' },
      ],
    });
    const idOf = async (service: string) => {
      const commits = await world.app.history('shop', service, 0, 100);
      return commits.find(({ events }) => events.some(({ type }) => type === 'RolloutStarted'))?.deliveryId;
    };
    expect(await idOf('catalog')).toMatch(/831e1650/);
    expect(await idOf('preview')).toBe(await idOf('catalog'));
  });

  it('redelivered gets the same answers, and starts nothing twice', async () => {
    const world = await twoServices();
    const first = await world.app.receiveEvent(pushed());
    await world.seen('shop');
    const second = await world.app.receiveEvent(pushed());
    const bare = (received: typeof first) =>
      received.kind === 'answered' ? received.answers.map((answer) => ({ ...answer, repeated: undefined })) : received;
    expect(bare(second)).toEqual(bare(first));
    expect(second).toMatchObject({ answers: [{ repeated: true }, { repeated: true }] });
  });

  it('is not acknowledged before the last has it, and a redelivery gives it to those that had not', async () => {
    const store = new MemoryDocuments();
    const world = new World({ documents: store });
    await world.apply(meshFile('shop'), serviceFile('catalog', REPOSITORY), serviceFile('preview', REPOSITORY));
    await world.seen('shop');
    const half = world.instance({
      ...forwarding(store),
      batch: async (partition, operations) => {
        if (partition === 'service/shop/preview') throw new Error('no answer');
        return store.batch(partition, operations);
      },
    });
    await expect(half.receiveEvent(pushed())).rejects.toThrow('no answer');
    expect([await world.split('catalog'), await world.split('preview')]).toEqual([{ v1: 95, v2: 5 }, { v1: 100 }]);
    expect(await world.app.receiveEvent(pushed())).toMatchObject({ answers: [{ repeated: true }, { repeated: false }] });
    expect(await world.split('preview')).toEqual({ v1: 95, v2: 5 });
  });

  it('means the service of that name in every mesh, unless it names one', async () => {
    const world = new World();
    for (const mesh of ['office', 'shop']) await world.apply(meshFile(mesh), serviceFile('catalog'));
    for (const mesh of ['office', 'shop']) await world.seen(mesh);
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    await world.app.receiveEvent(deployment('2', 'catalog', 'v3', { mesh: 'shop' }));
    expect(await world.split('catalog', 'office')).toEqual({ v1: 95, v2: 5 });
    expect(await world.split('catalog', 'shop')).toEqual({ v1: 95, v3: 5 });
  });

  it('that is pushed late is refused, and the refusal is what a redelivery is answered', async () => {
    const world = await twoServices();
    await world.app.receiveEvent(pushed());
    const late: unknown = JSON.parse(
      JSON.stringify(pushed()).replaceAll('14:02:57', '13:02:57').replaceAll('v2', 'v3').replace('831e1650', '00000000'),
    );
    for (const repeated of [false, true]) {
      expect(await world.app.receiveEvent(late)).toMatchObject({
        answers: [{ outcome: 'refused', reason: 'OlderThanCurrent', repeated }, { repeated }],
      });
    }
  });
});

describe('an event for a version that was taken back', () => {
  const event = deployment('7', 'catalog', 'v2');

  it('is refused, and with "again" tried once more although the same event was refused before', async () => {
    const world = await shop();
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    await world.app.byHand('shop', 'catalog', { id: 'h1', actor: 'kim' }, { type: 'Abort' });
    await world.seen('shop');
    expect(await world.split('catalog')).toEqual({ v1: 100 });
    expect(await world.app.receiveEvent(event)).toMatchObject({ answers: [{ outcome: 'refused', reason: 'VersionRejected' }] });
    const insisted = { actor: 'kim', again: true };
    expect(await world.app.receiveEvent(event, insisted)).toMatchObject({ answers: [{ outcome: 'accepted', repeated: false }] });
    expect(await world.split('catalog')).toEqual({ v1: 95, v2: 5 });
    expect(await world.app.receiveEvent(event, insisted)).toMatchObject({ answers: [{ outcome: 'accepted', repeated: true }] });
  });
});

/** Each with what was kept of it. */
async function parkedOf({ app }: World) {
  const found = await Promise.all((await app.parked()).map(({ id }) => app.parkedOne(id)));
  return found.flatMap((parked) => parked ?? []);
}

describe('an event that nobody can act on', () => {
  it.each([
    ['text', 'not JSON at all', 'NotAnEvent'],
    ['nothing', null, 'NotAnEvent'],
    ['a list of two', [deployment('1', 'catalog', 'v2'), deployment('2', 'catalog', 'v2')], 'NotAnEvent'],
    ['an unknown version of CloudEvents', { ...deployment('1', 'catalog', 'v2'), specversion: '2.0' }, 'UnsupportedSpecVersion'],
    ['an unknown type', { ...deployment('1', 'catalog', 'v2'), type: 'Contoso.Coffee.Ready' }, 'UnknownEventType'],
    ['data without a version', { ...deployment('1', 'catalog', 'v2'), data: { service: 'catalog' } }, 'MalformedData'],
    ['a service that nobody adopted', deployment('1', 'basket', 'v2'), 'FitsNoService'],
  ])('is parked with what is wrong (%s)', async (_what, body, reason) => {
    const world = await shop();
    const received = await world.app.receiveEvent(body);
    expect(received).toMatchObject({ kind: 'parked', reason });
    const [parked] = await parkedOf(world);
    expect(parked).toMatchObject({ id: received.kind === 'parked' && received.id, door: 'events', reason, at: T0 });
    if (typeof body !== 'string') expect(parked?.text).toBe(JSON.stringify(body));
    expect(await world.split('catalog')).toEqual({ v1: 100 });
  });

  it('is parked without the personal claims it carries in Base64, and can still be sent again', async () => {
    const world = await shop();
    const { data, ...rest } = deployment('1', 'basket', 'v2');
    const packed = Buffer.from(JSON.stringify({ ...data, claims: { upn: 'kim.lee@shop.example' } })).toString('base64');
    for (const wrong of [{}, { specversion: '2.0' }]) await world.app.receiveEvent({ ...rest, ...wrong, data_base64: packed });
    const all = await parkedOf(world);
    expect(all.map(({ reason }) => reason).sort()).toEqual(['FitsNoService', 'UnsupportedSpecVersion']);
    for (const parked of all) expect(JSON.parse(parked.text)).toMatchObject({ data });
    expect(JSON.stringify(all)).not.toMatch(/kim|data_base64/);
    const unfit = all.find(({ reason }) => reason === 'FitsNoService');
    expect(await world.app.receiveEvent(JSON.parse(unfit?.text ?? ''))).toMatchObject({ kind: 'parked', id: unfit?.id });
  });

  it('is parked without what nobody can look into: other content in Base64, and plain text', async () => {
    const world = await shop();
    const secret = 'signed in as kim.lee@shop.example';
    const packed = Buffer.from(secret).toString('base64');
    await world.app.receiveEvent({ ...deployment('1', 'basket', 'v2'), data: undefined, data_base64: packed });
    await world.app.receiveEvent({ ...deployment('2', 'basket', 'v2'), DATA_BASE64: packed });
    for (let times = 0; times < 2; times += 1) await world.app.receiveEvent(secret);
    await world.app.receiveAlert(secret);
    const parked = await parkedOf(world);
    expect(parked).toHaveLength(4);
    for (const hidden of [secret, packed]) expect(JSON.stringify(parked)).not.toContain(hidden);
    const sha256 = createHash('sha256').update(secret).digest('hex');
    const note = { withheld: expect.stringContaining('plain text'), bytes: secret.length, sha256 };
    expect(parked.map(({ text }): unknown => JSON.parse(text)).filter((kept) => JSON.stringify(kept).includes('withheld'))).toEqual([
      note,
      note,
    ]);
  });

  it('is parked once, however often it is delivered', async () => {
    const world = await shop();
    for (let times = 0; times < 3; times += 1) await world.app.receiveEvent(deployment('1', 'basket', 'v2'));
    expect(await world.app.parked()).toHaveLength(1);
  });

  it('can be sent again when a spec names it', async () => {
    const world = await shop();
    await world.app.receiveEvent(deployment('1', 'basket', 'v2'));
    await world.apply(meshFile('shop'), serviceFile('catalog'), serviceFile('basket'));
    await world.seen('shop');
    const [parked] = await parkedOf(world);
    expect(await world.app.receiveEvent(JSON.parse(parked?.text ?? ''))).toMatchObject({ kind: 'answered' });
    expect(await world.split('basket')).toEqual({ v1: 95, v2: 5 });
  });

  it('but is right is ignored, and kept nowhere', async () => {
    const world = await shop();
    expect(await world.app.receiveEvent(payload('image-deleted.event-grid'))).toMatchObject({ kind: 'ignored', reason: 'NotADeployment' });
    expect(await world.app.parked()).toEqual([]);
  });

  it('is not acknowledged when it could not be parked', async () => {
    const world = await shop();
    const gone = world.instance(new UnreliableDocuments(world.documents, { call: 0, when: 'before' }));
    await expect(gone.receiveEvent('nonsense')).rejects.toThrow('before call 0');
  });
});
