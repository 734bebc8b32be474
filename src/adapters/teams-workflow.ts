/**
 * Cards to one Microsoft Teams workflow ("When a Teams webhook request is received"). It paces itself below the four requests a second
 * that Teams throttles at, and reads what workflows and the older connectors answer: 202, or an error inside a 200's body. The
 * webhook's address is a secret: no answer of this module carries it, nor what the other side wrote.
 */
import { teamsMessage } from '../notifications/adaptive-card.ts';
import type { Channel, Notice } from '../notifications/channel.ts';
import { words } from '../notifications/words.ts';
import { ForbiddenAddress, type Guard, guarded, guardedPost } from './guarded-post.ts';
import { codeOf } from './http-exchange.ts';

const PER_WINDOW = 4;
const WINDOW_MS = 1_000;
const BACK_OFF = { firstMs: 2_000, longestMs: 300_000 };
const LONGEST_WAIT_MS = 3_600_000;
const THROTTLED_MS = 10_000;
/**
 * Where workflows take requests: Power Automate's own addresses, the older ones of Logic Apps, in national clouds too; and the connectors before
 * them (https://learn.microsoft.com/power-platform/admin/online-requirements).
 */
const HOSTS = [
  '.api.powerplatform.com',
  '.api.powerplatform.us',
  '.api.powerplatform.partner.microsoftonline.cn',
  '.logic.azure.com',
  '.logic.azure.us',
  '.logic.azure.cn',
  '.webhook.office.com',
];

export interface TeamsWorkflow {
  /** https, at a host of Microsoft's. */
  readonly url: string;
  /** Epoch ms. */
  readonly now: () => number;
  /** Address of the page, which cards link to. */
  readonly baseUrl?: string;
  /** For tests: this machine's own addresses are webhooks too. */
  readonly loopback?: boolean;
  readonly resolve?: NonNullable<Guard['resolve']>;
  /** Until the answer is read; 8 s. */
  readonly timeoutMs?: number;
}

/** Make one a webhook and keep it: it remembers what it sent, to stay within the limits. */
export function teamsChannel({ url, now, baseUrl, loopback = false, resolve, timeoutMs = 8_000 }: TeamsWorkflow): Channel {
  const pace = pacing();
  const guard: Guard = { hosts: HOSTS, loopback, ...(resolve ? { resolve } : {}) };
  const target = guarded(url, guard);
  let failures = 0;
  let lastFailure = Number.NEGATIVE_INFINITY;

  /** Those under way at the same time fail for the same reason: they count once. */
  const backOff = (startedAt: number): number => {
    if (startedAt > lastFailure) failures += 1;
    lastFailure = now();
    return Math.min(BACK_OFF.firstMs * 2 ** (failures - 1), BACK_OFF.longestMs);
  };

  async function post(notice: Notice, to: URL): Promise<{ status: number; retryAfter: string | undefined }> {
    const message = teamsMessage(words(notice), { id: notice.id, ...(baseUrl ? { pageUrl: pageUrl(baseUrl, notice) } : {}) });
    const { status, retryAfter, body } = await guardedPost(to, JSON.stringify(message), guard, timeoutMs);
    return { status: statusOf(status, body), retryAfter };
  }

  return {
    async send(notice) {
      if (!target)
        return {
          kind: 'refused',
          error: 'The Teams webhook is no https address of a Teams workflow: copy it from the workflow once more.',
        };
      const startedAt = now();
      const wait = pace.take(startedAt);
      if (wait > 0) return { kind: 'later', afterMs: wait, error: 'Teams takes four cards a second; this one waits for its turn.' };
      let answer: Awaited<ReturnType<typeof post>>;
      try {
        answer = await post(notice, target);
      } catch (error) {
        if (error instanceof ForbiddenAddress)
          return { kind: 'refused', error: 'The Teams webhook leads to an address that is not public, where nothing is sent to.' };
        return { kind: 'later', afterMs: backOff(startedAt), error: `The Teams webhook could not be reached (${codeOf(error)}).` };
      }
      const { status, retryAfter } = answer;
      if (status >= 200 && status < 300) {
        failures = 0;
        return { kind: 'sent' };
      }
      if (status === 429) {
        const afterMs = waitOf(retryAfter, now()) ?? THROTTLED_MS;
        pace.hold(now() + afterMs);
        return { kind: 'later', afterMs, error: 'Teams takes no more cards just now (429).' };
      }
      if (status === 408 || status >= 500) {
        const afterMs = Math.max(backOff(startedAt), waitOf(retryAfter, now()) ?? 0);
        return { kind: 'later', afterMs, error: `The Teams webhook failed for now (${status}).` };
      }
      return { kind: 'refused', error: refusal(status) };
    },
  };
}

interface Pacing {
  /** 0: send now, and it is counted. Otherwise the ms to wait; of those that wait, each is told a time of its own. */
  take(at: number): number;
  hold(until: number): void;
}

function pacing(): Pacing {
  let sent: number[] = [];
  let heldUntil = 0;
  let promised = 0;
  return {
    take(at) {
      // Times further ahead than any wait are of a clock that has since been set back.
      sent = sent.filter((time) => time > at - WINDOW_MS && time <= at);
      if (heldUntil - at > LONGEST_WAIT_MS) heldUntil = 0;
      if (promised - at > LONGEST_WAIT_MS) promised = 0;
      const [oldest] = sent;
      const free = Math.max(heldUntil, oldest !== undefined && sent.length >= PER_WINDOW ? oldest + WINDOW_MS : at);
      if (free <= at) {
        sent.push(at);
        return 0;
      }
      promised = Math.max(free, promised + WINDOW_MS / PER_WINDOW);
      return promised - at;
    },
    hold(until) {
      heldUntil = Math.max(heldUntil, until);
    },
  };
}

function pageUrl(baseUrl: string, { mesh, service }: Notice): string {
  const anchor = service === undefined ? '' : `#${encodeURIComponent(mesh)}/${encodeURIComponent(service)}`;
  return `${baseUrl.replace(/\/+$/, '')}/${anchor}`;
}

/** Connectors answer 200 and say in the body that Teams itself answered something else. */
function statusOf(status: number, body: string): number {
  const inside = status === 200 ? /\bHTTP error (\d{3})\b/i.exec(body)?.[1] : undefined;
  return inside === undefined ? status : Number(inside);
}

/** Seconds or a date (RFC 9110, 10.2.3), as ms from `at`: at least one second, at most an hour. */
function waitOf(retryAfter: string | undefined, at: number): number | undefined {
  if (retryAfter === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(retryAfter.trim()) ? Number(retryAfter) * 1_000 : Date.parse(retryAfter) - at;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 1_000), LONGEST_WAIT_MS);
}

function refusal(status: number): string {
  switch (status) {
    case 400:
      return 'The Teams workflow did not understand the card (400): let it begin with "When a Teams webhook request is received" and post "each attachment" of it.';
    case 401:
    case 403:
      return `The Teams workflow lets nobody in by this address (${status}): set its trigger to "Anyone" and copy the address again.`;
    case 404:
    case 410:
      return `There is no Teams workflow at this address (${status}): it was deleted, switched off or copied wrongly; make it anew and set the webhook to its address.`;
    case 413:
      return 'Teams found the card too large (413): its text is in the journal.';
    default:
      return status >= 300 && status < 400
        ? `The Teams webhook points to another address (${status}), which is not followed: copy the address from the workflow once more.`
        : `The Teams workflow refused the card (${status}): look at its run history.`;
  }
}
