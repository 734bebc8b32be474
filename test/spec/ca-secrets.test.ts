/** Where the Istio add-on of AKS has its CA from: the names that `az aks mesh enable` was given, in a vault. */
import { describe, expect, it } from 'vitest';
import { readSpec } from '../../src/spec/read-spec.ts';

const read = (dataPlane: string) =>
  readSpec([
    {
      path: 'shop.yaml',
      text: `apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ndataPlanes:\n  - { name: west, kind: istio, ${dataPlane} }\n`,
    },
  ]);
const secretsOf = (dataPlane: string) => {
  const reading = read(dataPlane);
  if (!reading.ok) throw new Error(JSON.stringify(reading.problems));
  const [west] = reading.mesh.dataPlanes;
  return west?.kind === 'istio' ? west.caSecrets : undefined;
};
const problemsOf = (dataPlane: string) => {
  const reading = read(dataPlane);
  return reading.ok ? [] : reading.problems.map(({ message }) => message);
};
const vault = 'vault: "https://shop.vault.azure.net"';

describe('caSecrets', () => {
  it('has the names of the documentation unless it says others', () => {
    const named = {
      vault: 'https://shop.vault.azure.net',
      rootCert: 'root-cert',
      caCert: 'ca-cert',
      caKey: 'ca-key',
      certChain: 'cert-chain',
    };
    expect(secretsOf(`revision: asm-1-26, caSecrets: { ${vault} }`)).toEqual(named);
    expect(secretsOf(`controlPlaneNamespace: aks-istio-system, caSecrets: { ${vault}, caKey: shop-key }`)).toEqual({
      ...named,
      caKey: 'shop-key',
    });
  });

  it.each([
    [`caSecrets: { ${vault} }`, /only the add-on of AKS takes its CA from secrets/],
    ['revision: asm-1-26, caSecrets: {}', /give the address of a Key Vault/],
    ['revision: asm-1-26, caSecrets: { vault: "https://shop.vault.azure.net/secrets/x" }', /alone, without a path/],
    [`revision: asm-1-26, caSecrets: { ${vault}, caKey: "a/b" }`, /the name of a Key Vault secret/],
    [`revision: asm-1-26, caSecrets: { ${vault}, caKey: CA-CERT }`, /four secrets that differ/],
    [`revision: asm-1-26, caSecrets: { ${vault}, certChain: ca-key-next }`, /where the next issuer waits/],
  ])('is refused: %s', (dataPlane, message) => {
    expect(problemsOf(dataPlane)).toEqual([expect.stringMatching(message)]);
  });
});
