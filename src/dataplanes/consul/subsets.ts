/**
 * How Consul knows the versions of a service: subsets of its resolver, each a filter on the Meta that instances are registered
 * with. Filters are written in one way (hashicorp/go-bexpr), and read back in that way.
 */
import type { PlannedVersion } from '../../plan/plan.ts';
import { dnsLabel } from '../kubernetes/objects.ts';

/** At most 63 lower-case letters, digits and `-`, as Consul demands. */
export const subsetName = (version: string): string => dnsLabel(version);

/** Keys of Meta hold letters, digits, `-` and `_` only: `app.kubernetes.io/version` is `app_kubernetes_io_version`. */
export const metaKey = (label: string): string => label.replace(/[^A-Za-z0-9_-]/g, '_');

/** Values are those of labels, which need no escape. */
export function filterOf({ labels }: PlannedVersion): string {
  const conditions = Object.entries(labels).map(([label, value]) => `Service.Meta["${metaKey(label)}"] == "${value}"`);
  return conditions.sort().join(' and ');
}

/** The one condition of a filter; `undefined` where there are more, or it was not written here. */
export function conditionOf(filter: string): { readonly key: string; readonly value: string } | undefined {
  const [, key, value] = /^Service\.Meta\["([A-Za-z0-9_-]+)"\] == "([^"]*)"$/.exec(filter) ?? [];
  return key === undefined || value === undefined ? undefined : { key, value };
}
