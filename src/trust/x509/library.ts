/** The X.509 library, after what it is wired with. Both take some 20 ms to load: whoever needs certificates imports them when it does. */
import 'reflect-metadata';
import { z } from 'zod';

export * as x509 from '@peculiar/x509';

const signatureSchema = z.object({ name: z.string(), hash: z.object({ name: z.string() }).optional() });

/** Such as `ECDSA with SHA-256`; of algorithms without a separate hash, their name. */
export function signatureName(algorithm: unknown): string {
  const { name, hash } = signatureSchema.parse(algorithm);
  return hash ? `${name} with ${hash.name}` : name;
}
