/** What a route tries out on its requests: a mirror that copies them to another version, and faults that delay or answer them. */
import { z } from 'zod';
import { duration, present } from './authored-fields.ts';
import { versionSchema } from './names.ts';
import { type Fault, type Mirror, percent } from './policy-schema.ts';

const ALL = 100;
const share = percent.optional().describe('Of the requests (100)');

export const authoredMirrorSchema = z
  .union([versionSchema, z.strictObject({ version: versionSchema, percent: share })], {
    error: 'give the version that gets the copies, such as `v2` or `{ version: v2, percent: 10 }`',
  })
  .transform(
    (written): Mirror =>
      typeof written === 'string' ? { version: written, percent: ALL } : { percent: ALL, ...present(written), version: written.version },
  );

const status = z.int().min(200).max(599);

const delay = z
  .union([duration(1), z.strictObject({ for: duration(1).describe('How long'), percent: share })], {
    error: 'give how long, such as `2s` or `{ for: 2s, percent: 10 }`',
  })
  .transform((written) =>
    typeof written === 'number' ? { ms: written, percent: ALL } : { ms: written.for, percent: written.percent ?? ALL },
  );

const abort = z
  .union([status, z.strictObject({ status: status.describe('The HTTP status of the answer, for gRPC too'), percent: share })], {
    error: 'give the status of the answer, such as `503` or `{ status: 503, percent: 10 }`',
  })
  .transform((written) =>
    typeof written === 'number' ? { status: written, percent: ALL } : { status: written.status, percent: written.percent ?? ALL },
  );

export const authoredFaultSchema = z
  .strictObject({
    delay: delay.optional().describe('They wait first'),
    abort: abort.optional().describe("They are answered in the service's place"),
  })
  .refine((written) => written.delay !== undefined || written.abort !== undefined, { error: 'give a `delay`, an `abort` or both' })
  .transform((written): Fault => present(written));
