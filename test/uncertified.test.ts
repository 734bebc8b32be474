/** Meshes whose certificates this version cannot rotate: refused by the name of what keeps it from that, before anything is adopted. */
import { describe, expect, it } from 'vitest';
import { MemoryVault } from '../src/adapters/memory-vault.ts';
import { namedTrust } from '../src/data-planes.ts';
import { envoyDataPlane } from '../src/dataplanes/envoy/observe.ts';
import { World } from './world.ts';

const nobody = async () => undefined;

function world(): World {
  const made: World = new World({
    connect: (_mesh, { name }) => envoyDataPlane(made.documents, name, () => {}),
    trust: {
      refusal: () => undefined,
      vault: async () => new MemoryVault(),
      connect: namedTrust(nobody),
      tokens: { attest: () => Promise.reject(new Error('Nobody comes for a leaf.')) },
      random: (bytes) => new Uint8Array(bytes),
    },
  });
  return made;
}

const mesh = (dataPlane: string) => ({
  path: 'shop.yaml',
  text: `apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ncertificates: {}\ndataPlanes:\n  - { name: west, ${dataPlane} }\n`,
});
const cluster = 'cluster: { kubeconfigSetting: WEST_KUBECONFIG }';

describe('certificates', () => {
  it.each([
    `kind: istio, ${cluster}`,
    `kind: istio, revision: asm-1-26, caSecrets: { vault: "https://shop.vault.azure.net" }, ${cluster}`,
    `kind: linkerd, ${cluster}`,
    'kind: consul, address: "http://127.0.0.1:1", defaultPolicy: deny',
  ])('are rotated: %s', async (dataPlane) => {
    expect(await world().app.apply([mesh(dataPlane)], { actor: 'kim' })).toMatchObject({ ok: true });
  });

  it.each([
    [
      `kind: istio, controlPlaneNamespace: aks-istio-system, ${cluster}`,
      /the Istio add-on of AKS .* Key Vault: name it by `caSecrets: \{ vault: https:\/\/… \}` of west; leave `certificates` out/i,
    ],
    [`kind: gateway-api, ${cluster}`, /certificates of gateway-api yet; leave `certificates` out, or have west in a mesh of its own/],
    [
      `kind: osm, ${cluster}`,
      /CA of Open Service Mesh is not rotated: .* in place of its own and never beside it.*`meshwright import`.*; leave `certificates` out/,
    ],
  ])('of what is named are not: %s', async (dataPlane, message) => {
    const applied = await world().app.apply([mesh(dataPlane)], { actor: 'kim' });
    expect(applied.ok ? [] : applied.problems.map((problem) => problem.message)).toEqual([expect.stringMatching(message)]);
  });
});
