/**
 * What people are told of by the daily inventory: what is due, late or over, and what cannot be seen, each once in each of its standings. What
 * replaces itself is told of when it did not: workloads' leafs never, issuers where they could not be renewed.
 */
import type { Decision } from '../decision.ts';
import type { TrustContext } from './commands.ts';
import { Draft } from './draft.ts';
import type { TrustEvent } from './events.ts';
import type { CertificateItem, Inventory } from './inventory.ts';
import type { Expiring, TrustState } from './state.ts';

/** Beside the inventory: what it cannot show. */
export interface Beside {
  /** Issuers (fingerprints) in whose place another was asked for, and could not be made. */
  readonly unrenewed: readonly string[];
  /** The vault could not be asked for its certificates. */
  readonly vault?: string;
  /** Another root is on its way: that this one is due, its own cards tell. */
  readonly isRotating: boolean;
}

/** More than these in one mesh are told of once some of them are gone. */
const MOST = 100;
const NAMED = 10;
const GRAVITY = ['expired', 'late', 'unseen', 'due'];

/** The gravest first. */
export function expiringOf({ certificates, unseen }: Inventory, beside: Beside): readonly Expiring[] {
  const told = certificates.flatMap((item) => {
    const { standing, kind, name, fingerprint, notAfter } = item;
    if (standing === 'good' || (standing === 'due' && !isNewsWhenDue(item, beside))) return [];
    return [{ kind, name: fingerprint === null ? name : `${name} ${fingerprint.slice(0, 16)}`, standing, notAfter }];
  });
  return [
    ...told,
    ...(beside.vault === undefined ? [] : [{ kind: 'vault' as const, name: beside.vault, standing: 'unseen' as const }]),
    ...unseen.map(({ dataPlane }) => ({ kind: 'data-plane' as const, name: dataPlane, standing: 'unseen' as const })),
  ]
    .sort((a, b) => GRAVITY.indexOf(a.standing) - GRAVITY.indexOf(b.standing))
    .slice(0, MOST);
}

function isNewsWhenDue({ kind, fingerprint }: CertificateItem, { unrenewed, isRotating }: Beside): boolean {
  if (kind === 'issuer') return fingerprint !== null && unrenewed.includes(fingerprint);
  return kind === 'serving' || !isRotating;
}

/** `rotateBy`: as in the inventory. Said again only of what has another standing, or another end, than when it was said last. */
export function noteExpiring(
  state: TrustState,
  { items, rotateBy }: { readonly items: readonly Expiring[]; readonly rotateBy: number | null },
  context: TrustContext,
): Decision<TrustEvent> {
  const isVaultUnseen = items.some(({ kind }) => kind === 'vault');
  // Nothing is known of these while the vault is not seen: they are neither news nor gone.
  const kept = isVaultUnseen ? state.noted.filter(({ kind }) => kind === 'serving') : [];
  const noted = [...items, ...kept].slice(0, MOST);
  const fresh = items.filter((item) => !state.noted.some((before) => isSame(before, item)));
  const draft = new Draft(state, context);
  if (fresh.length > 0 || noted.length !== state.noted.length) draft.record({ type: 'ExpiryNoted', items: noted });
  const gravest = fresh[0]?.standing;
  if (gravest !== undefined) draft.card('certificates-expiring', textOf(fresh), { standing: gravest, until: rotateBy });
  return draft.accepted(fresh.length > 0 ? textOf(fresh) : 'What was told of before is in order again.');
}

const isSame = (one: Expiring, other: Expiring): boolean =>
  one.kind === other.kind && one.name === other.name && one.standing === other.standing && one.notAfter === other.notAfter;

function textOf(items: readonly Expiring[]): string {
  const more = items.length > NAMED ? ` And ${items.length - NAMED} more.` : '';
  return items.slice(0, NAMED).map(sentenceOf).join(' ') + more;
}

const KINDS: Readonly<Record<Expiring['kind'], string>> = {
  root: 'The root',
  issuer: 'The issuer',
  serving: 'The serving certificate',
  'data-plane': 'The data plane',
  vault: 'The vault of',
};
const STANDINGS: Readonly<Record<Expiring['standing'], string>> = {
  due: 'is to be replaced; it ends at',
  late: 'should have been replaced by now; it ends at',
  expired: 'has ended, and nobody believes it any more, since',
  unseen: 'could not be looked at.',
};

function sentenceOf({ kind, name, standing, notAfter }: Expiring): string {
  const when = notAfter === undefined ? '' : ` ${new Date(notAfter).toISOString()}.`;
  return `${KINDS[kind]} ${name} ${STANDINGS[standing]}${when}`;
}
