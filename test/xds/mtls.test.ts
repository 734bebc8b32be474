/**
 * mTLS between real Envoys, served by the xds server: stage by stage without a failed request, callers known by their identity,
 * and nothing in plaintext where a service takes mTLS only. Leaves are made here and lie in files, as an agent writes them.
 */
import { describe, expect, it } from 'vitest';
import type { AllowRule } from '../../src/plan/plan.ts';
import { createAuthority } from '../dataplanes/envoy/identities.ts';
import { type Answer, call } from '../dataplanes/envoy/workload.ts';
import { until } from '../e2e/until.ts';
import { spiffe, startMesh } from './mtls-mesh.ts';
import { envoyForTests } from './real-envoy.ts';

const envoy = await envoyForTests();
const web: AllowRule = { callers: [{ namespace: 'shop', serviceAccount: 'web' }] };

/** Asks without a pause until it is stopped; resolves with everything that was no 200. */
function constantly(ask: () => Promise<Answer>): { stop(): Promise<readonly string[]> } {
  let going = true;
  const failures: string[] = [];
  const asked = (async () => {
    while (going) {
      const { status, body } = await ask();
      if (status !== 200) failures.push(`${status} ${body}`);
    }
  })();
  return {
    async stop() {
      going = false;
      await asked;
      return failures;
    },
  };
}

describe.skipIf(!envoy)('a service that comes to mTLS stage by stage', () => {
  it('fails no request of a caller that may call, whether that has an identity or not, until only mTLS is taken', {
    timeout: 60_000,
  }, async () => {
    const mesh = await startMesh();
    await mesh.served(
      await mesh.plan().then(async (sequence) => {
        await mesh.receive('catalog');
        return sequence;
      }),
    );
    const ask = await mesh.caller('web', 'web');
    const askPlainly = await mesh.caller('old');
    await until('the endpoint is known', async () => (await ask()).status === 200 && (await askPlainly()).status === 200);
    const calls = constantly(ask);
    const plainCalls = constantly(askPlainly);

    await mesh.served(await mesh.plan({ stage: 'permissive', allow: [] }));
    await until('it calls by mTLS', async () => (await ask()).status === 200 && mesh.callerBy('web') === spiffe('web'));
    await mesh.served(await mesh.plan({ stage: 'shadow', allow: [web] }));
    expect(await plainCalls.stop()).toEqual([]);

    await mesh.served(await mesh.plan({ stage: 'strict', allow: [web] }));
    await ask();
    expect(mesh.callerBy('web')).toBe(spiffe('web'));
    // And back.
    await mesh.served(await mesh.plan({ stage: 'permissive', allow: [] }));
    expect((await askPlainly()).status).toBe(200);
    await mesh.served(await mesh.plan());
    await until('it calls in plaintext again', async () => (await ask()).status === 200 && mesh.callerBy('web') === undefined);
    expect(await calls.stop()).toEqual([]);
  });
});

describe.skipIf(!envoy)('a service that takes mTLS only', () => {
  it('is called by whom `allow` names; plaintext has no answer, and an Envoy without an identity sends none', async () => {
    const mesh = await startMesh();
    const { port } = await mesh.receive('catalog');
    await mesh.served(await mesh.plan({ stage: 'strict', allow: [web] }));
    const ask = await mesh.caller('web', 'web');
    const askAsAdmin = await mesh.caller('admin', 'admin');
    const askPlainly = await mesh.caller('old');
    await until('it is let in', async () => (await ask()).status === 200);
    const before = mesh.workload.received.length;
    expect(await askAsAdmin()).toMatchObject({ status: 403 });
    expect(await askPlainly()).toMatchObject({
      status: 503,
      body: expect.stringContaining('catalog.shop takes mTLS only, and this Envoy has no identity'),
    });
    await expect(call({ port, host: 'catalog' })).rejects.toThrow();
    expect(mesh.workload.received.length).toBe(before);
  });

  it('is not spoken to under another identity', async () => {
    const mesh = await startMesh();
    await mesh.receive('impostor');
    await mesh.served(await mesh.plan({ stage: 'strict', allow: [web] }));
    const ask = await mesh.caller('web', 'web');
    await until('it knows the endpoint', async () => (await ask()).body.includes('remote connection failure'));
    expect(mesh.workload.received).toEqual([]);
    await mesh.identify('receiver', 'catalog');
    await until('it is the one that was meant', async () => (await ask()).status === 200);
  });

  it('is not served by an Envoy without an identity, which is said', async () => {
    const mesh = await startMesh();
    const { port } = await mesh.receive(undefined);
    await mesh.served(await mesh.plan({ stage: 'permissive', allow: [] }));
    await until('it takes plaintext', async () => (await call({ port, host: 'catalog' }).catch(() => undefined))?.status === 200);
    const sequence = await mesh.plan({ stage: 'strict', allow: [web] });
    await until('it is told of', async () => (await mesh.observe(sequence)).kind === 'rejected');
    expect(await mesh.observe(sequence)).toEqual({
      kind: 'rejected',
      node: 'receiver',
      message:
        'catalog.shop takes mTLS only, and this Envoy has no identity, so it takes no calls: start it with one (meshwright envoy bootstrap --identity).',
    });
    await until('nobody is let in', async () =>
      call({ port, host: 'catalog' }).then(
        () => false,
        () => true,
      ),
    );
    await mesh.served(await mesh.plan({ stage: 'permissive', allow: [] }));
    expect((await call({ port, host: 'catalog' })).status).toBe(200);
  });

  it('follows its files: another authority takes over without a failed request, and is not trusted once it is out of the bundle', {
    timeout: 60_000,
  }, async () => {
    const mesh = await startMesh();
    await mesh.receive('catalog');
    await mesh.served(await mesh.plan({ stage: 'strict', allow: [web] }));
    const ask = await mesh.caller('web', 'web');
    await until('it is let in', async () => (await ask()).status === 200);
    const calls = constantly(ask);
    const second = await createAuthority('second');
    const both = [mesh.authority, second];
    const all = [
      ['web', 'web'],
      ['receiver', 'catalog'],
    ] as const;
    for (const [id, account] of all) await mesh.identify(id, account, mesh.authority, both);
    for (const [id] of all) await mesh.loaded(id, 'bundle', 2);
    for (const [id, account] of all) await mesh.identify(id, account, second, both);
    for (const [id] of all) await mesh.loaded(id, 'default', 3);
    await ask();
    expect(await calls.stop()).toEqual([]);

    await mesh.identify('web', 'web', second, [mesh.authority]);
    await until('the receiver is not trusted any more', async () => (await ask()).status === 503);
  });
});
