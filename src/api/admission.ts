/** Whether a request is let in: who asks, and whether they have the role that the route needs, where it needs it. */
import type { App } from '../app.ts';
import { type Caller, doorRolesOf, type Need, opens, permits, permitsSomewhere, roleText } from './access.ts';
import { type Authenticated, type Authentication, bearerOf } from './authenticate.ts';
import { type HttpAnswer, problem } from './problem.ts';
import type { Access } from './route.ts';

/** What is used of a request: Azure's HttpRequest has it. */
export interface Credentials {
  readonly headers: { get(name: string): string | null };
  readonly query: { get(name: string): string | null };
}

export interface Place {
  readonly mesh?: string | undefined;
  readonly service?: string | undefined;
}

/** `refuse`: once more, for a place that is known only from what was sent. */
export type Admitted =
  | { readonly kind: 'admitted'; readonly caller: Caller; refuse(place: Place): Promise<HttpAnswer | undefined> }
  | { readonly kind: 'refused'; readonly answer: HttpAnswer };

/** `place`: as the path names it, whatever it is. */
export async function admit(
  app: Pick<App, 'adopted'>,
  authentication: Authentication,
  access: Access,
  { headers, query }: Credentials,
  place: Place,
): Promise<Admitted> {
  if (access.kind === 'open') return { kind: 'admitted', caller: { actor: 'anybody', grants: [] }, refuse: async () => undefined };
  const shown = { bearer: bearerOf(headers.get('authorization')), code: query.get('code') ?? undefined };
  const who = await authentication.authenticate(shown);
  const caller = who.ok ? who.caller : { actor: 'anybody', grants: authentication.anybody };
  const refuse = async (at: Place): Promise<HttpAnswer | undefined> => {
    const need = await needOf(app, caller, access, at);
    return permits(caller, need) ? undefined : refused(who, access, need);
  };
  const { role, within, door } = access;
  if (door !== undefined && opens(caller, door)) return { kind: 'admitted', caller, refuse };
  if (within === 'asked' || within === 'shown') {
    if (permitsSomewhere(caller, role)) return { kind: 'admitted', caller, refuse };
    return { kind: 'refused', answer: refused(who, access, { role }) };
  }
  const { mesh, service } = place;
  const answer = await refuse(within === 'installation' ? {} : within === 'mesh' ? { mesh } : { mesh, service });
  return answer ? { kind: 'refused', answer } : { kind: 'admitted', caller, refuse };
}

type RoleAccess = Extract<Access, { kind: 'role' }>;

/** Whose service it is need be known only where the caller has nothing wider. */
async function needOf(app: Pick<App, 'adopted'>, caller: Caller, { role }: RoleAccess, { mesh, service }: Place): Promise<Need> {
  if (mesh === undefined) return { role };
  if (service === undefined || permits(caller, { role, mesh }) || !permitsSomewhere(caller, role)) return { role, mesh };
  const team = (await app.adopted(mesh))?.services.find(({ name }) => name === service)?.team;
  return { role, mesh, team };
}

/** Told apart: who is nobody has to say who they are, and who is somebody needs another role. */
function refused(who: Authenticated, { door, within }: RoleAccess, need: Need): HttpAnswer {
  if (!who.ok) {
    const answer = problem(401, 'NotAuthenticated', who.message);
    return { ...answer, headers: { ...answer.headers, 'www-authenticate': 'Bearer' } };
  }
  const role = roleText(need);
  const anywhere = within === 'shown' || (within === 'asked' && need.mesh === undefined);
  const which = anywhere ? `${role}, everywhere or for a mesh or a team` : role;
  const or = door === undefined ? '' : ` (or ${doorRolesOf(door).join(', ')}, or a key of ${door})`;
  const where = 'have it assigned under "Users and groups" of this installation\'s enterprise application in Entra ID';
  return problem(403, 'RoleMissing', `This needs the app role ${which}${or}; ${where}, and get another token.`, { role });
}
