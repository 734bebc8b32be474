/**
 * How fast a vault may be asked to sign, and so how long it takes until every workload of a mesh has a new leaf. Half of what Key Vault
 * grants is used: the other half stays for what workloads renew anyway while a rotation runs.
 */
import type { CertificatesSpec } from '../spec/certificates-schema.ts';
import type { KeyAlgorithm } from './certificates.ts';

/**
 * Signatures with an HSM key that one vault gives in ten seconds, after "Azure Key Vault service limits"
 * (https://learn.microsoft.com/azure/key-vault/general/service-limits).
 */
const SIGNATURES_PER_10_S: Readonly<Record<KeyAlgorithm, number>> = { 'P-256': 2_000, 'P-384': 2_000, 'RSA-3072': 500 };

const USED_SHARE = 0.5;
/** However few they are, they don't all come in one moment; with leafs of twenty seconds, one second is moment enough. */
const SHORTEST = { ms: 10_000, shareOfLeaf: 0.05 };

type Paced = Pick<CertificatesSpec, 'algorithm' | 'leafLifeMs'>;

export const leafsPerSecond = ({ algorithm }: Pick<CertificatesSpec, 'algorithm'>): number =>
  (SIGNATURES_PER_10_S[algorithm] / 10) * USED_SHARE;

/** Within this time workloads come for new leafs when who signs has changed, each at a random moment of it. Whole ms. */
export function renewWithinMs(members: number, spec: Paced): number {
  const shortest = Math.min(SHORTEST.ms, spec.leafLifeMs * SHORTEST.shareOfLeaf);
  return Math.ceil(Math.max(shortest, (members / leafsPerSecond(spec)) * 1_000));
}

/** Whether the vault keeps up with what that many workloads ask of it when each renews at two thirds of its leaf's life. */
export const keepsUp = (members: number, spec: Paced): boolean => renewWithinMs(members, spec) <= (spec.leafLifeMs * 2) / 3;

/** How often a fleet is looked at while a phase waits: once a minute where leafs live for a day, each second where they live for twenty. */
export const lookEveryMs = (leafLifeMs: number): number => Math.min(60_000, Math.max(1_000, leafLifeMs / 20));
