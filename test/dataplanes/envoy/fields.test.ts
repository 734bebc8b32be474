/**
 * Every field that the table says plain Envoy does exactly is proved on a real one: two plans that differ in it are served, and
 * what is seen of them differs. The list is the table's: a field without a proof fails.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { envoyFidelity } from '../../../src/dataplanes/envoy/fidelity.ts';
import { realEnvoy } from '../../real-envoy.ts';
import type { Proof } from './proofs/proof.ts';
import { resilienceProofs } from './proofs/resilience.ts';
import { routingProofs } from './proofs/routing.ts';
import { securityProofs } from './proofs/security.ts';
import { type ProvingMesh, startProvingMesh } from './proving-mesh.ts';

const envoy = await realEnvoy();
const proofs: Readonly<Record<string, Proof>> = { ...routingProofs, ...resilienceProofs, ...securityProofs };
const exact = Object.entries(envoyFidelity).flatMap(([field, { kind }]) => (kind === 'exact' ? [field] : []));

describe('the proofs', () => {
  it('are of every field that is exact, and of no other', () => {
    expect(Object.keys(proofs).toSorted()).toEqual(exact.toSorted());
  });

  it('each show two things', () => {
    const same = Object.entries(proofs).filter(([, { shows }]) => JSON.stringify(shows[0]) === JSON.stringify(shows[1]));
    expect(same.map(([field]) => field)).toEqual([]);
  });
});

describe.skipIf(envoy === undefined)('a real Envoy does as the plan says', () => {
  let mesh: ProvingMesh | undefined;
  beforeAll(async () => {
    mesh = await startProvingMesh(envoy ?? '', proofs);
  });
  afterAll(() => mesh?.stop());

  it.each(Object.entries(proofs))('%s', { timeout: 20_000 }, async (field, proof) => {
    if (mesh === undefined) throw new Error('there is no mesh to prove it in');
    const { receiver, service } = mesh;
    if (proof.kind === 'calling') {
      expect(await proof.observe(service(field, 'a'))).toEqual(proof.shows[0]);
      expect(await proof.observe(service(field, 'b'))).toEqual(proof.shows[1]);
    } else {
      expect(await receiver(proof.says[0], proof.observe)).toEqual(proof.shows[0]);
      expect(await receiver(proof.says[1], proof.observe)).toEqual(proof.shows[1]);
    }
  });
});
