/** The `Mesh` file as people write it, and what it means once shorthands are gone. */
import { z } from 'zod';
import { authoredCertificatesSchema } from './authored-certificates.ts';
import { authoredDataPlaneSchema } from './authored-data-planes.ts';
import { API_VERSION, eachOnce, present } from './authored-fields.ts';
import { authoredMtlsSchema } from './authored-security.ts';
import { authoredTelemetrySchema } from './authored-telemetry.ts';
import { domainSchema, nameSchema } from './names.ts';
import type { MeshSpec } from './schema.ts';

const webhookSetting = z
  .string()
  .max(128)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, {
    error:
      'give the name of the app setting that holds the webhook URL, such as `TEAMS_WEBHOOK`; the URL itself is a secret and has no place in Git',
  });

const team = z
  .union([nameSchema, z.strictObject({ name: nameSchema })])
  .transform((written) => (typeof written === 'string' ? { name: written } : written));

export const authoredMeshSchema = z
  .strictObject({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal('Mesh'),
    name: nameSchema.describe('What events, alerts and people call the mesh'),
    trustDomain: domainSchema.optional().describe('The SPIFFE trust domain of its identities (cluster.local)'),
    dataPlanes: z
      .array(authoredDataPlaneSchema)
      .min(1)
      .max(100)
      .superRefine(eachOnce((plane) => plane.name, ['name'], 'each data plane needs a name of its own'))
      .describe('Where its services run'),
    teams: z
      .array(team)
      .max(1000)
      .superRefine(eachOnce((entry) => entry.name, [], 'name each team once'))
      .optional()
      .describe('The teams a service may name as its owner; without it any name is taken'),
    mtls: authoredMtlsSchema
      .optional()
      .describe('Of every service that does not say otherwise; without it data planes do what they do by themselves'),
    certificates: authoredCertificatesSchema
      .optional()
      .describe('Where certificates of its workloads come from; left out: not from meshwright'),
    telemetry: authoredTelemetrySchema.optional().describe('Of every service that does not say otherwise'),
    channels: z
      .strictObject({ teams: z.strictObject({ webhookSetting }).optional().describe('Cards to a Microsoft Teams workflow') })
      .optional()
      .describe('Where people are told'),
  })
  .transform(({ name, trustDomain, dataPlanes, teams, channels, mtls, telemetry, certificates }) => {
    const spec: MeshSpec = {
      name,
      ...present({ trustDomain }),
      dataPlanes,
      teams: teams ?? [],
      channels: present({ teams: channels?.teams }),
      ...(certificates ? { certificates: { ...certificates, name: certificates.name ?? `${name}-root` } } : {}),
    };
    return { spec, mtls, telemetry };
  });

/** The mesh, and what its services have where they do not say otherwise. */
export type WrittenMesh = z.output<typeof authoredMeshSchema>;
