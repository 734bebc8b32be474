/**
 * What came and was not acted on, wherever it ended up: parked here because nobody could read or place it, written down by
 * Event Grid because it could not deliver it, moved to a poison queue because its function failed each time. Listed with the
 * reason, shown, and sent again by the way it would have come; what was acted on then is removed from where it lay.
 */
import { z } from 'zod';
import { keepable } from './intake/personal-claims.ts';
import { eventsOf } from './intake/queued-events.ts';
import type { Documents } from './journal/documents.ts';
import { forgetParked, newestParked, readParked } from './journal/parked.ts';
import type { Received } from './receive.ts';

export interface DeadLetter {
  /** Of one among all. */
  readonly id: string;
  /** When it was given up, epoch ms. */
  readonly at: number;
  /** Where it lies, such as `parked`, `dead-letters` or `events-poison`. */
  readonly where: string;
  readonly reason: string;
  readonly message: string;
}

/** One place where letters end up; its adapters are a container of blobs and a queue. Rejections are transient. */
export interface DeadLetterPlace {
  /** Without `/`; the ids of its letters begin with it and a dot. */
  readonly name: string;
  /** What its letters are: events, or alarms of streams. */
  readonly holds: 'events' | 'alarms';
  /** At most `limit`, in no promised order. `id` is unique in the place and made of characters that a path may have. */
  list(limit: number): Promise<readonly Omit<DeadLetter, 'where'>[]>;
  /** What came, as text. `undefined`: it is not there (any more). */
  look(id: string): Promise<string | undefined>;
  /** The same, for who means to have it; until `remove` it is there again after a while. */
  take(id: string): Promise<{ readonly text: string; readonly remove: () => Promise<void> } | undefined>;
}

export interface Unseen {
  readonly where: string;
  readonly message: string;
}

export type SentAgain =
  | { readonly kind: 'sent'; readonly received: readonly Received[] }
  | { readonly kind: 'refused'; readonly reason: 'CutOff' | 'Withheld' | 'NoSuchDoor'; readonly message: string };

export interface DeadLetterPorts {
  readonly documents: Documents;
  readonly now: () => number;
  readonly places: readonly DeadLetterPlace[];
  readonly receiveEvent: (body: unknown, actor: string) => Promise<Received>;
  readonly receiveAlert: (body: unknown) => Promise<Received>;
  readonly receiveQueued: (message: unknown) => Promise<readonly Received[]>;
  readonly wake: (stream: string) => Promise<void>;
}

export interface DeadLetters {
  /** Newest first, at most `limit` of each place; and the places that could not be looked into, with why. */
  list(limit?: number): Promise<{ readonly letters: readonly DeadLetter[]; readonly unseen: readonly Unseen[] }>;
  /** `undefined`: there is no such letter, or it has been acted on. */
  read(id: string): Promise<{ readonly where: string; readonly text: string } | undefined>;
  /** As `read`. A letter whose content is parked anew stays. */
  sendAgain(id: string, actor: string): Promise<SentAgain | undefined>;
}

const PARKED = 'parked';
const PER_PLACE = 100;

const alarmSchema = z.object({ stream: z.string().min(1).max(512) });
const withheldSchema = z.object({ withheld: z.string() });

export function deadLetters(ports: DeadLetterPorts): DeadLetters {
  const { documents, now, places } = ports;

  /** `undefined`: in no place that there is. */
  function find(id: string): { readonly place: DeadLetterPlace; readonly inPlace: string } | undefined {
    const place = places.find(({ name }) => id.startsWith(`${name}.`));
    return place && { place, inPlace: id.slice(place.name.length + 1) };
  }

  const parkedId = (id: string): string | undefined => (id.startsWith(`${PARKED}.`) ? id.slice(PARKED.length + 1) : undefined);

  async function sendParked(id: string, actor: string): Promise<SentAgain | undefined> {
    const letter = await readParked(documents, now(), id);
    if (!letter) return undefined;
    if (Buffer.byteLength(letter.text) < letter.bytes) {
      const message = `Only the first 64 KB of ${letter.bytes} bytes were kept; send it from where it came from.`;
      return { kind: 'refused', reason: 'CutOff', message };
    }
    const body = parsed(letter.text);
    if (body === undefined || withheldSchema.safeParse(body).success) {
      const message = 'It came as plain text, which is not kept; send it from where it came from.';
      return { kind: 'refused', reason: 'Withheld', message };
    }
    const receive = { events: () => ports.receiveEvent(body, actor), alerts: () => ports.receiveAlert(body) };
    if (letter.door !== 'events' && letter.door !== 'alerts') {
      return { kind: 'refused', reason: 'NoSuchDoor', message: `It came by "${letter.door}", by which nothing can be sent again.` };
    }
    const received = await receive[letter.door]();
    if (received.kind !== 'parked') await forgetParked(documents, id);
    return { kind: 'sent', received: [received] };
  }

  async function sendFrom(place: DeadLetterPlace, id: string): Promise<SentAgain | undefined> {
    const letter = await place.take(id);
    if (!letter) return undefined;
    const received = place.holds === 'events' ? await ports.receiveQueued(letter.text) : await wakeAgain(letter.text);
    // What could not be read is parked now, with the reason: it need not lie in two places.
    await letter.remove();
    return { kind: 'sent', received };
  }

  async function wakeAgain(text: string): Promise<readonly Received[]> {
    const alarm = alarmSchema.safeParse(parsed(text));
    if (!alarm.success) return [{ kind: 'ignored', reason: 'NotAnAlarm', message: 'It names no stream; it is removed.' }];
    await ports.wake(alarm.data.stream);
    return [{ kind: 'ignored', reason: 'Woken', message: `What ${alarm.data.stream} owed has been taken up.` }];
  }

  return {
    async list(limit = PER_PLACE) {
      const parked = (await newestParked(documents, now(), limit)).map(({ id, at, door, reason, message }) => ({
        id: `${PARKED}.${id}`,
        at,
        where: `${PARKED}/${door}`,
        reason,
        message,
      }));
      const elsewhere = await Promise.all(places.map((place) => listOf(place, limit)));
      const letters = [...parked, ...elsewhere.flatMap((found) => found.letters)];
      letters.sort((a, b) => b.at - a.at || (a.id < b.id ? -1 : 1));
      return { letters, unseen: elsewhere.flatMap(({ unseen }) => unseen) };
    },

    async read(id) {
      const own = parkedId(id);
      if (own !== undefined) {
        const letter = await readParked(documents, now(), own);
        return letter && { where: `${PARKED}/${letter.door}`, text: letter.text };
      }
      const found = find(id);
      const came = await found?.place.look(found.inPlace);
      if (!found || came === undefined) return undefined;
      // Who may look may not see everything that came.
      const text = found.place.holds === 'alarms' ? came : JSON.stringify(eventsOf(came).map(keepable), undefined, 2);
      return { where: found.place.name, text };
    },

    async sendAgain(id, actor) {
      const own = parkedId(id);
      if (own !== undefined) return sendParked(own, actor);
      const found = find(id);
      return found && sendFrom(found.place, found.inPlace);
    },
  };
}

/** What cannot be seen in one place does not hide what lies in the others. */
async function listOf(place: DeadLetterPlace, limit: number): Promise<{ letters: DeadLetter[]; unseen: Unseen[] }> {
  const where = place.name;
  try {
    const letters = (await place.list(limit)).map((letter) => ({ ...letter, id: `${where}.${letter.id}`, where }));
    return { letters, unseen: [] };
  } catch (error) {
    return { letters: [], unseen: [{ where, message: error instanceof Error ? error.message : String(error) }] };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
