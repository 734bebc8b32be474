/**
 * Tokens over ADS: a real Envoy is served what verifies them, changed under way, and tells of what it cannot have. What it makes of
 * tokens is `test/dataplanes/envoy/tokens.test.ts`.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bearing, type Issuers, startIssuers, tokensOf } from '../dataplanes/envoy/issuers.ts';
import { call } from '../dataplanes/envoy/workload.ts';
import { until } from '../e2e/until.ts';
import { startMesh } from './mtls-mesh.ts';
import { envoyForTests } from './real-envoy.ts';

const envoy = await envoyForTests();

describe.skipIf(!envoy)('an Envoy before a service that asks for tokens', () => {
  let issuers: Issuers;
  beforeAll(async () => {
    issuers = await startIssuers();
  });
  afterAll(() => issuers?.stop());

  const asking = async (port: number, token?: string): Promise<number | undefined> =>
    call({ port, host: 'catalog', ...(token === undefined ? {} : bearing(token)) }).then(
      ({ status }) => status,
      () => undefined,
    );

  it('begins to ask for them, for those of another issuer, and for none, and loses no good call on the way', {
    timeout: 60_000,
  }, async () => {
    const { ours, others, authorities } = issuers;
    const mesh = await startMesh();
    const { port } = await mesh.receive(undefined, authorities);
    await mesh.served(await mesh.plan());
    const [ourToken, othersToken] = [await ours.token({ aud: 'a' }), await others.token({ aud: 'a' })];
    await until('it takes calls', async () => (await asking(port, ourToken)) === 200);
    const failed: (number | undefined)[] = [];
    let calling = true;
    const calls = (async () => {
      while (calling) {
        const status = await asking(port, ourToken);
        if (status !== 200) failed.push(status);
      }
    })();
    await mesh.served(await mesh.plan(undefined, tokensOf(ours, 'a')));
    await until('it asks for tokens', async () => (await asking(port)) === 401);
    await mesh.served(await mesh.plan({ stage: 'permissive', allow: [] }, tokensOf(ours, 'a')));
    calling = false;
    await calls;
    expect(failed).toEqual([]);
    expect(await asking(port)).toBe(401);

    await mesh.served(await mesh.plan(undefined, tokensOf(others, 'a')));
    await until('it believes the other issuer', async () => (await asking(port, othersToken)) === 200);
    expect(await asking(port, ourToken)).toBe(401);
    await mesh.served(await mesh.plan());
    await until('it asks for none', async () => (await asking(port)) === 200);
  });

  it('takes no calls where it lacks the file of authorities, and that is told by its name', { timeout: 60_000 }, async () => {
    const { ours, authorities } = issuers;
    const mesh = await startMesh();
    const sequence = await mesh.plan(undefined, tokensOf(ours, 'a'));
    const { port } = await mesh.receive(undefined, `${authorities}.absent`);
    const told = await until('it is told', async () => {
      const seen = await mesh.observe(sequence);
      return seen.kind === 'rejected' ? seen : undefined;
    });
    expect(JSON.stringify(told)).toMatch(/receiver.*keys\|localhost.*authorities\.pem\.absent/);
    expect(await asking(port, await ours.token({ aud: 'a' }))).toBeUndefined();
    // It serves again what it can have.
    await mesh.served(await mesh.plan());
    await until('it takes calls', async () => (await asking(port)) === 200);
    // One that runs keeps what it has, and that is told too.
    const again = await mesh.plan(undefined, tokensOf(ours, 'a'));
    await until('it is told again', async () => (await mesh.observe(again)).kind === 'rejected');
    expect(await asking(port)).toBe(200);
  });
});
