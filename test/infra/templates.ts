/** The templates of infra/ with parameters that show all of them: what is made at first, with everything switched on, and in public. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Deployment, deploy } from './bicep/deployment.ts';
import type { Place } from './bicep/functions.ts';
import type { ValueObject } from './bicep/values.ts';

const FOLDER = join(import.meta.dirname, '../../infra');
export const readInfra = (file: string): string => readFileSync(join(FOLDER, file), 'utf8');

export const PLACE: Place = {
  subscriptionId: '00000000-0000-0000-0000-000000000001',
  tenantId: '00000000-0000-0000-0000-000000000002',
  resourceGroup: '',
  location: 'westeurope',
};
const elsewhere = (group: string, type: string, name: string): string =>
  `/subscriptions/${PLACE.subscriptionId}/resourceGroups/${group}/providers/${type}/${name}`;

/** What has to be said, and nothing else. */
export const LEAST: ValueObject = { environmentName: 'prod', location: 'westeurope' };

/** All that concerns public networks, once the code is deployed. */
export const PUBLIC: ValueObject = {
  ...LEAST,
  functionsDeployed: true,
  entraClientId: '00000000-0000-0000-0000-000000000003',
  entraObjectId: '00000000-0000-0000-0000-000000000004',
  registryId: elsewhere('rg-images', 'Microsoft.ContainerRegistry/registries', 'shop'),
  clusterIds: [elsewhere('rg-west', 'Microsoft.ContainerService/managedClusters', 'west')],
  controlPlaneNamespaces: ['istio-system'],
  addonVaultIds: [elsewhere('rg-west', 'Microsoft.KeyVault/vaults', 'kv-addon')],
  alertEmails: ['mesh@example.com'],
  secretSettings: ['TEAMS_WEBHOOK'],
};

/** Everything there is: private, with the server for plain Envoys, and several regions. */
export const EVERYTHING: ValueObject = {
  ...PUBLIC,
  privateNetwork: true,
  deployXds: true,
  xdsImage: 'shop.azurecr.io/meshwright-xds:1',
  cosmosAccountType: 'autoscale',
  cosmosRegions: ['northeurope', 'francecentral'],
};

const once = new Map<ValueObject, Deployment>();

/** Read once for the same parameters. */
export function deployed(parameters: ValueObject): Deployment {
  const made = once.get(parameters) ?? deploy(readInfra, 'main.bicep', parameters, PLACE);
  once.set(parameters, made);
  return made;
}
