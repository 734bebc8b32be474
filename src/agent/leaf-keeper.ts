/**
 * Keeps a leaf in the files that Envoy watches: asks for one when there is none, renews it in time, sooner when another issuer signs, and goes on
 * asking while nobody answers. What is in use stays in use until there is another.
 */
import { askForLeaf, type Given, NoAnswer, type Refusal, type ShownToken } from './doors.ts';
import { type HeldLeaf, leafOf, readLeaf, writeBundle, writeLeaf } from './identity-files.ts';
import { TRY_NEXT, tokensToShow } from './own-token.ts';
import { hurriedDelay, renewalDelay, renewalDelayOf, retryDelay, spanInWords } from './renewal.ts';
import type { AgentSettings } from './settings.ts';
import { makeKey } from './signing-request.ts';

export interface AgentClock {
  /** Epoch ms; people may set it. */
  now(): number;
  /** Ms since some moment; it only ever goes on. */
  elapsed(): number;
  /** From 0 to 1. */
  chance(): number;
}

export type Say = (event: string, message: string) => void;

export interface LeafKeeper {
  held(): HeldLeaf | undefined;
  /** Reads what there is. */
  open(): Promise<void>;
  /** When to be asked next, in ms from now; 0: it is due. */
  dueIn(): number;
  /** Asks for a leaf, and writes it. False: there is none, which is said; `dueIn` then says when to ask again. */
  renew(): Promise<boolean>;
  /** The issuer of this fingerprint signs now. */
  hurry(signer: string, withinMs: number): void;
}

export function leafKeeper(settings: AgentSettings, clock: AgentClock, say: Say): LeafKeeper {
  const { directory } = settings;
  let held: HeldLeaf | undefined;
  /** By either clock, whichever is first there: a machine that slept counts no time, and one whose clock was set back never gets there. */
  let due = { elapsed: 0, now: 0 };
  let failures = 0;
  /** Once for each: who is told of an issuer that signs nothing comes only as often as ever. */
  let hurriedFor: string | undefined;

  const plan = (delayMs: number): void => {
    due = { elapsed: clock.elapsed() + delayMs, now: clock.now() + delayMs };
  };
  const dueIn = (): number => Math.max(0, Math.min(due.elapsed - clock.elapsed(), due.now - clock.now()));

  async function ask(csr: string): Promise<({ readonly kind: 'issued' } & Given) | Refusal> {
    const [first, ...others] = await tokensToShow(settings, held !== undefined);
    const show = (token: ShownToken) => askForLeaf(settings, csr, token);
    let answer = await show(first);
    for (const other of others) {
      if (answer.kind === 'issued' || !TRY_NEXT.includes(answer.reason)) return answer;
      const next = await show(other);
      // Of two refusals the one that says what is wrong with the token people gave is the one to tell.
      answer = next.kind === 'issued' || other.kind === 'join' ? next : answer;
    }
    return answer;
  }

  async function keep({ chain, roots, lifeMs }: Given, key: string): Promise<void> {
    const leaf = leafOf(chain, key);
    if (!leaf) throw new NoAnswer(`${settings.url} answers with a leaf that is not over the key that was sent`);
    // Before the leaf: whoever talks under it is to be believed.
    await writeBundle(directory, roots);
    await writeLeaf(directory, chain, key);
    const first = held === undefined;
    held = leaf;
    failures = 0;
    plan(renewalDelay(lifeMs, clock.chance()));
    const { fingerprint, notAfter } = leaf;
    const until = new Date(notAfter).toISOString();
    say(
      first ? 'LeafReceived' : 'LeafRenewed',
      `A leaf (${fingerprint.slice(0, 16)}) that counts until ${until}; renewed in ${spanInWords(dueIn())}.`,
    );
  }

  function failed(why: string, event: string): void {
    failures += 1;
    const left = held ? held.notAfter - clock.now() : 0;
    plan(retryDelay(failures, { leftMs: left, lifeMs: held ? held.notAfter - held.notBefore : 0 }, clock.chance()));
    const standing = !held
      ? 'There is none yet, and nobody speaks mTLS with this workload'
      : left > 0
        ? `The one in use counts for another ${spanInWords(left)}`
        : `The last one ended ${spanInWords(-left)} ago, and nobody speaks mTLS with this workload`;
    say(event, `No new leaf: ${why.replace(/\.$/, '')}. ${standing}; asked again in ${spanInWords(dueIn())}.`);
  }

  return {
    held: () => held,
    dueIn,

    async open() {
      held = await readLeaf(directory);
      plan(held ? renewalDelayOf(held, clock.now(), clock.chance()) : 0);
      if (held) say('LeafFound', `A leaf that counts until ${new Date(held.notAfter).toISOString()}; renewed in ${spanInWords(dueIn())}.`);
    },

    async renew() {
      try {
        const key = await makeKey();
        const answer = await ask(key.request(settings.spiffeId));
        if (answer.kind === 'issued') {
          await keep(answer, key.pem);
          return true;
        }
        failed(`${answer.message.replace(/\.$/, '')} (${answer.reason})`, 'LeafRefused');
      } catch (error) {
        failed(error instanceof Error ? error.message : String(error), 'LeafNotRenewed');
      }
      return false;
    },

    hurry(signer, withinMs) {
      // A rotation that went back may come again.
      if (held?.issuer === signer) hurriedFor = undefined;
      if (!held || held.issuer === signer || hurriedFor === signer) return;
      hurriedFor = signer;
      const delay = hurriedDelay(withinMs, clock.chance());
      if (delay >= dueIn()) return;
      plan(delay);
      say('LeafHurried', `Another issuer signs now (${signer.slice(0, 16)}); the leaf is renewed in ${spanInWords(delay)}.`);
    },
  };
}
