/** What people read: every topic is told in words that name the service, the versions, the reason and the next deadline. */
import { describe, expect, it } from 'vitest';
import type { Notice } from '../../src/notifications/channel.ts';
import { words } from '../../src/notifications/words.ts';
import { MESH_TOPICS, SAMPLES, sampleNotice } from './notices.ts';

const told = (name: string, more: Notice['data'] = {}) => {
  const notice = sampleNotice(name);
  return words({ ...notice, data: { ...notice.data, ...more } });
};

describe('the words of a notice', () => {
  it.each(Object.keys(SAMPLES))('name subject and mesh, and are whole sentences: %s', (name) => {
    const { title, sentence, facts } = told(name);
    expect(title).toMatch(MESH_TOPICS.has(name) ? /^shop: / : /^catalog: /);
    expect(sentence).toMatch(/\.$/);
    expect(`${title} ${sentence}`).not.toMatch(/undefined|null|NaN|\.\.|: \.|\s\s/);
    expect(facts).toContainEqual({ name: 'Mesh', value: 'shop' });
    expect(facts).toContainEqual({ name: 'Decided', value: '2026-11-22 14:03:20 UTC' });
  });

  it('say who gets how much, what comes next, and by when', () => {
    expect(told('started')).toMatchObject({
      title: 'catalog: v2 starts with 10 %',
      sentence:
        'v2 of catalog in shop gets 10 % of the traffic, v1 keeps 90 %. It goes on to 50 % once every data plane has served it for 5m; if that is not seen by 14:13:20 UTC, it goes back to v1.',
    });
    expect(told('step-last').sentence).toContain('It becomes the stable version once every data plane serves it');
    expect(told('step-promoted').sentence).toContain('It was promoted by hand');
  });

  it('say why a version is taken back, to what, and that it is urgent', () => {
    expect(told('returned')).toMatchObject({
      tone: 'urgent',
      sentence:
        'v2 of catalog is taken back and v1 gets all traffic: The alert catalog 5xx fired: requests/failed was 31. It is tried again only if someone insists on it; if a data plane still sends it traffic at 14:05:20 UTC, you will be told.',
    });
  });

  it('call waiting safe only as long as it is', () => {
    const at = sampleNotice('rotation-held').at;
    expect(told('rotation-held', { until: at + 60_000 }).sentence).toMatch(/Waiting is safe; it must go on by/);
    expect(told('rotation-held', { until: at }).sentence).toMatch(/not safe any more.*rotation force/);
    expect(told('rotation-overdue').sentence).toMatch(/not safe any more.*rotation force/);
    expect(told('rotation-overdue', { phase: 'returning' }).sentence).toMatch(/rotation proceed/);
    expect(told('rotation-overdue', { phase: 'returning' }).sentence).not.toMatch(/force/);
  });

  it('say why a rotation goes on although something else speaks against it', () => {
    expect(told('rotation-phase', { text: 'It does not wait any longer, although so' }).sentence).toMatch(/although so\.$/);
  });

  it('tell a rollout that is stuck on its way up from one that is stuck on its way back', () => {
    expect(told('stuck-going-up').sentence).toContain('it goes back to v1 at 14:13:20 UTC');
    expect(told('stuck-going-back').sentence).toContain('is being taken back, but not everywhere');
  });

  it('give the day of a deadline that is not on the day of the decision', () => {
    expect(told('blocked').sentence).toContain('at 2026-11-23 00:03:20 UTC');
  });

  it('tell what is known when a notice of another version of the program lacks the rest', () => {
    const notice: Notice = { id: 'n', mesh: 'shop', service: 'catalog', topic: 'step', at: 0, data: { version: 'v2', weight: 20 } };
    const { sentence, facts } = words(notice);
    expect(sentence).toBe(
      'v2 of catalog in shop gets 20 % of the traffic, the stable version keeps 80 %. It becomes the stable version once every data plane serves it.',
    );
    expect(facts.map(({ name }) => name)).toEqual(['Service', 'Mesh', 'Traffic', 'Decided']);
  });

  it('tell even of a topic that only a newer version knows', () => {
    const notice: Notice = { id: 'n', mesh: 'shop', service: 'catalog', topic: 'toString', at: 0, data: { text: 'It was frozen' } };
    expect(words(notice)).toMatchObject({ title: 'catalog: toString', sentence: 'It was frozen.' });
  });
});
