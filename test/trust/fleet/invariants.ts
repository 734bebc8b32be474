/** What must hold in every second of a mesh, and of every two settings that follow each other. Each gives a sentence where it doesn't. */
import { settingsOf, type TrustState } from '../../../src/trust/state.ts';
import type { Workload } from './workload.ts';
import type { Leaf, World } from './world.ts';

/** Two that are known to the mesh and whose leafs count can talk, both ways; save those that a person has let break. */
export function allCanTalk({ excused }: Pick<World, 'excused'>, workloads: readonly Workload[]): string | undefined {
  const live = workloads.filter((each) => each.kind === 'proxy' && each.hasLiveLeaf);
  for (const one of live) {
    for (const other of live) {
      if (!one.leaf || !other.leaf || !one.believesIn(other.leaf) || !other.believesIn(one.leaf)) continue;
      if (!one.material?.roots.includes(other.leaf.root) && !excused.mayFail(one, other.leaf)) {
        return `${one.id} does not believe ${other.id}: it trusts ${brief(one.material?.roots ?? [])}, and the leaf is under ${brief([other.leaf.root])}`;
      }
    }
  }
  return undefined;
}

/** Every leaf that was signed and counts is believed, whoever has it: strangers too, and workloads on their way. */
export function allLeafsAreBelieved(world: World, workloads: readonly Workload[]): string | undefined {
  for (const workload of workloads) {
    if (workload.kind !== 'proxy' || !workload.hasLiveLeaf) continue;
    const refused = world.issued.find((leaf) => isRefused(world, workload, leaf));
    if (refused) return `${workload.id} does not believe a leaf under ${brief([refused.root])} that counts until ${refused.notAfter}`;
  }
  return undefined;
}

function isRefused({ excused }: World, workload: Workload, leaf: Leaf): boolean {
  if (!workload.believesIn(leaf) || workload.material?.roots.includes(leaf.root)) return false;
  return !excused.isUnsoaked(leaf.root) && !excused.mayFail(workload, leaf);
}

/** Of two settings that follow each other, either the roots differ or who signs, and of the roots one set holds the other. */
export function oneThingAtATime(before: TrustState, after: TrustState): string | undefined {
  const [was, is] = [settingsOf(before), settingsOf(after)];
  if (!was || !is) return was && !is ? 'nobody is trusted any more' : undefined;
  const roots = (settings: typeof is): readonly string[] => settings.roots.map(({ fingerprint }) => fingerprint);
  const isSubset = roots(is).every((root) => roots(was).includes(root));
  const isSuperset = roots(was).every((root) => roots(is).includes(root));
  if (!isSubset && !isSuperset) return `roots ${brief(roots(was))} became ${brief(roots(is))}`;
  const signerChanged = was.signer.fingerprint !== is.signer.fingerprint;
  if (signerChanged && !(isSubset && isSuperset)) return 'the roots and who signs changed at once';
  return roots(is).includes(is.signer.fingerprint) ? undefined : 'who signs is not trusted';
}

const brief = (roots: readonly string[]): string => `{${roots.map((root) => root.slice(-2)).join(' ')}}`;
