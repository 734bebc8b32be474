/** A private way to everything that the functions call, where the network is private; and the server for plain Envoys. */
import type { Deployed } from '../bicep/deployment.ts';
import { listAt, textAt, valueAt } from '../bicep/values.ts';
import { XDS_SETTINGS } from '../code-facts.ts';
import type { Audit } from './audit.ts';
import type { Events } from './events.ts';
import type { Host } from './host.ts';
import { auditDiagnostics, type State } from './state.ts';

const ZONES: Readonly<Record<string, string>> = {
  blob: 'privatelink.blob.core.windows.net',
  queue: 'privatelink.queue.core.windows.net',
  table: 'privatelink.table.core.windows.net',
  Sql: 'privatelink.documents.azure.com',
  vault: 'privatelink.vaultcore.azure.net',
  topic: 'privatelink.eventgrid.azure.net',
  sites: 'privatelink.azurewebsites.net',
};

export function auditNetwork(audit: Audit, host: Host, state: State, { topic }: Events): void {
  const { privateNetwork, deployXds } = audit.parameters;
  if (privateNetwork !== true && deployXds !== true) return;
  const network = audit.one({ type: 'Microsoft.Network/virtualNetworks', because: 'calls do not leave it' });
  const subnets = listAt(network?.body, 'properties', 'subnets').map((each) => textAt(each, 'name'));
  const subnet = lastSubnet(textAt(host.app?.body, 'properties', 'virtualNetworkSubnetId'), network);
  audit.expect(subnets.includes(subnet), 'the functions call out from no subnet of the network');
  if (deployXds === true) auditXds(audit, state, network, host);
  if (privateNetwork !== true) return;
  for (const [owner, groups] of [
    [host.account, ['blob', 'queue', 'table']],
    [state.records, ['blob']],
    [state.cosmos, ['Sql']],
    [state.vault, ['vault']],
    [topic, ['topic']],
    [host.app, ['sites']],
  ] as const)
    for (const group of groups) if (owner) auditEndpoint(audit, owner, group, network);
  for (const kept of [host.account, state.records, state.vault])
    audit.equal(valueAt(kept?.body, 'properties', 'networkAcls', 'defaultAction'), 'Deny', `whom ${kept?.name} lets in`);
  // A topic of Event Grid with an identity of its own is one of them.
  for (const kept of [host.account, state.records])
    audit.equal(
      valueAt(kept?.body, 'properties', 'networkAcls', 'bypass'),
      'AzureServices',
      `the trusted services that ${kept?.name} lets in`,
    );
  for (const kept of [state.cosmos, topic])
    audit.equal(valueAt(kept?.body, 'properties', 'publicNetworkAccess'), 'Disabled', `public access to ${kept?.name}`);
  const site = valueAt(host.app?.body, 'properties', 'siteConfig');
  audit.equal(valueAt(site, 'ipSecurityRestrictionsDefaultAction'), 'Deny', 'whom the functions let in');
  audit.equal(
    listAt(site, 'ipSecurityRestrictions').map((each) => textAt(each, 'ipAddress')),
    ['ActionGroup'],
    'who else comes from outside',
  );
}

const lastSubnet = (id: string, network: Deployed | undefined): string =>
  network && id.includes(network.name) ? (id.split('/subnets/')[1] ?? '').replace('>', '') : '';

function auditEndpoint(audit: Audit, owner: Deployed, group: string, network: Deployed | undefined): void {
  const endpoint = audit.one({
    type: 'Microsoft.Network/privateEndpoints',
    because: `${owner.name} (${group}) is called privately`,
    matching: ({ body }) => {
      const connection = valueAt(body, 'properties', 'privateLinkServiceConnections', 0, 'properties');
      return valueAt(connection, 'privateLinkServiceId') === owner.id && valueAt(connection, 'groupIds', 0) === group;
    },
  });
  const [zone] = audit.every({ type: 'Microsoft.Network/privateDnsZones', name: ZONES[group] ?? '' });
  audit.expect(zone !== undefined, `names of ${group} are not private`);
  if (!endpoint || !zone) return;
  const named = audit.one({
    type: 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups',
    of: endpoint.id,
    because: `${group} has a private name`,
  });
  const [config] = listAt(named?.body, 'properties', 'privateDnsZoneConfigs');
  audit.equal(valueAt(config, 'properties', 'privateDnsZoneId'), zone.id, `the zone of ${owner.name} (${group})`);
  const link = audit.one({
    type: 'Microsoft.Network/privateDnsZones/virtualNetworkLinks',
    of: zone.id,
    because: `the network knows names of ${group}`,
  });
  audit.equal(valueAt(link?.body, 'properties', 'virtualNetwork', 'id'), network?.id, `the network that knows names of ${group}`);
}

function auditXds(audit: Audit, state: State, network: Deployed | undefined, { settings }: Host): void {
  const environment = audit.one({ type: 'Microsoft.App/managedEnvironments', because: 'the server for plain Envoys runs in it' });
  const app = audit.one({ type: 'Microsoft.App/containerApps', because: 'plain Envoys are served by it' });
  audit.one({
    type: 'Microsoft.ManagedIdentity/userAssignedIdentities',
    because: 'the server for plain Envoys acts by an identity of its own',
    matching: ({ symbol }) => symbol === 'xds',
  });
  if (environment) auditDiagnostics(audit, environment, state.workspace);
  audit.equal(valueAt(app?.body, 'properties', 'environmentId'), environment?.id, 'where the server for plain Envoys runs');
  const subnet = textAt(environment?.body, 'properties', 'vnetConfiguration', 'infrastructureSubnetId');
  audit.equal(lastSubnet(subnet, network), 'xds', 'the subnet of the server for plain Envoys');
  const ingress = valueAt(app?.body, 'properties', 'configuration', 'ingress');
  audit.equal(valueAt(ingress, 'transport'), 'tcp', 'the ingress of the server for plain Envoys');
  audit.equal(valueAt(app?.body, 'properties', 'template', 'scale'), { minReplicas: 1, maxReplicas: 1 }, 'its replicas');
  const door = valueAt(ingress, 'additionalPortMappings', 0, 'exposedPort');
  const told = new Map(
    listAt(app?.body, 'properties', 'template', 'containers', 0, 'env').map((each) => [textAt(each, 'name'), textAt(each, 'value')]),
  );
  audit.equal(told.get(XDS_SETTINGS.ads), String(valueAt(ingress, 'targetPort')), 'where Envoys are served');
  audit.equal(told.get(XDS_SETTINGS.door), String(door), 'where the functions poke');
  for (const name of told.keys()) {
    const read = audit.facts.settings.includes(name) || Object.values<string>(XDS_SETTINGS).includes(name);
    audit.expect(read, `the server for plain Envoys is told ${name}, which nothing reads`);
  }
  const url = textAt(settings?.body, 'properties', 'MESHWRIGHT_XDS_URL');
  audit.expect(url.includes(environment?.id ?? '-') && url.endsWith(`:${door}`), `the functions poke ${url}, which is not its door`);
}
