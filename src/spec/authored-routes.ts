/** How routes, time-outs and retries are written. They can say what a plan can say (`src/plan/plan.ts`), and no more. */
import { z } from 'zod';
import { duration, eachOnce, headerName, httpMethods, present } from './authored-fields.ts';
import { authoredFaultSchema, authoredMirrorSchema } from './authored-trials.ts';
import { nameSchema, versionSchema } from './names.ts';
import { re2Problem } from './re2.ts';
import { RETRY_CONDITIONS, type RetriesSpec, type RouteSpec } from './schema.ts';

/** The plan's own last route. */
const LAST_ROUTE = 'default';

/** Only what no backend has begun to work on: the default must not do anything twice. */
const DEFAULT_RETRY_ON: RetriesSpec['on'] = ['connect-failure', 'refused-stream'];

export const timeout = duration(1);

const attempts = z.int().min(0).max(10);

export const authoredRetriesSchema = z
  .union(
    [
      attempts,
      z.strictObject({
        attempts: attempts.describe('Retries after the first try; 0 for none'),
        perTryTimeout: timeout.optional().describe('How long one try may take'),
        on: z.array(z.enum(RETRY_CONDITIONS)).min(1).optional().describe('What is tried again (connect-failure, refused-stream)'),
      }),
    ],
    { error: 'give how often to retry, such as `2` or `{ attempts: 2, perTryTimeout: 1s }`' },
  )
  .transform((written): RetriesSpec => {
    const retries = typeof written === 'number' ? { attempts: written } : written;
    const { perTryTimeout, on } = { perTryTimeout: undefined, on: undefined, ...retries };
    return { attempts: retries.attempts, ...present({ perTryTimeoutMs: perTryTimeout }), on: [...new Set(on ?? DEFAULT_RETRY_ON)].sort() };
  });

/** A try that may outlast the whole request is a slip of the pen. */
export function checkTryFitsRequest(
  written: { timeout?: number | undefined; retries?: RetriesSpec | undefined },
  context: z.RefinementCtx,
): void {
  const perTry = written.retries?.perTryTimeoutMs;
  if (perTry !== undefined && written.timeout !== undefined && perTry > written.timeout) {
    context.addIssue({
      code: 'custom',
      path: ['retries', 'perTryTimeout'],
      message: 'one try may not take longer than `timeout`, which covers all of them',
    });
  }
}

const regex = z
  .string()
  .min(1)
  .max(1024)
  .superRefine((pattern, context) => {
    const problem = re2Problem(pattern);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: `this is no RE2 expression: ${problem}` });
  });

export const path = z
  .string()
  .max(1024)
  .regex(/^\//, { error: 'a path begins with `/`' })
  .regex(/^[^?#]*$/, { error: 'a path is what stands before `?` and `#`: neither is ever part of one' });

export const pathMatch = z
  .strictObject(
    { exact: path.optional(), prefix: path.optional(), regex: regex.optional() },
    { error: notAnObject('`exact`, `prefix` or `regex`, such as `{ prefix: /beta }`') },
  )
  .transform(({ exact, prefix, regex: pattern }, context) => {
    const given = [
      ...(exact === undefined ? [] : [{ exact }]),
      ...(prefix === undefined ? [] : [{ prefix }]),
      ...(pattern === undefined ? [] : [{ regex: pattern }]),
    ];
    return exactlyOne(given, '`exact`, `prefix` and `regex`', context);
  });

const headerValue = z.string().max(1024);

const headerMatch = z
  .union(
    [
      headerValue,
      z.strictObject({
        exact: headerValue.optional(),
        prefix: headerValue.min(1).optional(),
        regex: regex.optional(),
        present: z.boolean().optional(),
      }),
    ],
    { error: 'give the value of the header, or one of `exact`, `prefix`, `regex` and `present`' },
  )
  .transform((written, context) => {
    if (typeof written === 'string') return { exact: written };
    const { exact, prefix, regex: pattern, present: there } = written;
    const given = [
      ...(exact === undefined ? [] : [{ exact }]),
      ...(prefix === undefined ? [] : [{ prefix }]),
      ...(pattern === undefined ? [] : [{ regex: pattern }]),
      ...(there === undefined ? [] : [{ present: there }]),
    ];
    return exactlyOne(given, '`exact`, `prefix`, `regex` and `present`', context);
  });

const headers = z
  .record(headerName, headerMatch)
  .superRefine((written, context) => {
    const names = Object.keys(written);
    for (const name of names) {
      const twin = names.find((other) => other < name && other.toLowerCase() === name.toLowerCase());
      if (twin !== undefined)
        context.addIssue({ code: 'custom', path: [name], message: `this is the same header as \`${twin}\`; one condition a header` });
    }
  })
  .transform((written) =>
    Object.entries(written)
      .map(([name, match]) => ({ name: name.toLowerCase(), ...match }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  );

const match = z
  .strictObject({
    path: pathMatch.optional(),
    methods: httpMethods.optional().describe('Any of them'),
    headers: headers.optional().describe('All of them; a plain text is an exact match'),
  })
  .superRefine((written, context) => {
    const empty = written.path === undefined && written.methods === undefined && (written.headers ?? []).length === 0;
    if (empty)
      context.addIssue({
        code: 'custom',
        message: 'say what the route matches: without a path, methods or headers it would hide every route after it',
      });
  })
  .transform(({ path: at, methods, headers: where }) => ({
    ...present({ path: at, methods }),
    ...(where === undefined || where.length === 0 ? {} : { headers: where }),
  }));

const route = z
  .strictObject({
    name: nameSchema.refine((name) => name !== LAST_ROUTE, {
      error: `\`${LAST_ROUTE}\` is the route for everything else; choose another name`,
    }),
    match: match.describe('All given conditions must hold'),
    version: versionSchema.optional().describe('Pins the route to this version, whatever a rollout does'),
    timeout: timeout.optional().describe('The whole request, retries included'),
    retries: authoredRetriesSchema.optional(),
    mirror: authoredMirrorSchema.optional().describe('Another version gets a copy of the requests; nobody waits for its answers'),
    fault: authoredFaultSchema.optional().describe('What is done to requests before they are sent'),
  })
  .superRefine(checkTryFitsRequest)
  .superRefine(({ version, mirror }, context) => {
    if (mirror !== undefined && mirror.version === version) {
      const message = `the route sends its requests to \`${version}\` already; mirror them to another version`;
      context.addIssue({ code: 'custom', path: ['mirror'], message });
    }
  })
  .transform(
    ({ name, match: conditions, version, timeout: limit, retries, mirror, fault }): RouteSpec => ({
      name,
      match: conditions,
      ...present({ version, timeoutMs: limit, retries, mirror, fault }),
    }),
  );

export const authoredRoutesSchema = z
  .array(route)
  .max(100)
  .superRefine(eachOnce((each) => each.name, ['name'], 'each route needs a name of its own'));

function exactlyOne<Match>(given: readonly Match[], choices: string, context: z.RefinementCtx): Match {
  const [first, second] = given;
  if (first !== undefined && second === undefined) return first;
  context.addIssue({ code: 'custom', message: `give exactly one of ${choices}` });
  return z.NEVER;
}

function notAnObject(what: string) {
  return (issue: { code?: string | undefined }): string | undefined => (issue.code === 'invalid_type' ? `give ${what}` : undefined);
}
