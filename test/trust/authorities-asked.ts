/** What authorities are asked for in tests: a day's leafs, a week's issuers, a year's root, in one trust domain. */
import type { Asked } from '../../src/trust/authorities.ts';
import type { KeyAlgorithm } from '../../src/trust/certificates.ts';

export const MINUTE_MS = 60_000;
export const DAY_MS = 24 * 60 * MINUTE_MS;
export const NOW = Date.UTC(2026, 10, 22, 12);
export const TRUST_DOMAIN = 'shop.example';

export const asked = (wish: string, algorithm: KeyAlgorithm = 'P-256', now = NOW): Asked => ({
  spec: {
    name: 'shop-root',
    algorithm,
    rootLifeMs: 365 * DAY_MS,
    issuerLifeMs: 7 * DAY_MS,
    leafLifeMs: DAY_MS,
    approvals: [],
    attest: [{ kind: 'join' }],
  },
  trustDomain: TRUST_DOMAIN,
  wish,
  now,
});
