/** The Consul that a spec names, reached by its address and the token that an app setting holds. */
import { setTimeout as pause } from 'node:timers/promises';
import { consulDataPlane } from '../dataplanes/consul/data-plane.ts';
import { ConsulUnavailable } from '../dataplanes/consul/server.ts';
import { consulTrust } from '../dataplanes/consul/trust.ts';
import type { DataPlane } from '../reconcile/data-plane.ts';
import type { DataPlaneSpec } from '../spec/schema.ts';
import type { DataPlaneTrust } from '../trust/data-plane-trust.ts';
import { consulAuthorityOverHttp } from './consul-authority-http.ts';
import { type ConsulAddress, consulOverHttp } from './consul-http.ts';
import { tlsHello } from './tls-hello.ts';

type ConsulSpec = Extract<DataPlaneSpec, { kind: 'consul' }>;

/** `undefined`: it has no address. `setting` gives what an app setting holds; a token that is not there yet is asked for again. `decided`: the newest revision of a service. */
export function consulOf(
  dataPlane: ConsulSpec,
  setting: (name: string) => string | undefined,
  decided: (mesh: string, service: string) => Promise<number>,
): DataPlane | undefined {
  const { defaultPolicy, takeOver } = dataPlane;
  const at = addressOf(dataPlane, setting);
  return at && consulDataPlane(consulOverHttp(at), { defaultPolicy, takeOver, decided });
}

/** As `consulOf`; of the certificates of its proxies, which leafs live so long. */
export function consulTrustOf(
  dataPlane: ConsulSpec,
  setting: (name: string) => string | undefined,
  leafLifeMs: number,
): DataPlaneTrust | undefined {
  const at = addressOf(dataPlane, setting);
  return (
    at &&
    consulTrust(consulAuthorityOverHttp(at), {
      dataPlane: dataPlane.name,
      leafLifeMs,
      sayHello: tlsHello,
      issuedByItself,
      pause,
      now: Date.now,
    })
  );
}

/** The library that it takes is loaded when there is something to issue. */
async function issuedByItself(issuer: string, privateKey: string, trustDomain: string): Promise<string> {
  return (await import('../trust/x509/self-issued.ts')).issuedByItself(issuer, privateKey, trustDomain);
}

function addressOf({ name, address, tokenSetting }: ConsulSpec, setting: (name: string) => string | undefined): ConsulAddress | undefined {
  if (address === undefined) return undefined;
  const token = (held: string): string => {
    const value = setting(held);
    if (value === undefined) throw new ConsulUnavailable(`The app setting ${held} that holds the token of ${name} is not set.`);
    return value;
  };
  return { address, ...(tokenSetting === undefined ? {} : { token: () => token(tokenSetting) }) };
}
