/** A field and its value as people are told of them. */

/** Where a field is: names of members, places in lists. */
export type FieldPath = readonly (string | number)[];

const LONGEST_VALUE = 200;

/** `spec.http[0].route[1].weight`, `metadata.labels["app.kubernetes.io/managed-by"]`. */
export const pathText = (path: FieldPath): string =>
  path
    .map((segment) => (typeof segment === 'number' ? `[${segment}]` : /^[\w-]+$/.test(segment) ? `.${segment}` : `["${segment}"]`))
    .join('')
    .replace(/^\./, '');

/** JSON, cut where it is long; nothing for what is not there. */
function valueText(value: unknown): string | undefined {
  const text: string | undefined = JSON.stringify(value);
  return text === undefined || text.length <= LONGEST_VALUE ? text : `${text.slice(0, LONGEST_VALUE)}…`;
}

/** The values of a difference, without the one that is not there. */
export function valuesOf(wanted: unknown, found: unknown): { readonly wanted?: string; readonly found?: string } {
  const [wantedText, foundText] = [valueText(wanted), valueText(found)];
  return { ...(wantedText === undefined ? {} : { wanted: wantedText }), ...(foundText === undefined ? {} : { found: foundText }) };
}
