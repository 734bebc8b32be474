/**
 * Who may do what: roles, narrowed to a mesh or to a team in it, and what a route needs. Pure. Admin does all that Operator does and Operator
 * all that Reader does; an Approver reads and approves and does nothing else, so that who acts and who approves are two people.
 */
import { isName } from '../spec/names.ts';

export const ROLES = ['Reader', 'Operator', 'Approver', 'Admin'] as const;
export type Role = (typeof ROLES)[number];

/** Doors that something else than a person comes in by, each with app roles and keys that open no other. */
export const DOORS = ['alerts', 'events', 'metrics', 'observations'] as const;
export type Door = (typeof DOORS)[number];

/** A role, everywhere, in one mesh, or for the services of one team in it; or one door. */
export type Grant = { readonly role: Role; readonly mesh?: string; readonly team?: string } | { readonly door: Door };

export interface Caller {
  /** As the journal names it: an object id of Entra ID, never a person's name. */
  readonly actor: string;
  readonly grants: readonly Grant[];
}

/** Without `mesh`: in the installation. `team`: of the service that it is about, where it has one. */
export interface Need {
  readonly role: Role;
  readonly mesh?: string | undefined;
  readonly team?: string | undefined;
}

const INCLUDES: Readonly<Record<Role, readonly Role[]>> = {
  Reader: ['Reader'],
  Operator: ['Reader', 'Operator'],
  Approver: ['Reader', 'Approver'],
  Admin: ['Reader', 'Operator', 'Admin'],
};

/** App roles that Azure's own services ask for by these names: "Secure webhook" of action groups, and of Event Grid. */
const DOOR_ROLES: Readonly<Record<string, Door>> = {
  ActionGroupsSecureWebhook: 'alerts',
  AzureEventGridSecureWebhookSubscriber: 'events',
  MetricsScraper: 'metrics',
  Observer: 'observations',
};
export const doorRolesOf = (door: Door): readonly string[] => Object.keys(DOOR_ROLES).filter((name) => DOOR_ROLES[name] === door);

/** What an app role lets its holder do: `Reader`, `Operator:shop`, `Operator:shop/payments`, or a door's. `undefined`: nothing. */
export function grantOf(value: string): Grant | undefined {
  const door = Object.hasOwn(DOOR_ROLES, value) ? DOOR_ROLES[value] : undefined;
  if (door) return { door };
  const [name = '', place, ...more] = value.split(':');
  const role = ROLES.find((each) => each === name);
  if (!role || more.length > 0) return undefined;
  if (place === undefined) return { role };
  const [mesh = '', team, ...deeper] = place.split('/');
  if (deeper.length > 0 || !isName(mesh) || (team !== undefined && !isName(team))) return undefined;
  return team === undefined ? { role, mesh } : { role, mesh, team };
}

export function permits({ grants }: Caller, need: Need): boolean {
  return grants.some(
    (grant) =>
      'role' in grant &&
      INCLUDES[grant.role].includes(need.role) &&
      (grant.mesh === undefined || grant.mesh === need.mesh) &&
      (grant.team === undefined || grant.team === need.team),
  );
}

/** Whether there is any mesh, or any team, where the caller has this role. */
export const permitsSomewhere = ({ grants }: Caller, role: Role): boolean =>
  grants.some((grant) => 'role' in grant && INCLUDES[grant.role].includes(role));

export const opens = ({ grants }: Caller, door: Door): boolean => grants.some((grant) => 'door' in grant && grant.door === door);

/** The app role that is just enough, as it is written in Entra ID. */
export function roleText({ role, mesh, team }: Need): string {
  if (mesh === undefined) return role;
  return team === undefined ? `${role}:${mesh}` : `${role}:${mesh}/${team}`;
}
