/**
 * The order in which a mesh is left for another one: who may call is known to the new mesh before any traffic is, and enforced last. What
 * the new mesh cannot say of it has no such order, and that is said first.
 */
import type { FidelityTable } from '../plan/fidelity.ts';
import type { AllowRule, MtlsStage } from '../spec/policy-schema.ts';
import type { DataPlaneKind } from '../spec/schema.ts';

export interface CutOverService {
  readonly name: string;
  readonly namespace: string;
  readonly mtls?: MtlsStage | undefined;
  readonly allow?: readonly AllowRule[] | undefined;
  readonly serviceAccount: string;
}

export interface CutOverStep {
  readonly step: string;
  /** Those it is about, in the order in which they are taken. */
  readonly services: readonly string[];
}

export function cutOver(
  services: readonly CutOverService[],
  { from, to, fidelity }: { readonly from: readonly string[]; readonly to: DataPlaneKind; readonly fidelity: FidelityTable },
): readonly CutOverStep[] {
  const secured = services.filter(({ mtls }) => mtls !== undefined).map(({ name }) => name);
  const all = calledFirst(services);
  const open = {
    step: `Answer the questions of this report, look at what is not imported, and run \`meshwright plan\` on the spec: nothing is refused by ${to} any more.`,
    services: [],
  };
  if (from.every((kind) => kind === to)) {
    const over = `Take the objects of this report away, or let meshwright write over them (\`takeOver: true\` of the data plane), one service at a time; those that are not imported stay. Then \`meshwright apply\`.`;
    return [open, { step: over, services: all }];
  }
  const last = {
    step: `When nothing calls by ${from.join(' or ')} any more, take its objects away, and then its control plane.`,
    services: [],
  };
  const move = `Move the workloads: the sidecar of ${to} in the place of the old one, one service after the other, those that are called before those that call. ${from.includes('osm') ? 'OSM takes and makes calls in the mesh by its own identities only, so that services which call one another move together. ' : ''}Watch errors; putting the old sidecar back is the way back.`;
  if (secured.length === 0)
    return [
      open,
      { step: '`meshwright apply` the spec: routes are there before there is traffic.', services: all },
      { step: move, services: all },
      last,
    ];
  const can = (stage: MtlsStage): boolean => fidelity[`mtls.${stage}`].kind !== 'refused';
  if (!can('strict'))
    return [
      {
        ...open,
        step: `STOP: ${to} says nothing of who may call (${codeOf(fidelity)}), so that authorization cannot go before traffic. Choose the mesh that implements it as \`--to\`, or keep these services where they are.`,
        services: secured,
      },
      last,
    ];
  const between = can('permissive')
    ? [
        {
          step: `Write \`mtls: permissive\` for these services and \`meshwright apply\`: \`allow\` is in the spec and refuses nobody, since a caller that still has its old sidecar has no identity that ${to} knows.`,
          services: secured,
        },
      ]
    : [
        {
          step: `${to} takes mTLS only as \`strict\`: a caller without its sidecar is refused from the first moment. Move callers together with what they call, in a quiet hour.`,
          services: secured,
        },
      ];
  const watched = can('shadow')
    ? [
        {
          step: '`mtls: shadow`, and `meshwright apply`: authorization is at the new mesh before it counts. Whoever would be refused is reported; add callers to `allow` that are missing, until nobody is, over a time in which every caller has called.',
          services: secured,
        },
      ]
    : [];
  const enforce = {
    step: '`mtls: strict`, and `meshwright apply`: one service after the other, those that are called last first. `mtls: shadow` or `permissive` is the way back.',
    services: secured,
  };
  return can('permissive')
    ? [open, ...between, { step: move, services: all }, ...watched, enforce, last]
    : [open, enforce, ...between, { step: move, services: all }, last];
}

function codeOf(fidelity: FidelityTable): string {
  const judgement = fidelity['mtls.strict'];
  return judgement.kind === 'refused' ? judgement.code : '';
}

/** Callers come after what they call, as far as `allow` says who calls whom; circles as they come. */
function calledFirst(services: readonly CutOverService[]): readonly string[] {
  const byIdentity = Map.groupBy(services, ({ namespace, serviceAccount }) => `${namespace}/${serviceAccount}`);
  const calls = new Map<string, Set<string>>(services.map(({ name }) => [name, new Set()]));
  for (const { name, allow = [] } of services)
    for (const { namespace, serviceAccount } of allow.flatMap(({ callers }) => callers))
      for (const caller of byIdentity.get(`${namespace}/${serviceAccount}`) ?? []) calls.get(caller.name)?.add(name);
  const ordered = new Set<string>();
  const begun = new Set<string>();
  const visit = (name: string): void => {
    if (begun.has(name)) return;
    begun.add(name);
    for (const called of calls.get(name) ?? []) visit(called);
    ordered.add(name);
  };
  for (const { name } of services) visit(name);
  return [...ordered];
}
