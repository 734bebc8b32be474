/** Routes of one service. */
import { z } from 'zod';
import { nameSchema } from '../spec/names.ts';
import { JOURNAL, reader, reason } from './asked-parts.ts';
import { type Access, defineRoute, PLAIN } from './route.ts';

const MAX_TEXT = 256;
const operator: Access = { kind: 'role', role: 'Operator', within: 'service' };
const service = z.object({ mesh: nameSchema, service: nameSchema });

export const serviceRoutes = {
  service: defineRoute({
    ...PLAIN,
    name: 'service',
    method: 'GET',
    path: 'meshes/{mesh}/services/{service}',
    summary: 'What one service is at.',
    access: reader('service'),
    params: service,
  }),
  serviceJournal: defineRoute({
    ...JOURNAL,
    name: 'serviceJournal',
    path: 'meshes/{mesh}/services/{service}/journal',
    summary: 'The journal of a service after a version, oldest first.',
    access: reader('service'),
    params: service,
  }),
  shadow: defineRoute({
    ...PLAIN,
    name: 'shadow',
    method: 'GET',
    path: 'meshes/{mesh}/services/{service}/shadow',
    summary: 'What a service in `mtls: shadow` would have refused, as it was seen last.',
    access: reader('service'),
    params: service,
  }),
  lookAtShadow: defineRoute({
    ...PLAIN,
    name: 'lookAtShadow',
    method: 'POST',
    path: 'meshes/{mesh}/services/{service}/shadow',
    summary: 'What a service in `mtls: shadow` would have refused, looked at now.',
    access: operator,
    params: service,
  }),
  startRollout: defineRoute({
    ...PLAIN,
    name: 'startRollout',
    method: 'POST',
    path: 'meshes/{mesh}/services/{service}/rollout',
    summary: 'Asks for a version of a service; `again` also if it was taken back.',
    access: operator,
    params: service,
    body: z.object({
      version: z.string().max(MAX_TEXT),
      digest: z.string().max(MAX_TEXT).optional(),
      again: z.boolean().default(false),
    }),
    wrong: { reason: 'NotARequest', message: 'Send {"version": "<label>"}, and "digest" or "again" where you need them.' },
    idempotent: true,
  }),
  stepIn: defineRoute({
    ...PLAIN,
    name: 'stepIn',
    method: 'POST',
    path: 'meshes/{mesh}/services/{service}/rollout/{action}',
    summary: 'Pauses, resumes, promotes or aborts the rollout of a service.',
    access: operator,
    params: service.extend({ action: z.enum(['pause', 'resume', 'promote', 'abort']) }),
    unknown: { reason: 'UnknownAction', message: 'Ask for pause, resume, promote or abort, of a service by its name.' },
    body: z.object({ reason, force: z.boolean().exactOptional() }).prefault({}),
    wrong: {
      reason: 'NotARequest',
      message:
        'Send nothing, or {"reason": "<text>"}, and "force": true to abort onto a dead stable version, or to wait no longer for a way back.',
    },
    idempotent: true,
  }),
};
