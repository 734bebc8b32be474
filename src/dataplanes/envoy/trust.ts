/**
 * Trust on plain Envoys: roots are brought by the read model, from which the xds server serves them; who has what is read from what
 * agents said and what that server saw. An agent is believed as far as it says nothing that was never served, or given, to its node.
 */
import type { Documents } from '../../journal/documents.ts';
import { type GivenLeafs, givenTo, type IdentityObservation, identitiesOf, wasGiven } from '../../reconcile/identity-observations.ts';
import { type ModelledTrust, readTrust, writeTrust } from '../../reconcile/model-trust.ts';
import { type NodeObservation, nodesOf } from '../../reconcile/observations.ts';
import type { DataPlaneTrust } from '../../trust/data-plane-trust.ts';

type Member = Awaited<ReturnType<DataPlaneTrust['look']>>[number];

/** So much of a fingerprint is shown to people. */
const SHOWN = 12;

/** `poke` tells the xds server that the mesh's model has moved; it may fail silently. */
export function envoyTrust(documents: Documents, dataPlane: string, poke: (mesh: string, sequence: number) => void): DataPlaneTrust {
  return {
    async bring(material) {
      const { sequence } = await writeTrust(documents, material);
      poke(material.mesh, sequence);
      return { kind: 'brought' };
    },

    async look(mesh, now) {
      const place = { mesh, dataPlane };
      const trust = await readTrust(documents, mesh);
      const said = await identitiesOf(documents, place, now);
      const seen = new Map((await nodesOf(documents, place, now)).map((node) => [node.node, node]));
      const heard = new Set(said.map(({ node }) => node));
      const silent = [...seen.values()].filter(({ node, bundle }) => bundle !== undefined && !heard.has(node));
      const given = new Map((await givenTo(documents, place)).map((each) => [each.node, each]));
      const unknown = [...given.values()].filter(({ node }) => !heard.has(node) && !silent.some((each) => each.node === node));
      const members = [
        // The clock of the xds server may be ahead.
        ...said.map((each) =>
          speaking(
            dataPlane,
            { ...each, seenAt: Math.min(each.seenAt, now) },
            { seen: seen.get(each.node), given: given.get(each.node), trust },
          ),
        ),
        ...silent.map((node) => unheard(dataPlane, node, trust, now)),
        ...unknown.map((each) => unseen(dataPlane, each)),
      ];
      return members.map((member) => holding(member, given.get(member.id.slice(dataPlane.length + 1))));
    },
  };
}

/** What it was given it may present, whatever it was seen to have. */
const holding = (member: Member, given: GivenLeafs | undefined): Member => (given ? { ...member, mayPresentUntil: given.until } : member);

/** It was given a leaf, and nobody has seen its proxy. */
const unseen = (dataPlane: string, { node, identity }: GivenLeafs): Member => ({
  id: `${dataPlane}/${node}`,
  dataPlane,
  kind: 'proxy',
  identity,
  seenAt: 0,
  trusts: [],
  trouble: 'it was given a leaf, and nobody has seen its Envoy',
});

/** What is known of a node without its agent's word. */
interface Known {
  readonly seen: NodeObservation | undefined;
  readonly given: GivenLeafs | undefined;
  readonly trust: ModelledTrust | undefined;
}

function speaking(dataPlane: string, { node, identity, seenAt, loaded, trouble }: IdentityObservation, known: Known): Member {
  const { seen, given, trust } = known;
  const wrong = refusal(seen, trust) ?? trouble ?? disbelief(loaded.roots, identity, seen, trust) ?? foreignLeaf(loaded.leaf, given);
  return {
    id: `${dataPlane}/${node}`,
    dataPlane,
    kind: 'proxy',
    ...(identity === undefined ? {} : { identity }),
    seenAt,
    trusts: loaded.roots,
    ...presented(loaded.leaf, given),
    ...(wrong === undefined ? {} : { trouble: wrong }),
  };
}

type SaidLeaf = IdentityObservation['loaded']['leaf'];

/** None that was never given to it: whatever end that is said to have, it would be waited for. */
function presented(leaf: SaidLeaf, given: GivenLeafs | undefined): Pick<Member, 'presents'> {
  if (!leaf || !given || !wasGiven(given, leaf)) return {};
  return { presents: { issuer: leaf.issuer, notAfter: Math.min(leaf.notAfter, given.until) } };
}

function foreignLeaf(leaf: SaidLeaf, given: GivenLeafs | undefined): string | undefined {
  if (!leaf || wasGiven(given, leaf)) return undefined;
  return `not believed: it says that it presents ${shown(leaf.fingerprint)}, which was not given to it`;
}

/** Nobody ever said what it has loaded: it is seen for as long as it is connected, and is never where it must be. */
function unheard(dataPlane: string, seen: NodeObservation, trust: ModelledTrust | undefined, now: number): Member {
  const trouble = refusal(seen, trust) ?? 'no agent says what it has loaded';
  return { id: `${dataPlane}/${seen.node}`, dataPlane, kind: 'proxy', seenAt: Math.min(seen.goneAt ?? now, now), trusts: [], trouble };
}

/** Of the bundle that it is to have now. */
function refusal(seen: NodeObservation | undefined, trust: ModelledTrust | undefined): string | undefined {
  const refused = seen?.bundle?.refused;
  const isCurrent = refused && trust && sameRoots(refused.roots, trust.fingerprints);
  return isCurrent ? `it refuses the roots: ${refused.message}` : undefined;
}

function disbelief(
  roots: readonly string[],
  identity: string | undefined,
  seen: NodeObservation | undefined,
  trust: ModelledTrust | undefined,
): string | undefined {
  if (!trust) return undefined;
  const offered = seen?.bundle?.offered ?? [];
  // What it held before is old news, and no lie.
  const foreign = roots.find((root) => !trust.fingerprints.includes(root) && !trust.formerRoots.includes(root) && !offered.includes(root));
  if (foreign !== undefined) return `not believed: it says that it trusts ${shown(foreign)}, which this mesh never had`;
  const early = roots.find((root) => trust.fingerprints.includes(root) && !offered.includes(root));
  if (early !== undefined) return `not believed: it says that it trusts ${shown(early)}, which was not served to it`;
  if (identity !== undefined && !identity.startsWith(`spiffe://${trust.trustDomain}/`))
    return `not believed: it says that it is ${identity}, which is not of ${trust.trustDomain}`;
  return undefined;
}

const sameRoots = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((root) => other.includes(root));

const shown = (fingerprint: string): string => `${fingerprint.slice(0, SHOWN)}…`;
