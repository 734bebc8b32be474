/** What servers answer that this project asks: Kubernetes, Consul, istiod, Envoy's admin interface, Azure Resource Manager; and kubeconfigs. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { KubeConfig } from '@kubernetes/client-node';
import fc from 'fast-check';
import { z } from 'zod';
import { armRefusal, signedIn } from '../../../src/adapters/aks-credentials.ts';
import { consulAuthorityOverHttp } from '../../../src/adapters/consul-authority-http.ts';
import { readConsulConfig } from '../../../src/adapters/consul-config.ts';
import { consulOverHttp } from '../../../src/adapters/consul-http.ts';
import { parsedKubeconfig, readKubeconfig } from '../../../src/adapters/kubeconfig.ts';
import { kubernetesCluster } from '../../../src/adapters/kubernetes-cluster.ts';
import { lookAtEnvoy } from '../../../src/agent/envoy-admin.ts';
import { ConsulUnavailable } from '../../../src/dataplanes/consul/server.ts';
import { readConnected, readRoutes, readSyncz } from '../../../src/dataplanes/istio/debug.ts';
import { ClusterUnavailable } from '../../../src/dataplanes/kubernetes/cluster.ts';
import type { Json } from '../../../src/journal/documents.ts';
import { textInputs } from '../inputs.ts';
import { apiAnswers, consulAnswers, dumps, KUBECONFIG, pages } from '../server-samples.ts';
import { type Running, target, targetLater } from '../target.ts';

interface Answer {
  readonly status: number;
  readonly body: string;
}

const answers = (samples: readonly Json[], statuses: readonly number[]): fc.Arbitrary<Answer> =>
  fc.record({
    status: fc.constantFrom(...statuses),
    body: textInputs(
      samples.map((sample) => JSON.stringify(sample)),
      samples,
    ),
  });

/** Answers everything that it is asked with what is to be read. */
async function scriptedServer() {
  let answer: Answer = { status: 200, body: '' };
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(answer.status, { 'content-type': 'application/json', 'x-consul-index': '7' }).end(answer.body);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  return {
    url,
    give: (next: Answer) => {
      answer = next;
    },
    async stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const KIND = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', plural: 'virtualservices' };
const NAME = { namespace: 'shop', name: 'catalog' };

/** Each page of istiod has a reader of its own, and all of them are given the pages of all. */
const debugPages = target<string>(
  {
    name: 'istiod-pages',
    share: 2_000,
    inputs: textInputs(
      pages.map((page) => JSON.stringify(page)),
      pages,
    ),
  },
  (text) => {
    for (const read of [readSyncz, readConnected, readRoutes]) {
      try {
        read(text);
      } catch (error) {
        // What is no such page: `askingIstiod` says that in a sentence.
        if (!(error instanceof SyntaxError || error instanceof z.ZodError)) throw error;
      }
    }
  },
);

const kubeconfig = targetLater<string>(
  {
    name: 'kubeconfig',
    share: 1_500,
    inputs: textInputs([KUBECONFIG.text], [KUBECONFIG.value]),
    large: [
      {
        what: 'aliases that multiply',
        input: () =>
          `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
            .split('')
            .map((name, at) => `${name}: &${name} [${`*${'abcdefgh'[at]},`.repeat(9)}]`)
            .join('\n')}`,
      },
    ],
  },
  async (text) => {
    // A text that is no kubeconfig would be the path of one: files are no part of this.
    await readKubeconfig(`clusters: []\nusers: []\n${text}\n`);
    await parsedKubeconfig(text);
    return signedIn(text, 'token');
  },
);

const arm = target<Answer>(
  {
    name: 'azure-resource-manager',
    share: 2_000,
    inputs: answers(
      [{ error: { code: 'AuthorizationFailed', message: 'The client has no permission.' } }],
      [400, 401, 403, 404, 409, 429, 500],
    ),
    throws: [ClusterUnavailable],
  },
  ({ status, body }) =>
    armRefusal('/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c', status, body),
);

export async function serverTargets(): Promise<Running> {
  const server = await scriptedServer();
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ name: 'c', server: server.url, skipTLSVerify: true }, { name: 'u', token: 't' });
  const cluster = kubernetesCluster({ config: async () => config });
  const consul = consulOverHttp({ address: server.url });
  const authority = consulAuthorityOverHttp({ address: server.url });
  const object = { kind: KIND, metadata: { ...NAME, labels: {}, annotations: {} }, content: {} };

  const kubernetes = targetLater<Answer>(
    {
      name: 'kubernetes-answers',
      share: 500,
      inputs: answers(apiAnswers, [200, 201, 400, 401, 403, 404, 409, 410, 422, 429, 500, 503]),
      throws: [ClusterUnavailable],
    },
    async (answer) => {
      server.give(answer);
      return each([
        () => cluster.apply(object, { over: 'absent', force: false, dryRun: false }),
        () => cluster.get(KIND, NAME),
        () => cluster.list(KIND, {}),
        () => cluster.may({ verb: 'get', group: '', resource: 'pods' }),
        () => cluster.token(NAME, 'istio-ca'),
      ]);
    },
  );
  const consulTarget = targetLater<Answer>(
    {
      name: 'consul-answers',
      share: 500,
      inputs: answers(consulAnswers, [200, 200, 400, 403, 404, 429, 500]),
      throws: [ConsulUnavailable],
    },
    async (answer) => {
      server.give(answer);
      return each([
        () => consul.read('service-router', 'catalog'),
        () => consul.write({ Kind: 'service-router', Name: 'catalog' }, 0),
        () => consul.chain('catalog'),
        () => consul.instances('catalog'),
        () => authority.roots(),
        () => authority.configuration(),
        () => authority.proxies(),
        () => readConsulConfig(server.url).catch(asItIsSaid),
      ]);
    },
  );
  const admin = targetLater<Answer>(
    { name: 'envoy-admin', share: 300, inputs: answers(dumps, [200, 200, 200, 404, 503]) },
    async (answer) => {
      server.give(answer);
      await lookAtEnvoy(server.url).catch(asItIsSaid);
    },
  );
  return { targets: [debugPages, kubeconfig, arm, kubernetes, consulTarget, admin], stop: server.stop };
}

/** All of them, and the first thing that one of them threw which it may not throw. */
async function each(calls: readonly (() => Promise<unknown>)[]): Promise<readonly unknown[]> {
  const outcomes = await Promise.allSettled(calls.map((call) => call()));
  const wrong = outcomes.find(
    (outcome) =>
      outcome.status === 'rejected' && !(outcome.reason instanceof ClusterUnavailable || outcome.reason instanceof ConsulUnavailable),
  );
  if (wrong?.status === 'rejected') throw wrong.reason;
  return [];
}

/** It is documented to throw with a sentence; a mistake of the program is none. */
function asItIsSaid(error: unknown): void {
  if (!(error instanceof Error) || error.constructor !== Error || !/\w \w/.test(error.message)) throw error;
}
