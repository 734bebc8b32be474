/** Consul's certificate authority over its HTTP API (v1), and who in its catalogue holds a leaf. */
import { z } from 'zod';
import type { ConsulAuthority, ListedProxy } from '../dataplanes/consul/authority.ts';
import { askingConsul, type ConsulAddress, contentOf, refused } from './consul-http.ts';

const rootsSchema = z.object({ Roots: z.array(z.object({ Active: z.boolean(), RootCert: z.string() })) });
const configurationSchema = z.object({ Provider: z.string(), Config: z.record(z.string(), z.json()) });
const instancesSchema = z.array(
  z.object({
    Node: z.string(),
    Address: z.string(),
    ServiceID: z.string(),
    ServiceAddress: z.string(),
    ServicePort: z.int(),
    ServiceKind: z.string().default(''),
  }),
);

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const CONFIGURATION = '/v1/connect/ca/configuration';
/** Proxies and gateways say so by their kind; a service that has a leaf without any says it of itself. */
const HOLDS_A_LEAF = 'ServiceKind != "" or ServiceConnect.Native == true';
const AT_A_TIME = 16;
/** Who is not seen is not waited for. */
const HIDDEN = {
  kind: 'refused',
  message:
    'The token may not read every service and node, so that proxies could be overlooked; give it service_prefix "" and node_prefix "" to read.',
} as const;

export function consulAuthorityOverHttp(consul: ConsulAddress): ConsulAuthority {
  const ask = askingConsul(consul);
  const filter = `filter=${encodeURIComponent(HOLDS_A_LEAF)}`;

  return {
    async roots() {
      const answer = await ask('GET', '/v1/connect/ca/roots');
      if (answer.status !== 200) return refused(answer);
      const { Roots } = contentOf(rootsSchema, answer, consul.address);
      const of = Roots.map(({ Active, RootCert }) => ({
        active: Active,
        certificates: (RootCert.match(CERTIFICATE) ?? []).map((pem) => `${pem}\n`),
      }));
      return { kind: 'listed', of };
    },

    async configuration() {
      const answer = await ask('GET', CONFIGURATION);
      if (answer.status !== 200) return refused(answer);
      const { Provider, Config } = contentOf(configurationSchema, answer, consul.address);
      return { kind: 'found', provider: Provider, config: Config };
    },

    async configure(config, { crossSigned }) {
      const answer = await ask('PUT', CONFIGURATION, { Provider: 'consul', Config: config, ForceWithoutCrossSigning: !crossSigned });
      return answer.status === 200 ? { kind: 'written' } : refused(answer);
    },

    async proxies() {
      const answer = await ask('GET', `/v1/catalog/services?${filter}`);
      if (answer.status !== 200) return refused(answer);
      if (answer.isPart) return HIDDEN;
      const names = Object.keys(contentOf(z.record(z.string(), z.json()), answer, consul.address));
      const of: ListedProxy[] = [];
      for (let at = 0; at < names.length; at += AT_A_TIME) {
        const some = names.slice(at, at + AT_A_TIME);
        const answers = await Promise.all(
          some.map((name) => ask('GET', `/v1/catalog/service/${encodeURIComponent(name.toWellFormed())}?${filter}`)),
        );
        for (const each of answers) {
          if (each.status !== 200) return refused(each);
          if (each.isPart) return HIDDEN;
          for (const { Node, Address, ServiceID, ServiceAddress, ServicePort, ServiceKind } of contentOf(
            instancesSchema,
            each,
            consul.address,
          ))
            of.push({ id: `${Node}/${ServiceID}`, address: ServiceAddress || Address, port: ServicePort, kind: ServiceKind });
        }
      }
      return { kind: 'listed', of };
    },
  };
}
