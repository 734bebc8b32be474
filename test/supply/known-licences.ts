/** Licences that packages carry in their files and not in their manifests, as they were looked up. */
export const KNOWN_LICENCES: Readonly<Record<string, string>> = {
  // Its README says so.
  'semaphore@1.1.0': 'MIT',
};
