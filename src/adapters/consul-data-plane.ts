/** The Consul that a spec names, reached by its address and the token that an app setting holds. */
import { consulDataPlane } from '../dataplanes/consul/data-plane.ts';
import { ConsulUnavailable } from '../dataplanes/consul/server.ts';
import type { DataPlane } from '../reconcile/data-plane.ts';
import type { DataPlaneSpec } from '../spec/schema.ts';
import { consulOverHttp } from './consul-http.ts';

/** `undefined`: it has no address. `setting` gives what an app setting holds; a token that is not there yet is asked for again. `decided`: the newest revision of a service. */
export function consulOf(
  { name, address, tokenSetting, defaultPolicy, takeOver }: Extract<DataPlaneSpec, { kind: 'consul' }>,
  setting: (name: string) => string | undefined,
  decided: (mesh: string, service: string) => Promise<number>,
): DataPlane | undefined {
  if (address === undefined) return undefined;
  const token = (held: string): string => {
    const value = setting(held);
    if (value === undefined) throw new ConsulUnavailable(`The app setting ${held} that holds the token of ${name} is not set.`);
    return value;
  };
  const consul = consulOverHttp({ address, ...(tokenSetting === undefined ? {} : { token: () => token(tokenSetting) }) });
  return consulDataPlane(consul, { defaultPolicy, takeOver, decided });
}
