/**
 * ServiceEntries (networking.istio.io) as the `egress` of services. A ServiceEntry says what there is outside; a spec says who calls it:
 * where more than one service could be meant, people are asked.
 */
import { type ImportContext, ofKind } from './draft.ts';
import { reading } from './findings.ts';
import { serviceEntrySchema } from './istio-schema.ts';
import type { SourceObject } from './objects.ts';

/** Of the objects that this control plane wrote itself. */
const OWN_LABEL = 'meshwright.dev/service';
const PROTOCOLS: Readonly<Record<string, 'http' | 'tls'>> = { HTTP: 'http', HTTP2: 'http', GRPC: 'http', TLS: 'tls', HTTPS: 'tls' };

/** After routes, so that the services of a namespace are known. */
export function importServiceEntries(context: ImportContext): void {
  for (const object of ofKind(context, 'networking.istio.io', 'ServiceEntry')) {
    const spec = reading(context.say, object, serviceEntrySchema);
    if (!spec) continue;
    if (spec.location === 'MESH_INTERNAL' || spec.resolution === 'STATIC') {
      context.say(object, 'not-imported', {
        field: 'spec',
        message: 'it adds workloads to the mesh, and a spec speaks of hosts outside of it',
      });
      continue;
    }
    const name = callerOf(context, object);
    if (!name) {
      const hosts = spec.hosts.map((host) => `\`${host}\``).join(', ');
      context.say(object, 'question', {
        into: 'egress',
        field: 'spec.hosts',
        message: `which services call ${hosts}? A spec says it with each: add \`egress\` to those`,
      });
      continue;
    }
    const draft = context.drafts.of(name);
    for (const host of spec.hosts)
      (spec.ports ?? []).forEach(({ number, protocol }, index) => {
        const about = { service: draft.name, into: `egress.${host}`, field: `spec.ports[${index}]` };
        const known = PROTOCOLS[protocol.toUpperCase()];
        if (!known || host.includes('*')) {
          context.say(object, 'not-imported', {
            ...about,
            message: `\`${host}\` by ${protocol}: a spec names hosts called by HTTP or TLS, one by one`,
          });
          return;
        }
        draft.egress.push({ host, port: number, protocol: known });
        context.say(object, 'imported', about);
      });
  }
}

function callerOf(context: ImportContext, object: SourceObject): { readonly namespace: string; readonly name: string } | undefined {
  const own = object.labels[OWN_LABEL];
  if (own !== undefined) return { namespace: object.namespace, name: own };
  const there = context.drafts.all().filter(({ namespace }) => namespace === object.namespace);
  return there.length === 1 ? there[0] : undefined;
}
