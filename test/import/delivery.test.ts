/** Canaries of Flagger and Rollouts of Argo as steps of a spec: weights and times are theirs, and what judged them is said. */
import { describe, expect, it } from 'vitest';
import { importedCase, importedObjects, linesOf, serviceOf } from './read-case.ts';

describe('a Canary of Flagger', () => {
  const imported = importedCase('flagger');
  const podinfo = serviceOf(imported, 'podinfo');

  it('gives its steps: Flagger goes on as long as the weight is below the maximum', () => {
    const minute = { holdMs: 30_000, deadlineMs: 150_000 };
    expect(podinfo.rollout.steps).toEqual([20, 40, 60, 100].map((weight) => ({ weight, ...minute })));
  });

  it('gives what it asks of its routes, and not the routes that it made', () => {
    expect(podinfo).toMatchObject({ port: 9898, timeoutMs: 5000, retries: { attempts: 3, perTryTimeoutMs: 1000 } });
    expect(linesOf(imported)).toContainEqual(expect.stringMatching(/^not-imported VirtualService podinfo .*a Canary makes it/));
  });

  it('says that its checks and gates are no part of a spec, and asks for a label of versions', () => {
    for (const part of ['analysis.metrics', 'analysis.webhooks', 'analysis.threshold', 'service.gateways', 'service.hosts'])
      expect(linesOf(imported)).toContainEqual(expect.stringMatching(`^not-imported Canary podinfo spec.${part}: `));
    expect(linesOf(imported)).toContainEqual(expect.stringMatching(/^question Canary podinfo spec.targetRef: .*`version`/));
  });

  it('that shifts no weights has the steps of a spec that names none, and it is said', () => {
    const canary = {
      apiVersion: 'flagger.app/v1beta1',
      kind: 'Canary',
      metadata: { name: 'web', namespace: 'shop' },
      spec: { targetRef: { kind: 'Deployment', name: 'web' }, service: { port: 80 }, analysis: { iterations: 10, interval: '1m' } },
    };
    const green = importedObjects([canary]);
    expect(serviceOf(green, 'web').rollout.steps.map(({ weight }) => weight)).toEqual([5, 25, 50, 100]);
    expect(linesOf(green)).toContainEqual(expect.stringMatching(/spec.analysis.iterations: it shifts no weights/));
  });
});

describe('a Rollout of Argo', () => {
  const imported = importedCase('argo');
  const checkout = serviceOf(imported, 'checkout');

  it('gives its steps, each held as long as the pauses after it', () => {
    expect(checkout.rollout.steps).toEqual([
      { weight: 5, holdMs: 600_000, deadlineMs: 1_200_000 },
      { weight: 20, holdMs: 300_000, deadlineMs: 900_000 },
      { weight: 60, holdMs: 30_000, deadlineMs: 630_000 },
      { weight: 100, holdMs: 0, deadlineMs: 600_000 },
    ]);
    expect(checkout).toMatchObject({ serviceAccount: 'payer', namespace: 'shop' });
  });

  it('says which steps wait for a person or ask metrics', () => {
    expect(linesOf(imported)).toContainEqual(
      expect.stringMatching(/^approximated Rollout checkout spec.strategy.canary.steps\[4\].pause: it waits until a person/),
    );
    expect(linesOf(imported)).toContainEqual(
      expect.stringMatching(/^not-imported Rollout checkout spec.strategy.canary.steps\[3\].analysis/),
    );
  });

  it('says nothing of who may call, whatever the default of a Consul is that has no part in it', () => {
    expect(serviceOf(importedCase('argo', { consulDefault: 'deny' }), 'checkout').mtls).toBeUndefined();
  });
});
