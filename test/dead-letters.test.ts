/** What came and was not acted on, wherever it lies: listed with the reason, shown, and sent again; on Azurite where Azure puts it. */
import { randomUUID } from 'node:crypto';
import type { ContainerClient } from '@azure/storage-blob';
import { type QueueClient, StorageSharedKeyCredential } from '@azure/storage-queue';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { deadLetterBlobs, openContainer } from '../src/adapters/dead-letter-blobs.ts';
import { poisonQueue } from '../src/adapters/poison-queue.ts';
import { openQueue } from '../src/adapters/queue-alarms.ts';
import { isMissing } from './emulators/missing.ts';
import { missingStorageEmulator } from './emulators/storage/install.ts';
import { ACCOUNT, ACCOUNT_KEY, type StorageEmulator, startStorageEmulator } from './emulators/storage/start.ts';
import { payload } from './intake/payload.ts';
import { deployment, meshFile, serviceFile, World } from './world.ts';

const missing = isMissing(await missingStorageEmulator());

/** Of places all of which could be looked into. */
async function listIn({ app }: World) {
  const { letters, unseen } = await app.deadLetters.list();
  expect(unseen).toEqual([]);
  return letters;
}

describe('a letter that was parked', () => {
  it('is acted on when it is sent again, and lies there no more', async () => {
    const world = new World();
    await world.app.receiveEvent(deployment('d1', 'catalog', 'v2'));
    const [letter, ...others] = await listIn(world);
    expect(others).toEqual([]);
    expect(letter).toMatchObject({ where: 'parked/events', reason: 'FitsNoService', at: world.now });
    const id = letter?.id ?? '';
    expect(JSON.parse((await world.app.deadLetters.read(id))?.text ?? '')).toMatchObject({ id: 'd1', data: { service: 'catalog' } });

    await world.apply(meshFile('shop'), serviceFile('catalog'));
    await world.seen('shop');
    expect(await world.app.deadLetters.sendAgain(id, 'kim')).toMatchObject({
      kind: 'sent',
      received: [{ kind: 'answered', answers: [{ outcome: 'accepted', stream: 'service/shop/catalog' }] }],
    });
    expect(await listIn(world)).toEqual([]);
    expect(await world.app.deadLetters.read(id)).toBeUndefined();
    expect(await world.app.deadLetters.sendAgain(id, 'kim')).toBeUndefined();
  });

  it('stays while nothing can be done with it', async () => {
    const world = new World();
    await world.app.receiveAlert(payload('metric-static-fired'));
    const [letter] = await listIn(world);
    expect(letter).toMatchObject({ where: 'parked/alerts', reason: 'FitsNoService' });
    expect(await world.app.deadLetters.sendAgain(letter?.id ?? '', 'kim')).toMatchObject({ kind: 'sent', received: [{ kind: 'parked' }] });
    expect(await listIn(world)).toEqual([letter]);
  });

  it.each([
    ['of which only a part was kept', { specversion: '9', filler: 'x'.repeat(70_000) }, 'CutOff'],
    ['that was plain text', 'hello', 'Withheld'],
  ])('%s cannot be sent again from here, and it says so', async (_, body, reason) => {
    const world = new World();
    await world.app.receiveEvent(body);
    const [letter] = await listIn(world);
    expect(await world.app.deadLetters.sendAgain(letter?.id ?? '', 'kim')).toMatchObject({ kind: 'refused', reason });
    expect(await listIn(world)).toHaveLength(1);
  });

  it('is found newest first, and no more of them than asked for', async () => {
    const world = new World();
    for (const service of ['one', 'two', 'three']) {
      world.now += 1_000;
      await world.app.receiveEvent(deployment(service, service, 'v1'));
    }
    const listed = (await world.app.deadLetters.list(2)).letters;
    expect(listed.map(({ at }) => at)).toEqual([world.now, world.now - 1_000]);
  });

  it('is nothing that nobody knows of', async () => {
    const world = new World();
    for (const id of ['', 'parked.', 'parked.nobody', 'nowhere.1', 'events-poison.1']) {
      expect(await world.app.deadLetters.read(id)).toBeUndefined();
      expect(await world.app.deadLetters.sendAgain(id, 'kim')).toBeUndefined();
    }
  });
});

describe.skipIf(missing)('with Azurite', () => {
  const credential = new StorageSharedKeyCredential(ACCOUNT, ACCOUNT_KEY);
  let storage: StorageEmulator;
  let container: ContainerClient;
  let queue: QueueClient;
  let world: World;
  beforeAll(async () => {
    storage = await startStorageEmulator();
  }, 300_000);
  afterAll(() => storage?.stop());
  beforeEach(async () => {
    container = await openContainer(`${storage.blobs}/letters-${randomUUID()}`, credential);
    await container.create();
    queue = await openQueue(`${storage.queues}/poison-${randomUUID()}`, credential);
    world = new World({
      deadLetters: [deadLetterBlobs(async () => container), poisonQueue('events-poison', 'events', async () => queue)],
    });
    await world.apply(meshFile('shop'), serviceFile('catalog'));
    await world.seen('shop');
  });

  /** As Event Grid writes it: https://learn.microsoft.com/azure/event-grid/manage-event-delivery. */
  const written = (content: string) =>
    container.getBlockBlobClient(`DEPLOYMENTS/2026/11/22/14/${randomUUID()}.json`).upload(content, Buffer.byteLength(content));
  const cloudEvent = (id: string) => ({
    ...deployment(id, 'catalog', 'v2'),
    deadletterreason: 'MaxDeliveryAttemptsExceeded',
    deliveryattempts: 30,
    lastdeliveryoutcome: 'Probation',
    publishtime: '2026-11-22T14:00:00Z',
    lastdeliveryattempttime: '2026-11-23T14:00:00Z',
  });

  it('what Event Grid could not deliver is listed with the reason, shown, taken when it is sent again, and gone then', async () => {
    await written(JSON.stringify([cloudEvent('d1')]));
    const [letter] = await listIn(world);
    expect(letter).toMatchObject({
      where: 'dead-letters',
      reason: 'MaxDeliveryAttemptsExceeded',
      message:
        'Meshwright.Deployment.Requested d1 of the subscription DEPLOYMENTS: not delivered after 30 tries; the last answer was Probation.',
    });
    const id = letter?.id ?? '';
    expect(JSON.parse((await world.app.deadLetters.read(id))?.text ?? '')).toMatchObject([{ id: 'd1', deliveryattempts: 30 }]);
    expect(await world.app.deadLetters.sendAgain(id, 'kim')).toMatchObject({
      received: [{ kind: 'answered', answers: [{ outcome: 'accepted', repeated: false }] }],
    });
    expect(await listIn(world)).toEqual([]);
    expect(await world.app.deadLetters.sendAgain(id, 'kim')).toBeUndefined();
    // What Event Grid may deliver yet is the same delivery.
    expect(await world.app.receiveEvent(deployment('d1', 'catalog', 'v2'))).toMatchObject({ answers: [{ repeated: true }] });
  });

  it('those in the Event Grid schema have their reason too, and several events lie in one blob', async () => {
    const event = payload('image-pushed.event-grid');
    await written(
      JSON.stringify(
        [...(Array.isArray(event) ? event : [event]), cloudEvent('d1')].map((each) => ({
          ...each,
          deadLetterReason: 'TimeToLiveExceeded',
        })),
      ),
    );
    const [letter] = await listIn(world);
    expect(letter).toMatchObject({ reason: 'TimeToLiveExceeded', message: expect.stringContaining(', and 1 more of the subscription') });
    expect(await world.app.deadLetters.sendAgain(letter?.id ?? '', 'kim')).toMatchObject({ received: [{}, { kind: 'answered' }] });
  });

  it('shows no personal claims of what came', async () => {
    await written(JSON.stringify([{ ...cloudEvent('d1'), data: { claims: { name: 'Kim Doe' }, service: 'catalog' } }]));
    const [letter] = await listIn(world);
    const shown = await world.app.deadLetters.read(letter?.id ?? '');
    expect(shown?.text).toContain('catalog');
    expect(shown?.text).not.toContain('Kim Doe');
  });

  it('a blob that holds no events is listed too; sent again it is parked, and lies in one place only', async () => {
    await written('not json');
    const [letter] = await listIn(world);
    expect(letter).toMatchObject({ where: 'dead-letters', reason: 'NotReadable' });
    expect(await world.app.deadLetters.sendAgain(letter?.id ?? '', 'kim')).toMatchObject({ received: [{ kind: 'parked' }] });
    expect((await listIn(world)).map(({ where }) => where)).toEqual(['parked/events']);
  });

  it('a poison queue that the host has not needed yet is empty', async () => {
    expect(await listIn(world)).toEqual([]);
    expect(await world.app.deadLetters.sendAgain('events-poison.1', 'kim')).toBeUndefined();
  });

  it('what failed each time is listed and shown without being taken, and one is sent again while the others stay', async () => {
    await queue.create();
    const put = (id: string) => queue.sendMessage(Buffer.from(JSON.stringify(deployment(id, 'catalog', 'v2'))).toString('base64'));
    for (let id = 1; id <= 40; id += 1) await put(`d${id}`);
    const listed = await listIn(world);
    expect(listed).toHaveLength(32);
    expect(listed[0]).toMatchObject({ where: 'events-poison', reason: 'FailedEachTime' });
    const id = listed[7]?.id ?? '';
    const shown = JSON.parse((await world.app.deadLetters.read(id))?.text ?? '');
    expect(shown).toMatchObject([{ type: 'Meshwright.Deployment.Requested' }]);

    expect(await world.app.deadLetters.sendAgain(id, 'kim')).toMatchObject({ received: [{ kind: 'answered' }] });
    const [{ id: deliveryId }] = shown;
    expect(await world.app.receiveEvent(deployment(deliveryId, 'catalog', 'v2'))).toMatchObject({ answers: [{ repeated: true }] });
    const left = [];
    for (;;) {
      const { receivedMessageItems } = await queue.receiveMessages({ numberOfMessages: 32 });
      if (receivedMessageItems.length === 0) break;
      left.push(...receivedMessageItems.map(({ messageText }) => JSON.parse(Buffer.from(messageText, 'base64').toString()).id));
    }
    expect(left).toHaveLength(39);
    expect(left).not.toContain(deliveryId);
  });

  it('is listed though another place cannot be looked into, which is said with what to do', async () => {
    const away = await openContainer(`${storage.blobs}/nowhere`, credential);
    const partly = new World({
      documents: world.documents,
      deadLetters: [deadLetterBlobs(async () => away), deadLetterBlobs(async () => container)],
    });
    await written(JSON.stringify([cloudEvent('d1')]));
    const { letters, unseen } = await partly.app.deadLetters.list();
    expect(letters).toHaveLength(1);
    expect(unseen).toEqual([{ where: 'dead-letters', message: expect.stringContaining('container does not exist') }]);
  });

  it('stays where it lies when the fault has not passed', async () => {
    await written(JSON.stringify([cloudEvent('d1')]));
    const [letter] = await listIn(world);
    const failing = world.instance({ ...world.documents, read: () => Promise.reject(new Error('away')) });
    await expect(failing.deadLetters.sendAgain(letter?.id ?? '', 'kim')).rejects.toThrow();
    expect(await listIn(world)).toHaveLength(1);
  });

  it('an alarm that failed each time wakes its stream', async () => {
    await queue.create();
    await queue.sendMessage('{"stream":"service/shop/catalog"}');
    await queue.sendMessage('nothing');
    const alarms = new World({ documents: world.documents, deadLetters: [poisonQueue('alarms-poison', 'alarms', async () => queue)] });
    const listed = await listIn(alarms);
    const said = await Promise.all(listed.map(({ id }) => alarms.app.deadLetters.read(id)));
    for (const [index, { id }] of listed.entries()) {
      const reason = said[index]?.text === 'nothing' ? 'NotAnAlarm' : 'Woken';
      expect(await alarms.app.deadLetters.sendAgain(id, 'kim')).toMatchObject({ received: [{ kind: 'ignored', reason }] });
    }
    expect(await listIn(alarms)).toEqual([]);
  });
});
