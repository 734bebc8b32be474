/** Alerts from outside: which service they speak for, and what becomes of those that speak for none. */
import { describe, expect, it } from 'vitest';
import { payload } from './intake/payload.ts';
import { deployment, MINUTE, meshFile, serviceFile, shop, type World } from './world.ts';

const FIRED_AT = Date.parse('2026-11-22T14:08:24.371Z');
const ALERTS = `rollout: canary\nalerts: [{ rule: catalog 5xx }]`;
const fired = () => payload('metric-static-fired');

describe('a metric alert', () => {
  async function exposed(): Promise<World> {
    const world = await shop({}, ALERTS);
    world.now = FIRED_AT - 2 * MINUTE;
    await world.report('shop');
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    expect(await world.split('catalog')).toEqual({ v1: 95, v2: 5 });
    return world;
  }

  it('takes back the version of the service its rule speaks for, with what it saw', async () => {
    const world = await exposed();
    world.now = FIRED_AT + 1000;
    expect(await world.app.receiveAlert(fired())).toMatchObject({ kind: 'answered', answers: [{ outcome: 'accepted' }] });
    expect(await world.split('catalog')).toEqual({ v1: 100, v2: 0 });
    expect((await world.app.service('shop', 'catalog'))?.rollout?.because).toMatch(
      /catalog 5xx fired: .*requests\/failed was 31\.5, above 25/,
    );
    expect(world.topics().at(-1)).toBe('returned');
  });

  it('delivered twice, in either case of its id, acts once', async () => {
    const world = await exposed();
    await world.app.receiveAlert(fired());
    const again: unknown = JSON.parse(JSON.stringify(fired()).replace('/subscriptions/0c6f', '/SUBSCRIPTIONS/0C6F'));
    expect(await world.app.receiveAlert(again)).toMatchObject({ answers: [{ outcome: 'accepted', repeated: true }] });
  });

  it('that fits no service makes a card in every mesh, is recorded there, and is kept', async () => {
    const world = await shop();
    await world.apply(meshFile('office'), serviceFile('printer'));
    const received = await world.app.receiveAlert(fired());
    expect(received).toMatchObject({ kind: 'parked', reason: 'FitsNoService' });
    expect(world.cards.map(({ mesh, topic, service }) => [mesh, topic, service])).toEqual([
      ['office', 'unmatched', undefined],
      ['shop', 'unmatched', undefined],
    ]);
    const commits = await world.app.history('shop', undefined, 0, 100);
    expect(commits.at(-1)).toMatchObject({
      actor: 'alert catalog 5xx',
      events: [{ type: 'SignalUnmatched', what: 'The alert catalog 5xx' }],
    });
    expect(await world.app.parked()).toMatchObject([{ door: 'alerts', reason: 'FitsNoService' }]);
  });

  it('whose rule holds half a character is decided, or recorded and kept, as any other', async () => {
    const rule = (text: string): unknown => JSON.parse(JSON.stringify(fired()).replace('catalog 5xx', text));
    const stray = await shop();
    expect(await stray.app.receiveAlert(rule('\\ud800'))).toMatchObject({ kind: 'parked', reason: 'FitsNoService' });
    const meant = await shop({}, `rollout: canary\nalerts: [{ dimension: { name: cloud/roleName, value: catalog } }]`);
    expect(await meant.app.receiveAlert(rule('catalog \\udc00'))).toMatchObject({ kind: 'answered', answers: [{ outcome: 'accepted' }] });
  });

  it('that fits no service and comes again is not said again', async () => {
    const world = await shop();
    for (let times = 0; times < 3; times += 1) await world.app.receiveAlert(fired());
    expect(world.topics()).toEqual(['unmatched']);
    expect(await world.app.parked()).toHaveLength(1);
  });

  it('that ends and fits no service is kept without a card: nobody was told that it fired', async () => {
    const world = await shop();
    expect(await world.app.receiveAlert(payload('metric-static-resolved-without-window'))).toMatchObject({
      kind: 'parked',
      reason: 'FitsNoService',
    });
    expect(world.cards).toEqual([]);
  });

  it.each(['budget-spent', 'service-health-fired', 'resource-health-available'])(
    'of a type that speaks against no version is recorded and said, though a spec names it: %s',
    async (name) => {
      const rules = ['shop', 'Azure in West Europe', 'shop cluster health'].map((rule) => `{ rule: ${rule} }`).join(', ');
      const world = await shop({}, `rollout: canary\nalerts: [${rules}]`);
      expect(await world.app.receiveAlert(payload(name))).toMatchObject({ kind: 'parked', reason: 'UnsupportedAlertType' });
      expect(world.topics()).toEqual(['unmatched']);
      expect(await world.split('catalog')).toEqual({ v1: 100 });
    },
  );

  it.each([
    ['prometheus-fired', '{ dimension: { name: app, value: catalog } }'],
    ['smart-detection-fired', '{ rule: Failure Anomalies - shop }'],
    ['activity-log-fired', '{ rule: gateway restarted }'],
    ['resource-health-unavailable', '{ rule: shop cluster health }'],
    ['service-health-incident', '{ rule: Azure in West Europe }'],
  ])('of another type takes a version back that a spec gives it to, and nobody else: %s', async (name, selector) => {
    const world = await shop({}, `rollout: canary\nalerts: [${selector}]`);
    world.now = FIRED_AT - MINUTE;
    await world.app.receiveEvent(deployment('d1', 'catalog', 'v2'));
    await world.seen('shop');
    expect(await world.split('catalog')).toHaveProperty('v2');
    world.now = FIRED_AT + 1_000;
    expect(await world.app.receiveAlert(payload(name))).toMatchObject({
      kind: 'answered',
      answers: [{ outcome: 'accepted', message: expect.stringContaining('takes v2 back') }],
    });
    expect(await world.split('catalog')).toMatchObject({ v1: 100 });

    const stranger = await shop({}, ALERTS);
    expect(await stranger.app.receiveAlert(payload(name))).toMatchObject({ kind: 'parked', reason: 'FitsNoService' });
    expect(stranger.topics()).toEqual(['unmatched']);
  });

  it.each([
    ['activity-log-fired', 'gateway restarted', false],
    ['prometheus-fired', 'shop-rules/catalog errors', true],
  ])('holds the next rollout for as long as it goes on, and one of a moment not at all: %s', async (name, rule, holds) => {
    const world = await shop({}, `rollout: canary\nalerts: [{ rule: ${rule} }]`);
    world.now = FIRED_AT + 1_000;
    await world.app.receiveAlert(payload(name));
    await world.app.receiveAlert(payload(name));
    await world.app.receiveEvent(deployment('d1', 'catalog', 'v2'));
    await world.seen('shop');
    expect((await world.split('catalog')).v2 === undefined).toBe(holds);
  });

  it('that is none is parked with what to do', async () => {
    const world = await shop();
    const received = await world.app.receiveAlert({ alert: 'fire!' });
    expect(received).toMatchObject({ kind: 'parked', reason: 'NotACommonAlert', message: expect.stringMatching(/common alert schema/) });
    expect(await world.app.parked()).toHaveLength(1);
  });
});
