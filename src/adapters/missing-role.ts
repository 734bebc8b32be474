/**
 * What is said where Azure refuses this app for want of a role: which identity lacks which role, and the command that grants it. Roles are
 * named as Azure or `infra/` name them; whoever is refused is named by Azure's own answer, where that says it.
 */

/** An object id that Azure's answer gives; or a place for it. */
export const refusedIdentity = (said: string): string =>
  /\b(?:oid=|principal \[|object id '|User ")([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b/i.exec(said)?.[1] ??
  '<object id of the identity>';

export interface MissingRole {
  readonly role: string;
  readonly who: string;
  /** What the role has to be for: a resource id, or a shell's way to it. */
  readonly scope: string;
}

/** A role of Azure RBAC. */
export const missingRole = ({ role, who, scope }: MissingRole): string =>
  `the identity ${who} lacks the role "${role}"; give it with \`az role assignment create --role "${role}" --assignee-object-id ${who} --assignee-principal-type ServicePrincipal --scope "${scope}"\`.`;

/** A role of the data in a Cosmos DB account, which has roles of its own. `infra/cosmos.bicep` makes it. */
export function missingDocumentsRole(account: string, who: string): string {
  const group = `$(az cosmosdb list --query "[?name=='${account}'].resourceGroup" --output tsv)`;
  return `the identity ${who} lacks the role "meshwright documents"; give it with \`az cosmosdb sql role assignment create --account-name ${account} --resource-group "${group}" --role-definition-name "meshwright documents" --principal-id ${who} --scope "/"\`.`;
}

/** A role of the objects in an AKS cluster, which `infra/aks-access.bicep` makes for each: its name ends in what tells clusters apart. */
export function missingClusterRole(resourceId: string, said: string): string {
  const isControlPlane = /resource "(secrets|serviceaccounts|pods\/portforward)/.test(said);
  const name = `meshwright ${isControlPlane ? 'control plane' : 'mesh objects'} of ${resourceId.split('/').at(-1)}`;
  const [, namespace] = /\bin the namespace "([a-z0-9-]{1,63})"/.exec(said) ?? [];
  const role = `$(az role definition list --custom-role-only --query "[?starts_with(roleName, '${name} ')].name" --output tsv)`;
  const scope = isControlPlane && namespace ? `${resourceId}/namespaces/${namespace}` : resourceId;
  const who = refusedIdentity(said);
  return `The identity ${who} lacks the role "${name}"; give it with \`az role assignment create --role "${role}" --assignee-object-id ${who} --assignee-principal-type ServicePrincipal --scope "${scope}"\`, or deploy infra/ with this cluster.`;
}
