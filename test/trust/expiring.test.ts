/** What the daily inventory tells people of: each thing once in each of its standings, and again when it comes back. */
import { describe, expect, it } from 'vitest';
import { type Beside, expiringOf } from '../../src/trust/expiring.ts';
import { inventoryOf, type ServingCertificate } from '../../src/trust/inventory.ts';
import { trustStateSchema } from '../../src/trust/state.ts';
import { rotateBy } from '../../src/trust/timing.ts';
import { trustStream } from '../../src/trust/trust-stream.ts';
import { authority, certificatesSpec, DAY, fingerprint, LEAF, T0 } from './samples.ts';
import { resting, type Story } from './story.ts';

const web: ServingCertificate = { name: 'shop-web', certificateId: 'shop-web/1', notBefore: T0, notAfter: T0 + 90 * DAY, enabled: true };
const NOTHING: Beside = { unrenewed: [], isRotating: false };

interface Found {
  readonly serving?: readonly ServingCertificate[];
  readonly beside?: Partial<Beside>;
}

const found = (story: Story, { serving = [], beside = {} }: Found = {}) => {
  const inventory = inventoryOf(story.state, story.look(), serving, story.now);
  return { items: expiringOf(inventory, { ...NOTHING, ...beside }), rotateBy: inventory.rotateBy };
};
const told = (story: Story, of: Found = {}): Story => story.when({ type: 'NoteExpiring', ...found(story, of) });
const words = (story: Story, of: Found = {}) => found(story, of).items.map(({ kind, name, standing }) => `${kind} ${name} ${standing}`);

const at = (story: Story, time: number): Story => story.after(time - story.now);
const rootEnds = (story: Story): number => story.state.current?.notAfter ?? 0;
const due = (): Story => {
  const story = resting();
  return at(story, rotateBy(story.state.current ?? authority(1), certificatesSpec()));
};

describe('what there is to tell', () => {
  it('is nothing while all is good', () => {
    expect(words(resting(), { serving: [web] })).toEqual([]);
  });

  it('is a root that is due, unless the rotation that it is due for is under way', () => {
    const name = `root mesh-root ${fingerprint(1).slice(0, 16)}`;
    const isRoot = (line: string) => line.startsWith('root');
    expect(words(due()).filter(isRoot)).toEqual([`${name} due`]);
    expect(words(due(), { beside: { isRotating: true } }).filter(isRoot)).toEqual([]);
    const late = resting();
    at(late, rootEnds(late) - LEAF);
    expect(words(late, { beside: { isRotating: true } }).filter(isRoot)).toEqual([`${name} late`]);
  });

  it('is an issuer only where it could not be renewed, or has little time left', () => {
    const story = resting();
    const issuer = story.state.current?.issuer ?? authority(1).issuer;
    at(story, (issuer.notBefore + issuer.notAfter) / 2);
    expect(words(story)).toEqual([]);
    expect(words(story, { beside: { unrenewed: [fingerprint(77)] } })).toEqual([]);
    const line = `issuer mesh-root ${issuer.fingerprint.slice(0, 16)}`;
    expect(words(story, { beside: { unrenewed: [issuer.fingerprint] } })).toEqual([`${line} due`]);
    expect(words(at(story, issuer.notAfter - LEAF))).toEqual([`${line} late`]);
  });

  it('is what cannot be seen, and what is over comes first', () => {
    const story = resting()
      .unseen('west')
      .after(4 * DAY);
    const over = { ...web, name: 'old-web', notAfter: story.now - 1 };
    const soon = { ...web, notBefore: T0 - 70 * DAY, notAfter: story.now + 20 * DAY };
    expect(words(story, { serving: [soon, over], beside: { vault: 'mesh-root' } })).toEqual([
      'serving old-web expired',
      'vault mesh-root unseen',
      'data-plane west unseen',
      'serving shop-web due',
    ]);
  });
});

describe('people are told', () => {
  it('once, in a card with the day by which a rotation must begin', () => {
    const story = resting().after(65 * DAY - 1_000);
    const items = found(story, { serving: [web] }).items.filter(({ kind }) => kind === 'serving');
    const by = rotateBy(story.state.current ?? authority(1), certificatesSpec());
    const decision = story.give({ type: 'NoteExpiring', items, rotateBy: by });
    expect(decision).toMatchObject({
      kind: 'accepted',
      effects: [
        {
          kind: 'card',
          data: {
            topic: 'certificates-expiring',
            standing: 'due',
            until: by,
            text: `The serving certificate shop-web is to be replaced; it ends at ${new Date(web.notAfter).toISOString()}.`,
          },
        },
      ],
    });
    story.after(DAY).when({ type: 'NoteExpiring', items, rotateBy: by }).thenChangesNothing();
  });

  it('again when it is worse, when another is due, and not of what is known', () => {
    const story = told(resting().unseen('west')).thenOwes('card certificates-expiring').thenSays('west could not be looked at');
    told(story.unseen('east'))
      .thenOwes('card certificates-expiring')
      .thenSays(/^The data plane east could not be looked at\.$/);
    at(story, web.notAfter - 8 * DAY);
    const serving = (standing: 'due' | 'late') => ({ kind: 'serving', name: 'shop-web', standing, notAfter: web.notAfter }) as const;
    story.when({ type: 'NoteExpiring', items: [serving('due')], rotateBy: null }).thenOwes('card certificates-expiring');
    story.when({ type: 'NoteExpiring', items: [serving('late')], rotateBy: null }).thenOwes('card certificates-expiring');
    story.when({ type: 'NoteExpiring', items: [serving('late')], rotateBy: null }).thenChangesNothing();
    const next = { ...serving('late'), notAfter: web.notAfter + DAY };
    story.when({ type: 'NoteExpiring', items: [next], rotateBy: null }).thenOwes('card certificates-expiring');
  });

  it('of nothing when it is good again, and anew when it is not any more', () => {
    const story = told(resting().unseen('west')).answers('west');
    told(story).thenRecords('ExpiryNoted').thenOwes();
    expect(story.state.noted).toEqual([]);
    told(story).thenChangesNothing();
    told(story.unseen('west')).thenOwes('card certificates-expiring');
  });

  it('of no serving certificate a second time because the vault was not seen between', () => {
    const story = at(resting(), web.notAfter - 20 * DAY);
    const item = { kind: 'serving', name: 'shop-web', standing: 'due', notAfter: web.notAfter } as const;
    const vault = { kind: 'vault', name: 'mesh-root', standing: 'unseen' } as const;
    story.when({ type: 'NoteExpiring', items: [item], rotateBy: null });
    story
      .when({ type: 'NoteExpiring', items: [vault], rotateBy: null })
      .thenOwes('card certificates-expiring')
      .thenSays(/^The vault of/);
    story.when({ type: 'NoteExpiring', items: [vault], rotateBy: null }).thenChangesNothing();
    story
      .when({ type: 'NoteExpiring', items: [item], rotateBy: null })
      .thenRecords('ExpiryNoted')
      .thenOwes();
  });

  it('of ten by name, and of how many more', () => {
    const items = Array.from(
      { length: 13 },
      (_, each) => ({ kind: 'serving', name: `web-${each}`, standing: 'due', notAfter: T0 }) as const,
    );
    const story = resting()
      .when({ type: 'NoteExpiring', items, rotateBy: null })
      .thenSays(/ And 3 more\.$/);
    expect(story.state.noted).toHaveLength(13);
  });
});

describe('a head of before there was an inventory to tell of', () => {
  it('is read as one of which nothing was told', () => {
    const { noted: _noted, ...before } = resting().state;
    expect(trustStream.parseState(JSON.parse(JSON.stringify(before))).noted).toEqual([]);
    expect(trustStateSchema.safeParse(before).success).toBe(true);
  });
});
