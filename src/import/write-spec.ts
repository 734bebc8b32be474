/**
 * The files of an imported spec, as people write them: what has its default is left out. They are read back before anybody gets them;
 * a field that a spec does not take is taken out again, and said.
 */
import { isDeepStrictEqual } from 'node:util';
import { stringify } from 'yaml';
import { z } from 'zod';
import { API_VERSION, present } from '../spec/authored-fields.ts';
import { formatDuration } from '../spec/duration.ts';
import type { AllowRule } from '../spec/policy-schema.ts';
import { readSpec, type SpecFile, type SpecProblem } from '../spec/read-spec.ts';
import type { DataPlaneKind, MeshSpec, RetriesSpec, RouteSpec, ServiceSpec } from '../spec/schema.ts';
import type { ServiceDraft } from './draft.ts';
import type { Settled } from './settle.ts';

/** What a spec retries on where it says nothing. */
const RETRIED = 'connect-failure,refused-stream';

export interface MeshFields {
  readonly name: string;
  readonly dataPlane: DataPlaneKind;
  readonly trustDomain?: string;
  readonly consulDefault?: 'allow' | 'deny';
}

type Document = Readonly<Record<string, unknown>>;

export function meshDocument({ name, dataPlane, trustDomain, consulDefault }: MeshFields): Document {
  return {
    apiVersion: API_VERSION,
    kind: 'Mesh',
    name,
    ...(trustDomain === undefined || trustDomain === 'cluster.local' ? {} : { trustDomain }),
    dataPlanes: [{ name: dataPlane, kind: dataPlane, ...(dataPlane === 'consul' ? { defaultPolicy: consulDefault ?? 'deny' } : {}) }],
  };
}

/** `services`: all drafts of the import, whose identities callers may be. */
export function serviceDocument({ draft, routes, timeoutMs, retries, stable }: Settled, services: readonly ServiceDraft[]): Document {
  const { fields } = draft;
  return {
    apiVersion: API_VERSION,
    kind: 'Service',
    name: draft.name,
    ...(draft.namespace === 'default' ? {} : { namespace: draft.namespace }),
    port: fields.port ?? 80,
    ...present({
      protocol: fields.protocol === 'http' ? undefined : fields.protocol,
      versionLabel: fields.versionLabel === 'version' ? undefined : fields.versionLabel,
      selector: isUsual(draft) ? undefined : fields.selector,
      serviceAccount: fields.serviceAccount === draft.name ? undefined : fields.serviceAccount,
      stable,
      timeout: timeoutMs === undefined ? undefined : formatDuration(timeoutMs),
      retries: retries && written(retries),
      retryBudget: fields.retryBudget,
      connectTimeout: fields.connectTimeoutMs === undefined ? undefined : formatDuration(fields.connectTimeoutMs),
      circuitBreaker: fields.circuitBreaker,
      outlierDetection: fields.outlierDetection && {
        consecutiveErrors: fields.outlierDetection.consecutiveErrors,
        interval: formatDuration(fields.outlierDetection.intervalMs),
        ejection: formatDuration(fields.outlierDetection.ejectionMs),
        maxEjectionPercent: fields.outlierDetection.maxEjectionPercent,
      },
      loadBalancing:
        fields.loadBalancing &&
        (fields.loadBalancing.policy === 'hash' ? { hash: { header: fields.loadBalancing.header } } : fields.loadBalancing.policy),
      failover: fields.failover,
      mtls: draft.mtls,
      allow: draft.allow && (draft.mtls === undefined ? undefined : draft.allow.map((rule) => allowed(rule, services))),
      egress: draft.egress.length === 0 ? undefined : once(draft.egress),
      ingress:
        draft.ingress.length === 0
          ? undefined
          : once(draft.ingress.map(({ host, gateway }) => ({ host, gateway: `${gateway.namespace}/${gateway.name}` }))),
      routes: routes.length === 0 ? undefined : routes.map(route),
    }),
    rollout: fields.steps
      ? {
          strategy: 'canary',
          steps: fields.steps.map(({ weight, holdMs, deadlineMs }) => ({
            weight,
            hold: formatDuration(holdMs),
            deadline: formatDuration(deadlineMs),
          })),
        }
      : 'canary',
  };
}

function isUsual({ name, fields: { selector } }: ServiceDraft): boolean {
  return selector === undefined || (Object.keys(selector).length === 1 && selector.app === name);
}

function written({ attempts, perTryTimeoutMs, on }: RetriesSpec): unknown {
  const usual = [...on].sort().join(',') === RETRIED;
  if (perTryTimeoutMs === undefined && usual) return attempts;
  return {
    attempts,
    ...(perTryTimeoutMs === undefined ? {} : { perTryTimeout: formatDuration(perTryTimeoutMs) }),
    ...(usual ? {} : { on }),
  };
}

function route({ name, match, version, timeoutMs, retries, mirror, fault }: RouteSpec): Document {
  const headers = match.headers?.map(({ name: header, ...condition }): [string, unknown] => [
    header,
    'exact' in condition ? condition.exact : condition,
  ]);
  return {
    name,
    match: present({ path: match.path, methods: match.methods, headers: headers && Object.fromEntries(headers) }),
    ...present({
      version,
      timeout: timeoutMs === undefined ? undefined : formatDuration(timeoutMs),
      retries: retries && written(retries),
      mirror: mirror && (mirror.percent === 100 ? mirror.version : mirror),
      fault:
        fault &&
        present({
          delay: fault.delay && { for: formatDuration(fault.delay.ms), percent: fault.delay.percent },
          abort: fault.abort,
        }),
    }),
  };
}

/** A caller that is a service of the spec by its name, as long as no other service has its identity. */
function allowed({ callers, methods, paths }: AllowRule, services: readonly ServiceDraft[]): unknown {
  const from = once(
    callers.map(({ namespace, serviceAccount }) => {
      const same = services.filter((each) => each.namespace === namespace && (each.fields.serviceAccount ?? each.name) === serviceAccount);
      const [only] = same;
      return only && same.length === 1 ? only.name : { namespace, serviceAccount };
    }),
  );
  if (!methods && !paths && from.length === 1 && typeof from[0] === 'string') return from[0];
  return { from, ...present({ methods, paths: paths?.map((path) => ('exact' in path ? path.exact : path)) }) };
}

const once = <Item>(items: readonly Item[]): readonly Item[] => [...new Map(items.map((item) => [JSON.stringify(item), item])).values()];

export interface Written {
  readonly files: readonly SpecFile[];
  /** As they are read back. */
  readonly mesh: MeshSpec;
  readonly services: readonly ServiceSpec[];
  /** What was taken out: by the path of its file, the field, and why. */
  readonly removed: readonly SpecProblem[];
}

/** Throws when what is left is still no spec: that is a defect of the import. */
export function writeSpec(documents: ReadonlyMap<string, Document>): Written {
  const left = new Map(documents);
  const taken: SpecProblem[] = [];
  for (;;) {
    const files = [...left].map(
      ([path, document]): SpecFile => ({ path, text: stringify(document, { lineWidth: 0, aliasDuplicateObjects: false }) }),
    );
    const reading = readSpec(files);
    if (reading.ok) return { files, mesh: reading.mesh, services: reading.services, removed: taken };
    const [problem] = reading.problems;
    const document = problem && left.get(problem.file);
    const smaller = problem && document && without(document, problem.field);
    if (!problem || !document || (!smaller && document.kind !== 'Service'))
      throw new Error(`The import made no spec: ${JSON.stringify(reading.problems)}`);
    taken.push(problem);
    // A service whose port is none, say, is no service of a spec.
    if (smaller) left.set(problem.file, smaller);
    else left.delete(problem.file);
  }
}

const NEEDED = ['apiVersion', 'kind', 'name', 'port', 'dataPlanes'];

/**
 * Without `field`; `undefined` when a file cannot be without it. A condition never goes alone, since a route would match more and
 * an entry of `allow` allow more: those go whole.
 */
function without(document: Document, field: string): Document | undefined {
  const path = [...field.matchAll(/[^.[\]]+/g)].map(([segment]) => segment);
  const [key = '', , part] = path;
  if (NEEDED.includes(key) || !Object.hasOwn(document, key)) return undefined;
  const whole = key === 'allow' || (key === 'routes' && (part === undefined || part === 'match' || part === 'name'));
  // A field that is needed and is not there goes with what needs it.
  for (let length = whole ? Math.min(2, path.length) : path.length; length > 0; length -= 1) {
    const left = removed(document, path.slice(0, length));
    if (!isDeepStrictEqual(left, document)) return fieldsSchema.safeParse(left).data;
  }
  return undefined;
}

const fieldsSchema: z.ZodType<Document> = z.record(z.string(), z.unknown());

/** As far as there is something at the path. */
function removed(value: unknown, [segment, ...rest]: readonly string[]): unknown {
  if (segment === undefined) return value;
  if (Array.isArray(value))
    return value.flatMap((each: unknown, index) => (String(index) !== segment ? [each] : rest.length === 0 ? [] : [removed(each, rest)]));
  const fields = fieldsSchema.safeParse(value).data;
  if (!fields) return value;
  const entries = Object.entries(fields);
  const inner = fields[segment];
  // What is no longer there to be taken out is taken out with what holds it.
  const goes = rest.length === 0 || typeof inner !== 'object' || inner === null;
  return Object.fromEntries(entries.flatMap(([key, each]) => (key !== segment ? [[key, each]] : goes ? [] : [[key, removed(each, rest)]])));
}
