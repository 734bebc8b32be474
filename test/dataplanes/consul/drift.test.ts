/** Drift in Consul in memory. */
import { beforeAll, describe, expect, it } from 'vitest';
import { consulDataPlane } from '../../../src/dataplanes/consul/data-plane.ts';
import { decided, fragmentOf, planOf } from './applying.ts';
import { specifyDrift } from './drifting.ts';
import { type MemoryConsul, memoryConsul } from './memory-consul.ts';

describe('drift in Consul in memory', () => {
  let consul: MemoryConsul;
  beforeAll(() => {
    consul = memoryConsul();
  });
  specifyDrift(() => ({ consul, put: consul.put }));

  it('that may not be looked for throws in the words of Consul', async () => {
    const closed = { ...consul, read: async () => ({ kind: 'refused', message: 'Consul answered 403: ACL not found' }) as const };
    const dataPlane = consulDataPlane(closed, { defaultPolicy: 'deny', takeOver: false, decided });
    await expect(dataPlane.drift?.(fragmentOf('closed', 1, planOf('closed', { v1: 100 })))).rejects.toThrow('ACL not found');
  });
});
