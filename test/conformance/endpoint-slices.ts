/** What a controller would write of a Service's pods; none runs beside these API servers. */

/** The one EndpointSlice of a Service in `shop`: whether each of its pods, by name, is ready. */
export const endpointSlice = (service: string, pods: Readonly<Record<string, boolean>>) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: `${service}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': service } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080 }],
  endpoints: Object.entries(pods).map(([name, ready], index) => ({
    addresses: [`192.0.2.${7 + index}`],
    conditions: { ready },
    targetRef: { kind: 'Pod', name, namespace: 'shop' },
  })),
});
