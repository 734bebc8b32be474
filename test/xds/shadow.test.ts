/**
 * From `shadow` to `strict` on plain Envoys: the whole app and the xds server over one store, real Envoys with identities that report
 * whom they would refuse, and the gate that reads it.
 */
import { describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import type { SpecFile } from '../../src/spec/read-spec.ts';
import { call } from '../dataplanes/envoy/workload.ts';
import { until } from '../e2e/until.ts';
import { serviceFile, World } from '../world.ts';
import { spiffe, startMesh, TRUST_DOMAIN } from './mtls-mesh.ts';
import { envoyForTests } from './real-envoy.ts';

const HOUR = 3_600_000;
const envoy = await envoyForTests();
const meshFile = {
  path: 'mesh.yaml',
  text: `apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ntrustDomain: ${TRUST_DOMAIN}\ndataPlanes: [{ name: vms, kind: envoy }]\n`,
};
const catalog = (stage: string, ...callers: readonly string[]) => {
  const from = callers.map((serviceAccount) => `{ namespace: shop, serviceAccount: ${serviceAccount} }`).join(', ');
  const breaker = 'circuitBreaker: { maxRequestsPerConnection: 1 }';
  return serviceFile(
    'catalog',
    `namespace: shop\nrollout: canary\nserviceAccount: catalog\n${breaker}\nmtls: ${stage}\nallow: [{ from: [${from}] }]`,
  );
};

/** The app and the xds server over one store and one clock, which a test may put forward. */
async function installation() {
  const documents = new MemoryDocuments();
  const clock = { ahead: 0 };
  const now = () => Date.now() + clock.ahead;
  const world = new World({ documents });
  const app = world.instance(documents, { now });
  const mesh = await startMesh({ documents, now });
  const apply = (...files: readonly SpecFile[]) => app.apply([meshFile, ...files], { actor: 'kim' });
  return {
    mesh,
    clock,
    app,
    apply,
    look: async () => (await app.strictness.look('shop', 'catalog'))?.[0],
    problemOf: async (...files: readonly SpecFile[]) => {
      const outcome = await apply(...files);
      return outcome.ok ? undefined : outcome.problems[0]?.message;
    },
  };
}

describe.skipIf(!envoy)('a service in shadow on plain Envoys', () => {
  it('names whom it would refuse, counts their calls exactly, and becomes strict when that is over', { timeout: 120_000 }, async () => {
    const { mesh, clock, app, apply, look, problemOf } = await installation();
    expect(await apply(catalog('shadow', 'web'))).toMatchObject({ ok: true });
    expect(await look()).toMatchObject({ against: expect.stringContaining('No Envoy before a workload of catalog is connected') });

    const { port } = await mesh.receive('catalog');
    await until('the plan is there', async () => (await look())?.against === null);
    expect(await look()).toMatchObject({ refused: 0, proxies: [{ proxy: 'receiver', refused: 0 }], callers: [] });

    const web = await mesh.caller('web', 'web');
    const old = await mesh.caller('old', 'old');
    await until('web is let in by mTLS', async () => (await web()).status === 200 && mesh.callerBy('web') === spiffe('web'));
    await until('old would be refused', async () => (await old()).status === 200 && mesh.callerBy('old') === spiffe('old'));
    for (let more = 0; more < 6; more += 1) expect((await old()).status).toBe(200);
    for (let more = 0; more < 3; more += 1) expect((await call({ port, host: 'catalog', path: '/plain?token=1' })).status).toBe(200);
    const ofOld = mesh.workload.received.filter(({ path }) => path === '/old').length;
    const denied = () => mesh.stat('receiver', 'http.inbound.rbac.shadow_denied');
    expect(await denied()).toBe(ofOld + 3);

    await until('all of it is counted', async () => (await look())?.refused === ofOld + 3);
    const seen = await look();
    const byName = seen?.callers.map(({ caller, refused }) => [caller, refused]).toSorted();
    expect(byName).toEqual([
      ['no identity, from 127.0.0.1', 3],
      [spiffe('old'), ofOld],
    ]);
    expect((await app.service('shop', 'catalog'))?.shadow).toMatchObject([{ refused: seen?.refused, callers: [{}, {}] }]);

    const problem = await problemOf(catalog('strict', 'web'));
    expect(problem).toContain(`would have refused ${ofOld + 3} requests on vms`);
    expect(problem).toContain(spiffe('old'));
    expect(problem).toContain('no identity, from 127.0.0.1');
    expect(problem).not.toContain(spiffe('web'));

    expect(await apply(catalog('shadow', 'web', 'old'))).toMatchObject({ ok: true });
    await until('old may call', async () => {
      const before = await denied();
      return (await old()).status === 200 && (await denied()) === before;
    });
    await until('what it called before that is counted', async () => (await look())?.refused === (await denied()));
    expect(await problemOf(catalog('strict', 'web', 'old'))).toContain('wait until there was none for an hour');

    clock.ahead += HOUR;
    await until('it is strict', async () => (await apply(catalog('strict', 'web', 'old'))).ok);
    await until('plaintext has no answer', async () =>
      call({ port, host: 'catalog' }).then(
        () => false,
        () => true,
      ),
    );
    await until('and old has one', async () => (await old()).status === 200);
  });

  it('serves on without a pause when the xds server is away, and is not said to refuse nobody', { timeout: 120_000 }, async () => {
    const { mesh, clock, apply, look } = await installation();
    await apply(catalog('shadow', 'web'));
    const { port } = await mesh.receive('catalog');
    await until('the plan is there', async () => (await look())?.against === null);
    await mesh.stopServing();
    for (let more = 0; more < 20; more += 1) expect((await call({ port, host: 'catalog' })).status).toBe(200);
    clock.ahead += 60_000;
    expect(await look()).toMatchObject({ refused: 0, against: expect.stringContaining('receiver is not connected to the xds server') });
  });
});
