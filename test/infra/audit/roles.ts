/** Every role that is assigned: to whom, on what, and why. The same list is the table in the docs, and what the audit holds to the code's needs. */
import type { Deployed } from '../bicep/deployment.ts';
import { listAt, textAt, valueAt } from '../bicep/values.ts';
import { VAULT_ROLES } from '../code-facts.ts';
import { ROLE_NAMES } from '../role-names.ts';
import { type Audit, lastOf } from './audit.ts';
import type { Events } from './events.ts';
import type { Host } from './host.ts';
import type { State } from './state.ts';

const ASSIGNMENT = 'Microsoft.Authorization/roleAssignments';
const DEFINITION = 'Microsoft.Authorization/roleDefinitions';
const COSMOS = 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments';
const COSMOS_DEFINITION = 'Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions';

export interface AssignedRole {
  readonly resource: Deployed;
  /** `functions`, `xds`, or the topic that delivers: `evgt-vault`, `evgt-registry`, `evgt-meshwright`. */
  readonly who: string;
  readonly role: string;
  /** The id of what it is assigned on. */
  readonly on: string;
  readonly why: string;
}

export function assignedRoles(resources: readonly Deployed[]): readonly AssignedRole[] {
  return resources
    .filter(({ type }) => type === ASSIGNMENT || type === COSMOS)
    .map((resource) => {
      const principal = textAt(resource.body, 'properties', 'principalId');
      const definition = textAt(resource.body, 'properties', 'roleDefinitionId');
      return {
        resource,
        who: /id-(\w+)-/.exec(principal)?.[1] ?? /evgt-[a-z]+/.exec(principal)?.[0] ?? principal,
        role: roleName(definition, resources),
        on: resource.extends === '' ? textAt(resource.body, 'properties', 'scope') : resource.extends,
        why: resource.description,
      };
    });
}

function roleName(definition: string, resources: readonly Deployed[]): string {
  const own = resources.find(({ id }) => id === definition);
  const name = own ? textAt(own.body, 'properties', 'roleName').replace(/ of .*$/, '') : ROLE_NAMES[lastOf(definition)];
  return name ?? `a role that test/infra/role-names.ts does not name (${lastOf(definition)})`;
}

interface Need {
  readonly who: string;
  readonly role: string;
  readonly on: string | undefined;
}

export function auditRoles(audit: Audit, host: Host, state: State, { topic, delivering }: Events): void {
  const resources = [ASSIGNMENT, DEFINITION, COSMOS, COSMOS_DEFINITION].flatMap((type) => audit.every({ type }));
  const roles = assignedRoles(resources);
  const needs = [
    ...needsOfFunctions(audit, host, state, topic),
    ...needsOfOthers(audit, state),
    ...needsOfTopics(audit, host, state, delivering),
  ];
  for (const need of needs) {
    const given = roles.filter(({ who, role, on }) => who === need.who && role === need.role && on === need.on);
    audit.expect(given.length === 1, `${need.who} needs ${need.role} on ${lastOf(need.on ?? '?')}, and has it ${given.length} times`);
  }
  for (const { who, role, on, why, resource } of roles) {
    const needed = needs.some((need) => need.who === who && need.role === role && need.on === on);
    audit.expect(needed, `${who} has ${role} on ${lastOf(on)}, which nothing needs`);
    audit.expect(why !== '', `${resource.file}: nothing says why ${resource.symbol} is given`);
    if (resource.type === ASSIGNMENT)
      audit.equal(valueAt(resource.body, 'properties', 'principalType'), 'ServicePrincipal', `the kind of ${who}`);
  }
  for (const definition of resources.filter(({ type }) => type === DEFINITION || type === COSMOS_DEFINITION)) {
    const used = resources.some(({ body }) => textAt(body, 'properties', 'roleDefinitionId') === definition.id);
    audit.expect(used, `${definition.symbol} is assigned to nobody`);
    audit.expect(
      listAt(definition.body, 'properties', 'assignableScopes').length === 1,
      `${definition.symbol} can be assigned nowhere, or too far`,
    );
  }
  auditDocumentsRole(audit, resources);
  if (listAt(audit.parameters, 'clusterIds').length > 0) auditMeshRole(audit, resources);
}

function needsOfFunctions(audit: Audit, { account }: Host, state: State, topic: Deployed | undefined): readonly Need[] {
  const who = 'functions';
  const [cluster] = listAt(audit.parameters, 'clusterIds').map(String);
  const [addonVault] = listAt(audit.parameters, 'addonVaultIds').map(String);
  const container = (name: string) => `${state.records?.id}/blobServices/default/containers/${name}`;
  const vaultRoles = Object.entries(VAULT_ROLES).flatMap(([role, where]) => {
    if (where === 'in another') return [];
    const on = where === 'own vault' ? state.vault?.id : addonVault;
    return on === undefined ? [] : [{ who, role, on }];
  });
  return [
    // learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
    { who, role: 'Storage Blob Data Owner', on: account?.id },
    { who, role: 'Storage Queue Data Contributor', on: account?.id },
    { who, role: 'Storage Table Data Contributor', on: account?.id },
    { who, role: 'meshwright documents', on: state.cosmos?.id },
    { who, role: 'Monitoring Metrics Publisher', on: state.telemetry?.id },
    { who, role: 'Monitoring Metrics Publisher', on: state.journalRule?.id },
    { who, role: 'Storage Blob Data Contributor', on: container('dead-letters') },
    { who, role: 'Storage Blob Data Contributor', on: container('journal-anchors') },
    { who, role: 'EventGrid Data Sender', on: topic?.id },
    // Settings that specs name are references to secrets.
    { who, role: 'Key Vault Secrets User', on: state.vault?.id },
    ...vaultRoles,
    ...(cluster === undefined
      ? []
      : [
          { who, role: 'Azure Kubernetes Service Cluster User Role', on: cluster },
          { who, role: 'meshwright mesh objects', on: cluster },
          ...listAt(audit.parameters, 'controlPlaneNamespaces').map((name) => ({
            who,
            role: 'meshwright control plane',
            on: `${cluster}/namespaces/${String(name)}`,
          })),
        ]),
  ];
}

function needsOfOthers(audit: Audit, state: State): readonly Need[] {
  return audit.parameters.deployXds === true
    ? [
        { who: 'xds', role: 'meshwright documents', on: state.cosmos?.id },
        { who: 'xds', role: 'AcrPull', on: textAt(audit.parameters, 'registryId') },
      ]
    : [];
}

function needsOfTopics(audit: Audit, { account }: Host, state: State, topics: readonly Deployed[]): readonly Need[] {
  const deadLetters = `${state.records?.id}/blobServices/default/containers/dead-letters`;
  return topics.flatMap(({ name }) => {
    const who = name.replace(/-[^-]*$/, '');
    return [
      { who, role: 'Storage Blob Data Contributor', on: deadLetters },
      ...(audit.parameters.privateNetwork === true ? [{ who, role: 'Storage Queue Data Message Sender', on: account?.id }] : []),
    ];
  });
}

/** What the store calls: reads and writes of items, queries, and what the SDK asks an account for. */
function auditDocumentsRole(audit: Audit, resources: readonly Deployed[]): void {
  const role = resources.find(({ type }) => type === COSMOS_DEFINITION);
  const account = 'Microsoft.DocumentDB/databaseAccounts';
  audit.equal(
    valueAt(role?.body, 'properties', 'permissions', 0, 'dataActions'),
    [`${account}/readMetadata`, `${account}/sqlDatabases/containers/executeQuery`, `${account}/sqlDatabases/containers/items/*`],
    'what the role for documents allows',
  );
}

/** Groups that are read to refuse what others say there, and that no room exports a kind of. */
const READ_ONLY_GROUPS = ['linkerd.io'];

function auditMeshRole(audit: Audit, resources: readonly Deployed[]): void {
  const [mesh, control] = ['meshRole', 'controlPlaneRole'].map((name) => resources.find(({ symbol }) => symbol === name));
  const allowed = [mesh, control].flatMap((role) => listAt(role?.body, 'properties', 'permissions', 0, 'dataActions').map(String));
  for (const kind of audit.facts.coreKinds) {
    const action = `Microsoft.ContainerService/managedClusters/${kind}/read`;
    audit.expect(allowed.includes(action), `${kind} are looked at, and no role allows ${action}`);
  }
  const assignment = resources.find(({ symbol }) => symbol === 'meshAssignment');
  const condition = textAt(assignment?.body, 'properties', 'condition');
  const named = [...condition.matchAll(/StringEqualsIgnoreCase '([^']+)'/g)].map(([, group = '']) => group);
  const needed = [...new Set([...audit.facts.meshGroups, ...READ_ONLY_GROUPS])];
  audit.equal(named.toSorted(), needed.toSorted(), 'the groups of custom resources that the role is for');
  for (const verb of ['read', 'write', 'delete'])
    audit.expect(condition.includes(`customresources/${verb}'`), `the condition does not narrow ${verb} of custom resources`);
}
