/** What happened to a mesh's trust, in words: which root, which phase, what comes next by itself and what waits for somebody. */
import type { TrustCardTopic } from '../trust/draft.ts';
import { byWhen, closed, reason } from './sentences.ts';
import type { Telling, Told } from './words.ts';

const BECAUSE: Readonly<Record<string, string>> = {
  asked: 'somebody asked for it',
  due: 'the root is near its end',
  'new-version': 'the vault made a new version by itself',
  compromised: 'the root is said to be compromised',
  expired: 'the root has ended',
};
const PHASES: Readonly<Record<string, string>> = {
  distributing: 'Workloads are being given both roots; the old one signs until everybody was seen to have them',
  issuing: 'Everybody trusts both roots; the new one signs, and workloads come for new certificates',
  pruned: 'Nobody presents a certificate under the old root; it is being taken from the trust bundles',
};

const AGAIN = 'See to those that are behind, or let it go forward again with `meshwright rotation proceed`.';
const KEY = 'See that its vault can be reached and lets the key be disabled.';
const FORWARD =
  'Waiting is not safe any more: see to what it waits for, let it go on without those that are behind with `meshwright rotation force`, or take it back with `meshwright rotation abort` while there is time.';
/** Once a phase should have been left; of those that are not here: `FORWARD`. */
const LATE: Readonly<Record<string, string>> = {
  preparing: 'See that its vault can be reached and makes the root.',
  prepared: 'Use the prepared root with `meshwright rotation proceed`, or put it away with `meshwright rotation abort`.',
  retired: KEY,
  restoring: AGAIN,
  returning: AGAIN,
  dropping: AGAIN,
  discarding: KEY,
};

const waiting = ({ until, at }: Told): string =>
  until !== undefined && until <= at ? FORWARD : `Waiting is safe${byWhen('; it must go on by', until, at)}.`;

const domainOf = ({ trustDomain, mesh }: Told): string => trustDomain ?? mesh;

export const TRUST_TELLINGS: { readonly [T in TrustCardTopic]: (told: Told) => Telling } = {
  'trust-established': (told) => ({
    title: `${told.mesh}: the first root is in force`,
    tone: 'good',
    sentence: `The first root of ${domainOf(told)} is made; workloads get their certificates from the issuer under it.`,
  }),
  'rotation-begun': (told) => ({
    title: `${told.mesh}: its root is being replaced`,
    tone: told.cause === 'compromised' || told.cause === 'expired' ? 'urgent' : 'info',
    sentence:
      told.cause === 'expired'
        ? `The root of ${domainOf(told)} has ended, so that its workloads believe no certificate any more. A new one is made and used at once; workloads can talk again as soon as they have it.`
        : `A rotation of the root of ${domainOf(told)} has begun, because ${BECAUSE[told.cause ?? ''] ?? 'it was decided'}. A new root is made, and nobody is asked to trust it alone before everybody was seen to have it.`,
  }),
  'rotation-prepared': (told) => ({
    title: `${told.mesh}: a new root is prepared`,
    tone: 'warning',
    sentence: `The vault has made a new version of the root of ${domainOf(told)} by itself. It is verified and given to nobody; use it with \`meshwright rotation proceed\`, or put it away with \`meshwright rotation abort\`.`,
  }),
  'rotation-phase': (told) => ({
    title: `${told.mesh}: rotation, ${told.phase ?? 'the next phase'}`,
    tone: 'info',
    sentence: `${closed(PHASES[told.phase ?? ''] ?? `The rotation of ${domainOf(told)} goes on`)}${told.text === undefined ? '' : ` ${closed(told.text)}`}`,
  }),
  'rotation-held': (told) => ({
    title: `${told.mesh}: the rotation waits`,
    tone: 'warning',
    sentence: `The rotation of ${domainOf(told)} waits in the phase ${told.phase ?? 'it is in'}${reason(told.text)} ${waiting(told)}`,
  }),
  'rotation-overdue': (told) => ({
    title: `${told.mesh}: the rotation is late`,
    tone: 'urgent',
    sentence: `The rotation of ${domainOf(told)} should have left the phase ${told.phase ?? 'it is in'} by now${reason(told.text)} ${LATE[told.phase ?? ''] ?? FORWARD}`,
  }),
  'rotation-aborted': (told) => ({
    title: `${told.mesh}: the rotation goes back`,
    tone: 'warning',
    sentence: `The rotation of ${domainOf(told)} goes back to the old root${reason(told.text)} Both roots stay trusted until nobody presents a certificate under the new one.`,
  }),
  'rotation-completed': (told) => ({
    title: `${told.mesh}: its root is replaced`,
    tone: 'good',
    sentence: `Everybody of ${domainOf(told)} was seen to trust the new root alone and to present certificates under it; the key of the old one is disabled.`,
  }),
  'certificates-expiring': (told) => ({
    title: `${told.mesh}: ${told.standing === 'unseen' ? 'certificates cannot be seen' : 'certificates come to their end'}`,
    tone: told.standing === 'expired' || told.standing === 'late' ? 'urgent' : 'warning',
    sentence: `${closed(told.text ?? 'The inventory has certificates that somebody has to see to')}${byWhen(` A rotation of the root of ${domainOf(told)} must have begun by`, told.until, told.at, '.')} \`meshwright certificates\` shows all of them.`,
  }),
};
