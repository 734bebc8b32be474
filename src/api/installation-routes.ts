/** Routes of the installation as a whole, and those by which Azure, pipelines and the xds server tell it something. */
import { z } from 'zod';
import { nameSchema } from '../spec/names.ts';
import { isTrue, open, page, reader } from './asked-parts.ts';
import { defineRoute, PLAIN } from './route.ts';

const MAX_TEXT = 256;
/** A blob's name in base64. */
const MAX_LETTER_ID = 1_500;
const unknownLetter = {
  reason: 'UnknownLetter',
  message: 'There is no such dead letter (any more); GET /dead-letters lists what there is.',
};
const scope = z.object({ mesh: nameSchema.exactOptional(), service: nameSchema.exactOptional() });
const notAScope = { reason: 'NotAScope', message: 'Send nothing, or "mesh" and "service" to look at these alone.' };

export const installationRoutes = {
  page: defineRoute({
    ...PLAIN,
    name: 'page',
    method: 'GET',
    path: '{ignored:maxlength(0)?}',
    summary: 'The page, as HTML.',
    access: open('It holds no data; it asks for them as whoever looks at it.'),
  }),
  health: defineRoute({
    ...PLAIN,
    name: 'health',
    method: 'GET',
    path: 'health',
    summary: 'Whether this instance reaches its state.',
    access: open('It tells how many meshes there are, and no more.'),
  }),
  openapi: defineRoute({
    ...PLAIN,
    name: 'openapi',
    method: 'GET',
    path: 'openapi.json',
    summary: 'This description of every route, in OpenAPI 3.1.',
    access: open('It says what may be asked, as the sources do, and holds no data.'),
  }),
  status: defineRoute({
    ...PLAIN,
    name: 'status',
    method: 'GET',
    path: 'status',
    summary: 'What every service is at.',
    access: reader('shown'),
  }),
  overview: defineRoute({
    ...PLAIN,
    name: 'overview',
    method: 'GET',
    path: 'overview',
    summary: "What every service and every mesh's certificates are at, and the newest of all journals.",
    access: reader('shown'),
  }),
  metrics: defineRoute({
    ...PLAIN,
    name: 'metrics',
    method: 'GET',
    path: 'metrics',
    summary: 'What a Prometheus scrapes, in text format 0.0.4.',
    access: { kind: 'role', role: 'Reader', within: 'installation', door: 'metrics' },
  }),
  apply: defineRoute({
    ...PLAIN,
    name: 'apply',
    method: 'POST',
    path: 'apply',
    summary: "Adopts a mesh's whole spec, or says everything that is wrong with it and changes nothing.",
    access: { kind: 'role', role: 'Admin', within: 'asked' },
    body: z.object({
      files: z
        .array(z.object({ path: z.string().max(512), text: z.string() }))
        .min(1)
        .max(2_000),
      acceptRefusals: z.boolean().exactOptional(),
    }),
    wrong: { reason: 'NotASpec', message: 'Send {"files": [{"path", "text"}]} with every file of one mesh.' },
  }),
  drift: defineRoute({
    ...PLAIN,
    name: 'drift',
    method: 'GET',
    path: 'drift',
    summary: 'Whether data planes have what was decided, as it was seen last.',
    access: reader('shown'),
    query: scope,
    wrong: notAScope,
  }),
  lookForDrift: defineRoute({
    ...PLAIN,
    name: 'lookForDrift',
    method: 'POST',
    path: 'drift',
    summary: 'Whether data planes have what was decided, looked at now; what nobody else owns is put back.',
    access: { kind: 'role', role: 'Operator', within: 'asked' },
    body: scope.prefault({}),
    wrong: notAScope,
  }),
  parked: defineRoute({
    ...PLAIN,
    name: 'parked',
    method: 'GET',
    path: 'parked',
    summary: 'Deliveries that nobody could act on, from a time on.',
    access: reader('installation'),
    query: page(1_000, 100),
    wrong: { reason: 'NotAPage', message: 'Give after in epoch milliseconds, and limit as a number up to 1,000.' },
  }),
  parkedOne: defineRoute({
    ...PLAIN,
    name: 'parkedOne',
    method: 'GET',
    path: 'parked/{id}',
    summary: 'One of them, with what came.',
    access: reader('installation'),
    params: z.object({ id: z.string().max(MAX_TEXT) }),
    unknown: { reason: 'UnknownDelivery', message: 'Nothing is parked under this id; GET /parked lists what is.' },
  }),
  deadLetters: defineRoute({
    ...PLAIN,
    name: 'deadLetters',
    method: 'GET',
    path: 'dead-letters',
    summary: 'What came and was not acted on: parked, not delivered by Event Grid, or failed each time it was tried.',
    access: reader('installation'),
  }),
  deadLetter: defineRoute({
    ...PLAIN,
    name: 'deadLetter',
    method: 'GET',
    path: 'dead-letters/{id}',
    summary: 'One of them, with what came.',
    access: reader('installation'),
    params: z.object({ id: z.string().max(MAX_LETTER_ID) }),
    unknown: unknownLetter,
  }),
  sendAgain: defineRoute({
    ...PLAIN,
    name: 'sendAgain',
    method: 'POST',
    path: 'dead-letters/{id}/send',
    summary: 'Takes one of them as if it came now; it is removed from where it lay, unless nothing can be done with it again.',
    access: { kind: 'role', role: 'Operator', within: 'installation' },
    params: z.object({ id: z.string().max(MAX_LETTER_ID) }),
    unknown: unknownLetter,
  }),
};

export const deliveryRoutes = {
  events: defineRoute({
    ...PLAIN,
    name: 'events',
    method: 'POST',
    path: 'events',
    summary: 'Takes one event, in CloudEvents or Event Grid schema; `again` insists on a version that was taken back.',
    access: { kind: 'role', role: 'Operator', within: 'installation', door: 'events' },
    query: z.object({ again: isTrue }),
    body: z.unknown(),
    wrong: { reason: 'NotARequest', message: 'Say again=true, or nothing.' },
  }),
  alerts: defineRoute({
    ...PLAIN,
    name: 'alerts',
    method: 'POST',
    path: 'alerts',
    summary: 'Takes one alert of Azure Monitor, in the common alert schema.',
    access: { kind: 'role', role: 'Operator', within: 'installation', door: 'alerts' },
    body: z.unknown(),
  }),
  observations: defineRoute({
    ...PLAIN,
    name: 'observations',
    method: 'POST',
    path: 'observations',
    summary: 'Takes the hint that something was seen at a data plane; but for silent endpoints it carries no facts.',
    access: { kind: 'role', role: 'Operator', within: 'installation', door: 'observations' },
    body: z.object({
      mesh: z.string().max(63),
      services: z.array(z.string().max(63)).max(1_000),
      /** Endpoints that are silent and kept all the same (`at`: epoch ms). */
      silent: z
        .array(z.object({ dataPlane: z.string().max(63), service: z.string().max(63), text: z.string().max(500), at: z.number() }))
        .max(100)
        .default([]),
      /** Whom a workload trusts, or what it presents, was seen to be another. */
      trust: z.boolean().default(false),
    }),
    wrong: { reason: 'NotAHint', message: 'Send {"mesh", "services": []}.' },
  }),
};
