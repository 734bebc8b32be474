/** Consul for the cases: one caller with every service among its upstreams, and an Envoy in front of a workload where one is looked at. */
import { z } from 'zod';
import type { JsonObject } from '../../../src/journal/documents.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import { type Consul, startConsul } from '../consul.ts';
import { consulEnvoys } from '../consul-envoys.ts';
import type { Envoy } from '../envoy.ts';
import { startingTogether } from '../process.ts';
import { CALLERS } from './field-case.ts';
import { heldBy } from './held.ts';
import { messages, text } from './proto-json.ts';
import type { Stage } from './read-back.ts';
import type { Spelling } from './seen.ts';

const Roots = z.object({ TrustDomain: z.string() });

export function startConsulStage(dataPlane: string, render: (plan: ServicePlan) => readonly JsonObject[]): Promise<Stage> {
  return startingTogether(async (started) => {
    // What nothing is said of is allowed, so that a refusal is one that an intention asked for.
    const consul = started.add(await startConsul('allow'));
    const envoys = started.add(consulEnvoys(consul));
    const { TrustDomain: trustDomain } = Roots.parse((await consul.ask('GET', '/v1/connect/ca/roots')).body);
    const before = new Map<string, readonly JsonObject[]>();
    const receivers = new Map<string, Envoy>();
    let caller: Envoy | undefined;
    return {
      ground: { dataPlane, trustDomain },
      spelling: spelling(trustDomain),
      async prepare(wanted) {
        for (const { plan, needs } of wanted) {
          if (needs === 'receiver') receivers.set(plan.service, (await envoys.workload(plan.service, 'v1')).envoy);
        }
        const [web] = CALLERS;
        ({ envoy: caller } = await envoys.caller(
          web,
          wanted.map(({ plan }) => plan.service),
        ));
      },
      async apply(plan) {
        const entries = render(plan);
        await consul.mustWrite(...entries);
        const names = new Set(entries.map(pathOf));
        const gone = (before.get(plan.service) ?? []).filter((entry) => !names.has(pathOf(entry)));
        await remove(consul, gone);
        before.set(plan.service, entries);
      },
      async look() {
        if (!caller) throw new Error('There is no caller yet.');
        const dumped = [...receivers].map(async ([name, envoy]) => [name, heldBy(await envoy.configDump())] as const);
        return { caller: heldBy(await caller.configDump()), receivers: new Map(await Promise.all(dumped)) };
      },
    };
  });
}

const pathOf = ({ Kind, Name }: JsonObject): string => `/v1/config/${String(Kind)}/${String(Name)}`;

async function remove(consul: Consul, entries: readonly JsonObject[]): Promise<void> {
  for (const entry of entries.toReversed()) {
    const { status, body } = await consul.ask('DELETE', pathOf(entry));
    if (status !== 200) throw new Error(`Consul keeps ${pathOf(entry)} (${status}): ${JSON.stringify(body)}`);
  }
}

/** Names as agent/connect and agent/xds of Consul make them; the datacenter is `dc1`. */
function spelling(trustDomain: string): Spelling {
  return {
    virtualHost: (held, { service }) => messages(held.routes.get(service), 'virtual_hosts')[0],
    clusterName: ({ service }, version) => `${version}.${service}.default.dc1.internal.${trustDomain}`,
    inbound: (receiver) => receiver.listeners.find((listener) => (text(listener, 'name') ?? '').startsWith('public_listener:')),
    identity: (_, serviceAccount) => `spiffe://${trustDomain}/ns/default/dc/dc1/svc/${serviceAccount}`,
    greeting: () => ({ alpn: [] }),
  };
}
