/** A golden is what we think the mesh wants until the mesh has taken it: none is trusted that a real server has not seen as it is. */
import { describe, expect, it } from 'vitest';
import { type Golden, goldens, readAccepted, unaccepted } from './acceptance.ts';

const HOW = '`GOLDEN_ACCEPT=1 npm run test:conformance golden` sends them to the real servers and records what those took';

describe('goldens that a real server has taken', () => {
  it('are all of them, as they are now', () => {
    expect(unaccepted(goldens(), readAccepted()), HOW).toEqual([]);
  });

  it('are not those that changed since, are new, or are gone', () => {
    const golden: Golden = { file: 'a.istio.out.yaml', mesh: 'istio', sha256: '1', resources: [] };
    const by = 'istioctl 1';
    expect(unaccepted([golden], { [golden.file]: { by, sha256: '1' } })).toEqual([]);
    expect(unaccepted([golden], { [golden.file]: { by, sha256: '2' } })).toEqual([golden.file]);
    expect(unaccepted([golden], {})).toEqual([golden.file]);
    expect(unaccepted([], { [golden.file]: { by, sha256: '1' } })).toEqual([golden.file]);
  });
});
