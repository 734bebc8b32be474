/**
 * mTLS between Envoys: what a node's identity is read from, and the transport sockets of both sides. The files of an identity
 * are SDS responses (`default.yaml`: leaf and key, `bundle.yaml`: trust bundle) that Envoy reads again whenever a file is moved
 * into their directory. Where the mesh's roots are known to who serves it, the bundle comes over ADS instead; keys never do. Formats: envoy.extensions.transport_sockets.tls.v3, SPIFFE ids as Kubernetes meshes write them.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { PlannedSecurity } from '../../plan/plan.ts';
import type { EnvoyResource, Identity } from './resources.ts';

const BUNDLE = 'bundle';

/** `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`. */
export function spiffeId(trustDomain: string, workload: { readonly namespace: string; readonly serviceAccount: string }): string {
  return `spiffe://${trustDomain}/ns/${workload.namespace}/sa/${workload.serviceAccount}`;
}

/** For calls to a service: only its own identity is spoken to. */
export function upstreamTls(identity: Identity, namespace: string, { trustDomain, serviceAccount }: PlannedSecurity): JsonObject {
  const id = spiffeId(trustDomain, { namespace, serviceAccount });
  return tlsSocket('UpstreamTlsContext', {
    common_tls_context: {
      ...ownCertificate(identity),
      combined_validation_context: {
        default_validation_context: { match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: id } }] },
        validation_context_sds_secret_config: bundle(identity),
      },
    },
  });
}

/** For calls that come in: every caller shows a certificate of the bundle; which ones may call is not said here. */
export function downstreamTls(identity: Identity): JsonObject {
  return tlsSocket('DownstreamTlsContext', {
    common_tls_context: { ...ownCertificate(identity), validation_context_sds_secret_config: bundle(identity) },
    require_client_certificate: true,
  });
}

function ownCertificate(identity: Identity): JsonObject {
  return {
    // Both sides are Envoys.
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    tls_certificate_sds_secret_configs: [fromFile(identity, 'default')],
  };
}

/** For calls to a host outside the mesh: one that any authority of the file vouches for by its name. */
export function tlsOfTheWeb(host: string, authorities: string): JsonObject {
  return tlsSocket('UpstreamTlsContext', {
    sni: host,
    common_tls_context: {
      validation_context: {
        trusted_ca: { filename: authorities },
        match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: host } }],
      },
    },
  });
}

/** The roots to trust, as PEM: what `bundle` of a served identity names. */
export function bundleSecret(roots: readonly string[]): EnvoyResource {
  return { type: 'secret', name: BUNDLE, json: { name: BUNDLE, validation_context: { trusted_ca: { inline_string: roots.join('\n') } } } };
}

function bundle(identity: Identity): JsonObject {
  if (identity.bundle === undefined) return fromFile(identity, BUNDLE);
  // 0: nothing is used before it is known whom to trust, however long that takes.
  return { name: BUNDLE, sds_config: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' } };
}

function fromFile({ directory }: Identity, name: 'default' | typeof BUNDLE): JsonObject {
  const path = { path: `${directory}/${name}.yaml`, watched_directory: { path: directory } };
  return { name, sds_config: { path_config_source: path, resource_api_version: 'V3' } };
}

function tlsSocket(context: 'UpstreamTlsContext' | 'DownstreamTlsContext', content: JsonObject): JsonObject {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: { '@type': `type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.${context}`, ...content },
  };
}
