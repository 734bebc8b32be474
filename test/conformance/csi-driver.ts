/**
 * Plays the Secrets Store CSI driver with the provider for Azure Key Vault, which syncs four secrets of a vault into the Secret `cacerts`: the
 * real one needs nodes with pods on them. It reads by the official SDK as somebody who may do no more. What the real one may bring by
 * chance it brings on purpose: each secret by itself, in one order after another, so that the cluster has every mixture of what was and what is.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SecretClient } from '@azure/keyvault-secrets';
import { z } from 'zod';
import { ENTRIES, type Entry, type Files, namesOf, type SecretNames } from '../../src/dataplanes/istio/add-on-secrets.ts';
import { until } from '../e2e/until.ts';
import type { KeyVaultStandIn } from '../emulators/key-vault/start.ts';
import type { ApiServer } from './api-server.ts';
import { type Running, stopping } from './process.ts';

const POLL_MS = 100;

export interface CsiDriver extends Running {
  /** It brings nothing of itself until it is released. */
  hold(): Promise<void>;
  release(): void;
  /** What the vault has otherwise than the cluster. */
  changed(): Promise<readonly Entry[]>;
  /** Brings these, one after the other, as the vault has them now. */
  bring(entries: readonly Entry[]): Promise<void>;
  /** What was new in `cacerts` while more of it was still old. */
  readonly mixtures: readonly string[];
}

export interface CsiOptions {
  readonly namespace: string;
  readonly names: SecretNames;
  /** How often istiod has read it by now: nothing else is brought before it has again. `undefined`: there is no istiod yet. */
  readonly looks: () => Promise<number | undefined>;
}

const secretSchema = z.object({ data: z.record(z.string(), z.string()).default({}) });

/** Brings what the vault has from now on, as soon as all four are there. */
export function startCsiDriver(api: ApiServer, keyVault: KeyVaultStandIn, { namespace, names, looks }: CsiOptions): CsiDriver {
  const insecure = { allowInsecureConnection: true, disableChallengeResourceVerification: true };
  const client = new SecretClient(keyVault.url, keyVault.credential('Key Vault Secrets User'), insecure);
  const path = `/api/v1/namespaces/${namespace}/secrets`;
  const mixtures: string[] = [];
  let [held, over, round] = [false, false, 0];

  const newest = async (entry: Entry): Promise<string> => (await client.getSecret(namesOf(names)[entry])).value ?? '';
  async function there(): Promise<Partial<Files> | undefined> {
    const { status, body } = await api.admin.ask('GET', `${path}/cacerts`);
    if (status !== 200) return undefined;
    const { data } = secretSchema.parse(body);
    return Object.fromEntries(Object.entries(data).map(([entry, text]) => [entry, Buffer.from(text, 'base64').toString('utf8')]));
  }
  const encoded = (text: string) => Buffer.from(text).toString('base64');

  async function bring(entries: readonly Entry[]): Promise<void> {
    for (const [index, entry] of entries.entries()) {
      const before = await looks();
      const answer = await api.admin.ask(
        'PATCH',
        `${path}/cacerts`,
        { data: { [entry]: encoded(await newest(entry)) } },
        'application/merge-patch+json',
      );
      if (answer.status !== 200) throw new Error(`cacerts could not be brought ${entry} (${answer.status}).`);
      if (index < entries.length - 1) mixtures.push(entries.slice(0, index + 1).join(' and '));
      if (before !== undefined) await until(`istiod has read the ${entry} that was brought`, async () => ((await looks()) ?? 0) > before);
    }
  }

  const values = () => Promise.all(ENTRIES.map(async (entry) => [entry, await newest(entry)] as const));
  async function changed(): Promise<readonly Entry[]> {
    const before = await there();
    return (await values()).flatMap(([entry, text]) => (before?.[entry] === text ? [] : [entry]));
  }

  async function poll(): Promise<void> {
    if (!(await there())) {
      const data = Object.fromEntries((await values()).map(([entry, text]) => [entry, encoded(text)]));
      await api.admin.mustApply({ apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: 'cacerts' }, type: 'Opaque', data });
      return;
    }
    const entries = await changed();
    if (entries.length === 0) return;
    round += 1;
    await bring(round % 2 === 0 ? entries : entries.toReversed());
  }

  let polling: Promise<void> = Promise.resolve();
  const running = (async () => {
    while (!over) {
      // A vault that has not all of them yet has nothing to mount.
      if (!held) {
        polling = poll().catch(() => {});
        await polling;
      }
      await sleep(POLL_MS);
    }
  })();
  return {
    async hold() {
      held = true;
      await polling;
    },
    release() {
      held = false;
    },
    changed,
    bring,
    mixtures,
    ...stopping(() => {
      over = true;
      return running;
    }),
  };
}
